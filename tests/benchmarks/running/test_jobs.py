"""Jobs: cells, exhibits and pictures are carried out alike, one after another where one follows from another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.exhibits import make_question
from benchmarks.mlflow_mirror.overview import overview_path
from benchmarks.record.folder import RecordFolder
from benchmarks.running import run_suite
from benchmarks.running.jobs import CellJob, ExhibitJob, JobResult, OverviewJob, carry_out
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


def picture_instead(_: object, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a picture")


@pytest.fixture
def record(tmp_path: Path) -> RecordFolder:
    record = RecordFolder(tmp_path / "out")
    record.open(SUITE)
    return record


@pytest.fixture
def chain(record: RecordFolder) -> tuple[CellJob, OverviewJob]:
    cell = CellJob(SUITE.cells()[0], record)
    return cell, OverviewJob(cell.name, record)


def test_a_cell_and_then_its_picture_are_carried_out_as_one(
    chain: tuple[CellJob, OverviewJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.running.jobs.draw_overview", picture_instead)
    cell, picture = chain
    assert not cell.finished
    assert not picture.finished
    done = carry_out(chain)
    assert (done.name, done.landed) == (cell.name, True)
    assert cell.finished
    assert picture.finished


def test_what_stands_already_is_not_done_again_and_what_follows_is(
    chain: tuple[CellJob, OverviewJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.running.jobs.draw_overview", picture_instead)
    cell, picture = chain
    cell.run()  # and here its worker is killed
    monkeypatch.setattr("benchmarks.running.jobs.run_cell", lambda *_: pytest.fail("it stands"))
    assert carry_out(chain).landed
    assert picture.finished


def test_a_picture_that_cannot_be_drawn_costs_the_mirrored_run_and_not_the_cell(
    chain: tuple[CellJob, OverviewJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("benchmarks.running.jobs.draw_overview", full)
    assert carry_out(chain).error == "the disk is full"
    assert chain[0].finished
    assert not chain[1].finished


def test_a_mirror_is_handed_a_cell_whose_picture_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.running.jobs.draw_overview", picture_instead)
    record, drawn = RecordFolder(tmp_path), []
    run(SUITE, tmp_path, mirror=lambda cell: drawn.append(overview_path(record, cell.name).is_file()))
    assert drawn == [True, True]


def test_nothing_is_drawn_without_a_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.running.jobs.draw_overview", lambda *_: pytest.fail("nobody asked"))
    assert len(run(SUITE, tmp_path).landed) == 2
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
