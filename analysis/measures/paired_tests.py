"""One side against the other, seed by seed: how far apart two results lie, and what may be claimed of it.

Runs of the same seed share data, order, noise and start, so differences are taken seed by seed. A deterministic problem
has one run a side and needs no test: its difference is exact. Diverged runs are the worst there is; two of them tie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import mannwhitneyu, rankdata, wilcoxon

from analysis.measures.measure import Measure
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import ALPHA, SEED, Estimate, bootstrap_median, estimate_of
from analysis.statistics.resamples import CONTENDERS

__all__ = ["Difference", "difference", "holm", "not_worse", "seeds_to_decide", "unpaired_difference"]

DEALS: Final = 9999
FEW: Final = 60
"""Runs up to which a normal approximation is not trusted with ties."""
MARGIN: Final = 0.01
"""Relative difference that counts as none: results within it are equal."""
FAR: Final = 1e300
"""A difference larger than any between finite results: it replaces an infinite one, which cannot be averaged."""


@dataclass(frozen=True)
class Difference:
    """How much higher b ends than a, seed by seed: positive is worse.

    ``change`` is the median difference with its interval, in decades (log10 b/a) where the measure is logarithmic, else
    in its unit; changes up to ``near`` (1%) are none. ``p_value`` is two-sided; NaN where the result is ``exact``, a
    deterministic problem's.
    """

    change: Estimate
    p_value: float
    exact: bool
    near: float

    @property
    def equal(self) -> bool:
        """Whether the whole interval lies within 1%."""
        return max(abs(self.change.low), abs(self.change.high)) <= self.near

    def verdict(self, adjusted: float, alpha: float = ALPHA) -> str:
        """Whether b is better, worse, equal or undecided, by the p-value ``adjusted`` for its family."""
        if self.equal:
            return "equal"
        if not self.exact and not (adjusted <= alpha and self.change.value != 0):
            return "undecided"
        return "worse" if self.change.value > 0 else "better"


def difference(a: Array, b: Array, measure: Measure, *, exact: bool = False) -> Difference:
    """The paired difference of the measures ``a`` and ``b`` ``[S]``, seed by seed.

    The p-value is Wilcoxon's signed-rank test, exact for few seeds; where no seeds differ it is 1. Raises `ValueError`
    where the numbers of seeds differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"paired differences need the same seeds on both sides, got {a.size} and {b.size}")
    apart = _apart(a, b, measure)
    if exact:
        return Difference(_typical(apart[:1]), np.nan, True, _near(a, measure))
    return Difference(_typical(apart), _signed_rank(apart), False, _near(a, measure))


def unpaired_difference(a: Array, b: Array, measure: Measure) -> Difference:
    """The difference of medians of ``a`` ``[S]`` and ``b`` ``[S']``, runs of different seeds.

    The p-value is the Mann-Whitney test's, exact for few runs; the interval resamples both sides.
    """
    rng, sides = np.random.default_rng(SEED), [measure.shown(a), measure.shown(b)]
    drawn = [np.sort(rng.choice(side, (CONTENDERS, side.size)), axis=1) for side in sides]
    middles = [(rows[:, (n - 1) // 2], rows[:, n // 2]) for rows in drawn if (n := rows.shape[1])]
    low_a, low_b = (np.where(x == y, x, x / 2 + y / 2) for x, y in middles)
    apart = _apart(low_a, low_b, measure)
    point = float(_apart(np.median(a, keepdims=True), np.median(b, keepdims=True), measure)[0])
    p_value = _rank_sum(sides[0], sides[1])
    return Difference(estimate_of(point, apart, min(a.size, b.size)), p_value, False, _near(a, measure))


def holm(p_values: Sequence[float]) -> Array:
    """The p-values ``[M]`` adjusted for being M tests (Holm 1979); NaN is no test and stays."""
    found = np.asarray(p_values, dtype=np.float64)
    tests = np.flatnonzero(~np.isnan(found))
    order = tests[np.argsort(found[tests], kind="stable")]
    steps = (order.size - np.arange(order.size)) * found[order]
    adjusted = found.copy()
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if order.size else steps
    return adjusted


def not_worse(best: Array, others: Sequence[Array], measure: Measure, *, exact: bool = False) -> list[bool]:
    """Which of ``others`` ``[S]`` are not significantly worse than ``best`` ``[S]``, by `difference` and Holm.

    Those that no test can tell apart are among them, and those equal within 1%.
    """
    found = [difference(best, other, measure, exact=exact) for other in others]
    return [each.verdict(p) != "worse" for each, p in zip(found, holm([each.p_value for each in found]))]


def seeds_to_decide(tests: int, alpha: float = ALPHA) -> int:
    """The fewest seeds with which a signed-rank test can succeed among ``tests``: 2 / 2^S <= alpha / tests."""
    return math.ceil(1 + math.log2(max(tests, 1) / alpha) - 1e-12)


def _apart(a: Array, b: Array, measure: Measure) -> Array:
    """``b - a``, in decades where the measure is logarithmic; 0 where both are infinite."""
    left, right = measure.shown(a), measure.shown(b)
    if measure.log:
        left, right = np.log10(left), np.log10(right)
    return np.asarray(np.subtract(right, left, out=np.zeros(right.shape), where=right != left))


def _near(a: Array, measure: Measure) -> float:
    """The change that counts as none, in the unit of `_apart`."""
    return math.log10(1 + MARGIN) if measure.log else MARGIN * abs(float(np.median(a)))


def _typical(apart: Array) -> Estimate:
    """The median difference; one side's divergences count as far apart, so that they can balance the other's."""
    found = bootstrap_median(np.clip(apart, -FAR, FAR))
    value, low, high = (
        math.copysign(math.inf, end) if abs(end) > FAR / 4 else end for end in (found.value, found.low, found.high)
    )
    return Estimate(value, low, high, found.n)


def _rank_sum(a: Array, b: Array) -> float:
    """The Mann-Whitney p-value; of a few runs with ties (two that diverged) by dealing them anew."""
    every = np.concatenate([a, b])
    if np.unique(every).size == every.size or every.size > FEW:
        return float(mannwhitneyu(a, b).pvalue)
    ranks = rankdata(every)
    dealt = np.random.default_rng(SEED).permuted(np.tile(ranks, (DEALS, 1)), axis=1)[:, : a.size].mean(axis=1)
    far = np.abs(dealt - ranks.mean()) >= abs(ranks[: a.size].mean() - ranks.mean()) - 1e-9
    return float((1 + far.sum()) / (1 + DEALS))


def _signed_rank(apart: Array) -> float:
    """Wilcoxon's p-value; an infinite difference has the highest rank, zeros are split (Pratt 1959)."""
    if not apart.any():
        return 1.0
    finite = np.abs(apart[np.isfinite(apart)])
    largest = 2 * float(finite.max(initial=0)) + 1
    ranked = np.clip(apart, -largest, largest)
    return float(wilcoxon(ranked, zero_method="pratt" if (ranked == 0).any() else "wilcox").pvalue)
