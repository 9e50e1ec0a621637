"""The results folder: whatever lands in it does so by one rename, and what killed processes left half there goes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.record.folder import RecordFolder, landing
from benchmarks.record.lock import alone
from benchmarks.suite.suite import Suite

SUITE = Suite.checked({"name": "mine", "problems": ["ellipse"], "optimizers": ["sgd"]}, "test")
LANDING = (
    "suite.toml", "environment.json", "plugins/mine.py", "mlflow.db", "cells/ellipse--sgd", "exhibits/memory",
    "cells/ellipse--sgd/replays.parquet", "unfinished/ellipse--sgd-0/landscape-000000-0.pt",
    "unfinished/ellipse--sgd-0/study-1/block-0000-0.pt", "unfinished/x/overview.png",
)  # fmt: skip


@pytest.mark.parametrize("name", LANDING)
def test_what_a_killed_process_left_half_written_is_removed_by_the_next(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    manager = landing(path)
    working = manager.__enter__()  # and here it is killed
    working.write_text("half")
    assert working.exists()
    with alone(RecordFolder(tmp_path)):
        assert not working.exists()


def test_what_is_finished_and_what_is_hidden_by_others_is_not_half_written(tmp_path: Path) -> None:
    record = RecordFolder(tmp_path)
    record.open(SUITE)
    for file in (".gitignore", "cells/ellipse--sgd/cell.json", "cells/ellipse--sgd/replays.parquet", "mlflow.db-wal"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert list(record.half_written()) == []


def test_a_file_that_lands_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with landing(tmp_path / "file") as working:
            working.write_text(text)
            assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".")] == [working.name]
    assert (tmp_path / "file").read_text() == "two"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_stands_stays(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with landing(tmp_path / "folder") as working:
            working.mkdir()
            (working / "file").write_text(text)
    assert (tmp_path / "folder" / "file").read_text() == "one"
    assert [item.name for item in tmp_path.iterdir()] == ["folder"]


def test_an_exception_leaves_nothing_and_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")

    def break_off() -> None:
        with landing(tmp_path / "file") as working:
            working.write_text("half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        break_off()
    assert (tmp_path / "file").read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_what_lands_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    renamed, name_of = Path.replace, {}

    def opened(path: Path, flags: int) -> int:
        place = os_open(path, flags)
        name_of[place] = Path(path).name
        return place

    os_open = os.open
    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "fsync", lambda place: done.append(name_of[place]))
    monkeypatch.setattr(Path, "replace", lambda path, to: (done.append(f"rename to {to.name}"), renamed(path, to)))
    with landing(tmp_path / "cell") as working:
        working.mkdir()
        (working / "cell.json").write_text("{}")
    assert done == ["cell.json", working.name, "rename to cell", tmp_path.name]
