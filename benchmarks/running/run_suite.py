"""A suite from its plans to its record, in these steps:

plans   every cell is checked before anything is written
jobs    the missing ones, in parallel: a cell tunes, re-trains winner and defaults on fresh seeds, maps its landscape;
        an exhibit is an experiment of its own; of cells too large for one worker, slices first
record  a cell lands by one rename
MLflow  mirrors each cell after it has landed; an outage costs the mirror, never the record
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.engine.devices import DeviceName, device_of
from benchmarks.engine.engines import Engine
from benchmarks.engine.kernel.compiler import why_no_compiler
from benchmarks.errors import OwnCodeError, StepscapeError, SuiteError, UsageError
from benchmarks.record.damage import damaged
from benchmarks.record.folder import RecordFolder, remove
from benchmarks.record.lock import alone
from benchmarks.running.ahead import Ahead
from benchmarks.running.bars import SuiteBar
from benchmarks.running.estimate import estimate_seconds
from benchmarks.running.jobs import CellJob, Job, JobResult, carry_out, carry_out_and_draw, exhibit_jobs
from benchmarks.running.memory import fitting_jobs
from benchmarks.running.mirroring import Mirroring
from benchmarks.running.observer import RunObserver
from benchmarks.running.prepare import Compute, ReadyCell, Tried, load_plugins, mistakes, prepare
from benchmarks.running.slice_jobs import carried_out, waves_of
from benchmarks.running.slices import slices_of
from benchmarks.running.watch import Watch
from benchmarks.running.workers import WorkersLostError, map_unordered
from benchmarks.suite.suite import Suite
from benchmarks.tuning.storages import check_storage
from problems import DataError

if TYPE_CHECKING:
    from analysis.pages.problem_section import Section

__all__ = ["SuiteResult", "prepared", "run"]


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
    jobs: int = 1,
    data: Path | None = None,
    storage: str | None = None,
    deadline: float | None = None,
    memory: int | None = None,
    engine: Engine = "auto",
    device: DeviceName = "cpu",
    observer: RunObserver | None = None,
    mirror: Callable[[Path], None] | None = None,
    afterwards: Callable[[SuiteResult, Mirroring], None] | None = None,
    draw: bool = False,
) -> SuiteResult:
    """Run what is missing of ``suite`` in ``folder``; finished cells are kept, and checked to be of the same
    problems and code.

    ``suite`` may be the name of a built-in suite or the path of a TOML file. ``jobs`` processes work at the same time,
    fewer where all would take more than ``memory`` bytes (by default what the machine has); ``data`` is the user's data
    folder; ``engine`` advances the lanes on the ``device``, cpu, cuda, cuda:N or auto. Studies are kept in the Optuna
    ``storage`` where one is given, else in memory. After the ``deadline`` (``time.time()``) cells stop at the next
    block; what they made is kept for the next run. ``observer`` is told how far the run is; by default that is a bar,
    on a terminal or in a notebook. ``mirror`` is handed every finished cell's folder, those of earlier runs too, beside
    the work, and may raise `StepscapeError`: it is then not asked again. It has
    `benchmarks.running.mirroring.BUDGET` seconds more when the cells are done.
    ``afterwards`` is called last, with what is returned and the mirror's thread, while no other process may work in the
    folder: it may write the report there. Where ``draw``, the report's sections are drawn as their problems' cells end,
    beside the work.

    Raises `StepscapeError` for mistakes in the suite, the folder or the storage, for a device that is not there, and
    for a cell that takes more memory alone, before anything is run.
    """
    suite, folder = suite if isinstance(suite, Suite) else Suite.load(suite), Path(folder)
    record, compute = RecordFolder(folder), Compute(engine, device=str(device_of(device)))
    with nullcontext(observer) if observer else SuiteBar(suite) as watching:
        return _run(suite, record, jobs, data, storage, deadline, memory, compute, watching, mirror, afterwards, draw)


def _run(
    suite: Suite,
    record: RecordFolder,
    jobs: int,
    data: Path | None,
    storage: str | None,
    deadline: float | None,
    memory: int | None,
    compute: Compute,
    observer: RunObserver,
    mirror: Callable[[Path], None] | None,
    afterwards: Callable[[SuiteResult, Mirroring], None] | None,
    draw: bool,
) -> SuiteResult:
    """Run what is missing, as `run` says, with an ``observer``."""
    if compute.engine == "kernel" and (why := why_no_compiler()):
        raise UsageError(f"kernels need a C compiler: {why}")
    ready, failed = prepared(suite, data, compute)
    jobs = fitting_jobs(ready, jobs, memory, storage)
    cells = [CellJob.of(cell, record, data, storage, deadline) for cell in ready]
    exhibits = exhibit_jobs(suite, record, data, deadline)
    if storage is not None:
        check_storage(storage, [cell.plan.tuning for cell in ready])
    record.open(suite)
    with alone(record):
        every: list[Job] = [*exhibits, *cells]
        finished = _finished(every, record, observer)
        result = SuiteResult(record.path, kept=[job.name for job in every if job.name in finished], jobs=jobs)
        record.keep_plugins(suite)
        missing = [job for job in every if job.name not in finished]
        ahead = [cell for cell in ready if cell.plan.name not in finished]
        asked = sum(job.question.seconds for job in exhibits if job.name not in finished)
        slices = slices_of(ahead, jobs, storage, asked)
        waves = waves_of(missing, slices, cheapest_first=deadline is not None)
        waves = [_with_threads(wave, jobs) for wave in waves]
        if missing:
            others, processes = asked / min(jobs, len(missing)), min(jobs, max(map(len, waves)))
            observer.estimated(lambda: others + estimate_seconds(ahead, jobs), len(missing), processes)
        costs = {job.name: job.cost for job in missing}
        observer.started(sum(costs.values()), len(finished))
        for failure in failed:
            result.ran.append(failure)
            observer.ended(failure, 0.0)
        mirroring = Mirroring(record.path, result.warnings, deadline, observer.mirrored)
        mirrored = _Mirror(mirror, record, {job.name for job in cells}, mirroring)
        for name in result.kept:
            mirrored(name)
        with Watch(record.unfinished, {job.name: job.cost for wave in waves for job in wave}, observer) as watch:
            page = Ahead.of(record, suite.cells(), suite.focus or ()) if draw else None
            for done in carried_out(waves, lambda wave: _carried_out(wave, jobs, page), watch):
                if done.section is not None:
                    result.sections[done.section.problem.name] = done.section
                result.ran.append(replace(done, section=None))
                observer.ended(done, costs[done.name])
                if done.landed:
                    mirrored(done.name)
        record.keep_failures({done.name: done.error or "" for done in result.failed})
        mirroring.finish()
        with suppress(OSError):  # not empty where a cell will go on another day
            record.unfinished.rmdir()
        if afterwards is not None:
            afterwards(result, mirroring)
    return result


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


def prepared(suite: Suite, data: Path | None, compute: Compute) -> tuple[list[ReadyCell], list[JobResult]]:
    """The cells that can be run, and how the others ended: those whose problem or optimizer is the user's and fails.

    Raises `StepscapeError` for mistakes in the suite, with all of them; where it says ``on_error = "skip"`` they cost
    the cells that have them.
    """
    load_plugins(suite.plugins)
    ready, failed = list[ReadyCell](), list[JobResult]()
    wrong: dict[str, StepscapeError | DataError] = {}
    tried: Tried = {}
    for plan in suite.cells():
        try:
            ready.append(prepare(plan, data, tried, compute))
        except (StepscapeError, DataError) as error:
            said = str(error)
            if not isinstance(error, OwnCodeError):
                found = mistakes(plan, error, data)
                wrong |= {text: error for text in found if text not in wrong}
                said = "; ".join(found)
            failed.append(JobResult(plan.name, f"cell {plan.name}", 0.0, said))
    if wrong and suite.on_error == "stop":
        if len(wrong) == 1:
            raise next(iter(wrong.values()))
        raise SuiteError(
            f"{len(wrong)} mistakes in {suite.name}, and nothing was run: {'; '.join(wrong)} "
            '(on_error = "skip" in the suite runs the other cells)'
        )
    return ready, failed


def _carried_out(missing: Sequence[Job], jobs: int, ahead: Ahead | None) -> Iterator[JobResult]:
    """Do the jobs, draw what is ``ahead`` of the report, and yield how each ended; those whose workers were killed
    again and again end with an error.
    """
    work = carry_out if ahead is None else partial(carry_out_and_draw, ahead=ahead)
    left = {job.name: job for job in missing}
    try:
        for done in map_unordered(work, missing, jobs):
            del left[done.name]
            yield done
    except WorkersLostError as error:
        yield from (JobResult(job.name, job.title, 0.0, str(error)) for job in left.values())


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
