"""Rules that need no tuning, on problems where what a learning rate does is known."""

from __future__ import annotations

import pytest

from analysis.record.exhibits import check_exhibit
from benchmarks.errors import StepscapeError
from benchmarks.exhibits.tuning_free import TuningFree

BOWL, STEEP = "quadratic(dim=5, condition=10.0)", "discus"


@pytest.fixture(scope="module")
def asked():
    """Two rules, one of them far beyond what is stable, on a bowl, and on one where gradient descent never is."""
    question = TuningFree(
        on=[BOWL, STEEP],
        optimizers=["prodigy", "sgd"],
        settings={"sgd": {"lr": 3.0}},
        references=["sgd"],
        grid=(16, 2),
        seeds=4,
        steps=50,
    )
    answer = question.answer(None)
    check_exhibit("tuning-free", answer.tables, answer.facts)
    return answer


@pytest.mark.slow
def test_a_learning_rate_beyond_what_is_stable_is_counted_as_diverged(asked) -> None:
    shares = asked.tables["shares"].set_index("method")
    assert shares.loc["sgd", ["problems", "diverged", "near"]].tolist() == [1, 1, 0]  # lr 3, and 2 is the edge
    assert shares.loc["sgd", "regret"] == float("inf")
    assert shares.loc[["prodigy", "sgd, its defaults"], "diverged"].tolist() == [0, 0]


@pytest.mark.slow
def test_what_a_range_test_suggests_is_below_the_edge_of_stability(asked) -> None:
    rates = asked.tables["rates"]
    assert (rates["lr"] < 2.0).all()
    assert len(rates) == 3 * 4  # three suggestions for every test seed


@pytest.mark.slow
def test_nothing_of_the_reference_is_far_below_the_best_point_of_its_landscape(asked) -> None:
    regrets = asked.tables["regrets"]
    assert (regrets[regrets["kind"] != "rule"]["regret"] > 0.5).all()  # other seeds chose the point, of a grid
    assert asked.tables["optima"]["best"].all()


@pytest.mark.slow
def test_a_problem_on_which_every_point_of_the_landscape_diverges_has_no_optimum(asked) -> None:
    assert asked.facts.without == (STEEP,)
    assert set(asked.tables["regrets"]["problem"]) == {BOWL}
    with pytest.raises(StepscapeError, match=f"finished on {STEEP}"):
        TuningFree(on=[STEEP], optimizers=[], references=["sgd"], grid=(3, 2), seeds=2, steps=50).answer(None)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"references": ["torch:SGD"]}, "a range test needs a rule of ours"),
        ({"settings": {"prodigy": {"rate": 1.0}}}, "prodigy has no rate; it has lr"),
        ({"on": ["digits-convnet"]}, "is trained natively"),
        ({"optimizers": ["prodigi"]}, "did you mean 'prodigy'"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_before_anything_is_trained(options, words) -> None:
    with pytest.raises(StepscapeError, match=words):
        TuningFree(**options).problems(None)
