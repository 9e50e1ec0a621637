"""What a record and its own MLflow store both hold is kept once on the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.mlflow_mirror.links import share_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "suite.toml": 'name = "made-up"',
        "report/index.html": "a page",
        "report/figures/a.svg": "a figure",
        "cells/a/cell.json": json.dumps({"cell": "a"}),
        "cells/a/surface.parquet": "a surface",
        "cells/b/surface.parquet": "a surface",
        "cells/c/surface.parquet": "b surface",
        "mlartifacts/1/artifacts/report/index.html": "a page",
        "mlartifacts/1/artifacts/report/figures/a.svg": "an older figure",
        "mlartifacts/2/artifacts/record/cell.json": json.dumps({"cell": "a"}),
        "mlartifacts/2/artifacts/record/surface.parquet": "a surface",
        "mlartifacts/2/artifacts/record/suite.toml": 'name = "made-up"',
        "mlartifacts/3/artifacts/record/cell.json": "no JSON",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_equal_files_become_one_and_others_stay(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    share_files(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    copies = folder / "mlartifacts"
    assert (copies / "1/artifacts/report/index.html").samefile(folder / "report/index.html")
    assert (copies / "2/artifacts/record/suite.toml").samefile(folder / "suite.toml")
    assert (copies / "2/artifacts/record/surface.parquet").samefile(folder / "cells/b/surface.parquet")
    assert (copies / "1/artifacts/report/figures/a.svg").stat().st_nlink == 1
    assert (folder / "cells/c/surface.parquet").stat().st_nlink == 1


def test_a_second_time_changes_nothing_and_a_disk_without_links_is_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    share_files(folder)
    assert (folder / "mlartifacts/1/artifacts/report/index.html").stat().st_nlink == 1
    assert not list(folder.rglob(".*"))
    monkeypatch.undo()
    share_files(folder)
    share_files(folder)
    assert (folder / "report/index.html").stat().st_nlink == 2
