"""The driver's side of every cluster: what it sends when, and what becomes of jobs that do not come back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.errors import UsageError
from benchmarks.record.folder import RecordFolder
from benchmarks.running.backends.parcel import Parcel, Requirements, Returned
from benchmarks.running.backends.remote import ClusterGoneError, JobLostError, Remote, lost
from benchmarks.running.jobs import Job, JobResult
from benchmarks.suite.suite import Suite

SUITE = Suite.load("smoke")


@dataclass(frozen=True)
class Note(Job):
    """A job that leaves a note of its own."""

    number: int
    folder: RecordFolder = field(default_factory=lambda: RecordFolder(Path()))

    @property
    def name(self) -> str:
        return f"note-{self.number}"

    @property
    def cost(self) -> float:
        return 1.0

    @property
    def finished(self) -> bool:
        return self.place.is_dir()

    @property
    def place(self) -> Path:
        return self.folder.cell(self.name)

    def elsewhere(self, folder: RecordFolder, data: Path | None) -> Note:
        return Note(self.number, folder)

    def run(self) -> Path:
        return self.place

    def check_same(self, known: dict[str, str]) -> None: ...


class Made(Remote):
    """A cluster of ``workers`` that does what it is told of each job: by default it returns a note."""

    workers = 2

    def __init__(self, answers: Mapping[int, Returned | Exception] | None = None) -> None:
        super().__init__(None, "somewhere", None)
        self.answers, self.sent, self.most, self.forgotten = answers or {}, list[Parcel](), 0, list[Hashable]()
        self.waiting = 0

    def connect(self) -> None: ...

    def unfit_workers(self, needs: Requirements) -> list[str] | None:
        return []

    def send(self, parcel: Parcel) -> Hashable:
        self.sent.append(parcel)
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        return parcel.job.name

    def ended(self, handles: Sequence[Hashable]) -> Sequence[Hashable]:
        return [handles[-1]]

    def result(self, handle: Hashable) -> Returned:
        self.waiting -= 1
        job = next(parcel.job for parcel in self.sent if parcel.job.name == handle)
        assert isinstance(job, Note)
        answer = self.answers.get(job.number, Returned(JobResult(job.name, job.title, 1.0), {"note": b"done"}))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def forget(self, handles: Sequence[Hashable]) -> None:
        self.forgotten += handles

    def shares(self) -> Mapping[str, float]:
        return {}


@pytest.fixture
def jobs(tmp_path: Path) -> list[Note]:
    (tmp_path / "cells").mkdir()
    return [Note(number, RecordFolder(tmp_path)) for number in range(5)]


def results(backend: Made, jobs: Sequence[Note]) -> dict[str, JobResult]:
    backend.open(SUITE, print)
    return {done.name: done for done in backend.carry_out(jobs, None)}


def test_no_more_jobs_are_sent_than_there_are_workers_and_in_their_order(jobs: list[Note]) -> None:
    backend = Made()
    done = results(backend, jobs)
    assert [parcel.job.name for parcel in backend.sent] == [job.name for job in jobs]
    assert backend.most == 2
    assert all(each.landed for each in done.values())
    assert {(job.place / "note").read_bytes() for job in jobs} == {b"done"}
    assert backend.forgotten == []


def test_with_a_number_of_jobs_so_many_are_sent(jobs: list[Note]) -> None:
    backend = Made()
    backend.jobs = 4
    results(backend, jobs)
    assert backend.most == 4


def test_a_job_whose_workers_end_fails_by_itself(jobs: list[Note]) -> None:
    done = results(Made({1: lost(3), 2: JobLostError("odd")}), jobs)
    assert done["note-1"].error is not None
    assert done["note-1"].error.startswith("the worker that ran it ended 3 times")
    assert done["note-2"].error == "odd"
    assert [name for name, each in done.items() if each.landed] == ["note-3", "note-4", "note-0"]


def test_a_cluster_that_goes_leaves_no_job_without_an_end(jobs: list[Note]) -> None:
    backend = Made({1: ClusterGoneError("it is gone")})
    done = results(backend, jobs)
    assert set(done) == {job.name for job in jobs}
    assert {each.error for each in done.values()} == {"it is gone"}


def test_a_worker_that_comes_later_with_other_versions_stops_the_run(jobs: list[Note]) -> None:
    backend = Made({2: Returned(unfit="the worker on x has torch 1 and not 2")})
    with pytest.raises(UsageError, match="has torch 1 and not 2"):
        results(backend, jobs)
    assert not jobs[2].finished
    assert backend.forgotten
