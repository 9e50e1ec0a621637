"""Records as one small file: packed alike each time, read as a folder is, and those that come with the suite."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analysis.problem_results import results_table
from analysis.record.cells import Record
from benchmarks.errors import UsageError
from benchmarks.record.archive import atlas, opened, pack
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite


@pytest.fixture(scope="module")
def folder(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed") / "tiny"
    run(Suite.parse(tiny, "the test"), folder)
    (folder / "report").mkdir()
    (folder / "report" / "index.html").touch()
    return folder


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("STEPSCAPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_record_is_packed_alike_each_time_and_read_as_its_folder_is(folder: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "one.tar.xz", tmp_path / "two.tar.xz"
    assert pack(folder, first) == first.stat().st_size
    for file in folder.rglob("*"):
        file.touch()
    pack(shutil.copytree(folder, tmp_path / "copy"), second)
    assert first.read_bytes() == second.read_bytes()
    unpacked = opened(first)
    assert {path.name for path in unpacked.iterdir()} == {"suite.toml", "environment.json", "cells"}
    assert [cell.name for cell in Record.load(unpacked)] == [cell.name for cell in Record.load(folder)]
    assert opened(first) == unpacked
    assert opened(folder) == folder


def test_commands_read_an_archive(
    folder: Path, tmp_path: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tiny.tar.xz"
    assert call("export", "archive", folder, file) == 0
    assert "tiny.tar.xz: 0." in capsys.readouterr().out
    assert call("compare", file, folder) == 0
    assert "1× [1×, 1×]" in capsys.readouterr().out


def test_a_light_archive_lacks_the_curves_of_trials_only_and_is_a_whole_record(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "light.tar.xz"
    pack(folder, file, light=True)
    for light, whole in zip(Record.load(opened(file)), Record.load(folder), strict=True):
        assert {*light.curves["setting"]} == {"tuned", "default"} < {*whole.curves["setting"]}
        kept = whole.curves[whole.curves["setting"] != "trial"].reset_index(drop=True)
        pd.testing.assert_frame_equal(light.curves, kept)
        if whole.paths is not None:
            assert light.paths is not None
            pd.testing.assert_frame_equal(light.paths, whole.paths[whole.paths["seed"] == whole.paths["seed"].min()])
        pd.testing.assert_frame_equal(light.trials, whole.trials)
        kept = whole.runs[
            (whole.runs["setting"] != "trial") | (whole.runs["best_loss"] == whole.runs["best_loss"].min())
        ]
        pd.testing.assert_frame_equal(light.runs, kept.reset_index(drop=True), check_dtype=False)
    pd.testing.assert_frame_equal(results_table(Record.load(opened(file))), results_table(Record.load(folder)))


def test_what_is_no_record_or_no_archive_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a results folder: it has no suite.toml"):
        pack(tmp_path, tmp_path / "none.tar.xz")
    with pytest.raises(UsageError, match=r"an archive is called NAME.tar.xz, not tiny.zip"):
        pack(folder, tmp_path / "tiny.zip")
    broken = tmp_path / "broken.tar.xz"
    broken.write_bytes(b"no archive")
    with pytest.raises(UsageError, match=r"broken.tar.xz cannot be unpacked"):
        opened(broken)
    with tarfile.open(tmp_path / "other.tar.xz", "w:xz"):
        pass
    with pytest.raises(UsageError, match=r"other.tar.xz holds no record"):
        opened(tmp_path / "other.tar.xz")
    with pytest.raises(UsageError, match=r"no record 'leage' comes with the suite: .*did you mean 'league'\?"):
        opened("atlas:leage")


def test_nothing_leaves_the_folder_that_an_archive_is_unpacked_into(tmp_path: Path, cache: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar.xz", "w:xz") as archive:
        member = tarfile.TarInfo("../../evil")
        archive.addfile(member)
    with pytest.raises(UsageError, match=r"cannot be unpacked"):
        opened(tmp_path / "evil.tar.xz")
    assert not list(cache.rglob("evil"))


@pytest.mark.slow
def test_records_that_come_with_the_suite_can_be_read_and_are_small() -> None:
    assert "league" in atlas()
    for name, file in atlas().items():
        assert file.stat().st_size < 9 * 2**20  # 480 cells, packed light, take 8.1
        assert Record.load(opened(f"atlas:{name}")).name == name
