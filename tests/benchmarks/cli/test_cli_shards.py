"""`stepscape run --shard` and `stepscape merge`, as typed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from few_cells import few_cells

from benchmarks.cli.main import main

TEXT = few_cells("parts", ["sphere", "ellipse"])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts.toml").write_text(TEXT)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> tuple[str, str]:
    """What a command prints, on stdout and stderr."""
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert ended.value.code == code
    found = capsys.readouterr()
    return found.out, found.err


@pytest.mark.parametrize("shard", ["0/4", "5/4", "x/4", "3", "4/0"])
def test_what_is_no_shard_is_a_sentence_and_exit_code_2(shard: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, error = said(capsys, "run", "parts.toml", "--shard", shard, code=2)
    assert error == (
        f"stepscape: a shard is a number and how many there are, as 3/16, the first being 1/16, got {shard}\n"
    )


def test_a_shard_is_run_into_a_folder_of_its_own_without_report_or_store(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, error = said(capsys, "run", "parts.toml", "-j1", "--shard", "2/4")
    assert "record:  results/parts-2-of-4 (shard 2 of 4; `stepscape merge OUT DIR…` joins them)" in out
    assert "[1/1] " in error
    assert {path.name for path in (here / "results/parts-2-of-4").iterdir()} == {
        "cells", "environment.json", "shard.json", "suite.toml"
    }  # fmt: skip
    out, _ = said(capsys, "run", "parts.toml", "-j1", "--shard", "2/4")
    assert "parts: all of shard 2 of 4 finished already." in out


def test_a_dry_run_of_a_shard_shows_its_cells_and_how_evenly_cost_is_divided(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, _ = said(capsys, "run", "parts.toml", "--shard", "1/4", "--dry-run")
    assert sum(line.startswith(("sphere--", "ellipse--")) for line in out.splitlines()) == 1
    spread = r"This is shard 1 of 4, with \d\.\d\d of the mean cost of a shard; the shards have \d\.\d\d to \d\.\d\d\."
    assert re.search(spread, out)
    assert "1 part to run into results/parts-1-of-4" in out


def test_merge_joins_shards_and_names_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2, 3, 4):
        said(capsys, "run", "parts.toml", "-j1", "--shard", f"{number}/4")
    folders = [f"results/parts-{number}-of-4" for number in (1, 2, 3, 4)]
    out, error = said(capsys, "merge", "results/parts", *folders[:3])
    assert "results/parts: 3 of 4 parts finished, 3 of them joined now" in out
    assert "; `stepscape run SUITE --out results/parts` runs them" in out
    assert "of 4 shards these are not among the folders: 4" in error
    out, _ = said(capsys, "merge", "results/parts", *folders)
    assert out == (
        "results/parts: 4 of 4 parts finished, 1 of them joined now\nreport:  stepscape report results/parts\n"
    )
    _, error = said(capsys, "merge", folders[0], *folders, code=2)
    assert "is among the records to join" in error
