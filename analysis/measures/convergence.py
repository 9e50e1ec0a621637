"""Data of the convergence figures: median and band over the test seeds, at every evaluation, of a cell's settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from analysis.measures.measure import Measure, is_beaten
from analysis.record.cells import Cell
from analysis.record.errors import RecordError
from analysis.record.outcome import Outcome
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import Band, band

__all__ = ["SETTINGS", "Convergence", "beaten_floor", "curve_matrix", "diverged_runs", "measure_of", "metric_curves"]

SETTINGS: Final = ("tuned", "default")


@dataclass(frozen=True)
class Convergence:
    """A setting's ``band`` of a ``quantity`` at ``steps`` ``[E]``; ``diverged`` of its ``band.n`` seeds diverged."""

    setting: str
    quantity: str
    steps: Array
    band: Band
    diverged: int


def measure_of(cells: tuple[Cell, ...]) -> Measure:
    """The measure that the cells of one problem share: the loss, not the gap, where the floor proved too high.

    Raises `RecordError` where their problems differ.
    """
    instances = sorted({f"{cell.problem} {cell.info.problem.fingerprint}" for cell in cells})
    if len(instances) != 1:
        raise RecordError(
            f"one problem instance was expected, got {' and '.join(instances)}: their numbers cannot be compared; "
            "keep the cells of each in a results folder of their own"
        )
    floor = cells[0].floor if beaten_floor(cells) is None else None
    lowest = np.nan if floor is not None else min(_lowest(cell) for cell in cells)
    return Measure.of(floor, cells[0].info.problem.start_loss, lowest)


def beaten_floor(cells: Iterable[Cell]) -> float | None:
    """The lowest loss of any test run where it is below the stated floor by more than rounding, else None.

    Gaps to such a floor say nothing: all that pass it would be equal.
    """
    found = list(cells)
    floor, start = found[0].floor, found[0].info.problem.start_loss
    lowest = min(float(cell.curves["loss"].min()) for cell in found)
    return None if floor is None or not is_beaten(floor, start, lowest) else lowest


def curve_matrix(curves: pd.DataFrame, setting: str, quantity: str = "loss") -> tuple[Array, Array]:
    """The steps ``[E]`` and the values ``[S, E]`` of a column ``quantity`` of a setting's curves.

    ``curves`` is a cell's table of that name; a setting that was not run has no rows. Raises `ValueError` where a seed
    has a step twice.
    """
    chosen = curves[curves["setting"] == setting]
    table = chosen.set_index(["seed", "step"])[quantity].unstack()  # noqa: PD010  (raises on a doubled row)
    return table.columns.to_numpy(dtype=np.float64), table.to_numpy(dtype=np.float64)


def metric_curves(cell: Cell, setting: str, metric: str) -> Convergence | None:
    """The curve of a further metric; it ends (NaN) where the first seed diverges, for no value is the worst."""
    if metric not in cell.curves:
        return None
    steps, values = curve_matrix(cell.curves, setting, metric)
    if values.size == 0:
        return None
    alive = np.isfinite(values).all(axis=0)
    full = band(np.where(alive, values, 0.0))
    median, low, high = (np.where(alive, part, np.nan) for part in (full.median, full.low, full.high))
    shown = Band(median, low, high, full.n)
    return Convergence(setting, metric, steps, shown, diverged_runs(cell, setting))


def diverged_runs(cell: Cell, setting: str) -> int:
    """How many of the test runs of a setting diverged."""
    runs = cell.runs
    return int(((runs["setting"] == setting) & (runs["status"] == Outcome.DIVERGED.word)).sum())


def _lowest(cell: Cell) -> float:
    """The lowest loss that any test run, or run of the landscape, had."""
    return float(np.fmin(cell.curves["loss"].min(), cell.landscape["final_loss"].min()))
