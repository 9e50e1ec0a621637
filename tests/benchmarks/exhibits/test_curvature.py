"""The question of curvature, asked of problems whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.answers import ANSWERS
from analysis.answers.curvature import curvature_reading
from analysis.record.exhibits import Exhibit, check_exhibit
from benchmarks.errors import UsageError
from benchmarks.exhibits import make_question
from benchmarks.record.folder import RecordFolder
from benchmarks.running.exhibit import run_exhibit

OPTIONS = {
    "on": ["quadratic(dim=4, condition=3, noise='none')", "rosenbrock"],
    "optimizers": ["sgd", "momentum", "rmsprop", "signsgd"],
    "evaluations": 3,
}


SHORT = {"evaluations": 2, "steps": 10, "seeds": 1}


@pytest.fixture(scope="module")
def exhibit(tmp_path_factory):
    """The answer as a record holds it."""
    record = RecordFolder(tmp_path_factory.mktemp("curvature"))
    record.exhibit("curvature").parent.mkdir(parents=True)
    run_exhibit(make_question("curvature", OPTIONS), 0, record, None)
    return Exhibit.load(record.exhibit("curvature"))


@pytest.mark.slow
def test_on_a_quadratic_the_predicted_boundary_is_where_runs_of_gradient_descent_stop_descending(exhibit):
    table = exhibit.table("boundary").set_index(["problem", "optimizer"]).loc[OPTIONS["on"][0]]
    for optimizer, limit in (("sgd", 2.0), ("momentum", 3.8)):
        row = table.loc[optimizer]
        assert row["sharpness"] == pytest.approx(1, rel=1e-12)
        assert row["predicted_lr"] == pytest.approx(limit, rel=1e-4)
        assert row["measured_lr"] == pytest.approx(limit, rel=0.03)  # the grid is as fine as 1.6%


@pytest.mark.slow
def test_along_runs_on_a_quadratic_curvature_stays_and_the_edge_is_the_share_of_the_limit(exhibit):
    runs = exhibit.table("runs")
    descent = runs[(runs["problem"] == OPTIONS["on"][0]) & (runs["optimizer"] == "sgd")]
    np.testing.assert_allclose(descent["sharpness"], 1, rtol=1e-9)
    np.testing.assert_allclose(descent["edge"], descent["lr"] / 2, rtol=1e-4)
    assert (descent["critical"] <= 1.01).all()  # a mean of eigenvalues is at most the largest


@pytest.mark.slow
def test_at_rosenbrocks_start_the_hessian_is_the_one_by_hand_and_the_sign_has_no_preconditioner(exhibit):
    table = exhibit.table("boundary").set_index(["problem", "optimizer"]).loc["rosenbrock"]
    by_hand = np.linalg.eigvalsh([[1200 * 1.44 - 400 + 2, 480], [480, 200]])[-1]
    assert table.loc["sgd", "sharpness"] == pytest.approx(by_hand, rel=1e-12)
    assert np.isnan(table.loc["signsgd", ["preconditioned", "limit", "predicted_lr"]].astype(float)).all()
    assert table.loc["signsgd", "critical_lr"] > 0
    check_exhibit("curvature", {name: exhibit.table(name) for name in ("boundary", "runs")}, exhibit.facts)


@pytest.mark.slow
def test_the_part_says_what_each_rule_makes_of_the_prediction(exhibit):
    part = ANSWERS["curvature"](exhibit)
    said = " ".join(part.answer)
    assert "gradient descent" in said
    assert "RMSProp" in said
    assert {name for plate in part.plates for name in plate.panels} == {
        name for plate in part.plates for name in plate.finds
    }


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"on": ["digits-convnet"]}, "trained natively"),
        ({"on": ["reddi-online"]}, "linear"),
        ({"on": ["ellipse"], "optimizers": ["torch:Adam"]}, "foreign"),
        ({"on": ["ellipse"], "optimizers": ["schedule-free-sgd"]}, "average of its path"),
    ],
)
def test_who_cannot_answer_is_refused_before_anything_is_trained(options, says):
    with pytest.raises(UsageError, match=rf"{says}.* can answer"):
        make_question("curvature", options).problems(None)


@pytest.mark.slow
def test_a_rule_without_a_preconditioner_or_a_stable_rate_nearby_is_answered_by_critical_rates_alone():
    answer = make_question("curvature", {"on": ["phase-retrieval"], "optimizers": ["dog"], **SHORT}).answer(None)
    row = answer.tables["boundary"].iloc[0]
    assert np.isnan(row["predicted_lr"])
    assert row["largest_stable_lr"] < row["measured_lr"] < row["first_unstable_lr"]
    assert answer.facts.measured_over_predicted == {}
    said = curvature_reading(answer.facts)
    assert len(said) == 1
    assert "all there is where a rule has no preconditioner" in said[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["curvature", "effective-rates"])
def test_the_time_that_is_said_grows_with_what_is_asked(name):
    one = make_question(name, {"on": ["ellipse"], "optimizers": ["sgd"]}).estimate(None)
    five = make_question(name, {"on": ["ellipse"], "optimizers": ["sgd"] * 5}).estimate(None)
    assert 0.1 < one < five < 60
