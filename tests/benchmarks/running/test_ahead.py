"""The report's sections are drawn by the workers, each when the last cell of its problem has landed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.pages.problem_section import Section, section_of
from analysis.record.cells import Cell
from benchmarks.cli.execute import Machine, execute
from benchmarks.record.folder import RecordFolder
from benchmarks.running.ahead import Ahead
from benchmarks.running.jobs import CellJob, carry_out
from benchmarks.running.observer import RunObserver
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite

SUITE = Suite.checked(
    {
        "name": "two", "problems": ["quadratic(dim=3)", "ellipse"], "optimizers": ["sgd", "momentum"], "steps": 10,
        "tuning": {"enabled": False}, "landscape": {"grid": "3x2", "seeds": 1}, "test": {"seeds": 1},
    },
    "test",
)  # fmt: skip


@dataclass
class Drawer:
    """Draws nothing, and remembers of what a section was asked for."""

    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, cells: Sequence[Cell], *_: object) -> SimpleNamespace:
        self.asked.append(tuple(cell.name for cell in cells))
        return SimpleNamespace(problem=SimpleNamespace(name=cells[0].problem))


@pytest.fixture
def drawer(monkeypatch: pytest.MonkeyPatch) -> Drawer:
    drawer = Drawer()
    monkeypatch.setattr("analysis.pages.report.section_ahead", drawer)
    return drawer


def test_a_section_is_drawn_when_the_last_cell_of_its_problem_has_landed_and_by_its_worker(
    tmp_path: Path, drawer: Drawer
) -> None:
    record = RecordFolder(tmp_path)
    record.open(SUITE)
    ahead = Ahead.of(record, SUITE.cells(), None)
    first, second = (plan.name for plan in SUITE.cells()[2:])
    jobs = [CellJob(plan, record) for plan in SUITE.cells()[2:]]
    assert carry_out(jobs[1]).landed
    assert ahead.section_after(second) is None
    assert carry_out(jobs[0]).landed
    os.utime(record.cell(first) / "cell.json", ns=(2**62, 2**62))
    assert ahead.section_after(second) is None
    assert drawer.asked == []
    assert ahead.section_after(first) is not None
    assert drawer.asked == [("ellipse--sgd", "ellipse--momentum")]


def test_a_run_hands_on_the_sections_that_were_asked_for(tmp_path: Path, drawer: Drawer) -> None:
    assert [*run(SUITE, tmp_path / "drawn", draw=True).sections] == ["quadratic(dim=3)", "ellipse"]
    assert run(SUITE, tmp_path / "plain").sections == {}
    assert len(drawer.asked) == 2


def test_a_section_that_cannot_be_drawn_ahead_is_left_to_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.pages.report.section_ahead", lambda *_: 1 / 0)
    done = run(SUITE, tmp_path, draw=True)
    assert len(done.landed) == 4
    assert done.sections == {}


def test_a_large_landscape_is_not_drawn_beside_others_that_train(
    tmp_path: Path, drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.running.ahead.FEW", 8)
    assert run(SUITE, tmp_path, draw=True).sections == {}
    assert drawer.asked == []


@pytest.mark.slow
def test_a_report_after_a_run_draws_no_section_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Section] = []

    def drawing(*arguments: Any) -> Section:
        drawn.append(section_of(*arguments))
        return drawn[-1]

    monkeypatch.setattr("analysis.pages.problem_section.section_of", drawing)
    monkeypatch.setattr("analysis.pages.report.drawn", lambda tasks, _: iter(tasks and [pytest.fail("again")]))
    machine = Machine(out=tmp_path, jobs=1, no_tracking=True)
    executed = execute(SUITE, machine, RunObserver())
    assert len(drawn) == 2
    assert [*executed.results] == ["quadratic(dim=3)", "ellipse"]
    assert executed.page is not None
