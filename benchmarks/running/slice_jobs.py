"""Jobs in waves: slices and whole cells first, then the cells that were cut, which land what their slices made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.record.folder import RecordFolder
from benchmarks.record.meter import Meter
from benchmarks.running.cell import groups_of, searched_space, study_of
from benchmarks.running.jobs import CellJob, Job, JobResult
from benchmarks.running.slices import Slice, Slices
from benchmarks.running.watch import Watch

__all__ = ["SliceJob", "carried_out", "costs_of", "waves_of"]


@dataclass(frozen=True)
class SliceJob(Job):
    """Train a ``part`` of the ``cell``, its slice of that ``number``, and keep it among the cell's checkpoints.

    A group of a landscape that is kept already is not trained again; a killed one loses the group it was at.
    """

    lands = False

    cell: CellJob
    number: int
    part: Slice

    @property
    def folder(self) -> RecordFolder:  # type: ignore[override]
        return self.cell.folder

    @property
    def name(self) -> str:
        return f"{self.cell.name}~{self.number}"

    @property
    def title(self) -> str:
        return f"slice {self.number} of {self.cell.title}"

    @property
    def cost(self) -> float:
        return self.cell.cost * self.part.share

    @property
    def finished(self) -> bool:
        return self.cell.finished

    @property
    def place(self) -> Path:
        return self.folder.unfinished

    def elsewhere(self, folder: RecordFolder, data: Path | None) -> SliceJob:
        return replace(self, cell=self.cell.elsewhere(folder, data))

    def keeps(self) -> list[Path]:
        return self.cell.keeps()

    def concerns(self, file: str) -> bool:
        return self.part.concerns(file)

    def run(self) -> Path:
        cell = self.cell.prepared()
        meter = Meter(self.folder.unfinished, self.name, self.part.updates)
        checkpoints = replace(self.cell.checkpoints(cell, meter), everything=True)
        with closing(meter):
            for number in self.part.studies:
                study_of(cell, number, checkpoints)
            if self.part.groups:
                groups = groups_of(cell, searched_space(cell, replace(checkpoints, meter=None)))
                for number in self.part.groups:
                    groups.trained(number, checkpoints)
        assert checkpoints.folder is not None, "a cell of a record has one"
        return checkpoints.folder

    def check_same(self, known: dict[str, str]) -> None:
        self.cell.check_same(known)


def waves_of(jobs: Sequence[Job], slices: Slices, *, cheapest_first: bool = False) -> list[list[Job]]:
    """The ``jobs``, those of cells that are cut after the jobs of their ``slices``, in waves that follow each other.

    The costliest first keeps all workers busy to the end; where time may run out, the cheapest cells finish the most.
    """
    jobs = sorted(jobs, key=lambda job: job.cost, reverse=not cheapest_first)
    first, waiting, last = list[Job](), list[Job](), list[Job]()
    for job in jobs:
        own = slices.get(job.name, ())
        if not own or not isinstance(job, CellJob):
            first.append(job)
            continue
        for number, part in enumerate(own, start=1):
            (waiting if part.waits else first).append(SliceJob(job, number, part))
        last.append(replace(job, cost=job.cost * max(0.0, 1 - sum(part.share for part in own)), gathers=True))
    if not cheapest_first:
        first.sort(key=lambda job: job.cost, reverse=True)
    return [wave for wave in (first, waiting, last) if wave]


def costs_of(waves: Sequence[Sequence[Job]]) -> dict[str, float]:
    """The cost of every job, by its name."""
    return {job.name: job.cost for wave in waves for job in wave}


def carried_out(
    waves: Sequence[Sequence[Job]], carry_out: Callable[[Sequence[Job]], Iterator[JobResult]], watch: Watch
) -> Iterator[JobResult]:
    """How every job of a cell or an exhibit ended, wave by wave: of slices nothing is said but to the ``watch``.

    A cell takes the seconds of its slices too. One of which a slice failed has failed, and is not tried further.
    """
    seconds, failed = defaultdict[str, float](float), set[str]()
    for wave in waves:
        going = [job for job in wave if _cell_of(job) not in failed]
        slices = {job.name: job for job in going if isinstance(job, SliceJob)}
        for done in carry_out(going) if going else ():
            job = slices.get(done.name)
            if job is None:
                watch.forget(done.name)
                yield replace(done, seconds=done.seconds + seconds[done.name])
            elif job.cell.name not in failed:
                seconds[job.cell.name] += done.seconds
                watch.keep(job.cell.name, job.cost)
                if done.error is not None:
                    failed.add(job.cell.name)
                    watch.forget(job.cell.name)
                    yield JobResult(job.cell.name, job.cell.title, seconds[job.cell.name], done.error)


def _cell_of(job: Job) -> str:
    """The name under which the job, or that of the cell it is a slice of, is known."""
    return job.cell.name if isinstance(job, SliceJob) else job.name
