"""Data of the learning-rate maps and curves: where a landscape is good, worse than the start, or diverging.

A landscape's matrices are ``[Y, X]``: the second hyperparameter (gamma, momentum) by the learning rate, both rising;
an optimizer without a second one has Y = 1. A grid point is *stable* where no seed diverged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from analysis.measures.axis import Axis
from analysis.measures.landscape_grid import Grid, grid_of
from analysis.measures.measure import Measure
from analysis.record.cells import Cell
from analysis.statistics.arrays import Array, Mask
from analysis.statistics.bootstrap import median

__all__ = ["Landscape", "RateCurve", "landscape_from", "landscape_of", "rate_curve"]


@dataclass(frozen=True)
class Landscape:
    """A cell's landscape over ``n`` seeds: the ``median`` ``[Y, X]`` of the measure and the share that ``diverged``.

    ``rise`` is the median of how far each run ends above where it began itself: negative where it got lower.
    """

    x: Axis
    y: Axis | None
    median: Array
    diverged: Array
    rise: Array
    n: int
    measure: Measure

    @cached_property
    def best(self) -> tuple[int, int] | None:
        """Index ``(y, x)`` of the lowest stable median (of any, where no point is stable); None where all diverged."""
        found = _lowest(self.median, self.stable, self.measure)
        return None if found is None else (int(found[0]), int(found[1]))

    @property
    def best_value(self) -> float:
        """The median at `best`; inf where there is none."""
        return float("inf") if self.best is None else float(self.median[self.best])

    @property
    def stable(self) -> Mask:
        """Points where no seed diverged."""
        return np.asarray(self.diverged == 0)

    @property
    def near_best(self) -> Mask:
        """Stable points within twice the best measure (`Measure.near`)."""
        return np.asarray(self.stable & (self.median <= self.measure.near(self.best_value)))

    @property
    def worse_than_start(self) -> Mask:
        """Points whose typical run ends above where it began, yet has not diverged."""
        return np.asarray(np.isfinite(self.median) & (self.rise > 0))


@dataclass(frozen=True)
class RateCurve:
    """The measure ``[X]`` as the learning rate changes, the second hyperparameter at its best for each or held.

    ``value`` is inf where the typical run diverged and ``stable`` False where any seed did; ``rise`` is as in
    `Landscape`. ``held`` is the value the second hyperparameter was held at (the grid's nearest to its default); None
    where it is at its best, or where there is none. ``second`` is its name, if there is one.
    """

    rates: Array
    value: Array
    stable: Mask
    rise: Array
    n: int
    held: float | None
    measure: Measure
    second: str = ""

    @property
    def best(self) -> int | None:
        """Index of the best stable rate, or of the best one where none is stable; None where every rate diverges."""
        found = _lowest(self.value, self.stable, self.measure)
        return None if found is None else int(found[0])

    @property
    def first_unstable(self) -> float | None:
        """The lowest diverging rate above the best one; None where the grid holds none."""
        if self.best is None:
            return None
        beyond = self.rates[self.best :][~self.stable[self.best :]]
        return float(beyond[0]) if beyond.size else None

    @property
    def factor_to_divergence(self) -> float | None:
        """How many times larger than the best rate the first diverging one is; None where the grid holds none."""
        if self.best is None or self.first_unstable is None:
            return None
        return self.first_unstable / float(self.rates[self.best])

    @property
    def factor_to_failure(self) -> float | None:
        """How many times larger than the best rate the first is whose typical run ends above its start, or diverges."""
        if self.best is None:
            return None
        failed = np.flatnonzero(self.rise[self.best :] > 0)
        return float(self.rates[self.best + failed[0]] / self.rates[self.best]) if failed.size else None

    @property
    def lr_sensitivity(self) -> float:
        """The mean over the rates of how far a run ends above the best one, one that ends above the start counted as at
        the start: Wortsman et al. 2023, section 2.2, E[min(ℓ(η), ℓ₀) - ℓ*] with η log-uniform over the grid.

        In units of the loss; theirs are means over the range of η that they chose, ours medians over seeds and the
        grid's. NaN where every rate diverges.
        """
        if not np.isfinite(self.value).any():
            return float("nan")
        ends = np.minimum(self.value, self.measure.start)
        return float(np.mean(ends - ends.min()))

    @property
    def lr_sensitivity_share(self) -> float:
        """`lr_sensitivity` as a share of what the best rate gains over the start, comparable between problems: 0 where
        the rate does not matter, 1 - 1/X where one of X rates alone leaves the start. NaN where nothing is gained.
        """
        gained = self.measure.start - float(np.min(self.value, initial=np.inf))
        return self.lr_sensitivity / gained if gained > 0 else float("nan")

    @property
    def near_best(self) -> tuple[float, float] | None:
        """The unbroken range of rates around the best one that ends near the best measure (`Measure.near`)."""
        if self.best is None:
            return None
        good = self.stable & (self.value <= self.measure.near(float(self.value[self.best])))
        low = high = self.best
        while low > 0 and good[low - 1]:
            low -= 1
        while high < good.size - 1 and good[high + 1]:
            high += 1
        return float(self.rates[low]), float(self.rates[high])

    @property
    def near_best_decades(self) -> float:
        """Width of `near_best` in decades; each grid point counts as one step, so the answer is that coarse."""
        if self.near_best is None or self.rates.size < 2:
            return 0.0
        low, high = self.near_best
        step = float(np.log10(self.rates[-1] / self.rates[0])) / (self.rates.size - 1)
        return float(np.log10(high / low)) + step


def landscape_of(cell: Cell, measure: Measure) -> Landscape | None:
    """The landscape of ``cell``; None where the suite asked for none."""
    grid = grid_of(cell, measure)
    return None if grid is None else landscape_from(grid)


def landscape_from(grid: Grid) -> Landscape:
    """What is typical of ``grid`` over its seeds."""
    rise = median(grid.values - grid.start)
    return Landscape(grid.x, grid.y, grid.median, grid.diverged.mean(axis=0), rise, grid.n, grid.measure)


def rate_curve(landscape: Landscape, *, held: bool = False) -> RateCurve | None:
    """The learning-rate curve with the second hyperparameter at its best for each rate or, if ``held``, at its default.

    A rate is better where it is stable: its best second value is a stable one if there is any. None where the second
    hyperparameter's default lies outside of the grid.
    """
    x, y, columns = landscape.x, landscape.y, np.arange(landscape.x.values.size)
    value = None
    if y is None:
        rows: Sequence[int] | npt.NDArray[np.intp] = np.zeros(columns.size, dtype=np.intp)
    elif held:
        if not y.holds(y.default):
            return None
        rows = np.full(columns.size, y.nearest(y.default))
        value = float(y.values[rows[0]])
    else:
        safe = np.where(landscape.stable, landscape.median, np.inf)
        rows = np.where(np.isfinite(safe).any(axis=0), np.argmin(safe, axis=0), np.argmin(landscape.median, axis=0))
    chosen = rows, columns
    name, measure = "" if y is None else y.name, landscape.measure
    typical, stable, rise = landscape.median[chosen], landscape.stable[chosen], landscape.rise[chosen]
    return RateCurve(x.values, typical, stable, rise, landscape.n, value, measure, name)


def _lowest(value: Array, stable: Mask, measure: Measure) -> npt.NDArray[np.intp] | None:
    """The index of the lowest stable value; of several equal within rounding, the one in their middle."""
    shown = np.where(stable | ~stable.any(), measure.shown(value), np.inf)
    if not np.isfinite(shown).any():
        return None
    ties = np.argwhere(shown <= shown.min())
    distance = np.abs(ties - ties.mean(axis=0)).sum(axis=1)
    return np.asarray(ties[int(np.argmin(distance))])
