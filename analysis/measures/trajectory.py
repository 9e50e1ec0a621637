"""Data of the trajectory figures of problems in the plane: the surface as a matrix and the paths taken over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.measures.measure import Measure
from analysis.record.cells import Cell
from analysis.statistics.arrays import Array, Integers, Mask

__all__ = ["Extent", "Path2D", "Surface", "contour_levels", "extents", "path_of", "surface_of"]

FAR: Final = 1000.0
"""Frames away from the centre beyond which points cannot be drawn: canvases overflow."""


NUMBERS: Final = 5
"""Steps of a path that are numbered, about."""

WIDENED: Final = 2.5
"""Frames up to which an axis that holds a whole path is a wider one; beyond it is logarithmic outside of the frame."""


@dataclass(frozen=True)
class Extent:
    """An axis from ``low`` to ``high`` that holds whole paths: linear, or logarithmic beyond ``linear`` from 0."""

    low: float
    high: float
    linear: float | None


@dataclass(frozen=True)
class Surface:
    """The measure ``[Y, X]`` over ``x1`` ``[X]`` and ``x2`` ``[Y]``."""

    x1: Array
    x2: Array
    value: Array

    @property
    def lowest(self) -> tuple[float, float]:
        """The grid's lowest point (x1, x2)."""
        row, column = np.unravel_index(int(np.nanargmin(self.value)), self.value.shape)
        return float(self.x1[column]), float(self.x2[row])

    @property
    def frame(self) -> tuple[Array, Array]:
        """The lower and the upper corner, each ``[2]``."""
        return np.array([self.x1[0], self.x2[0]]), np.array([self.x1[-1], self.x2[-1]])

    def holds(self, points: Array) -> Mask:
        """``[N]``: which of ``points`` ``[N, 2]`` lie in the frame; missing ones do not."""
        low, high = self.frame
        return np.asarray(((points >= low) & (points <= high)).all(axis=1))

    def drawn_in(self, points: Array) -> Array:
        """``points`` ``[N, 2]`` with those beyond `FAR` frames moved towards the centre to that distance."""
        low, high = self.frame
        away = points - (low + high) / 2
        distance = np.abs(away / (high - low)).max(axis=1, keepdims=True)
        return np.asarray((low + high) / 2 + away / np.maximum(1.0, distance / FAR))


@dataclass(frozen=True)
class Path2D:
    """Points ``[N, 2]`` after ``steps`` ``[N]`` updates; ``left_at`` is the first step outside of the frame."""

    setting: str
    steps: Array
    points: Array
    left_at: int | None
    ends_inside: bool

    @property
    def detour(self) -> float:
        """How many times as long as the straight line to its end the path is; inf where it ends where it starts."""
        straight = float(np.hypot(*(self.points[-1] - self.points[0])))
        length = float(np.hypot(*np.diff(self.points, axis=0).T).sum())
        return length / straight if straight > 0 else np.inf

    @property
    def numbered(self) -> Integers:
        """Places of the points whose step is written: every 1, 2 or 5 times a power of ten steps, about `NUMBERS` of
        them, and the first step outside of the frame; the start and the end have signs of their own.
        """
        last = float(self.steps[-1])
        every = min((k * 10**e for e in range(9) for k in (1, 2, 5) if k * 10**e >= last / NUMBERS), default=1)
        chosen = (self.steps % every == 0) | (self.steps == self.left_at)
        inner = (self.steps > 0) & (self.steps < last) & chosen
        return np.flatnonzero(inner)


def extents(surface: Surface, paths: Sequence[Path2D]) -> tuple[Extent, Extent]:
    """The two axes of a panel that holds the frame and the whole of ``paths``."""
    points = np.concatenate([path.points for path in paths])
    frame = np.stack(surface.frame)
    return _extent(frame[:, 0], points[:, 0]), _extent(frame[:, 1], points[:, 1])


def _extent(frame: Array, values: Array) -> Extent:
    low, high = (float(end) for end in frame)
    span = high - low
    lowest, highest = min(low, float(values.min())), max(high, float(values.max()))
    if (lowest, highest) == (low, high):
        return Extent(low, high, None)
    if highest - lowest <= WIDENED * span:
        room = 0.04 * (highest - lowest)
        return Extent(lowest - room * (lowest < low), highest + room * (highest > high), None)
    ends = (lowest * 1.6 if lowest < low else low), (highest * 1.6 if highest > high else high)
    return Extent(*ends, max(abs(low), abs(high)))


def surface_of(cell: Cell, measure: Measure) -> Surface | None:
    """The surface of a cell's problem; None where it is not one of the plane."""
    if cell.surface is None or cell.surface.empty:
        return None
    table = cell.surface.pivot(index="x2", columns="x1", values="loss")
    value = measure.shown(measure(table.to_numpy(dtype=np.float64)))
    return Surface(table.columns.to_numpy(dtype=np.float64), table.index.to_numpy(dtype=np.float64), value)


def path_of(cell: Cell, setting: str, surface: Surface, study: int | None = None) -> Path2D | None:
    """The path of a setting's first seed, of what ``study`` found where there are several; None where it was not run.

    It ends before its first missing point (the run diverged), and is none where that is the start; points beyond `FAR`
    frames are drawn in towards them.
    """
    if cell.paths is None:
        return None
    table = cell.paths[cell.paths["setting"] == setting]
    if study is not None and setting == "tuned":
        table = table[table["study"] == study]
    if table.empty:
        return None
    table = table[table["seed"] == table["seed"].min()].sort_values("step")
    points = table[["x1", "x2"]].to_numpy(dtype=np.float64)
    finite = np.isfinite(points).all(axis=1)
    end = points.shape[0] if finite.all() else int(np.argmin(finite))
    if end == 0:
        return None
    steps = table["step"].to_numpy(dtype=np.float64)
    outside = ~surface.holds(points)
    left_at = int(steps[np.argmax(outside)]) if outside.any() else None
    return Path2D(setting, steps[:end], surface.drawn_in(points[:end]), left_at, ends_inside=not outside[-1])


def contour_levels(surface: Surface, measure: Measure, most: int = 14) -> Array:
    """Rising contour levels, at most ``most``: (parts of) decades of the gap, even steps where the scale is linear.

    A surface that is flat, or nowhere above its floor, has none.
    """
    finite = surface.value[np.isfinite(surface.value)]
    low, high = float(finite.min()), float(finite.max())
    if low == high or (measure.log and high <= measure.smallest):
        return np.empty(0)
    if not measure.log:
        return np.linspace(low, high, most + 1)[1:-1]
    top = np.log10(high)
    bottom = max(np.log10(max(low, measure.smallest)), top - 7)
    step = max(0.25, np.ceil((top - bottom) / most * 4) / 4)
    return np.asarray(10.0 ** np.arange(np.ceil(bottom / step) * step, top, step))
