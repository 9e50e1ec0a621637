"""The slope of a line through points with outliers, without scipy, whose import takes a second."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import LEVEL, Estimate

__all__ = ["theil_sen"]


def theil_sen(y: Array, x: Array, level: float = LEVEL) -> Estimate:
    """The median of the slopes of all pairs of points (Theil 1950), with Sen's interval; x and y are ``[N]``, two of
    ``x`` at least different.

    Source: Sen 1968, "Estimates of the regression coefficient based on Kendall's tau", equations 2.6 and 3.7.
    """
    apart = x[:, None] - x
    slopes = np.sort((y[:, None] - y)[apart > 0] / apart[apart > 0])
    variance = (_ties(np.array([float(y.size)])) - _ties(_counts(x)) - _ties(_counts(y))) / 18
    reach = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(max(variance, 0.0))
    low = max(round((slopes.size - reach) / 2) - 1, 0)
    high = min(round((slopes.size + reach) / 2), slopes.size - 1)
    return Estimate(float(np.median(slopes)), float(slopes[low]), float(slopes[high]), y.size)


def _counts(values: Array) -> Array:
    """How often each value occurs."""
    return np.unique(values, return_counts=True)[1].astype(np.float64)


def _ties(counts: Array) -> float:
    """What groups of tied values take from the variance of Kendall's score, times 18; nothing, groups of one."""
    return float((counts * (counts - 1) * (2 * counts + 5)).sum())
