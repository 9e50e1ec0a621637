"""Medians and means over seeds with their intervals: bootstrap by multinomial weights, bands by order statistics.

Seeds are the first axis, ``[S, ...]``; whole seeds are resampled, so that intervals along a curve are coherent. ``inf``
(a diverged run) is an ordinary, worst value: a median is ``inf`` once half of the seeds have diverged. Every answer
carries its ``n``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.special import ndtr, ndtri

from analysis.statistics.arrays import Array
from analysis.statistics.resamples import SEEDS

__all__ = [
    "ALPHA",
    "LEVEL",
    "SEED",
    "Band",
    "Estimate",
    "Spread",
    "band",
    "bootstrap_mean",
    "bootstrap_median",
    "bootstrap_weights",
    "estimate_of",
    "interval",
    "interval_bca",
    "median",
    "resampled_means",
    "resampled_medians",
    "spread",
]

LEVEL: Final = 0.9
ALPHA: Final = 0.05
"""Level of the tests: the chance of any false claim in a family of them."""
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


def bootstrap_weights(n: int, resamples: int, rng: np.random.Generator) -> Array:
    """Counts ``[resamples, n]``, drawn by ``rng``: how often each of ``n`` seeds occurs in each; rows sum to n."""
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)


def resampled_means(values: Array, weights: Array) -> Array:
    """The mean ``[B, ...]`` of every resample of ``values`` ``[S, ...]`` by the counts ``weights`` ``[B, S]``."""
    flat = values.reshape(values.shape[0], -1)
    return np.asarray((weights @ flat / values.shape[0]).reshape(-1, *values.shape[1:]))


def resampled_medians(values: Array, weights: Array) -> Array:
    """The exact median ``[B]`` of every resample of ``values`` ``[S]`` by the counts ``weights`` ``[B, S]``."""
    order = np.argsort(values, kind="stable")
    ordered, counts = values[order], weights[:, order].cumsum(axis=1)
    n = values.size
    lower = ordered[np.argmax(counts > (n - 1) // 2, axis=1)]
    upper = ordered[np.argmax(counts > n // 2, axis=1)]
    return np.asarray(_middle(lower, upper))


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
    bias = ndtri(share)
    spread = jackknife.mean() - jackknife
    scale = float((spread**2).sum()) ** 1.5
    acceleration = float((spread**3).sum()) / (6 * scale) if scale > 0 else 0.0
    tail = ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    shares = ndtr(bias + (bias + tail) / (1 - acceleration * (bias + tail)))
    low, high = np.quantile(resampled, shares, method="inverted_cdf")
    return low, high


def bootstrap_median(values: Array, level: float = LEVEL, resamples: int = SEEDS) -> Estimate:
    """The median of ``values`` ``[S]`` with its percentile bootstrap interval; raises `ValueError` for a missing one.

    The percentile interval, because the jackknife that BCa needs is inconsistent for medians (Efron and Tibshirani
    1993, section 11.6).
    """
    point = float(median(_checked(values)))
    if values.size == 1:
        return Estimate(point, point, point, 1)
    weights = bootstrap_weights(values.size, resamples, np.random.default_rng(SEED))
    return estimate_of(point, resampled_medians(values, weights), values.size, level)


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


def _checked(values: Array) -> Array:
    if values.ndim != 1 or values.size == 0 or np.isnan(values).any():
        raise ValueError(f"expected one number a seed, none missing, got shape {values.shape}: {values}")
    return values
