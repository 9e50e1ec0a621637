"""Suggestions of range tests worked by hand; regrets and shares whose values are known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from analysis.measures.measure import Measure
from analysis.measures.range_test import SUGGESTIONS, smoothed, suggested
from analysis.measures.tuning_free import judged, shares_of
from analysis.statistics.shares import share_of

LRS = np.geomspace(1e-6, 1, 100)


def test_a_smoothed_loss_begins_at_the_first_and_forgets_a_fiftieth_a_step() -> None:
    assert smoothed(np.full(5, 3.0)) == pytest.approx([3.0] * 5)
    assert smoothed(np.array([1.0, 0.0]))[1] == pytest.approx(0.98 * 0.02 / (1 - 0.98**2))


@pytest.mark.parametrize(
    ("losses", "place"),
    [
        ([5, 4, 3, 2, 1, 0.5], 2),  # 6 points that fall, from one before the first: two thirds of 2, and 1 of them
        ([1, 5, 4, 3, 9], 1),  # 3 that fall, up to place 3: from 0 on a third of 3, and 0 of half of it
        ([1, 2, 3], 0),  # none falls
    ],
)
def test_the_valley_is_a_third_and_half_a_third_down_the_longest_fall(losses: list[float], place: int) -> None:
    lrs = np.arange(1.0, len(losses) + 1)
    assert SUGGESTIONS["valley"](lrs, np.array(losses, dtype=float)) == lrs[place]


def test_the_steepest_point_is_that_of_the_loss_over_log_lr_and_the_minimum_is_divided_by_ten() -> None:
    lrs, losses = np.array([1e-3, 1e-2, 2e-2, 1e-1]), np.array([4.0, 3.0, 2.5, 2.6])
    assert SUGGESTIONS["steep"](lrs, losses) == 1e-2  # 0.5 over log 2 is more than 1 over log 10
    assert SUGGESTIONS["minimum"](lrs, losses) == pytest.approx(2e-3)


def test_a_suggestion_looks_at_nothing_from_before_the_tenth_nor_near_the_end_of_the_run() -> None:
    losses = np.where(np.arange(100) < 5, 0.5, 1.0) - np.linspace(0, 0.05, 100)
    losses[60:] = 1e9  # the run ends here, and with it the last five points
    assert suggested("minimum", LRS, losses) == pytest.approx(LRS[10] / 10)  # the lowest losses before are not seen
    falling = np.linspace(1.0, 0.1, 100)
    assert suggested("minimum", LRS, falling) == pytest.approx(LRS[94] / 10)


def test_a_run_that_ends_at_once_suggests_nothing() -> None:
    assert math.isnan(suggested("steep", LRS, np.r_[1.0, np.full(99, np.inf)]))
    assert math.isnan(suggested("valley", LRS, np.full(100, np.nan)))


def test_the_optimum_itself_has_the_regret_one_and_ten_times_its_gap_has_ten() -> None:
    gap, runs = Measure.of(0.0, 1.0, 0.0), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    assert judged(runs, runs, gap).regret.value == 1.0
    ten = judged(0.1 * runs, runs, gap).regret
    assert (ten.value, ten.low, ten.high) == pytest.approx((10.0, 10.0, 10.0))


def test_a_method_that_loses_half_of_its_runs_has_an_infinite_regret_and_they_are_counted() -> None:
    gap, optimum = Measure.of(0.0, 1.0, 0.0), np.full(4, 0.1)
    found = judged(optimum, np.array([np.inf, np.inf, np.inf, 2.0]), gap)
    assert (found.regret.value, found.diverged, found.above, found.runs) == (math.inf, 3, 1, 4)


def test_without_a_logarithmic_scale_the_regret_is_how_many_times_as_far_the_optimum_came() -> None:
    loss = Measure.of(None, 2.0, -1.0)
    assert not loss.log
    assert judged(np.full(3, -2.0), np.full(3, 0.0), loss).regret.value == pytest.approx(2.0)
    assert judged(np.full(3, -2.0), np.full(3, 5.0), loss).regret.value == math.inf


def test_shares_have_the_intervals_of_clopper_and_pearson() -> None:
    none = share_of(0, 10)
    assert (none.value, none.low, none.high) == (0.0, 0.0, pytest.approx(1 - 0.05**0.1))
    some, rest = share_of(3, 10), share_of(7, 10)
    assert (some.low, some.high) == pytest.approx((1 - rest.high, 1 - rest.low))
    with pytest.raises(ValueError, match="11 of 10"):
        share_of(11, 10)


def test_shares_count_problems_and_not_runs() -> None:
    table = pd.DataFrame(
        {"method": ["a", "a", "a", "b"], "regret": [1.5, 3.0, math.inf, 1.0], "diverged": [0, 1, 10, 0]}
    )
    shares = shares_of(table).set_index("method")
    assert shares.loc["a", ["problems", "diverged", "near"]].tolist() == [3, 2, 1]
    assert shares.loc["a", "regret"] == 3.0
    assert shares.loc["b", "diverged"] == 0
