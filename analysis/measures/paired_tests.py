"""One side against the other: how far apart two results lie, and what may be claimed of it.

A side is the runs ``[K, S]`` of K settings, each found by a tuning study of its own, on S test seeds.

* One setting a side: what is claimed is of the two settings. Runs of the same seed share data, order, noise and start,
  so differences are taken seed by seed. A deterministic problem has one run a side and needs no test: its difference is
  exact. Diverged runs are the worst there is; two of them tie.
* Several studies a side: what is claimed is of what tuning finds. See `study_difference`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.measures.measure import Measure
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import (
    ALPHA,
    LEVEL,
    SEED,
    Estimate,
    bootstrap_weights,
    estimate_of,
    median,
    median_interval,
    resampled_medians,
)
from analysis.statistics.resamples import CONTENDERS

__all__ = [
    "FEWEST_STUDIES",
    "Difference",
    "Side",
    "difference",
    "holm",
    "not_worse",
    "paired_change",
    "resolved",
    "seeds_to_decide",
    "study_difference",
    "unpaired_difference",
]

FEWEST_STUDIES: Final = 3
"""Studies a side from which on optimizers are told apart: two may agree by chance, whatever their luck is like."""
DEALS: Final = 9999
FEW: Final = 60
"""Runs up to which a normal approximation is not trusted with ties."""
MARGIN: Final = 0.01
"""Relative difference that counts as none: results within it are equal."""
ROUNDED: Final = 1e-9
"""Relative deviation of levels below which they are equal but for rounding."""
FAR: Final = 1e300
"""A difference larger than any between finite results: it replaces an infinite one, which cannot be averaged."""


@dataclass(frozen=True)
class Difference:
    """How much higher b ends than a: positive is worse.

    ``change`` is the typical difference with its interval, in decades (log10 b/a) where the measure is logarithmic,
    else in its unit; changes up to ``near`` (1%) are none. ``p_value`` is two-sided; NaN where the result is ``exact``,
    that of one setting a side on a deterministic problem.
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


@dataclass(frozen=True, eq=False)
class Side:
    """Runs ``[K, S]`` as `study_difference` takes them; made once where a side meets several others.

    ``levels`` ``[K]`` are the medians over seeds of what each study found, in decades where the measure is logarithmic;
    ``resampled`` ``[B]`` is their mean over studies when seeds are resampled, the same for all sides with equal
    ``stream``.
    """

    levels: Array
    resampled: Array
    seeds: int

    @classmethod
    def of(cls, runs: Array, measure: Measure, stream: int = 0) -> Side:
        """The side of ``runs`` ``[K, S]``; those of other seeds than the side they meet need another ``stream``."""
        levels, seeds = _levels(runs, measure), runs.shape[1]
        if seeds == 1:
            return cls(median(levels.T), np.full(1, levels.mean()), 1)
        weights = bootstrap_weights(seeds, CONTENDERS, np.random.default_rng([SEED, stream]))
        resampled = np.mean([resampled_medians(row, weights) for row in levels], axis=0)
        return cls(median(levels.T), resampled, seeds)


def study_difference(a: Side, b: Side, measure: Measure, *, paired: bool = False) -> Difference:
    """How much higher what tuning finds ends with b than with a, over several studies a side.

    The difference is that of the means over studies, of levels: a run that diverged, or ended above its start, counts
    as its start. Its variance has three parts: that among the studies of a, that among those of b (each setting was
    found by luck of its own), and that which resampled test seeds give the difference. The p-value and the 90% interval
    are Student's with the degrees of freedom of Welch and Satterthwaite, who add up such parts. Where no part varies
    (a search without luck on a deterministic problem) any difference is certain; equal runs are no difference. Of fewer
    than `FEWEST_STUDIES` the p-value is 1. Where studies are ``paired``, the same points tried on the same seeds, the
    first two parts are one: that among the differences study by study. Raises `ValueError` where a side has less than
    two studies, or paired ones differ in number.
    """
    sides = (a.levels, b.levels)
    if min(side.size for side in sides) < 2:
        raise ValueError(f"optimizers are told apart by two or more studies a side, got {[s.size for s in sides]}")
    value = float(b.levels.mean() - a.levels.mean())
    varying = (b.levels - a.levels,) if paired else sides
    parts = [float(each.var(ddof=1)) / each.size for each in varying]
    free = [each.size - 1 for each in varying]
    seeds = min(a.seeds, b.seeds)
    if seeds > 1:
        parts.append(float((b.resampled - a.resampled).var()))
        free.append(seeds - 1)
    variance = sum(parts)
    near = math.log10(1 + MARGIN) if measure.log else MARGIN * abs(float(np.median(a.levels)))
    same = np.array_equal(a.levels, b.levels) and np.array_equal(a.resampled, b.resampled)
    if same or variance <= (ROUNDED * max(abs(value), 1e-300)) ** 2:
        return Difference(Estimate(value, value, value, seeds), 1.0 if value == 0 else 0.0, False, near)
    from scipy.special import stdtr, stdtrit  # scipy.stats, which asks these, takes a second to import

    freedom = variance**2 / sum(part**2 / count for part, count in zip(parts, free, strict=True))
    error = math.sqrt(variance)
    reach = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    few = min(side.size for side in sides) < FEWEST_STUDIES
    p_value = 1.0 if few else float(2 * stdtr(freedom, -abs(value) / error))
    return Difference(Estimate(value, value - reach, value + reach, seeds), p_value, False, near)


def difference(a: Array, b: Array, measure: Measure, *, exact: bool = False) -> Difference:
    """The difference of the runs ``a`` and ``b`` ``[K, S]``, both on the same seeds.

    Of one setting a side it is the median difference seed by seed, and the p-value is that of Wilcoxon's signed-rank
    test, exact for few seeds; where no seeds differ it is 1. Of several studies it is `study_difference`. Raises
    `ValueError` where the numbers of seeds differ, or only one side has several studies.
    """
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"paired differences need the same seeds on both sides, got {a.shape[1]} and {b.shape[1]}")
    if max(len(a), len(b)) > 1:
        return study_difference(Side.of(a, measure), Side.of(b, measure), measure)
    change, near = paired_change(a[0], b[0], measure, exact=exact), _near(a[0], measure)
    return Difference(change, np.nan if exact else _signed_rank(_apart(a[0], b[0], measure)), exact, near)


def paired_change(a: Array, b: Array, measure: Measure, *, exact: bool = False) -> Estimate:
    """The change of `difference` of one setting a side, runs ``[S]`` on the same seeds, without a test of it."""
    apart = _apart(a, b, measure)
    return _typical(apart[:1] if exact else apart)


def unpaired_difference(a: Array, b: Array, measure: Measure) -> Difference:
    """The difference of ``a`` ``[K, S]`` and ``b`` ``[K', S']``, runs of different seeds.

    Of one setting a side it is that of the medians, its p-value the Mann-Whitney test's, exact for few runs, and its
    interval resamples both sides. Of several studies it is `study_difference`.
    """
    if max(len(a), len(b)) > 1:
        return study_difference(Side.of(a, measure), Side.of(b, measure, stream=1), measure)
    a, b = a[0], b[0]
    rng, sides = np.random.default_rng(SEED), [measure.shown(a), measure.shown(b)]
    drawn = [resampled_medians(side, bootstrap_weights(side.size, CONTENDERS, rng)) for side in sides]
    apart = _apart(drawn[0], drawn[1], measure)
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
    """Which of ``others`` ``[K, S]`` are not significantly worse than ``best`` ``[K, S]``, by `difference` and Holm.

    Those that no test can tell apart are among them, and those equal within 1%.
    """
    found = [difference(best, other, measure, exact=exact) for other in others]
    return [each.verdict(p) != "worse" for each, p in zip(found, holm([each.p_value for each in found]))]


def seeds_to_decide(tests: int, alpha: float = ALPHA) -> int:
    """The fewest seeds with which a signed-rank test of two settings can succeed among ``tests``: 2 / 2^S <= alpha /
    tests.
    """
    return math.ceil(1 + math.log2(max(tests, 1) / alpha) - 1e-12)


def resolved(studies: int, tests: int, alpha: float = ALPHA, power: float = 0.8) -> float:
    """The difference, in standard deviations among studies, that is found with the chance ``power`` by ``studies`` (at
    least two) a side when ``tests`` are corrected for by the Bonferroni bound of Holm's method.
    """
    from scipy.special import nctdtrinc, stdtrit  # scipy.stats takes a second to import, before anything is run

    freedom = 2 * (studies - 1)
    critical = float(stdtrit(freedom, 1 - alpha / (2 * max(tests, 1))))
    away = float(nctdtrinc(freedom, 1 - power, critical))
    return away * math.sqrt(2 / studies)


def _apart(a: Array, b: Array, measure: Measure) -> Array:
    """``b - a``, in decades where the measure is logarithmic; 0 where both are infinite."""
    left, right = measure.shown(a), measure.shown(b)
    if measure.log:
        left, right = np.log10(left), np.log10(right)
    return np.asarray(np.subtract(right, left, out=np.zeros(right.shape), where=right != left))


def _levels(runs: Array, measure: Measure) -> Array:
    """Runs as levels, same shape: decades where the measure is logarithmic, and none above the start."""
    held = measure.shown(np.minimum(runs, measure.start))
    return np.asarray(np.log10(held) if measure.log else held)


def _near(a: Array, measure: Measure) -> float:
    """The change that counts as none, in the unit of `_apart`."""
    return math.log10(1 + MARGIN) if measure.log else MARGIN * abs(float(np.median(a)))


def _typical(apart: Array) -> Estimate:
    """The median difference; one side's divergences count as far apart, so that they can balance the other's."""
    found = median_interval(np.clip(apart, -FAR, FAR))
    value, low, high = (
        math.copysign(math.inf, end) if abs(end) > FAR / 4 else end for end in (found.value, found.low, found.high)
    )
    return Estimate(value, low, high, found.n)


def _rank_sum(a: Array, b: Array) -> float:
    """The Mann-Whitney p-value; of a few runs with ties (two that diverged) by dealing them anew."""
    from scipy.stats import mannwhitneyu, rankdata

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
    from scipy.stats import wilcoxon

    finite = np.abs(apart[np.isfinite(apart)])
    largest = 2 * float(finite.max(initial=0)) + 1
    ranked = np.clip(apart, -largest, largest)
    return float(wilcoxon(ranked, zero_method="pratt" if (ranked == 0).any() else "wilcox").pvalue)
