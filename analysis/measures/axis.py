"""Hyperparameter axes: the coordinate a value is drawn at, its ticks and its text.

A learning rate is drawn at log10(lr); a memory such as gamma at -log10(1 - gamma), so that 0, 0.9, 0.99 and 0.999 are
equally far apart; anything else where it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.record.cell_info import CellInfo, Scale
from analysis.statistics.arrays import Array
from analysis.words import number, value_text

__all__ = ["Axis", "axis_of"]


@dataclass(frozen=True)
class Axis:
    """A hyperparameter's name, scale (linear, log or log1m), default and rising grid ``values`` ``[N]``."""

    name: str
    scale: Scale
    default: float
    values: Array

    def place(self, values: npt.ArrayLike) -> Array:
        """The coordinates of ``values``, same shape; not finite where the scale has no place for a value."""
        array = np.asarray(values, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.scale == "log":
                return np.log10(array)
            return -np.log10(1 - array) if self.scale == "log1m" else array

    @property
    def at(self) -> Array:
        """Coordinates ``[N]`` of the grid values."""
        return self.place(self.values)

    @property
    def edges(self) -> Array:
        """Coordinates ``[N + 1]`` of the borders between grid values, the outer ones by extension."""
        at = self.at
        if at.size == 1:
            return np.array([at[0] - 0.5, at[0] + 0.5])
        middle = (at[1:] + at[:-1]) / 2
        return np.concatenate([[2 * at[0] - middle[0]], middle, [2 * at[-1] - middle[-1]]])

    def holds(self, value: float) -> bool:
        """Whether ``value`` lies within the grid, half a step around it included."""
        place, edges = float(self.place(value)), self.edges
        return bool(edges[0] <= place <= edges[-1])

    def nearest(self, value: float) -> int:
        """The index of the grid value next to ``value``."""
        return int(np.argmin(np.abs(self.at - self.place(value))))

    def text(self, value: float) -> str:
        """``value`` with the digits that the scale needs."""
        return value_text(value, self.scale)

    @property
    def ticks(self) -> tuple[list[float], list[str]]:
        """Coordinates and labels of the ticks: decades, halves of decades where there are few of them."""
        low, high = float(self.edges[0]), float(self.edges[-1])
        if self.scale == "linear":
            places = [float(at) for at in np.linspace(self.values[0], self.values[-1], min(self.values.size, 5))]
            return places, [number(place) for place in places]
        low = max(low, 0.0) if self.scale == "log1m" else low  # no memory is below 0, where a coarse grid's edge may be
        whole = [float(tick) for tick in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
        every = max(1, math.ceil(len(whole) / 6))
        if self.scale == "log":
            return whole[::every], [number(10.0**tick, smallest=1e-3) for tick in whole[::every]]
        halves = [tick + math.log10(2) for tick in range(math.floor(low), math.ceil(high))]
        places = whole[::every] if len(whole) > 2 else sorted([*whole, *halves])
        places = [place for place in places if low - 1e-9 <= place <= high + 1e-9]
        return places, [value_text(1 - 10.0**-place, "log1m") for place in places]


def axis_of(info: CellInfo, name: str, values: npt.ArrayLike) -> Axis:
    """The axis of hyperparameter ``name`` of a cell."""
    default = float(info.defaults.get(name, math.nan))
    return Axis(name, info.optimizer.scale(name), default, np.asarray(values, dtype=np.float64))
