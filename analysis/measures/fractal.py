"""The boundary between converged and diverged runs under a lens: windows ten times smaller each, and its box dimension.

A window is a grid of points over two hyperparameters; a *cell* lies between four neighbours, and is on the boundary
where some of these runs converged and others did not. Windows are told in shares of the two ranges, on their scales,
so that nothing here knows what a learning rate is. Converged is what it is in the paper that found fractals here
(Sohl-Dickstein 2024, arXiv 2402.06184): the mean of the last 20 losses is below the loss at the start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from analysis.statistics.arrays import Array, Integers, Mask
from analysis.statistics.bootstrap import LEVEL, Estimate

__all__ = [
    "FACTOR",
    "LARGEST",
    "Level",
    "Window",
    "Zoom",
    "boundary_cells",
    "box_counts",
    "box_dimension",
    "nearest_cell",
    "richest_cell",
    "student_interval",
    "zoom_frame",
]

FACTOR: Final = 10
"""How many times smaller a window is than the one before: a decade."""

LARGEST: Final = 4
"""A box is at most one part in so many of a side: larger ones are too few for a slope."""


@dataclass(frozen=True)
class Window:
    """A part of the plane, in shares of the two ranges: ``(low, high)`` of x and of y; by default all of it."""

    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)

    @property
    def width(self) -> float:
        """The share of the ranges that it spans."""
        return self.x[1] - self.x[0]

    def around(self, cell: tuple[int, int], cells: int) -> Window:
        """The window `FACTOR` times smaller around the ``cell`` ``(row, column)`` of ``cells`` a side, moved into this
        one where it would reach beyond it.
        """

        def part(place: int, low: float, high: float) -> tuple[float, float]:
            width = (high - low) / FACTOR
            first = low + (place + 0.5) / cells * (high - low) - width / 2
            first = min(max(first, low), high - width)
            return first, first + width

        return Window(part(cell[1], *self.x), part(cell[0], *self.y))


@dataclass(frozen=True)
class Level:
    """A trained window: the values of both hyperparameters ``x [N]`` and ``y [N]``, and of each run ``[Y, X]`` whether
    it ``converged`` and how slowly: the mean loss along its path where it did, else the time to diverge (``slowness``).
    """

    window: Window
    x: Array
    y: Array
    converged: Mask
    slowness: Array

    @cached_property
    def boundary(self) -> Mask:
        """The cells ``[N - 1, N - 1]`` on the boundary."""
        return boundary_cells(self.converged)

    @property
    def cells(self) -> int:
        """Cells a side."""
        return len(self.boundary)

    @cached_property
    def count(self) -> int:
        """How many cells are on the boundary."""
        return int(self.boundary.sum())

    @cached_property
    def dimension(self) -> float:
        """The box dimension of the boundary in this window, NaN where there is none."""
        return box_dimension(self.boundary)

    @property
    def shade(self) -> Array:
        """From 0, the fastest, to 1, the slowest: ranks ``[Y, X]``, among the converged and among the others."""
        found = np.zeros(self.converged.shape)
        for part in (self.converged, ~self.converged):
            _, ranks = np.unique(self.slowness[part], return_inverse=True)
            found[part] = ranks / max(1, ranks.max(initial=0))
        return found


@dataclass(frozen=True)
class Zoom:
    """A sequence of windows, each inside the one before; ``stopped`` says why there are fewer than asked for."""

    x_name: str
    y_name: str
    levels: tuple[Level, ...]
    stopped: str = ""

    @property
    def dimension(self) -> Estimate:
        """The mean of the levels' box dimensions, with Student's interval of how they spread."""
        return student_interval(np.array([level.dimension for level in self.levels if level.count]))

    @property
    def sentence(self) -> str:
        """The dimension with its interval, what that is one of, and the number of levels."""
        found = self.dimension
        if not found.n:
            return "box dimension: there is no boundary"
        if found.n == 1:
            return f"box dimension {found.value:.3f}, of one level"
        return (
            f"box dimension {found.value:.3f} [{found.low:.3f}, {found.high:.3f}], the mean of {found.n} levels with "
            f"Student's {LEVEL:.0%} interval of their spread"
        )


def boundary_cells(converged: Mask) -> Mask:
    """The cells ``[Y - 1, X - 1]`` among whose four corners in ``converged`` ``[Y, X]`` are both kinds."""
    corners = np.stack([converged[1:, 1:], converged[:-1, 1:], converged[1:, :-1], converged[:-1, :-1]])
    return np.asarray(corners.any(0) & ~corners.all(0))


def box_counts(cells: Mask) -> tuple[Integers, Integers]:
    """Sides of boxes, 1, 2, 4, … up to a `LARGEST`-th of the side of ``cells``, and how many of each hold a cell."""
    side = max(cells.shape)
    sizes = 2 ** np.arange(1 + max(0, int(math.log2(side // LARGEST or 1))))
    counts = list[int]()
    for size in sizes:
        rows, columns = (-(-length // size) * size for length in cells.shape)
        whole = np.zeros((rows, columns), dtype=np.bool_)
        whole[: cells.shape[0], : cells.shape[1]] = cells
        boxes = whole.reshape(rows // size, size, columns // size, size).any((1, 3))
        counts.append(int(boxes.sum()))
    return sizes.astype(np.int64), np.array(counts, dtype=np.int64)


def box_dimension(cells: Mask) -> float:
    """The slope of log N against log 1/size by least squares, N boxes of that size holding one of the ``cells``.

    NaN where there is none, or room for one size only.
    """
    sizes, counts = box_counts(cells)
    if len(sizes) < 2 or not counts.all():
        return math.nan
    return float(np.polyfit(-np.log(sizes), np.log(counts), 1)[0])


def nearest_cell(cells: Mask, place: tuple[float, float]) -> tuple[int, int]:
    """The ``(row, column)`` of the one of ``cells`` next to ``place``, (row, column) too; the first of several."""
    rows, columns = np.nonzero(cells)
    first = int(np.argmin((rows - place[0]) ** 2 + (columns - place[1]) ** 2))
    return int(rows[first]), int(columns[first])


def richest_cell(cells: Mask) -> tuple[int, int]:
    """The ``(row, column)`` of the one of ``cells`` around which the next window holds most of them.

    Of several the one next to the middle, of those the first.
    """
    reach = max(1, len(cells) // FACTOR) // 2
    padded = np.pad(cells.astype(np.int64), ((reach + 1, reach), (reach + 1, reach))).cumsum(0).cumsum(1)
    side = 2 * reach + 1
    around = padded[side:, side:] - padded[:-side, side:] - padded[side:, :-side] + padded[:-side, :-side]
    best = cells & (around == around[cells].max())
    middle = (len(cells) - 1) / 2
    return nearest_cell(best, (middle, middle))


def student_interval(values: Array, level: float = LEVEL) -> Estimate:
    """The mean of ``values`` ``[n]`` with Student's interval; NaN where there are none, no interval where n is 1."""
    n = values.size
    mean = float(values.mean()) if n else math.nan
    if n < 2:
        return Estimate(mean, mean, mean, n)
    from scipy.stats import t

    half = float(t.ppf((1 + level) / 2, n - 1)) * float(values.std(ddof=1)) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half, n)


def zoom_frame(zoom: Zoom) -> pd.DataFrame:
    """A row a level: its window, runs that converged, cells a side, cells on the boundary and their box dimension."""
    rows = [
        {
            "level": number,
            f"{zoom.x_name}_low": level.x[0],
            f"{zoom.x_name}_high": level.x[-1],
            f"{zoom.y_name}_low": level.y[0],
            f"{zoom.y_name}_high": level.y[-1],
            "converged": float(level.converged.mean()),
            "cells": level.cells,
            "boundary": level.count,
            "dimension": level.dimension,
        }
        for number, level in enumerate(zoom.levels)
    ]
    return pd.DataFrame(rows)
