"""The record: what is there is finished, whole and ours; nothing of others is touched."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.record.cell_info import CellInfo
from analysis.record.cells import Cell, Record
from analysis.record.errors import RecordError
from benchmarks.errors import UsageError
from benchmarks.record.environment import commit_of
from benchmarks.record.folder import RecordFolder
from benchmarks.record.writer import write_cell
from benchmarks.suite.suite import Suite

TEXT = 'name = "mine"\nproblems = ["ellipse"]\noptimizers = ["sgd"]\n'
SUITE = Suite.parse(TEXT, "test")
SURFACE = pd.DataFrame({"x1": [0.0], "x2": [1.0], "loss": [2.0]})


def test_a_new_folder_gets_suite_and_environment(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "results"
    RecordFolder(folder).open(SUITE)
    assert Suite.load(folder / "suite.toml") == SUITE
    assert json.loads((folder / "environment.json").read_text())["packages"]["torch"]
    RecordFolder(folder).open(SUITE)  # taking it up again is fine


def test_the_commit_of_the_code_is_recorded_and_whether_it_was_changed(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    code = tmp_path / "code.py"
    code.write_text("one")
    assert commit_of(code) is None  # no checkout
    git("init", "--quiet")
    assert commit_of(code) is None  # somebody else's checkout: an installed copy is not tracked in it
    git("add", "code.py")
    git("commit", "--quiet", "-m", "one")
    assert commit_of(code) == git("rev-parse", "HEAD")
    code.write_text("two")
    assert commit_of(code) == git("rev-parse", "HEAD") + "-dirty"


def test_the_folder_of_another_definition_is_refused_and_left_alone(tmp_path: Path) -> None:
    RecordFolder(tmp_path).open(SUITE)
    before = (tmp_path / "suite.toml").read_bytes()
    with pytest.raises(UsageError, match="another definition of a suite"):
        RecordFolder(tmp_path).open(Suite.parse(TEXT + "evaluations = 7\n", "test"))
    assert (tmp_path / "suite.toml").read_bytes() == before


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(UsageError, match="holds other files and no record"):
        RecordFolder(tmp_path).open(SUITE)
    assert [item.name for item in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        RecordFolder(tmp_path / "results").open(SUITE)
    with pytest.raises(UsageError, match="cannot be written"):
        RecordFolder(tmp_path / "results" / "below").open(SUITE)


@pytest.fixture
def info(cell_info: CellInfo) -> CellInfo:
    """What the suite's one cell says of itself."""
    return replace(cell_info, cell="ellipse--sgd")


def test_a_cell_lands_whole_or_not_at_all(tmp_path: Path, info: CellInfo) -> None:
    RecordFolder(tmp_path).open(SUITE)
    with pytest.raises(RecordError, match="surface lacks the column"):
        write_cell(RecordFolder(tmp_path), info, {"surface": SURFACE.drop(columns="loss")})
    assert RecordFolder(tmp_path).finished(SUITE.cells()) == set()
    path = write_cell(RecordFolder(tmp_path), info, {"surface": SURFACE})
    assert RecordFolder(tmp_path).finished(SUITE.cells()) == {"ellipse--sgd"}
    cell = Cell.load(path)
    assert cell.info == info
    assert cell.surface is not None
    pd.testing.assert_frame_equal(cell.surface, SURFACE)


def test_a_finished_cell_is_never_overwritten(tmp_path: Path, info: CellInfo) -> None:
    RecordFolder(tmp_path).open(SUITE)
    write_cell(RecordFolder(tmp_path), info, {})
    write_cell(RecordFolder(tmp_path), replace(info, position=1), {})
    assert Cell.load(tmp_path / "cells" / "ellipse--sgd").info.position == 0


def test_a_cell_that_cannot_be_json_is_refused(tmp_path: Path, info: CellInfo) -> None:
    RecordFolder(tmp_path).open(SUITE)
    with pytest.raises(ValueError, match="JSON"):
        write_cell(RecordFolder(tmp_path), replace(info, defaults={"lr": float("nan")}), {})
    assert RecordFolder(tmp_path).finished(SUITE.cells()) == set()


def test_an_empty_or_foreign_folder_is_no_record(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="not a results folder"):
        Record.load(tmp_path)
    RecordFolder(tmp_path).open(SUITE)
    with pytest.raises(RecordError, match="no finished cell"):
        Record.load(tmp_path)


def test_measured_numbers_take_less_room_and_come_back_as_they_were(tmp_path: Path, info: CellInfo) -> None:
    record = RecordFolder(tmp_path)
    record.open(SUITE)
    steps = np.tile(np.arange(50), 40)
    loss = np.exp(-steps / 9) * np.random.default_rng(0).uniform(1, 2, steps.size)
    loss[7], loss[8] = np.nan, np.inf
    frame = pd.DataFrame({"x1": steps / 7, "x2": steps, "loss": loss})
    plain = tmp_path / "plain.parquet"
    frame.to_parquet(plain, compression="zstd", index=False)
    for tables in ({"surface": frame}, {"surface": iter([frame[:1000], frame[1000:]])}):
        folder = write_cell(record, replace(info, cell=f"cell {len(list(record.path.glob('cells/*')))}"), tables)
        file = folder / "surface.parquet"
        assert file.stat().st_size < 0.9 * plain.stat().st_size
        pd.testing.assert_frame_equal(pd.read_parquet(file), frame, check_exact=True)
