"""Landscapes as tabular benchmarks: files that pandas alone reads, and one as an Optuna objective.

A folder of tables has a parquet (or CSV) file a cell, one row a grid point, seed and number of steps: the
hyperparameters, ``seed``, ``step`` and ``value`` (missing where the run had diverged); and ``tables.json``, which holds
a `TableInfo` a cell, by its name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from analysis.measures.results import CellResult, cell_results
from analysis.record.cells import Record
from analysis.record.tables import read_json
from analysis.record.typed_json import from_json, to_json
from benchmarks.errors import UsageError
from benchmarks.record.folder import landing

if TYPE_CHECKING:
    import optuna

__all__ = ["INDEX", "TableAxis", "TableInfo", "TableObjective", "export_tables"]

INDEX: Final = "tables.json"


@dataclass(frozen=True)
class TableAxis:
    """A hyperparameter of a table: its grid ``values``, rising, and the ``scale`` on which they are even."""

    name: str
    scale: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class TableInfo:
    """What the index says of a table: its ``file``, whose values are gaps or losses (``measure``), its axes, seeds and
    numbers of steps, and the ``optimum`` after each of these: the grid point of the lowest median over seeds, and that
    median as ``value``; none where every point had diverged.
    """

    file: str
    problem: str
    optimizer: str
    measure: str
    axes: tuple[TableAxis, ...]
    seeds: tuple[int, ...]
    steps: tuple[int, ...]
    optimum: Mapping[str, Mapping[str, float]]


def export_tables(record: Record, folder: Path, *, as_csv: bool = False) -> list[Path]:
    """Write the landscapes of ``record`` to a new ``folder`` as the module says; the files of the cells.

    Raises `UsageError` where the folder exists, or no cell has a landscape.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists already; give a folder that does not")
    mapped = [result for result in cell_results(record) if result.landscape is not None]
    if not mapped:
        raise UsageError(f"{record.path} has no landscape; run the suite with landscape.enabled = true")
    ending = "csv" if as_csv else "parquet"
    with landing(folder) as working:
        working.mkdir()
        index = {}
        for result in mapped:
            table, name = _table(result), f"{result.cell.name}.{ending}"
            if as_csv:
                table.to_csv(working / name, index=False)
            else:
                table.to_parquet(working / name, index=False, compression="zstd")
            index[result.cell.name] = to_json(_described(result, name))
        (working / INDEX).write_text(json.dumps(index, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return [folder / f"{result.cell.name}.{ending}" for result in mapped]


def _table(result: CellResult) -> pd.DataFrame:
    """The rows of one cell, by number of steps."""
    cell, floor = result.cell, result.measure.floor or 0.0
    names = [name for name in cell.info.optimizer.axes if name in cell.landscape]
    rows = cell.landscape[[*names, "seed"]]
    above = (cell.floor or 0.0) - floor
    kept = {step: values + above for step, values in (cell.anytime or {}).items()}
    kept[cell.info.protocol.steps] = cell.landscape["final_loss"].to_numpy() - floor
    return pd.concat([rows.assign(step=step, value=kept[step]) for step in sorted(kept)], ignore_index=True)


def _described(result: CellResult, file: str) -> TableInfo:
    """What the index says of one cell."""
    landscape, last = result.landscape, result.last_horizon
    assert landscape is not None, "whoever asks has looked"
    assert last is not None
    axes = [axis for axis in (landscape.x, landscape.y) if axis is not None]
    horizons, names = result.horizons or (last,), [axis.name for axis in axes]
    return TableInfo(
        file,
        result.problem,
        result.label,
        result.measure.name,
        tuple(TableAxis(axis.name, axis.scale, tuple(map(float, axis.values))) for axis in axes),
        tuple(sorted(int(seed) for seed in result.cell.landscape["seed"].unique())),
        tuple(one.step for one in horizons),
        {
            str(one.step): {**dict(zip(names, (one.rate, one.second), strict=False)), "value": one.value}
            for one in horizons
            if math.isfinite(one.value)
        },
    )


@dataclass(frozen=True)
class TableObjective:
    """One table as an objective: called with an Optuna trial it suggests every axis and answers from the grid.

    ``folder`` is one that `export_tables` wrote, ``cell`` the name of a cell in it. The answer is that of the grid
    point nearest on the axes' scales, after ``step`` steps, the largest number that is kept up to there (None: the
    end): a fidelity. It is the median over seeds, or that of one ``seed``; inf where it had diverged. A memory is
    suggested as one minus it, named ``1 - gamma``. Raises `UsageError` for a cell, seed or step that is not there.
    """

    folder: Path
    cell: str
    step: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        seeds, first = self.info.seeds, min(self.info.steps)
        if self.seed is not None and self.seed not in seeds:
            raise UsageError(f"{self.cell} has the seeds {', '.join(map(str, seeds))}, not {self.seed}")
        if self.step is not None and self.step < first:
            raise UsageError(f"{self.cell} was kept from step {first} on, not at {self.step}")

    def __call__(self, trial: optuna.trial.Trial) -> float:
        """The value at what ``trial`` suggests."""
        return self.value({axis.name: _suggested(trial, axis) for axis in self.info.axes})

    def value(self, setting: Mapping[str, float]) -> float:
        """The value at the grid point nearest to ``setting``; `KeyError` where that lacks an axis."""
        places = tuple(_nearest(axis, setting[axis.name]) for axis in self.info.axes)
        return float(self.grid[places])

    @property
    def optimum(self) -> Mapping[str, float] | None:
        """The best grid point and its ``value``, the median over seeds, at this number of steps."""
        return self.info.optimum.get(str(self.kept))

    @property
    def kept(self) -> int:
        """The number of steps after which it answers."""
        return max(step for step in self.info.steps if self.step is None or step <= self.step)

    @cached_property
    def grid(self) -> np.ndarray:
        """The answers, an axis of the array a hyperparameter."""
        file = self.folder / self.info.file
        table = pd.read_csv(file) if file.suffix == ".csv" else pd.read_parquet(file)
        table = table[table["step"] == self.kept]
        if self.seed is not None:
            table = table[table["seed"] == self.seed]
        names = [axis.name for axis in self.info.axes]
        medians = table.fillna({"value": np.inf}).groupby(names)["value"].median()
        return np.asarray(medians.sort_index()).reshape([len(axis.values) for axis in self.info.axes])

    @cached_property
    def info(self) -> TableInfo:
        """What the index says of the cell."""
        index = read_json(self.folder / INDEX)
        assert isinstance(index, dict)
        if self.cell not in index:
            raise UsageError(f"{self.folder} has no cell {self.cell!r}; it has {', '.join(index)}")
        return from_json(TableInfo, index[self.cell])


def _suggested(trial: optuna.trial.Trial, axis: TableAxis) -> float:
    """A value of ``axis`` within its grid, suggested on its scale."""
    low, high = axis.values[0], axis.values[-1]
    if axis.scale == "log1m":
        return float(1 - trial.suggest_float(f"1 - {axis.name}", 1 - high, 1 - low, log=True))
    return float(trial.suggest_float(axis.name, low, high, log=axis.scale == "log"))


def _nearest(axis: TableAxis, value: float) -> int:
    """The place of the grid value next to ``value`` on the axis' scale."""
    return int(np.argmin(np.abs(_place(axis, np.asarray(axis.values)) - _place(axis, np.asarray(value)))))


def _place(axis: TableAxis, values: np.ndarray) -> np.ndarray:
    """Where ``values`` lie on the scale of the axis."""
    if axis.scale == "linear":
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(values) if axis.scale == "log" else -np.log(1 - values))
