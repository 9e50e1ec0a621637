"""A results folder that is foreign or damaged is named in a sentence, file and all; nobody meets a traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from analysis.record.cells import Cell, Record
from analysis.record.columns import check_columns
from analysis.record.errors import RecordError
from analysis.record.exhibits import Exhibit

CELL = "cells/noisy--sgd"


@pytest.fixture
def folder(record_folder: Path, tmp_path: Path) -> Path:
    """A record of one cell, to be damaged."""
    shutil.copytree(record_folder / CELL, tmp_path / "record" / CELL)
    for name in ("suite.toml", "environment.json"):
        shutil.copy(record_folder / name, tmp_path / "record" / name)
    return tmp_path / "record"


@pytest.mark.parametrize("file", ["suite.toml", "environment.json", f"{CELL}/cell.json"])
def test_a_file_that_cannot_be_read_is_named(folder: Path, file: str) -> None:
    (folder / file).write_text("{ no JSON and no TOML", encoding="utf-8")
    with pytest.raises(RecordError, match=r"record.* is (damaged|not a finished cell)"):
        Record.load(folder)


def test_a_cell_or_an_exhibit_of_another_schema_asks_for_a_new_run(folder: Path) -> None:
    file = folder / CELL / "cell.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"schema": 0}), encoding="utf-8")
    with pytest.raises(RecordError, match="another version of the record's schema"):
        Cell.load(folder / CELL)
    (folder / "exhibit.json").write_text("[]", encoding="utf-8")
    with pytest.raises(RecordError, match="another version of the record's schema"):
        Exhibit.load(folder)


def test_a_table_that_is_cut_off_or_lacks_a_column_is_named(folder: Path) -> None:
    file = folder / CELL / "runs.parquet"
    cell = Cell.load(folder / CELL)
    with pytest.raises(RecordError, match=r"trials lacks the column\(s\) block"):
        check_columns("trials", cell.trials.drop(columns="block"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(RecordError, match=r"runs.parquet cannot be read"):
        _ = cell.runs
