"""What the commands that run a suite do besides printing: it is run, mirrored and reported."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.engine.engines import Engine
from benchmarks.errors import UsageError
from benchmarks.suite.suite import Suite

if TYPE_CHECKING:
    from analysis.figures.style import Form
    from analysis.pages.problem_section import Section
    from analysis.problem_results import ProblemResults
    from analysis.record.shard import Shard
    from benchmarks.engine.devices import DeviceName
    from benchmarks.mlflow_mirror.runs import Children
    from benchmarks.mlflow_mirror.tracker import Tracker
    from benchmarks.record.folder import RecordFolder
    from benchmarks.running.backends.choose import BackendName
    from benchmarks.running.mirroring import Mirroring
    from benchmarks.running.observer import RunObserver
    from benchmarks.running.run_suite import SuiteResult

__all__ = ["Executed", "Machine", "count_of_children", "execute", "write_page"]

SHARD_RESERVE: Final = 2.0
"""Seconds of a shard's time budget kept back for its last cell: no report follows."""


@dataclass(frozen=True)
class Machine:
    """Where and how a suite runs; nothing here changes a result, but ``engine`` and ``device`` its rounding."""

    out: Path | None = None
    jobs: int | None = None
    data: Path | None = None
    tracking_uri: str | None = None
    no_tracking: bool = False
    children: str = "12"
    storage: str | None = None
    minutes: float | None = None
    memory: str | None = None
    engine: Engine = "auto"
    device: DeviceName = "cpu"
    backend: BackendName = "local"
    address: str | None = None
    shard: Shard | None = None
    started: float | None = None  # ``time.time()`` when the command began, which a time budget counts from

    def folder(self, suite: Suite) -> Path:
        """The results folder of ``suite``, or of the shard of it."""
        part = "" if self.shard is None else f"-{self.shard.number}-of-{self.shard.count}"
        return self.out or Path("results") / f"{suite.name}{part}"


@dataclass(frozen=True)
class Executed:
    """A suite that was run: its folder, how its cells ended, the report's page (None where there is none) and the
    results it shows, by problem.
    """

    folder: Path
    result: SuiteResult
    page: Path | None
    warnings: list[str] = field(default_factory=list)
    results: Mapping[str, ProblemResults] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 where everything is done, 1 where a cell failed or time ran out."""
        return 1 if self.result.failed or self.result.unfinished else 0


def execute(suite: Suite, machine: Machine, observer: RunObserver) -> Executed:
    """Run what is missing of ``suite``, mirror it into MLflow and write its report; ``observer`` is told how far it is.

    Of a shard no report is written, and its cells are mirrored into a store that is named alone: what is joined has one
    report and one store.
    Raises `StepscapeError` for mistakes, before anything is written.
    """
    from analysis.problem_results import results_of
    from analysis.record.cells import Record
    from benchmarks.mlflow_mirror.links import share_files
    from benchmarks.record.folder import RecordFolder
    from benchmarks.running import run_suite as runner
    from benchmarks.running.memory import memory_size
    from benchmarks.running.workers import default_jobs

    if machine.minutes is not None and not machine.minutes > 0:
        raise UsageError(f"a time budget is a positive number of minutes, got {machine.minutes}")
    began = machine.started or time.time()
    folder = machine.folder(suite)
    jobs = machine.jobs or (None if machine.address else default_jobs())
    apart = machine.shard is not None
    untracked = machine.no_tracking or (apart and not machine.tracking_uri)
    tracker = None if untracked else _tracker(machine, suite, folder)
    reserve = SHARD_RESERVE if apart else _reserve(suite, jobs or default_jobs())
    deadline = None if machine.minutes is None else began + 60 * machine.minutes - reserve
    record, pages = RecordFolder(folder), list[Path]()
    results: dict[str, ProblemResults] = {}

    def report(result: SuiteResult, mirroring: Mirroring) -> None:
        page = _existing_page(record, suite)
        if record.finished(suite.cells()):
            results.update(results_of(Record.load(folder)))
            if page is None or _outdated(page, record):
                page = write_page(
                    folder, progress=observer.reported, jobs=result.jobs, results=results, sections=result.sections
                )
            pages.append(page)
            if tracker is not None and not result.warnings:
                mirroring.give(lambda: tracker.log_report(folder))
                mirroring.finish()
                if not result.warnings:
                    share_files(folder)

    result = runner.run(
        suite,
        folder,
        jobs=jobs,
        data=machine.data,
        storage=machine.storage,
        deadline=deadline,
        memory=None if machine.memory is None else memory_size(machine.memory),
        engine=machine.engine,
        device=machine.device,
        backend=machine.backend,
        address=machine.address,
        observer=observer,
        mirror=tracker.log_cell_folder if tracker else None,
        afterwards=None if apart else report,
        draw=not apart,
        shard=machine.shard,
    )
    return Executed(folder, result, pages[0] if pages else None, list(result.warnings), results)


def write_page(
    folder: Path,
    out: Path | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    jobs: int = 1,
    focus: str | Sequence[str] | None = None,
    forms: Collection[Form] = (),
    results: Mapping[str, ProblemResults] | None = None,
    sections: Mapping[str, Section] | None = None,
) -> Path:
    """Write the report of the record at ``folder`` to ``out`` (default ``folder/report``); return its first page.

    Its form is the one the suite asks for: the chapter's report has the ordinary one beside it, and there is only that
    until an exhibit is finished. Questions that are not the book's have a page of their own beside either.
    ``progress`` is called with (parts done, parts in all); the rest is as in
    `analysis.pages.report.write_report`, which says what is raised.
    """
    from analysis.answers import ANSWERS, write_answers
    from analysis.record.cells import Record
    from analysis.record.exhibits import load_exhibits

    exhibits = load_exhibits(folder)
    if Record.load(folder).suite.get("report") == "chapter" and exhibits:
        from analysis.chapter import write_chapter as write
    else:
        from analysis.pages.report import write_report as write
    page = write(
        folder, out, progress=progress, jobs=jobs, focus=focus, forms=forms, results=results, sections=sections
    )
    if not exhibits.keys().isdisjoint(ANSWERS):
        write_answers(folder, page.parent, jobs=jobs, forms=forms)
    return page


def _existing_page(record: RecordFolder, suite: Suite) -> Path | None:
    """The page of the form ``suite`` asks for, or None: a run may have been broken off between the two."""
    page = record.report / ("chapter.html" if suite.report == "chapter" and suite.exhibits else "index.html")
    return page if page.is_file() else None


def _outdated(page: Path, record: RecordFolder) -> bool:
    """Whether a cell or exhibit landed after the report was written, in this run or in one that was killed, or another
    optimizer is in focus.
    """
    written = page.stat().st_mtime
    told = [file for file in (record.suite_file, record.failures_file) if file.is_file()]
    return any(file.stat().st_mtime > written for file in [*record.landed(), *told])


def _tracker(machine: Machine, suite: Suite, folder: Path) -> Tracker:
    from benchmarks.mlflow_mirror.store import check_uri, default_uri
    from benchmarks.mlflow_mirror.tracker import Tracker

    count = count_of_children(machine.children)
    if machine.tracking_uri:
        check_uri(machine.tracking_uri)
    return Tracker(machine.tracking_uri or default_uri(folder), suite.name, folder, children=count)


def count_of_children(text: str) -> Children:
    """What ``--children`` says; raises `UsageError` where it is neither a number nor all nor none."""
    number = re.fullmatch(r"[0-9]{1,9}", text)
    if text not in ("all", "none") and not number:
        raise UsageError(f"--children is a number, all or none, got {text!r}")
    count: Any = int(text) if number else text
    return count  # type: ignore[no-any-return]


def _reserve(suite: Suite, jobs: int) -> float:
    """Seconds of a time budget kept back for the last mirrored cells, the report, and printing it."""
    return 8.0 + 3.0 * len(suite.problems) / jobs
