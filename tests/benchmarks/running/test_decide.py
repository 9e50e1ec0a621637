"""How much it takes to tell optimizers apart is said before hours are spent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.measures.paired_tests import seeds_to_decide
from benchmarks.cli.dry_run import dry_run
from benchmarks.cli.execute import Machine
from benchmarks.cli.progress import duration
from benchmarks.running import estimate
from benchmarks.running.decide import what_decides
from benchmarks.running.estimate import total_seconds
from benchmarks.suite.suite import CellPlan, Suite


def plans(optimizers: int, **tables: Any) -> list[CellPlan]:
    names = ["sgd", "momentum", "nesterov", "rmsprop", "adam"][:optimizers]
    return Suite(name="s", problems=["quadratic"], optimizers=names, **tables).cells()


def test_one_optimizer_has_nothing_to_be_told_from() -> None:
    assert what_decides(plans(1)) == ""


def test_few_studies_are_said_to_tell_nothing() -> None:
    said = what_decides(plans(3, tuning={"studies": 2}))
    assert said == "2 studies a cell tell no optimizers apart: that takes 3 (tuning.studies)."


def test_of_one_study_it_is_the_seeds_that_decide_and_only_of_the_setting() -> None:
    said = what_decides(plans(3, tuning={"studies": 1}, test={"seeds": 3}))
    assert "the setting that one study found, 3 test seeds cannot decide at 5%" in said
    assert f"that takes {seeds_to_decide(2)} (test.seeds)" in said
    assert "are enough" in what_decides(plans(3, tuning={"studies": 1}, test={"seeds": 10}))


def test_more_contenders_take_a_larger_difference() -> None:
    few, many = (what_decides(plans(count)) for count in (2, 5))
    found = [float(said.partition("differ by ")[2].split()[0]) for said in (few, many)]
    assert found[0] < found[1]
    assert "studies would find 2 (tuning.studies)" in many


def test_a_dry_run_shows_every_cell_and_writes_nothing(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", "smoke", "--out", tmp_path / "out", "--dry-run", "--jobs", "1") == 0
    said = capsys.readouterr().out
    for cell in Suite.load("smoke").cells():
        assert f"\n{cell.name} " in said
    assert "lr 1e-05 to 10" in said
    assert "4 parts to run into" in said
    assert not (tmp_path / "out").exists()


def test_a_dry_run_names_what_cannot_run_where_the_suite_goes_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {
        "name": "x",
        "problems": ["ellipse"],
        "optimizers": ["sgd", "torch:Muon"],
        "on_error": "skip",
        "steps": 5,
    }
    said = dry_run(Suite.checked(settings, "test"), Machine(jobs=1))
    assert "cell ellipse--torch_Muon" in said
    assert "cannot run: torch:Muon refuses" in said
    assert "1 part to run" in said


@pytest.mark.usefixtures("empty_pictures")
def test_a_dry_run_says_what_is_finished(
    call: Callable[..., int], tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny.toml").write_text(tiny)
    command = ["run", tmp_path / "tiny.toml", "--out", tmp_path / "out", "--no-tracking", "--jobs", "1"]
    assert call(*command) == 0
    capsys.readouterr()
    assert call(*command, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "ellipse--sgd  finished" in said
    assert "0 parts to run" in said


def test_the_longest_cell_and_a_busy_machine_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("os.getloadavg", lambda: (1.0, 1.0, 1.0))
    assert total_seconds([10.0, 2.0], 2) == 10.0 + estimate.START
    monkeypatch.setattr("os.getloadavg", lambda: (3.0, 3.0, 3.0))
    assert total_seconds([10.0, 10.0], 2) == pytest.approx(10.0 * 4 / 3 + estimate.START)


@pytest.mark.parametrize(
    ("seconds", "text"), [(7, "7 s"), (99.4, "99 s"), (100, "2 min"), (3 * 3600 + 1200, "3 h 20 min")]
)
def test_times_are_in_hours_and_minutes(seconds: float, text: str) -> None:
    assert duration(seconds) == text
