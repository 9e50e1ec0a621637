"""Data of the convergence figures: typical run and band over studies and test seeds, at every evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from analysis.measures.measure import Measure, is_beaten
from analysis.record.cells import Cell
from analysis.record.errors import RecordError
from analysis.record.outcome import Outcome
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import Band, band, typical

__all__ = [
    "SETTINGS",
    "Convergence",
    "beaten_floor",
    "by_study",
    "curve_matrix",
    "diverged_runs",
    "measure_of",
    "metric_curves",
]

SETTINGS: Final = ("tuned", "default")


@dataclass(frozen=True)
class Convergence:
    """A setting's ``band`` of a ``quantity`` at ``steps`` ``[E]``; ``diverged`` of its ``band.n`` runs, which are those
    of ``studies`` studies (one for the defaults), diverged.
    """

    setting: str
    quantity: str
    steps: Array
    band: Band
    diverged: int
    studies: int

    @property
    def seeds(self) -> int:
        """The number of test seeds."""
        return self.band.n // self.studies

    @classmethod
    def of(cls, cell: Cell, setting: str, quantity: str, steps: Array, values: Array) -> Convergence:
        """The curve of the runs ``values`` ``[K, S, E]``: the typical run, and the middle of all of them."""
        studies, seeds, evaluations = values.shape
        around = band(values.reshape(studies * seeds, evaluations))
        found = Band(typical(values), around.low, around.high, around.n)
        return cls(setting, quantity, steps, found, diverged_runs(cell, setting), studies)


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
    lowest = min(float(cell.runs["best_loss"].min()) for cell in found)
    return None if floor is None or not is_beaten(floor, start, lowest) else lowest


def curve_matrix(cell: Cell, setting: str, quantity: str = "loss") -> tuple[Array, Array]:
    """The steps ``[E]`` and the values ``[K, S, E]`` of a column ``quantity`` of a setting's curves.

    K are the studies of the cell (one for the defaults), S the test seeds by rising number; a study without a winner
    has NaN. Empty where the setting was not run. Raises `ValueError` where a run has a step twice.
    """
    chosen = cell.curves[cell.curves["setting"] == setting]
    if chosen.empty:
        return np.empty(0), np.empty((0, 0, 0))
    table = chosen.assign(study=chosen["study"].fillna(0)).set_index(["study", "seed", "step"])[quantity].unstack()  # noqa: PD010  (raises on a doubled row)
    return table.columns.to_numpy(dtype=np.float64), by_study(cell, setting, table)


def by_study(cell: Cell, setting: str, table: pd.DataFrame | pd.Series) -> Array:
    """``table``, a row a (study, seed), as an array ``[K, S, ...]``; NaN for a study of the cell that has no rows."""
    studies = range(len(cell.info.studies)) if setting == "tuned" else range(1)
    seeds = table.index.get_level_values("seed").unique().sort_values()
    full = table.reindex(pd.MultiIndex.from_product([studies, seeds]))
    values = full.to_numpy(dtype=np.float64, na_value=np.nan)
    return values.reshape(len(studies), seeds.size, *values.shape[1:])


def metric_curves(cell: Cell, setting: str, metric: str) -> Convergence | None:
    """The curve of a further metric; it ends (NaN) where the first seed diverges, for no value is the worst."""
    if metric not in cell.curves:
        return None
    steps, values = curve_matrix(cell, setting, metric)
    if values.size == 0:
        return None
    alive = np.isfinite(values).all(axis=(0, 1))
    full = Convergence.of(cell, setting, metric, steps, np.where(alive, values, 0.0))
    middle, low, high = (np.where(alive, part, np.nan) for part in (full.band.median, full.band.low, full.band.high))
    return replace(full, band=Band(middle, low, high, full.band.n))


def diverged_runs(cell: Cell, setting: str) -> int:
    """How many of the test runs of a setting diverged; those of a study in which no trial survived all did."""
    runs = cell.runs
    lost = int(((runs["setting"] == setting) & (runs["status"] == Outcome.DIVERGED.word)).sum())
    if setting != "tuned":
        return lost
    return lost + len(cell.info.protocol.test_seeds) * sum(study.winner is None for study in cell.info.studies)


def _lowest(cell: Cell) -> float:
    """The lowest loss that any test run, or run of the landscape, had."""
    return float(np.fmin(cell.runs["best_loss"].min(), cell.landscape_columns(["final_loss"])["final_loss"].min()))
