"""The slope through points with outliers, against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, theilslopes

from analysis.statistics.bootstrap import LEVEL, covered
from analysis.statistics.theil_sen import theil_sen


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("size", [3, 4, 7, 30])
def test_slope_and_interval_are_scipys_with_ties_and_without(size: int, ties: bool) -> None:
    drawn = np.random.default_rng(size)
    x, y = drawn.normal(size=(2, size))
    if ties:
        y = np.round(y)
    found, expected = theil_sen(y, x), theilslopes(y, x, alpha=LEVEL)
    assert (found.value, found.low, found.high) == (expected.slope, expected.low_slope, expected.high_slope)
    assert found.n == size


def test_points_of_one_height_have_no_slope() -> None:
    found = theil_sen(np.ones(5), np.arange(5.0))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("n", [2, 3, 9, 10, 30, 300])
def test_what_a_median_interval_covers_is_the_binomials_share(n: int) -> None:
    outside = max(k for k in range(n) if k == 0 or (2 * k < n and 1 - 2 * binom.cdf(k, n, 0.5) >= LEVEL - 0.02))
    assert covered(n) == pytest.approx(1 - 2 * binom.cdf(outside, n, 0.5), abs=1e-12)
