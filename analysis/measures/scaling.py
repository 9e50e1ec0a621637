"""Where a hyperparameter is best as something else grows, and the power law it follows, with intervals over seeds.

Losses are ``[K, S, G, L]``: K values of what grows (batch sizes, horizons, widths), S seeds, G values of the
hyperparameter on a grid, and L values of whatever is tuned out for each of them (a learning rate; L is 1 where nothing
is). A diverged run is inf. Coordinates and places are in decades, so that a power law is a straight line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.statistics.arrays import Array, Mask
from analysis.statistics.bootstrap import (
    LEVEL,
    SEED,
    Estimate,
    bootstrap_weights,
    estimate_of,
    interval,
    resampled_means,
)
from analysis.statistics.resamples import INFLUENCE

__all__ = ["FEWEST", "NEAR", "Places", "Verdict", "exponent", "judge", "lowest", "places", "tuned_out"]

FEWEST: Final = 3
"""Values of what grows that a power law with an interval needs."""

NEAR: Final = 1.1
"""How many times the lowest gap still counts as flat."""

READING: Final = 0.25
"""How far, in steps of the grid, a parabola through three points may be off the lowest place between them. Measured on
SGD's expected loss on the noisy quadratic: 0.09 in the mean and 0.2 at the 90% quantile on a grid of factors of √2;
0.2 and 0.5 on one of factors of 2, whose own points are off by 0.26 and 0.5. Every resample moves each place by as much
at random, so that no interval is narrower than the reading."""

LARGEST: Final = 1e300


@dataclass(frozen=True, eq=False)
class Places:
    """Where the hyperparameter is best at each of K values of what grows.

    ``best`` ``[K]`` in decades, ``low`` and ``high`` its interval over resampled seeds, ``resampled`` ``[B, K]`` what
    that rests on. ``edge`` ``[K]`` is the share of resamples whose best grid point is at an end of the grid;
    ``flat_low`` and ``flat_high`` ``[K]`` are the ends of the unbroken range around the best whose gap is within `NEAR`
    times the lowest.
    ``value`` ``[K]`` is the lowest gap, NaN where every run diverged, as the places are then.
    """

    best: Array
    low: Array
    high: Array
    resampled: Array
    edge: Array
    flat_low: Array
    flat_high: Array
    value: Array
    n: int

    @property
    def told(self) -> Mask:
        """``[K]``: where the best place lies within the grid in at least half of the resamples."""
        return np.asarray(np.isfinite(self.best) & (self.edge <= 0.5))


@dataclass(frozen=True)
class Verdict:
    """What an exponent says of several laws: those ``inside`` its interval, and in a word which it is.

    ``word`` is the name of the one law inside, "neither" where none is, "cannot be told" where several are, where the
    interval is as wide as two laws lie apart, and where there is no exponent; ``why`` says it in a few words.
    """

    word: str
    inside: tuple[str, ...]
    why: str


def tuned_out(losses: Array, along: Array) -> Array:
    """The lowest value ``[..., G]`` over the last axis of losses ``[..., G, L]``, at the coordinates ``along`` ``[L]``.

    It is read between grid points as places are (`lowest`): the lowest of the grid alone is too high by more or less,
    as the grid lies, which hides what G does.
    """
    return _read(along, losses)[2]


def places(at: Array, losses: Array, floor: float, along: Array | None = None, resamples: int = INFLUENCE) -> Places:
    """Where the mean gap over seeds of ``losses`` ``[K, S, G, L]`` to ``floor`` is lowest on the grid ``at`` ``[G]``.

    ``along`` ``[L]`` are the coordinates of what is tuned out, in decades; needed where L is above 1.
    The lowest place is read between grid points by a parabola through the logarithm of the gap; where the mean is below
    the floor, through the gap itself. Seeds are resampled for all K together.
    """
    count, seeds = losses.shape[:2]
    finite = np.where(np.isfinite(losses), losses - floor, LARGEST).clip(max=LARGEST)
    rng, tuned = np.random.default_rng(SEED), np.zeros(1) if along is None else along
    weights = bootstrap_weights(seeds, resamples if seeds > 1 else 1, rng)
    drawn = np.stack([tuned_out(resampled_means(part, weights), tuned) for part in finite], axis=1)  # [B, K, G]
    mean = tuned_out(finite.mean(axis=1), tuned)  # [K, G]
    best, _ = lowest(at, mean)
    found, edge = lowest(at, drawn)
    step = float(np.ptp(at)) / max(at.size - 1, 1)
    found = np.clip(found + rng.uniform(-READING, READING, found.shape) * step, at[0], at[-1])
    low, high = interval(found)
    flat = [_flat(at, row) for row in mean]
    lost = ~np.isfinite(best)
    return Places(
        best=best,
        low=np.where(lost, np.nan, np.minimum(low, best)),
        high=np.where(lost, np.nan, np.maximum(high, best)),
        resampled=found,
        edge=edge.mean(axis=0),
        flat_low=np.array([ends[0] for ends in flat]).reshape(count),
        flat_high=np.array([ends[1] for ends in flat]).reshape(count),
        value=np.where(lost, np.nan, mean.min(axis=-1)),
        n=seeds,
    )


def lowest(at: Array, curves: Array) -> tuple[Array, Mask]:
    """Where ``curves`` ``[..., G]`` over rising ``at`` ``[G]`` are lowest, and whether that is at an end of the grid.

    Between grid points it is the vertex of the parabola through the logarithms of the lowest and its neighbours (of the
    values themselves, where one is not positive), no further than half a step away; beside a diverged neighbour it is
    the grid point. NaN where every point has diverged.
    """
    place, edge, value = _read(at, curves)
    return np.where(value >= LARGEST / 2, np.nan, place), edge


def _read(at: Array, curves: Array) -> tuple[Array, Mask, Array]:
    """The place and whether it is at an end, as `lowest` says, and the value there, `LARGEST` where all diverged."""
    index = np.argmin(curves, axis=-1)
    edge = np.asarray((index == 0) | (index == at.size - 1))
    place, value = at[index].astype(np.float64), np.take_along_axis(curves, index[..., None], -1)[..., 0]
    if at.size < 3:
        return place, edge, value
    inner = np.clip(index, 1, at.size - 2)
    three = np.stack([np.take_along_axis(curves, (inner + d)[..., None], -1)[..., 0] for d in (-1, 0, 1)], axis=-1)
    positive = np.asarray((three > 0).all(axis=-1))
    shown = np.where(positive[..., None], np.log10(np.where(three > 0, three, 1.0)), three)
    left, right = at[inner] - at[inner - 1], at[inner + 1] - at[inner]
    falls, rises = (shown[..., 0] - shown[..., 1]) / left, (shown[..., 2] - shown[..., 1]) / right
    bent = (falls + rises) / (left + right)
    read = (three < LARGEST / 2).all(axis=-1) & ~edge & (bent > 0)
    slope = (rises * left - falls * right) / (left + right)
    step = np.where(read, np.clip(-slope / np.where(read, 2 * bent, 1.0), -left / 2, right / 2), 0.0)
    low = np.where(read, shown[..., 1] + slope * step + bent * step**2, 0.0)
    return place + step, edge, np.where(read, np.where(positive, 10.0 ** np.where(positive, low, 0.0), low), value)


def exponent(found: Places, x: Array, level: float = LEVEL) -> tuple[Estimate, float] | None:
    """The slope of the places ``[K]`` over ``x`` ``[K]``, both in decades, and how far the places lie from that line.

    The slope has its interval of ``level``; the distance is the root of the mean square. Least squares, over the values
    where the best place lies within the grid (`Places.told`); None where those are fewer than `FEWEST`.
    """
    kept = found.told & np.isfinite(x)
    if kept.sum() < FEWEST:
        return None
    along = x[kept] - x[kept].mean()
    weights = along / (along**2).sum()
    at = found.best[kept]
    slope = float(weights @ at)
    drawn = found.resampled[:, kept]
    whole = drawn[np.isfinite(drawn).all(axis=1)]
    misfit = float(np.sqrt(np.mean((at - at.mean() - slope * along) ** 2)))
    estimate = estimate_of(slope, whole @ weights if len(whole) else np.array([slope]), found.n, level)
    return Estimate(slope, min(estimate.low, slope), max(estimate.high, slope), found.n), misfit


def judge(found: Estimate | None, laws: Mapping[str, float], censored: int = 0) -> Verdict:
    """Which of ``laws``, exponents by name, lies in the interval of ``found``.

    ``censored`` values of what grows had their best place at an end of the grid, and are not in ``found``.
    """
    if found is None:
        return Verdict("cannot be told", (), f"the best is at an end of the grid at {censored} values")
    inside = tuple(name for name, value in laws.items() if found.low <= value <= found.high)
    apart = float(np.diff(sorted(laws.values())).min(initial=np.inf))
    if len(inside) < 2 and found.high - found.low >= apart:
        return Verdict("cannot be told", inside, "the interval is as wide as the laws lie apart")
    if len(inside) == 1:
        return Verdict(inside[0], inside, "the only law inside the interval")
    if not inside:
        return Verdict("neither", (), "no law is inside the interval")
    return Verdict("cannot be told", inside, f"{len(inside)} laws are inside the interval")


def _flat(at: Array, curve: Array) -> tuple[float, float]:
    """The ends of the unbroken range of ``at`` around the lowest of ``curve`` ``[G]`` that is within `NEAR` of it."""
    index = int(np.argmin(curve))
    if curve[index] >= LARGEST / 2:
        return np.nan, np.nan
    good = curve <= (NEAR * curve[index] if curve[index] > 0 else curve[index])
    low = high = index
    while low > 0 and good[low - 1]:
        low -= 1
    while high < at.size - 1 and good[high + 1]:
        high += 1
    return float(at[low]), float(at[high])
