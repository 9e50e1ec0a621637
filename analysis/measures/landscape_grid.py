"""A landscape with its seeds kept apart, and progress: a measure of success that compares across problems.

*Progress* is how far a run came from its start: decades of the gap where the measure is logarithmic, else the loss it
lost. A run that diverged, or ended above its start, made none: 0, the worst there is on this scale, for the untrained
parameters remain at hand. *Regret* is the share of the best progress that is missing: 0 is the best, 1 is no better
than not to train.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.measures.axis import Axis, axis_of
from analysis.measures.measure import Measure
from analysis.record.cells import Cell
from analysis.record.errors import RecordError
from analysis.record.outcome import Outcome
from analysis.statistics.arrays import Array, Mask
from analysis.statistics.bootstrap import (
    LEVEL,
    SEED,
    Estimate,
    bootstrap_weights,
    estimate_of,
    median,
)
from analysis.statistics.resamples import GRID

__all__ = ["Grid", "grid_of", "grids_before", "over_seeds", "progress", "regret"]

Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True)
class Grid:
    """A cell's trained grid ``[S, Y, X]``: the measure after each run, inf if it ``diverged``; and at its ``start``.

    Y runs over the second hyperparameter (one row where there is none), X over the learning rate; both rise.
    """

    x: Axis
    y: Axis | None
    values: Array
    start: Array
    diverged: Mask
    measure: Measure

    @property
    def n(self) -> int:
        """Number of seeds."""
        return int(self.values.shape[0])

    @property
    def median(self) -> Array:
        """The median ``[Y, X]`` over the seeds."""
        return median(self.values)

    @property
    def stable(self) -> Mask:
        """``[S, Y, X]``: which runs finished and ended no higher than where they began themselves."""
        return np.asarray(~self.diverged & (self.values <= self.start))

    def settings(self, row: int, column: int) -> dict[str, float]:
        """The hyperparameters of a grid point, by name."""
        found = {self.x.name: float(self.x.values[column])}
        return found if self.y is None else {**found, self.y.name: float(self.y.values[row])}

    def nearest(self, setting: Mapping[str, float]) -> tuple[int, int] | None:
        """Index ``(y, x)`` of the grid point next to ``setting``; None where the grid does not reach it."""
        place = []
        for axis in (self.y, self.x):
            if axis is None:
                place.append(0)
            elif axis.name not in setting or not axis.holds(setting[axis.name]):
                return None
            else:
                place.append(axis.nearest(setting[axis.name]))
        return place[0], place[1]


def grid_of(cell: Cell, measure: Measure) -> Grid | None:
    """The grid of ``cell``; None where the suite asked for none. Raises `RecordError` where a run is missing."""
    if not cell.landscape_rows:
        return None
    table = cell.landscape_columns({"seed", "status", "start_loss", "final_loss", *_axes(cell)})
    shape = _Shape.of(cell, table)
    ended, began = (shape.grid(measure(table[name].to_numpy())) for name in ("final_loss", "start_loss"))
    lost = shape.grid((table["status"] == Outcome.DIVERGED.word).to_numpy())
    return Grid(shape.x, shape.y, ended, began, lost, measure)


def grids_before(cell: Cell, measure: Measure) -> Iterator[tuple[int, Grid]]:
    """The grids of ``cell`` after fewer steps than were made, each with their number, rising; none where nothing was
    kept on the way.
    """
    kept = cell.anytime
    if kept is None:
        return
    table = cell.landscape_columns({"seed", "start_loss", *_axes(cell)})
    shape = _Shape.of(cell, table)
    began = shape.grid(measure(table["start_loss"].to_numpy()))
    above = (cell.floor or 0.0) - (measure.floor or 0.0)  # what is kept is above the stated minimum
    for step in sorted(kept):
        values = shape.grid(kept[step])
        lost = np.isnan(values)
        yield step, Grid(shape.x, shape.y, np.where(lost, np.inf, values + above), began, lost, measure)


def _axes(cell: Cell) -> set[str]:
    return {name for name in cell.info.optimizer.axes if name is not None}


@dataclass(frozen=True)
class _Shape:
    """How the rows of a landscape lie on its axes: in ``order`` they are ``full`` ``[S, Y, X]``."""

    x: Axis
    y: Axis | None
    order: npt.NDArray[np.intp]
    full: tuple[int, int, int]

    @classmethod
    def of(cls, cell: Cell, table: pd.DataFrame) -> _Shape:
        """That of the ``table``; raises `RecordError` where a run is missing."""
        x_name, y_name = cell.info.optimizer.axes
        keys = [name for name in (y_name, x_name) if name is not None and name in table]
        places = [np.unique(table[name], return_inverse=True) for name in ("seed", *keys)]
        shape = tuple(values.size for values, _ in places)
        at, order = np.ravel_multi_index([place for _, place in places], shape), np.full(np.prod(shape), -1, np.intp)
        order[at] = np.arange(at.size)
        if at.size != order.size or (order < 0).any():
            size = " x ".join(str(count) for count in reversed(shape[1:]))
            raise RecordError(
                f"the landscape of {cell.name} is no full {size} grid over its {shape[0]} seeds: {at.size} runs; "
                f"delete the folder {cell.path} and run the suite again"
            )
        x, y = axis_of(cell.info, x_name, places[-1][0]), None
        if y_name is not None and len(keys) == 2:
            y = axis_of(cell.info, y_name, places[1][0])
        return cls(x, y, order, (shape[0], 1 if y is None else shape[1], shape[-1]))

    def grid(self, rows: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
        """A column of the table as ``[S, Y, X]``."""
        return rows[self.order].reshape(self.full)


def progress(measure: Measure, values: npt.ArrayLike) -> Array:
    """How far ``values`` of ``measure`` came from the start, same shape; never below 0, 0 where infinite."""
    reached = np.minimum(np.asarray(values, dtype=np.float64), measure.start)
    if measure.log:
        return np.asarray(np.log10(measure.shown(measure.start) / measure.shown(reached)))
    return np.asarray(measure.start - reached)


def regret(measure: Measure, values: npt.ArrayLike, best: float) -> Array:
    """The share of the progress of ``best`` that ``values`` lack, same shape, in [0, 1]; 0 if ``best`` made none.

    Both are values of ``measure``.
    """
    goal = float(progress(measure, best))
    if goal <= 0:
        return np.zeros(np.shape(values))
    return np.clip(1 - progress(measure, values) / goal, 0.0, 1.0)


def over_seeds(statistic: Callable[[Array], float], values: Array, level: float = LEVEL) -> Estimate:
    """``statistic`` of ``values`` ``[S, ...]`` with its percentile bootstrap interval over the seeds.

    Equal resamples are computed once, so that two or three seeds cost as many evaluations as there are resamples. A
    statistic that has no value (NaN) has no interval either.
    """
    n, point = values.shape[0], float(statistic(values))
    if n == 1 or np.isnan(point):
        return Estimate(point, point, point, n)
    weights = bootstrap_weights(n, GRID, np.random.default_rng(SEED), draws=n).astype(np.int64)  # any statistic
    unique, counts = np.unique(weights, axis=0, return_counts=True)
    found = np.array([statistic(np.repeat(values, row, axis=0)) for row in unique])
    found = np.repeat(found, counts)
    return estimate_of(point, found[~np.isnan(found)], n, level)
