"""How often every kind of interval resamples, and why: the one table of these counts.

An end of a 90% interval rests on the outermost 5% of the resamples: of 4000 that is 200, of 40 it is 2. What is costly
is resampled less often, as long as its intervals are wide beside the noise that leaves.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CONTENDERS", "GRID", "INFLUENCE", "MANY", "SEEDS", "WINS"]

SEEDS: Final = 4000
"""A median or a mean over seeds: one matrix product, microseconds a resample."""

CONTENDERS: Final = 1000
"""Ranks, pairs, interquartile means and comparisons: every contender on every problem, up to a millisecond each."""

INFLUENCE: Final = 400
"""The share of a hyperparameter's influence that another rule takes away: a pass over two maps."""

GRID: Final = 200
"""A statistic of a whole landscape, a budget curve, a profile: a pass over every point, target or budget. Two or three
seeds have few different resamples anyway, and equal ones are computed once."""

WINS: Final = 40
"""The probability to win at a budget: a comparison of every point of every optimizer with all others."""

MANY: Final = 65_536
"""More points than this are resampled by cheaper draws of the same distribution, and as groups of neighbours where the
landscape has one seed (`analysis.measures.thinned`)."""
