"""The record's schema: what every file of a results folder holds, and how to read it.

    results/<suite>/
        suite.toml              the suite as it was run
        environment.json        versions and machine
        plugins/<name>.py       copies of the suite's plug-in files, where it has any
        cells/<cell>/           one folder a cell (problem x optimizer x schedule); it exists only when finished
            cell.json           what was run and what won        -> ``Cell.info``, see `analysis.record.cell_info`
            trials.parquet      one row a trial                  -> ``Cell.trials``
            runs.parquet        one row a run                    -> ``Cell.runs``
            curves.parquet      one row a run and evaluation     -> ``Cell.curves``
            landscape.parquet   one row a grid point and seed    -> ``Cell.landscape`` (may be empty)
            paths.parquet       one row a step of a 2-D run      -> ``Cell.paths`` (2-D problems only)
            surface.parquet     the loss on a grid of the plane  -> ``Cell.surface`` (2-D problems only)
            replays.parquet     one row a replayed search and k  -> ``Cell.replays`` (where searches were replayed)
        exhibits/<name>/        questions answered besides       -> `analysis.record.exhibits.load_exhibits`

Hyperparameters are plain columns under their own names (``lr``, ``gamma``, …); every other column name is listed here
and no hyperparameter may take it. A diverged run keeps its row: ``status`` says so, ``stopped_at`` says when, and its
losses after that step are missing (NaN), never imputed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.record.cell_info import CellInfo
from analysis.record.columns import check_columns
from analysis.record.errors import RecordError

__all__ = ["Cell", "Record"]


@dataclass(frozen=True)
class Cell:
    """One finished cell of a record: ``info`` is its ``cell.json``; tables are read on first use."""

    path: Path
    info: CellInfo

    @classmethod
    def load(cls, path: Path) -> Cell:
        """Read ``path/cell.json``; raises `RecordError` where it is missing, no JSON or not as `CellInfo` says."""
        try:
            content = json.loads((path / "cell.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RecordError(f"{path} is not a finished cell: {error}") from error
        try:
            return cls(path, CellInfo.from_json(content))
        except RecordError as error:
            raise RecordError(f"{path / 'cell.json'}: {error}") from error

    @property
    def name(self) -> str:
        return self.info.cell

    @property
    def problem(self) -> str:
        return self.info.problem.name

    @property
    def optimizer(self) -> str:
        return self.info.optimizer.name

    @property
    def schedule(self) -> str:
        return self.info.schedule

    @property
    def label(self) -> str:
        """The name of the cell within its problem: its optimizer, and its schedule where that is not constant."""
        return self.info.label

    @property
    def floor(self) -> float | None:
        """The problem's lowest reachable loss, where it is known."""
        minimum = self.info.problem.minimum
        return None if minimum is None else float(minimum)

    @cached_property
    def trials(self) -> pd.DataFrame:
        return self._table("trials")

    @cached_property
    def runs(self) -> pd.DataFrame:
        return self._table("runs")

    @cached_property
    def curves(self) -> pd.DataFrame:
        return self._table("curves")

    @cached_property
    def landscape(self) -> pd.DataFrame:
        return self._table("landscape")

    @cached_property
    def paths(self) -> pd.DataFrame | None:
        """The paths of a 2-D problem's test runs; None for other problems."""
        return self._table("paths") if (self.path / "paths.parquet").exists() else None

    @cached_property
    def surface(self) -> pd.DataFrame | None:
        """The loss on a grid of the plane; None for other problems."""
        return self._table("surface") if (self.path / "surface.parquet").exists() else None

    @cached_property
    def replays(self) -> pd.DataFrame | None:
        """The replayed searches; None where nothing was replayed."""
        return self._table("replays") if (self.path / "replays.parquet").exists() else None

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process: not the tables, which it reads itself."""
        return {"path": self.path, "info": self.info}

    def _table(self, name: str) -> pd.DataFrame:
        file = self.path / f"{name}.parquet"
        try:
            return check_columns(name, pd.read_parquet(file))
        except (OSError, ValueError) as error:
            raise RecordError(f"{file} cannot be read: {error}") from error


@dataclass(frozen=True)
class Record:
    """A results folder: its suite, its environment and its finished cells, in the suite's order."""

    path: Path
    suite: Mapping[str, Any]
    environment: Mapping[str, Any]
    cells: tuple[Cell, ...]

    @classmethod
    def load(cls, path: str | Path) -> Record:
        """Read the record at ``path``; raises `RecordError` where it is no results folder or holds no finished cell."""
        import tomllib

        path = Path(path)
        if not (path / "suite.toml").is_file():
            raise RecordError(f"{path} is not a results folder: it has no suite.toml")
        try:
            suite = tomllib.loads((path / "suite.toml").read_text(encoding="utf-8"))
            environment = json.loads((path / "environment.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RecordError(f"{path} is damaged: {error}") from error
        if not isinstance(suite.get("name"), str):
            raise RecordError(f"{path} is damaged: its suite.toml has no name")
        if not isinstance(environment, dict):
            raise RecordError(f"{path} is damaged: its environment.json holds no versions")
        cells = [Cell.load(folder) for folder in sorted((path / "cells").glob("*")) if not folder.name.startswith(".")]
        if not cells:
            raise RecordError(f"{path} holds no finished cell yet; run the suite first")
        cells.sort(key=lambda cell: cell.info.position)
        return cls(path, suite, environment, tuple(cells))

    @property
    def name(self) -> str:
        return str(self.suite["name"])

    @property
    def problems(self) -> tuple[str, ...]:
        """Names of the problems, in the suite's order."""
        return tuple(dict.fromkeys(cell.problem for cell in self.cells))

    def of_problem(self, problem: str) -> tuple[Cell, ...]:
        """The cells of a problem, in the suite's order; empty where there is none of that name."""
        return tuple(cell for cell in self.cells if cell.problem == problem)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)
