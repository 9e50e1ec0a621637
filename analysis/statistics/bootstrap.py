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

__all__ = [
    "ALPHA",
    "LEVEL",
    "RESAMPLES",
    "SEED",
    "TAILS",
    "Band",
    "Estimate",
    "band",
    "bootstrap_mean",
    "bootstrap_median",
    "bootstrap_weights",
    "interval_bca",
    "interval_percentile",
    "median",
    "resampled_means",
    "resampled_medians",
]

LEVEL: Final = 0.9
TAILS: Final = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
"""The quantiles at which an interval of `LEVEL` ends."""
ALPHA: Final = 0.05
"""Level of the tests: the chance of any false claim in a family of them."""
RESAMPLES: Final = 4000
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
    """Return the median over the first axis; the mean of the middle two where n is even; right for ``inf`` as well."""
    ordered = np.sort(values, axis=0)
    n = ordered.shape[0]
    lower, upper = ordered[(n - 1) // 2], ordered[n // 2]
    return np.asarray(_middle(lower, upper))


def band(values: Array, level: float = LEVEL) -> Band:
    """Return the median and the central ``level`` band of ``values`` ``[S, ...]`` over seeds.

    The ends are values that occurred (no interpolation, which would turn a diverged seed into NaN): with ten seeds and
    90% they are the lowest and the highest.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(values, [tail, 1 - tail], axis=0, method="inverted_cdf")
    return Band(median(values), low, high, values.shape[0])


def bootstrap_weights(n: int, resamples: int, rng: np.random.Generator) -> Array:
    """Return ``[resamples, n]`` counts: how often each of ``n`` seeds occurs in a resample. Rows sum to ``n``."""
    return rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)


def resampled_means(values: Array, weights: Array) -> Array:
    """Return the mean ``[B, ...]`` of every resample of ``values`` ``[S, ...]``: one matrix product."""
    flat = values.reshape(values.shape[0], -1)
    return np.asarray((weights @ flat / values.shape[0]).reshape(-1, *values.shape[1:]))


def resampled_medians(values: Array, weights: Array) -> Array:
    """Return the exact median ``[B]`` of every resample of ``values`` ``[S]``, read off the cumulated counts."""
    order = np.argsort(values, kind="stable")
    ordered, counts = values[order], weights[:, order].cumsum(axis=1)
    n = values.size
    lower = ordered[np.argmax(counts > (n - 1) // 2, axis=1)]
    upper = ordered[np.argmax(counts > n // 2, axis=1)]
    return np.asarray(_middle(lower, upper))


def interval_percentile(resampled: Array, level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile interval of resampled statistics ``[B]``."""
    tail = (1 - level) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


def interval_bca(resampled: Array, value: float, jackknife: Array, level: float = LEVEL) -> tuple[float, float]:
    """Return the bias-corrected and accelerated interval (Efron 1987) of a statistic.

    ``resampled`` ``[B]`` are its bootstrap values, ``jackknife`` ``[S]`` its values with one seed left out. Where every
    resample equals ``value``, or one of them is infinite, the correction is undefined and the percentile interval is
    returned.
    """
    share = (np.mean(resampled < value) + np.mean(resampled <= value)) / 2
    if not 0 < share < 1 or not np.isfinite(jackknife).all():
        return interval_percentile(resampled, level)
    bias = ndtri(share)
    spread = jackknife.mean() - jackknife
    scale = float((spread**2).sum()) ** 1.5
    acceleration = float((spread**3).sum()) / (6 * scale) if scale > 0 else 0.0
    tail = ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    shares = ndtr(bias + (bias + tail) / (1 - acceleration * (bias + tail)))
    low, high = np.quantile(resampled, shares, method="inverted_cdf")
    return float(low), float(high)


def bootstrap_median(values: Array, level: float = LEVEL, resamples: int = RESAMPLES) -> Estimate:
    """Return the median of ``values`` ``[S]`` with its percentile bootstrap interval; raises where there is no value.

    The percentile interval, because the jackknife that BCa needs is inconsistent for medians (Efron and Tibshirani
    1993, section 11.6).
    """
    point = float(median(_checked(values)))
    if values.size == 1:
        return Estimate(point, point, point, 1)
    weights = bootstrap_weights(values.size, resamples, np.random.default_rng(SEED))
    return Estimate(point, *interval_percentile(resampled_medians(values, weights), level), n=values.size)


def bootstrap_mean(
    values: Array, level: float = LEVEL, resamples: int = RESAMPLES, method: Literal["bca", "percentile"] = "bca"
) -> Estimate:
    """Return the mean of ``values`` ``[S]`` with its bootstrap interval; raises where there is no value."""
    point, n = float(_checked(values).mean()), values.size
    if n == 1 or not np.isfinite(point):
        return Estimate(point, point, point, n)
    means = resampled_means(values, bootstrap_weights(n, resamples, np.random.default_rng(SEED)))
    if method == "percentile":
        return Estimate(point, *interval_percentile(means, level), n=n)
    jackknife = (values.sum() - values) / (n - 1)
    return Estimate(point, *interval_bca(means, point, jackknife, level), n=n)


def _middle(lower: Array, upper: Array) -> Array:
    """Return the midpoint; equal ends as they are, so that inf and inf make no NaN."""
    return np.where(lower == upper, lower, lower / 2 + upper / 2)


def _checked(values: Array) -> Array:
    if values.ndim != 1 or values.size == 0 or np.isnan(values).any():
        raise ValueError(f"expected one number a seed, none missing, got shape {values.shape}: {values}")
    return values
