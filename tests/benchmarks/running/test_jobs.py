"""Jobs: cells and exhibits are carried out alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.exhibits import make_question
from benchmarks.record.folder import RecordFolder
from benchmarks.running import run_suite
from benchmarks.running.jobs import CellJob, ExhibitJob, JobResult, carry_out
from benchmarks.running.observer import RunObserver
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite

SUITE = Suite.checked(
    {
        "name": "two", "problems": ["quadratic(dim=3)"], "optimizers": ["sgd", "momentum"], "steps": 10,
        "tuning": {"enabled": False}, "landscape": {"grid": "3x2", "seeds": 1}, "test": {"seeds": 1},
    },
    "test",
)  # fmt: skip


@pytest.fixture
def record(tmp_path: Path) -> RecordFolder:
    record = RecordFolder(tmp_path / "out")
    record.open(SUITE)
    return record


@pytest.fixture
def cell(record: RecordFolder) -> CellJob:
    return CellJob(SUITE.cells()[0], record)


def test_a_cell_that_is_carried_out_has_landed(cell: CellJob) -> None:
    assert not cell.finished
    done = carry_out(cell)
    assert (done.name, done.landed) == (cell.name, True)
    assert cell.finished


def test_what_stands_already_is_not_done_again(cell: CellJob, monkeypatch: pytest.MonkeyPatch) -> None:
    cell.run()  # and here its worker is killed
    monkeypatch.setattr("benchmarks.running.jobs.run_cell", lambda *_: pytest.fail("it stands"))
    assert carry_out(cell).landed


def test_a_disk_that_is_full_is_the_error_of_the_job(cell: CellJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("benchmarks.running.jobs.write_cell", full)
    assert carry_out(cell).error == "the disk is full"
    assert not cell.finished


def test_nothing_is_left_of_a_run_that_is_mirrored(tmp_path: Path) -> None:
    handed: list[Path] = []
    assert len(run(SUITE, tmp_path, mirror=handed.append).landed) == 2
    assert len(handed) == 2
    assert not (tmp_path / "unfinished").exists()


def test_every_job_has_a_title_for_a_sentence(record: RecordFolder) -> None:
    exhibit = ExhibitJob(make_question("memory", {"steps": 5}), 0, record)
    cell = CellJob(SUITE.cells()[0], record)
    assert [job.title for job in (exhibit, cell)] == ["exhibit memory", f"cell {cell.name}"]


def test_an_observer_hears_what_it_asks_for_and_nothing_is_measured_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def measure(cells: list[object], jobs: int) -> float:
        measured.append(len(cells))
        return 7.0

    class Listener(RunObserver):
        def __init__(self) -> None:
            self.heard: list[object] = []

        def estimated(self, seconds: Callable[[], float], jobs: int, processes: int) -> None:
            self.heard.append((seconds(), jobs, processes))

        def started(self, cost: float, kept: int) -> None:
            self.heard.append(kept)

        def ended(self, result: JobResult, cost: float) -> None:
            self.heard.append(result.name)

    monkeypatch.setattr(run_suite, "estimate_seconds", measure)
    run(SUITE.model_copy(update={"optimizers": ["sgd"]}), tmp_path / "unheard")
    assert measured == []
    listener = Listener()
    run(SUITE, tmp_path / "heard", observer=listener)
    assert measured == [2]
    assert listener.heard[:2] == [(7.0, 2, 1), 0]
    assert set(listener.heard[2:]) == {plan.name for plan in SUITE.cells()}
