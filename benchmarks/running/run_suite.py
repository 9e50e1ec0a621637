"""A suite from its plans to its record, in these steps:

plans   every cell is checked before anything is written
jobs    the missing ones, in parallel: a cell tunes, re-trains winner and defaults on fresh seeds, maps its landscape;
        an exhibit is an experiment of its own; of cells too large for one worker, slices first
record  a cell lands by one rename
MLflow  mirrors each cell after it has landed; an outage costs the mirror, never the record
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.record.shard import Shard
from benchmarks.engine.devices import DeviceName, device_of
from benchmarks.engine.engines import Engine
from benchmarks.engine.kernel.compiler import why_no_compiler
from benchmarks.errors import UsageError
from benchmarks.record.damage import damaged
from benchmarks.record.folder import RecordFolder, remove
from benchmarks.record.lock import alone
from benchmarks.running.ahead import Ahead
from benchmarks.running.backends.backend import Backend
from benchmarks.running.backends.choose import BackendName, backend_of
from benchmarks.running.bars import SuiteBar
from benchmarks.running.estimate import estimate_seconds
from benchmarks.running.jobs import CellJob, Job, JobResult, exhibit_jobs
from benchmarks.running.memory import fitting_jobs
from benchmarks.running.mirroring import Mirroring
from benchmarks.running.observer import RunObserver
from benchmarks.running.parts import Prepared, prepared
from benchmarks.running.prepare import Compute
from benchmarks.running.shards import parse_shard
from benchmarks.running.slice_jobs import carried_out, costs_of, waves_of
from benchmarks.running.slices import slices_of
from benchmarks.running.watch import Watch
from benchmarks.running.workers import default_jobs
from benchmarks.suite.suite import Suite
from benchmarks.tuning.storages import check_storage

if TYPE_CHECKING:
    from analysis.pages.problem_section import Section

__all__ = ["SuiteResult", "run"]


@dataclass(repr=False)
class SuiteResult:
    """How a suite's run ended: the cells and exhibits run now, those kept, and the warnings of the mirror."""

    folder: Path
    ran: list[JobResult] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    jobs: int = 1  # processes that worked at once
    sections: dict[str, Section] = field(default_factory=dict)  # of the report, by problem, where they were drawn

    def __repr__(self) -> str:
        counts: dict[str, Sequence[object]] = {
            "run now": self.landed,
            "kept": self.kept,
            "unfinished": self.unfinished,
            "failed": self.failed,
        }
        said = ", ".join(f"{len(those)} {what}" for what, those in counts.items() if those) or "nothing to run"
        wrong = [f"\n{each.title} failed: {each.error}" for each in self.failed]
        wrong += [f"\n{warning}" for warning in self.warnings]
        return (
            f"<results in {self.folder}: {said}; analysis.Record.load({str(self.folder)!r}) reads them>{''.join(wrong)}"
        )

    @property
    def landed(self) -> list[JobResult]:
        """The cells and exhibits that were run now and are finished."""
        return [done for done in self.ran if done.landed]

    @property
    def unfinished(self) -> list[JobResult]:
        """Those that the time budget did not let end."""
        return [done for done in self.ran if done.unfinished]

    @property
    def failed(self) -> list[JobResult]:
        """Those that ended with an error."""
        return [done for done in self.ran if done.error is not None]


def run(
    suite: Suite | str | Path,
    folder: str | Path,
    *,
    jobs: int | None = None,
    data: Path | None = None,
    storage: str | None = None,
    deadline: float | None = None,
    memory: int | None = None,
    engine: Engine = "auto",
    device: DeviceName = "cpu",
    backend: BackendName = "local",
    address: str | None = None,
    observer: RunObserver | None = None,
    mirror: Callable[[Path], None] | None = None,
    afterwards: Callable[[SuiteResult, Mirroring], None] | None = None,
    draw: bool = False,
    shard: Shard | tuple[int, int] | str | None = None,
) -> SuiteResult:
    """Run what is missing of ``suite`` in ``folder``; finished cells are kept, and checked to be of the same
    problems and code.

    ``suite`` may be the name of a built-in suite or the path of a TOML file. ``jobs`` processes work at the same time
    (one where None), fewer where all would take more than ``memory`` bytes (by default what the machine has).
    ``backend`` carries the jobs to them: ``local``, or the workers of a ``dask`` or ``ray`` cluster, started on this
    machine or reached at its ``address``; there ``jobs`` None is all workers that there are. ``data`` is the user's
    data folder; ``engine`` advances the lanes on the ``device``, cpu, cuda, cuda:N or auto. Studies are kept in the
    Optuna ``storage`` where one is given, else in memory. After the ``deadline`` (``time.time()``) cells stop at
    the next block; what they made is kept for the next run. ``observer`` is told how far the run is; by default
    that is a bar, on a terminal or in a notebook. ``mirror`` is handed every finished cell's folder, those of
    earlier runs too, beside the work, and may raise `StepscapeError`: it is then not asked again. It has
    `benchmarks.running.mirroring.BUDGET` seconds more when the cells are done.
    ``afterwards`` is called last, with what is returned and the mirror's thread, while no other process may work in the
    folder: it may write the report there. Where ``draw``, the report's sections are drawn as their problems' cells end,
    beside the work. Of a ``shard``, as (3, 16) or "3/16", only that part of the suite is run, into a folder of its own;
    `benchmarks.record.merge.merge` joins them.

    Raises `StepscapeError` for mistakes in the suite, the folder or the storage, for a device that is not there, and
    for a cell that takes more memory alone, before anything is run.
    """
    suite, folder = suite if isinstance(suite, Suite) else Suite.load(suite), Path(folder)
    record, compute = RecordFolder(folder), Compute(engine, device=str(device_of(device)))
    if engine == "kernel" and (why := why_no_compiler()):
        raise UsageError(f"kernels need a C compiler: {why}")
    part = None if shard is None else parse_shard(shard)
    workers = backend_of(backend, address, jobs, data, storage)
    if len(record.finished(suite.cells())) < len(suite.cells()):
        workers.check_address()
    with nullcontext(observer) if observer else SuiteBar(suite) as watching, workers:
        missing = _SuiteRun(
            suite=suite,
            record=record,
            backend=workers,
            observer=watching,
            compute=compute,
            data=data,
            storage=storage,
            deadline=deadline,
            memory=memory,
            mirror=mirror,
            afterwards=afterwards,
            draw=draw,
            shard=part,
        )
        return missing.run()


@dataclass(frozen=True)
class _SuiteRun:
    """What is missing of a ``suite`` in its ``record``, to be run by a ``backend`` and told to an ``observer``, the
    rest as in `run`.
    """

    suite: Suite
    record: RecordFolder
    backend: Backend
    observer: RunObserver
    compute: Compute
    data: Path | None
    storage: str | None
    deadline: float | None
    memory: int | None
    mirror: Callable[[Path], None] | None
    afterwards: Callable[[SuiteResult, Mirroring], None] | None
    draw: bool
    shard: Shard | None

    def run(self) -> SuiteResult:
        """Run it, all of it checked before anything is written."""
        found = self._prepared()
        jobs = default_jobs()  # of this machine, which draws the report
        if self.backend.here:
            jobs = self.backend.jobs = fitting_jobs(found.cells, self.backend.jobs or 1, self.memory, self.storage)
        cells = [CellJob.of(cell, self.record, self.data, self.storage, self.deadline) for cell in found.cells]
        if self.storage is not None:
            check_storage(self.storage, [cell.plan.tuning for cell in found.cells])
        every: list[Job] = [*found.exhibits, *cells]
        if not self.backend.here and not all(job.finished for job in every):
            self.backend.open(self.suite, self.observer.noted)
        self.record.open(self.suite, self.shard)
        with alone(self.record):
            finished = _finished(every, self.record, self.observer)
            kept = [job.name for job in every if job.name in finished]
            result = SuiteResult(self.record.path, kept=kept, jobs=jobs)
            self.record.keep_plugins(self.suite)
            missing = [job for job in every if job.name not in finished]
            waves = self._waves(missing, found, jobs) if missing else []
            self.observer.started(sum(costs_of([missing]).values()), len(finished))
            for failure in found.failed:
                result.ran.append(failure)
                self.observer.ended(failure, 0.0)
            mirroring = Mirroring(self.record.path, result.warnings, self.deadline, self.observer.mirrored)
            mirrored = _Mirror(self.mirror, self.record, {job.name for job in cells}, mirroring)
            for name in result.kept:
                mirrored(name)
            self._carry_out(waves, costs_of([missing]), result, mirrored)
            self.record.keep_failures({done.name: done.error or "" for done in result.failed})
            mirroring.finish()
            with suppress(OSError):  # not empty where a cell will go on another day
                self.record.unfinished.rmdir()
            if self.afterwards is not None:
                self.afterwards(result, mirroring)
        return result

    def _prepared(self) -> Prepared:
        """The cells and exhibits that are to be there in the end."""
        exhibits = exhibit_jobs(self.suite, self.record, self.data, self.deadline, self.compute.device)
        found = prepared(self.suite, self.data, self.compute, exhibits, self.record.has_cell, self.shard)
        if self.shard is not None:
            self.observer.divided(self.shard, len(found.cells) + len(found.exhibits) + len(found.failed))
        return found

    def _waves(self, missing: Sequence[Job], found: Prepared, jobs: int) -> list[list[Job]]:
        """The ``missing`` jobs, cut for the workers that there are, in the order in which they are carried out."""
        names = {job.name for job in missing}
        ahead = [cell for cell in found.cells if cell.plan.name in names]
        asked = sum(job.seconds for job in found.exhibits if job.name in names)
        self.backend.open(self.suite, self.observer.noted)
        room = self.backend.room()
        cheapest_first = self.deadline is not None
        waves = waves_of(missing, slices_of(ahead, room, self.storage, asked), cheapest_first=cheapest_first)
        if self.backend.here:
            waves = [_with_threads(wave, jobs) for wave in waves]
        others = asked / min(room, len(missing))
        self.observer.estimated(
            lambda: others + estimate_seconds(ahead, room), len(missing), min(room, max(map(len, waves)))
        )
        return waves

    def _carry_out(
        self, waves: Sequence[Sequence[Job]], costs: Mapping[str, float], result: SuiteResult, mirrored: _Mirror
    ) -> None:
        """Carry the jobs out, each of which ends in ``result``, and have mirrored what lands."""
        with Watch(self.record.unfinished, costs_of(waves), self.observer, self.backend.shares) as watch:
            page = Ahead.of(self.record, self.suite.cells(), self.suite.focus or ()) if self.draw else None
            for done in carried_out(waves, lambda wave: self.backend.carry_out(wave, page), watch):
                if done.section is not None:
                    result.sections[done.section.problem.name] = done.section
                result.ran.append(replace(done, section=None))
                self.observer.ended(done, costs[done.name])
                if done.landed:
                    mirrored(done.name)


def _finished(jobs: Sequence[Job], record: RecordFolder, observer: RunObserver) -> set[str]:
    """The names of the ``jobs`` whose results have landed, once what is damaged is removed.

    Raises `UsageError` where a result is of other instances or code.
    """
    for place, fault in damaged(record):
        observer.noted(f"{place} is damaged ({fault}) and is made again")
        remove(place)
    finished = {job.name for job in jobs if job.finished}
    fingerprints: dict[str, str] = {}
    for job in jobs:
        if job.name in finished:
            job.check_same(fingerprints)
    return finished


def _with_threads(missing: Sequence[Job], jobs: int) -> list[Job]:
    """Jobs that share the cores they are too few for."""
    threads = jobs // max(1, len(missing))
    if threads <= 1:
        return list(missing)
    return [
        replace(job, compute=replace(job.compute, threads=threads)) if isinstance(job, CellJob) else job
        for job in missing
    ]


@dataclass(frozen=True)
class _Mirror:
    """Gives finished cells to the ``mirror``, where there is one, by way of its thread."""

    mirror: Callable[[Path], None] | None
    record: RecordFolder
    cells: set[str]
    thread: Mirroring

    def __call__(self, name: str) -> None:
        """Mirror what has landed under that name where it is a cell."""
        if self.mirror is not None and name in self.cells:
            self.thread.give(partial(self.mirror, self.record.cell(name)))
