"""The record's schema: what every file of a results folder holds, and how to read it.

    results/<suite>/
        suite.toml              the suite as it was run
        environment.json        versions and machine
        shard.json              which part of the suite this is, see `analysis.record.shard`; none where it is the whole
        plugins/<name>.py       copies of the suite's plug-in files, where it has any
        cells/<cell>/           one folder a cell (problem x optimizer x schedule); it exists only when finished
            cell.json           what was run and what won        -> ``Cell.info``, see `analysis.record.cell_info`
            trials.parquet      one row a trial                  -> ``Cell.trials``
            runs.parquet        one row a run                    -> ``Cell.runs``
            curves.parquet      one row a run and evaluation     -> ``Cell.curves``
            landscape.parquet   one row a grid point and seed    -> ``Cell.landscape`` (may be empty)
            anytime.parquet     the same rows, on their way      -> ``Cell.anytime`` (not of older records)
            paths.parquet       one row a step of a 2-D run      -> ``Cell.paths`` (2-D problems only)
            surface.parquet     the loss on a grid of the plane  -> ``Cell.surface`` (2-D problems only)
            replays.parquet     one row a replayed search and k  -> ``Cell.replays`` (where searches were replayed)
            digests.json        the digest of each table that landed, see `analysis.record.tables`
        exhibits/<name>/        questions answered besides       -> `analysis.record.exhibits.load_exhibits`

Hyperparameters are plain columns under their own names (``lr``, ``gamma``, …); every other column name is listed here
and no hyperparameter may take it. A diverged run keeps its row: ``status`` says so, ``stopped_at`` says when, and its
losses after that step are missing (NaN), never imputed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.record.anytime import unpacked
from analysis.record.cell_info import CellInfo
from analysis.record.errors import OtherSchemaError, RecordError
from analysis.record.notebook import as_html
from analysis.record.shard import Shard, shard_of_record
from analysis.record.tables import has_table, read_json, read_table
from analysis.record.tidy import tidy

__all__ = ["Cell", "Record"]

RESTORE: Final = "put the file back from a copy, or run the suite again into a new folder"


@dataclass(frozen=True)
class Cell:
    """One finished cell of a record: ``info`` is its ``cell.json``; tables are read on first use."""

    path: Path
    info: CellInfo

    @classmethod
    def load(cls, path: Path) -> Cell:
        """Read ``path/cell.json``; raises `RecordError` where it is missing, no JSON or not as `CellInfo` says."""
        try:
            content = read_json(path / "cell.json")
        except (OSError, RecordError) as error:
            raise RecordError(f"{path} is not a finished cell: {error}") from error
        try:
            return cls(path, CellInfo.from_json(content))
        except OtherSchemaError as error:
            raise OtherSchemaError(f"{path / 'cell.json'}: {error}") from error
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
    def landscape_rows(self) -> int:
        """The number of runs of the landscape, which may be millions; 0 where the suite asked for none."""
        try:
            return int(pq.read_metadata(self.path / "landscape.parquet").num_rows)
        except (OSError, pa.ArrowException):
            return len(self.landscape)  # which says what is wrong

    def landscape_columns(self, names: Collection[str]) -> pd.DataFrame:
        """Some columns of the landscape, those of ``names`` that it has: read anew each time, for they may be large."""
        return read_table(self.path, "landscape", only=names)

    @property
    def anytime(self) -> Mapping[int, npt.NDArray[np.float64]] | None:
        """What every row of the landscape was after fewer steps, by their number: the gap to the stated minimum, else
        the loss, to within `analysis.record.anytime.ACCURACY`; NaN once it has diverged. Read anew each time.

        None where nothing was kept, as in records of earlier versions. Raises `RecordError` where it does not fit.
        """
        if not self.landscape_rows or not has_table(self.path, "anytime"):
            return None
        table = self._table("anytime")
        names = [str(name) for name in table.columns]
        if len(table) != self.landscape_rows or not all(name.isdecimal() for name in names):
            raise RecordError(
                f"{self.path / 'anytime.parquet'} does not fit the landscape beside it; delete the folder {self.path} "
                "and run the suite again"
            )
        return {int(name): unpacked(table[name].to_numpy()) for name in names}

    @cached_property
    def paths(self) -> pd.DataFrame | None:
        """The paths of a 2-D problem's test runs; None for other problems."""
        return self._table("paths") if has_table(self.path, "paths") else None

    @cached_property
    def surface(self) -> pd.DataFrame | None:
        """The loss on a grid of the plane; None for other problems."""
        return self._table("surface") if has_table(self.path, "surface") else None

    @cached_property
    def replays(self) -> pd.DataFrame | None:
        """The replayed searches; None where nothing was replayed."""
        return self._table("replays") if has_table(self.path, "replays") else None

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process: not the tables, which it reads itself."""
        return {"path": self.path, "info": self.info}

    def _repr_html_(self) -> str:
        """What a notebook shows: the problem, the protocol, and what each study found beside the defaults."""
        info, protocol = self.info, self.info.protocol
        found: list[dict[str, object]] = [
            {"setting": f"study {study.study + 1}", **(study.winner.hyperparameters if study.winner else {})}
            for study in info.studies
        ]
        rows = pd.DataFrame([*found, {"setting": "default", **info.defaults}])
        sentence = (
            f"{info.problem.description} {protocol.steps} steps, {protocol.studies} studies of "
            f"{protocol.trials} trials, {len(protocol.test_seeds)} test seeds, {self.landscape_rows:,} runs in the "
            "landscape. Tables: trials, runs, curves, landscape."
        )
        return as_html(f"{self.problem}: {self.label}", sentence, rows)

    def _table(self, name: str) -> pd.DataFrame:
        return read_table(self.path, name)


@dataclass(frozen=True)
class Record:
    """A results folder: its suite, its environment and its finished cells, in the suite's order; the ``shard`` of the
    suite that it is, None where it is the whole.
    """

    path: Path
    suite: Mapping[str, Any]
    environment: Mapping[str, Any]
    cells: tuple[Cell, ...]
    shard: Shard | None = None

    @classmethod
    def load(cls, path: str | Path) -> Record:
        """Read the record at ``path``; raises `RecordError` where it is no results folder or holds no finished cell."""
        import tomllib

        path = Path(path)
        if not (path / "suite.toml").is_file():
            raise RecordError(f"{path} is not a results folder: it has no suite.toml")
        try:
            suite = tomllib.loads((path / "suite.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise RecordError(f"{path} is damaged: suite.toml is no TOML: {error}; {RESTORE}") from error
        if not isinstance(suite.get("name"), str):
            raise RecordError(f"{path} is damaged: suite.toml lacks the name of a suite; {RESTORE}")
        try:
            environment = read_json(path / "environment.json")
        except (OSError, RecordError) as error:
            raise RecordError(f"{path} is damaged: {error}; {RESTORE}") from error
        if not isinstance(environment, dict):
            raise RecordError(f"{path} is damaged: environment.json should hold an object; {RESTORE}")
        cells = [_finished(folder) for folder in sorted((path / "cells").glob("*")) if not folder.name.startswith(".")]
        if not cells:
            raise RecordError(f"{path} holds no finished cell yet; run the suite first")
        cells.sort(key=lambda cell: cell.info.position)
        return cls(path, suite, environment, tuple(cells), shard_of_record(path))

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

    @cached_property
    def trials(self) -> pd.DataFrame:
        """All trials, tidy: one row a trial; its columns are those of `analysis.record.tidy.tidy`, here as below."""
        return self._tidy("trials")

    @cached_property
    def runs(self) -> pd.DataFrame:
        """All runs, tidy: one row a run, of trials, of tuned settings and of defaults (``setting``)."""
        return self._tidy("runs")

    @cached_property
    def curves(self) -> pd.DataFrame:
        """All curves, tidy: one row a run and evaluation."""
        return self._tidy("curves")

    @cached_property
    def landscape(self) -> pd.DataFrame:
        """All landscapes, tidy: one row a grid point and seed; a hyperparameter is NaN in cells that do not have it."""
        return self._tidy("landscape")

    def _tidy(self, table: str) -> pd.DataFrame:
        return tidy([(cell.path, cell.info) for cell in self.cells], table)

    def _repr_html_(self) -> str:
        """What a notebook shows: what was run, and a row a cell."""
        rows = [
            {
                "problem": cell.problem,
                "optimizer": cell.label,
                "studies": len(cell.info.studies),
                "trials": sum(study.trials for study in cell.info.studies),
                "landscape": cell.landscape_rows,
            }
            for cell in self.cells
        ]
        sentence = f"{self.suite.get('description', '')} {len(rows)} cells. Frames: trials, runs, curves, landscape."
        return as_html(f"{self.name} ({self.path})", sentence.strip(), pd.DataFrame(rows))

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process: not the frames, which it reads itself."""
        return {name: self.__dict__[name] for name in ("path", "suite", "environment", "cells", "shard")}


def _finished(folder: Path) -> Cell:
    """The cell in ``folder`` of a record, which has the cell's name; raises `RecordError` that says what to do."""
    try:
        cell = Cell.load(folder)
    except OtherSchemaError:
        raise
    except RecordError as error:
        raise RecordError(f"{error}; delete the folder {folder} and run the suite again") from error
    if cell.name != folder.name:
        raise RecordError(
            f"{folder} holds the cell {cell.name} under another name; delete this folder and run the suite again"
        )
    return cell
