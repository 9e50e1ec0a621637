"""Medians and means over seeds, and over studies and seeds, with their intervals.

Runs are ``[S]`` over seeds or ``[K, S]`` over K tuning studies and the seeds on which their winners were tested; the
typical run of several studies is the median over studies of each study's median over seeds, what a user gets who tunes
once. Seeds are resampled for all studies together, which shared them, and studies on their own. ``inf`` (a diverged
run) is an ordinary, worst value: a median is ``inf`` once half of the seeds have diverged. Every answer carries its
``n``.

A resample of n draws n - 1: the variance of a resampled mean is then the unbiased one of the mean (McCarthy and Snowden
1985, "The bootstrap and finite population sampling"), where n draws of three studies would miss a third of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

import numpy as np

from analysis.statistics.arrays import Array
from analysis.statistics.resamples import MANY, SEEDS

__all__ = [
    "ALPHA",
    "LEVEL",
    "SEED",
    "Band",
    "Draws",
    "Estimate",
    "Spread",
    "band",
    "bootstrap_mean",
    "bootstrap_weights",
    "covered",
    "estimate_of",
    "estimate_of_studies",
    "interval",
    "interval_bca",
    "median",
    "median_interval",
    "resampled_means",
    "resampled_medians",
    "spread",
    "typical",
]

LEVEL: Final = 0.9
ALPHA: Final = 0.05
"""Level of the tests: the chance of any false claim in a family of them."""
SLACK: Final = 0.02
"""How much less than `LEVEL` the interval of a median may cover: order statistics come in steps."""
SEED: Final = 20121208
"""Every interval is drawn from its own generator with this seed, so that a report is the same to the byte each time."""


@dataclass(frozen=True)
class Estimate:
    """A statistic over ``n`` seeds with the ends of its interval; ``low == value == high`` where n is 1."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Band:
    """Median ``[...]`` over ``n`` seeds and the order statistics that enclose the middle `LEVEL` of the seeds."""

    median: Array
    low: Array
    high: Array
    n: int


def median(values: Array) -> Array:
    """The median of ``values`` over the first axis; the mean of the middle two where n is even; ``inf`` is a value."""
    ordered = np.sort(values, axis=0)
    n = ordered.shape[0]
    lower, upper = ordered[(n - 1) // 2], ordered[n // 2]
    return np.asarray(_middle(lower, upper))


def band(values: Array, level: float = LEVEL) -> Band:
    """The median and the central ``level`` band of ``values`` ``[S, ...]`` over seeds.

    The ends are values that occurred (no interpolation, which would turn a diverged seed into NaN): with ten seeds and
    90% they are the lowest and the highest.
    """
    low, high = interval(values, level)
    return Band(median(values), low, high, values.shape[0])


@dataclass(frozen=True)
class Spread:
    """How the values of several seeds lie: mean and standard deviation, median, and the ends of the middle `LEVEL`.

    ``diverged`` of the ``seeds`` did not finish and are left out of the rest; everything is NaN where none did.
    """

    mean: float
    deviation: float
    low: float
    median: float
    high: float
    seeds: int
    diverged: int


def spread(values: Array) -> Spread:
    """How ``values`` ``[S]`` lie, NaN or infinite where a seed diverged; the ends are those of `band`."""
    kept = values[np.isfinite(values)]
    if not kept.size:
        return Spread(np.nan, np.nan, np.nan, np.nan, np.nan, values.size, values.size)
    middle, deviation = band(kept), float(kept.std(ddof=1)) if kept.size > 1 else 0.0
    low, high = float(middle.low), float(middle.high)
    return Spread(float(kept.mean()), deviation, low, float(middle.median), high, values.size, values.size - kept.size)


def bootstrap_weights(n: int, resamples: int, rng: np.random.Generator, draws: int | None = None) -> Array:
    """Counts ``[resamples, n]``, drawn by ``rng``: how often each of ``n`` seeds occurs in each; rows sum to the number
    of ``draws``, by default n - 1 (1 where n is 1)."""
    draws = draws or max(n - 1, 1)
    if n > MANY:  # the same distribution at an eighth of the time
        counts = [np.bincount(rng.integers(n, size=draws), minlength=n) for _ in range(resamples)]
        return np.stack(counts).astype(np.float64)
    return rng.multinomial(draws, np.full(n, 1 / n), size=resamples).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Draws:
    """Resamples of the runs ``[A, K, S]`` of A contenders: ``seeds`` ``[B, S]`` and ``studies`` ``[B, A, K]`` count how
    often each was drawn.

    Seeds are drawn for all contenders together, which shared them, studies for each on its own.
    """

    seeds: Array
    studies: Array

    @classmethod
    def of(cls, runs: Array, resamples: int, rng: np.random.Generator) -> Draws:
        """Resamples of ``runs`` ``[A, K, S]``, drawn by ``rng``."""
        contenders, studies, seeds = runs.shape
        shared = bootstrap_weights(seeds, resamples, rng)
        own = [bootstrap_weights(studies, resamples, rng) for _ in range(contenders)]
        return cls(shared, np.stack(own, axis=1))

    @property
    def weights(self) -> Array:
        """The weights ``[B, A, K * S]`` of the runs; those of a contender sum to 1."""
        weights = self.studies[..., None] * self.seeds[:, None, None]
        flat = weights.reshape(*weights.shape[:2], -1)
        return np.asarray(flat / flat.sum(axis=-1, keepdims=True))

    def typical(self, runs: Array) -> Array:
        """`typical` ``[B, A]`` of every resample of ``runs`` ``[A, K, S]``."""
        found = np.empty(self.studies.shape[:2])
        for place, own in enumerate(runs):
            medians = np.stack([resampled_medians(row, self.seeds) for row in own], axis=1)  # [B, K]
            order = np.argsort(medians, axis=1, kind="stable")
            ordered = np.take_along_axis(medians, order, axis=1)
            counts = np.take_along_axis(self.studies[:, place], order, axis=1).cumsum(axis=1)
            n = int(counts[0, -1])
            ends = [np.argmax(counts > middle, axis=1)[:, None] for middle in ((n - 1) // 2, n // 2)]
            lower, upper = (np.take_along_axis(ordered, end, axis=1)[:, 0] for end in ends)
            found[:, place] = _middle(lower, upper)
        return found


def resampled_means(values: Array, weights: Array) -> Array:
    """The mean ``[B, ...]`` of every resample of ``values`` ``[S, ...]`` by the counts ``weights`` ``[B, S]``."""
    flat = values.reshape(values.shape[0], -1)
    share = weights / weights.sum(axis=1, keepdims=True)
    return np.asarray((share @ flat).reshape(-1, *values.shape[1:]))


def resampled_medians(values: Array, weights: Array) -> Array:
    """The exact median ``[B]`` of every resample of ``values`` ``[S]`` by the counts ``weights`` ``[B, S]``, whose rows
    have equal sums.
    """
    order = np.argsort(values, kind="stable")
    ordered, counts = values[order], weights[:, order].cumsum(axis=1)
    n = int(counts[0, -1])
    lower = ordered[np.argmax(counts > (n - 1) // 2, axis=1)]
    upper = ordered[np.argmax(counts > n // 2, axis=1)]
    return np.asarray(_middle(lower, upper))


def typical(values: Array) -> Array:
    """The median over studies of the medians over seeds: ``[...]`` of runs ``[K, S, ...]``."""
    return median(median(np.moveaxis(values, 1, 0)))


def interval(resampled: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """The ends ``[...]`` of the percentile interval of resampled statistics ``[B, ...]``.

    Every interval of this package is made here. The ends are values that occurred: interpolation would turn an infinite
    one (a diverged run) into NaN.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0, method="inverted_cdf")
    return low, high


def estimate_of(value: float, resampled: Array, n: int, level: float = LEVEL) -> Estimate:
    """``value``, a statistic over ``n`` seeds, with the `interval` of its resampled values ``[B]``."""
    low, high = interval(resampled, level)
    return Estimate(float(value), float(low), float(high), n)


def interval_bca(resampled: Array, value: float, jackknife: Array, level: float = LEVEL) -> tuple[Array, Array]:
    """The bias-corrected and accelerated interval (Efron 1987) of a statistic.

    ``resampled`` ``[B]`` are its bootstrap values, ``jackknife`` ``[S]`` its values with one seed left out. Where every
    resample equals ``value``, or one of them is infinite, the correction is undefined and the percentile interval is
    returned.
    """
    share = (np.mean(resampled < value) + np.mean(resampled <= value)) / 2
    if not 0 < share < 1 or not np.isfinite(jackknife).all():
        return interval(resampled, level)
    from scipy.special import ndtr, ndtri

    bias = ndtri(share)
    spread = jackknife.mean() - jackknife
    scale = float((spread**2).sum()) ** 1.5
    acceleration = float((spread**3).sum()) / (6 * scale) if scale > 0 else 0.0
    tail = ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    shares = ndtr(bias + (bias + tail) / (1 - acceleration * (bias + tail)))
    low, high = np.quantile(resampled, shares, method="inverted_cdf")
    return low, high


def covered(n: int, level: float = LEVEL) -> float:
    """The chance that the interval of `median_interval` over ``n`` values, however they are distributed, holds their
    median.

    It is that of the order statistics nearest above ``level - SLACK``; with few values, of their whole range.
    """
    return 1 - 2 * sum(math.comb(n, k) for k in range(_outside(n, level) + 1)) / 2**n if n > 1 else 0.0


def median_interval(values: Array, level: float = LEVEL) -> Estimate:
    """The median of ``values`` ``[S]`` with its order-statistics (sign-test) interval; raises `ValueError` for a
    missing one.

    It covers the median of any distribution with the chance `covered`: 90% or a little less, no less than `SLACK`,
    where there are at least five values. Its ends are values that occurred.
    """
    ordered = np.sort(_checked(values))
    out = _outside(ordered.size, level)
    return Estimate(float(median(ordered)), float(ordered[out]), float(ordered[-1 - out]), ordered.size)


def estimate_of_studies(values: Array, level: float = LEVEL, resamples: int = SEEDS) -> Estimate:
    """`typical` of the runs ``values`` ``[K, S]`` with its interval; raises `ValueError` where one is missing.

    Of one study it is `median_interval`. Of more its ends are those order statistics of the studies' medians that
    `median_interval` takes, moved out to where the outermost 5% of resamples of the seeds have them: it covers what the
    typical study finds with the chance `covered` (of K) or more. They are values that occurred.
    """
    if len(values) == 1:
        return median_interval(values[0], level)
    studies, seeds = _checked(values).shape
    weights = bootstrap_weights(seeds, resamples if seeds > 1 else 1, np.random.default_rng(SEED))
    medians = np.sort(np.stack([resampled_medians(row, weights) for row in values], axis=1), axis=1)  # [B, K]
    out = _outside(studies, level)
    low, _ = interval(medians[:, out], level)
    _, high = interval(medians[:, studies - 1 - out], level)
    return Estimate(float(typical(values)), float(low), float(high), seeds)


def bootstrap_mean(
    values: Array, level: float = LEVEL, resamples: int = SEEDS, method: Literal["bca", "percentile"] = "bca"
) -> Estimate:
    """The mean of ``values`` ``[S]`` with its bootstrap interval; raises `ValueError` where one is missing."""
    point, n = float(_checked(values).mean()), values.size
    if n == 1 or not np.isfinite(point):
        return Estimate(point, point, point, n)
    means = resampled_means(values, bootstrap_weights(n, resamples, np.random.default_rng(SEED)))
    if method == "percentile":
        return estimate_of(point, means, n, level)
    jackknife = (values.sum() - values) / (n - 1)
    low, high = interval_bca(means, point, jackknife, level)
    return Estimate(point, float(low), float(high), n)


def _middle(lower: Array, upper: Array) -> Array:
    """The midpoint; equal ends as they are, so that inf and inf make no NaN."""
    return np.where(lower == upper, lower, lower / 2 + upper / 2)


@cache
def _outside(n: int, level: float) -> int:
    """How many of ``n`` ordered values lie beyond either end of the interval of their median."""
    out, tail = 0, 1 + n  # the binomial's tail up to and with one more, in units of 2**-n
    while 2 * (out + 1) < n and 1 - 2 * tail / 2**n >= level - SLACK:
        out += 1
        tail += math.comb(n, out + 1)
    return out


def _checked(values: Array) -> Array:
    if values.size == 0 or np.isnan(values).any():
        raise ValueError(f"expected one number a seed, none missing, got shape {values.shape}: {values}")
    return values
