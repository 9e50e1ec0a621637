"""The book's numbers beside ours, and the two codes they come from."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from analysis.statistics.bootstrap import spread
from benchmarks.exhibits.printed import EXACT, NEWTON, NOISY, REGRESSION
from benchmarks.exhibits.regression import BookRegression
from problems.regression import Airfoil

pytestmark = pytest.mark.slow  # exhibits are measured whole


@pytest.fixture(scope="module")
def numbers(answer_of):
    return answer_of("numbers").tables["numbers"]


def test_every_printed_number_of_the_ellipse_comes_out_exactly(numbers):
    ellipse = numbers[numbers["problem"] == "ellipse"]
    assert len(ellipse) == 14
    assert set(ellipse["verdict"]) == {"exact"}


def test_of_the_deterministic_numbers_only_the_single_precision_one_differs_and_says_why(numbers):
    exact = numbers[numbers["kind"] == "exact"].set_index("run")
    differing = exact[exact["verdict"] != "exact"]
    assert list(differing.index) == ["gd wave single"]
    assert "single precision" in differing["reason"].iloc[0]
    assert differing["ours"].iloc[0] == pytest.approx(-1.528165, abs=2e-6)


def test_rmsprop_on_the_ellipse_ends_at_the_recorded_double(numbers):
    ours = numbers[numbers["run"] == "rmsprop 0.4"].set_index("quantity")["ours"]
    assert ours["x1"] == pytest.approx(-0.01059867213411372, rel=1e-12)
    assert ours["x2"] == pytest.approx(0, abs=1e-12)


def test_a_printed_loss_lies_among_the_losses_of_our_seeds(numbers):
    losses = numbers[(numbers["quantity"] == "loss")]
    assert set(losses["kind"]) == {"distribution"}
    assert (losses["verdict"] == "inside").mean() >= 0.7  # a dozen seeds span less than the 90% range
    assert losses["place"].between(0, 1).all()


def test_a_verdict_of_difference_always_gives_its_reason(numbers):
    differs = numbers["verdict"] == "differs"
    assert (numbers["reason"] != "").equals(differs)


def test_the_facts_count_the_verdicts(answer_of, numbers):
    facts = answer_of("numbers").facts
    assert facts.numbers == len(numbers) == facts.exact + facts.inside + facts.differs
    assert facts.floor == pytest.approx(0.24168795, abs=1e-8)
    assert facts.start_loss == pytest.approx(0.49325897, abs=1e-8)
    assert facts.limit_lr == pytest.approx(2 / 2.09848, rel=1e-5)
    assert (facts.has_file, facts.data, facts.largest_shift) == (False, "surrogate", None)


def test_outcomes_hold_every_seed_of_every_random_run(answer_of):
    outcomes = answer_of("numbers").tables["outcomes"]
    assert len(outcomes) == 12 * (2 * len(NOISY) + len(REGRESSION))
    assert outcomes["value"].notna().all()


def test_the_names_of_runs_are_unique():
    names = [run.name for run in (*EXACT, *NEWTON, *NOISY, *REGRESSION)]
    assert len(set(names)) == len(names)


def test_noisy_descent_falls_to_where_its_schedule_lets_it(numbers):
    ours = numbers[numbers["quantity"] == "x1"].set_index("run")["ours"]
    assert ours["noisy exponential"] == pytest.approx(-0.8256, abs=0.15)  # stuck half way, on average there
    assert abs(ours["noisy polynomial"]) < 0.15


def test_a_librarys_regression_has_twice_the_gradient_and_the_same_loss():
    plain, doubled = BookRegression(), BookRegression(doubled=True)
    x = plain.start([3]).requires_grad_()
    batch = tuple(part.double() for part in next(iter(plain.batches([3], 1))))
    (once,) = torch.autograd.grad(plain.loss(x, batch).sum(), x)
    (twice,) = torch.autograd.grad(doubled.loss(x, batch).sum(), x)
    torch.testing.assert_close(twice, 2 * once)
    assert torch.equal(plain.evaluate(x)["loss"], doubled.evaluate(x)["loss"])


def test_a_drawn_bias_stays_in_its_range_and_leaves_the_weights_alone():
    seeds = range(400)
    start, drawn = BookRegression().start(seeds), BookRegression(uniform_bias=True).start(seeds)
    assert torch.equal(start[:, :-1], drawn[:, :-1])
    bias, bound = drawn[:, -1], 1 / math.sqrt(5)
    assert float(bias.abs().max()) <= bound
    assert float(bias.std()) == pytest.approx(bound / math.sqrt(3), rel=0.1)  # of a uniform distribution; 400 draws


def test_the_plain_book_regression_is_the_registered_one():
    ours, registered = BookRegression(), Airfoil()
    assert torch.equal(ours.start([1, 2]), registered.start([1, 2]))
    assert ours.minimum == registered.minimum


def test_the_spread_of_runs_counts_the_diverged_and_leaves_them_out():
    lying = spread(np.array([1.0, 2.0, 3.0, math.nan]))
    assert (lying.mean, lying.median, lying.seeds, lying.diverged) == (2.0, 2.0, 4, 1)
    nothing = spread(np.array([math.nan, math.inf]))
    assert math.isnan(nothing.median)
    assert nothing.diverged == 2


def test_the_librarys_code_differs_in_four_ways_and_only_the_epochs_show(answer_of):
    differences = answer_of("variants").tables["differences"]
    alone = differences[differences["mode"] == "alone"].set_index("name")
    assert list(alone.index) == ["scratch", "eps", "loss", "epochs", "bias"]
    assert alone.loc["scratch", "shift"] == 0
    assert np.abs(alone.loc[["eps", "loss"], "shift"]).max() < 1e-5  # RMSProp knows no scale but that of eps
    assert alone.loc["epochs", "steps"] == 600
    assert answer_of("variants").facts.largest == "epochs"


def test_switching_all_differences_on_gives_the_librarys_run(answer_of):
    variants, numbers = answer_of("variants").tables["runs"], answer_of("numbers").tables["outcomes"]
    ours = variants[(variants["mode"] == "together") & (variants["name"] == "bias")]["loss"].tolist()
    library = numbers[numbers["run"] == "airfoil rmsprop library"]["value"].tolist()
    assert ours == pytest.approx(library[: len(ours)], rel=1e-6)  # the same lanes beside others


def test_the_curves_of_both_codes_start_where_their_runs_do(answer_of):
    curves = answer_of("variants").tables["curves"]
    assert curves.groupby("name")["step"].max().to_dict() == {"scratch": 300, "bias": 600}
