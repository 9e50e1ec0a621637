"""What the workers of a suite do: a job each for a cell and an exhibit, small enough to be sent."""

from __future__ import annotations

import re
import time
import traceback
from abc import ABC, abstractmethod
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch

from analysis.record.cells import Cell
from analysis.record.exhibits import Exhibit
from benchmarks.engine.devices import DeviceName, on_device
from benchmarks.errors import StepscapeError, UsageError
from benchmarks.naming.blame import line_raised, with_line
from benchmarks.naming.registry import make_problem
from benchmarks.record.checkpoints import Checkpoints, OutOfTime
from benchmarks.record.folder import RecordFolder
from benchmarks.record.meter import Meter
from benchmarks.record.writer import write_cell
from benchmarks.redaction import redacted
from benchmarks.running.ahead import Ahead
from benchmarks.running.cell import run_cell
from benchmarks.running.cell_tables import cell_tables
from benchmarks.running.describe import describe
from benchmarks.running.exhibit import run_exhibit
from benchmarks.running.prepare import SECOND, Compute, ReadyCell, Tried, prepare
from benchmarks.suite.suite import CellPlan, Suite
from benchmarks.tuning.storages import storage_failure
from problems import DataError

if TYPE_CHECKING:
    from analysis.pages.problem_section import Section
    from benchmarks.exhibits import Question

__all__ = [
    "CellJob",
    "ExhibitJob",
    "Job",
    "JobResult",
    "carry_out",
    "carry_out_and_draw",
    "exhibit_jobs",
]


class Job(ABC):
    """A piece of work whose result lands in the record at ``folder``, whole or not at all."""

    folder: RecordFolder
    lands: ClassVar[bool] = True
    """Whether there is a result that lands; else it is what is kept."""
    gathers: bool = False
    """Whether what is kept was made by other jobs, for this one."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called among the jobs of its suite."""

    @property
    def title(self) -> str:
        """What it is called in a sentence."""
        return self.name

    @property
    @abstractmethod
    def cost(self) -> float:
        """A rough estimate of the work, in the units of `benchmarks.running.prepare.ReadyCell.cost`."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether the result has landed."""

    @property
    @abstractmethod
    def place(self) -> Path:
        """The folder that its result becomes."""

    @abstractmethod
    def elsewhere(self, folder: RecordFolder, data: Path | None) -> Job:
        """The same job in another record, with the user's data in another folder."""

    def keeps(self) -> list[Path]:
        """The folders of what it keeps until its result lands, those that there are."""
        return []

    def concerns(self, file: str) -> bool:  # noqa: ARG002 - all that its cell keeps
        """Whether a ``file`` in one of these folders, by its place there, is read or made by this job."""
        return True

    @abstractmethod
    def run(self) -> Path:
        """Do the work and return where its result landed. Raises `OutOfTime` where the deadline came first."""

    @abstractmethod
    def check_same(self, known: dict[str, str]) -> None:
        """Raise `UsageError` where the result in the record was made from other instances or code than those at hand.

        ``known`` are the fingerprints computed so far, by problem: several jobs may ask for the same.
        """


@dataclass(frozen=True)
class CellJob(Job):
    """Run the cell of ``plan``: tune, test, map, and land it in ``folder``.

    ``data`` is the user's data folder, ``storage`` the address where studies are kept (in memory where None). After the
    ``deadline`` (``time.time()``) it stops at the next block; a later one goes on from the blocks that were made.
    ``fingerprint`` is that of the optimizer when the suite was prepared: another one is not run. ``gathers`` says that
    slices of it were made before.
    """

    plan: CellPlan
    folder: RecordFolder
    data: Path | None = None
    storage: str | None = None
    deadline: float | None = None
    cost: float = 0.0
    fingerprint: str | None = None
    compute: Compute = field(default_factory=Compute)
    gathers: bool = False

    @classmethod
    def of(
        cls, cell: ReadyCell, folder: RecordFolder, data: Path | None, storage: str | None, deadline: float | None
    ) -> CellJob:
        """The job of the prepared ``cell``; a worker is sent its plan and prepares it again."""
        return cls(cell.plan, folder, data, storage, deadline, cell.cost, cell.fingerprint, cell.compute)

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def title(self) -> str:
        return f"cell {self.name}"

    @property
    def finished(self) -> bool:
        return self.folder.has_cell(self.name)

    @property
    def place(self) -> Path:
        return self.folder.cell(self.name)

    def elsewhere(self, folder: RecordFolder, data: Path | None) -> CellJob:
        return replace(self, folder=folder, data=data)

    def keeps(self) -> list[Path]:
        kept = re.compile(rf"{re.escape(self.name)}-[0-9a-f]{{16}}-[0-9a-f]{{16}}")
        return [place for place in self.folder.unfinished.glob("*") if kept.fullmatch(place.name)]

    def run(self) -> Path:
        cell = self.prepared()
        meter = Meter(self.folder.unfinished, self.name, cell.lane_steps)
        checkpoints = self.checkpoints(cell, meter)
        with closing(meter):
            result = run_cell(cell, checkpoints, self.storage)
        path = write_cell(self.folder, describe(cell, result), cell_tables(cell, result))
        checkpoints.forget()
        return path

    def prepared(self) -> ReadyCell:
        """The ready cell, in the worker that is to train it. Raises `UsageError` where its code has changed."""
        torch.set_num_threads(1)
        tried: Tried = {self.plan.problem: None}  # when the suite was prepared
        cell = prepare(self.plan, self.data, tried, self.compute)
        if self.fingerprint not in (None, cell.fingerprint):
            raise UsageError(f"the code of optimizer {self.plan.optimizer!r} changed while the suite ran; run it again")
        return cell

    def checkpoints(self, cell: ReadyCell, meter: Meter) -> Checkpoints:
        """Where the prepared ``cell`` keeps what it trains until it lands; ``meter`` is told how far that is."""
        kept = self.folder.unfinished / f"{self.name}-{cell.problem.fingerprint()}-{cell.fingerprint}"
        return Checkpoints(kept, self.deadline, meter)

    def check_same(self, known: dict[str, str]) -> None:
        problem = self.plan.problem
        if problem not in known:
            known[problem] = make_problem(problem, self.data).fingerprint()
        recorded = Cell.load(self.folder.cell(self.name)).info
        if recorded.problem.fingerprint != known[problem]:
            raise UsageError(
                f"{self.folder.path} holds {self.name} for another instance of problem {problem!r} (other "
                "data or another version): different instances are never mixed; choose another folder with --out"
            )
        if recorded.optimizer.fingerprint != (self.fingerprint or prepare(self.plan, self.data).fingerprint):
            raise UsageError(
                f"{self.folder.path} holds {self.name} run with other code of optimizer {self.plan.optimizer!r} (its "
                "rule, options, defaults or schedule): different versions are never mixed; choose another folder with "
                f"--out, or delete that cell ({self.folder.cell(self.name)})"
            )


@dataclass(frozen=True)
class ExhibitJob(Job):
    """Answer ``question``, number ``position`` of its suite (from 0), and land the exhibit in ``folder``.

    ``data`` is the user's data folder; after the ``deadline`` (``time.time()``) it does not begin. Its runs are on the
    ``device``.
    """

    question: Question
    position: int
    folder: RecordFolder
    data: Path | None = None
    deadline: float | None = None
    device: DeviceName = "cpu"

    @property
    def name(self) -> str:
        return f"exhibit {self.question.name}"

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        return self.question.estimate(self.data)

    @property
    def cost(self) -> float:
        return SECOND * self.seconds

    @property
    def finished(self) -> bool:
        return self.folder.has_exhibit(self.question.name)

    @property
    def place(self) -> Path:
        return self.folder.exhibit(self.question.name)

    def elsewhere(self, folder: RecordFolder, data: Path | None) -> ExhibitJob:
        return replace(self, folder=folder, data=data)

    def run(self) -> Path:
        if self.deadline is not None and time.time() > self.deadline:
            raise OutOfTime
        torch.set_num_threads(1)
        with on_device(self.device):
            return run_exhibit(self.question, self.position, self.folder, self.data)

    def check_same(self, known: dict[str, str]) -> None:  # noqa: ARG002 - its problems are its own
        recorded = Exhibit.load(self.folder.exhibit(self.question.name)).info.fingerprint
        if recorded != self.question.fingerprint(self.data):
            raise UsageError(
                f"{self.folder.path} holds exhibit {self.question.name!r} made from other instances of its problems "
                "(other data or another version): different instances are never mixed; choose another folder with --out"
            )


@dataclass(frozen=True)
class JobResult:
    """How a job ended: its name and title, what it took, the error where it failed, whether time ran out first; and the
    ``section`` of the report that its worker drew next, if any.
    """

    name: str
    title: str
    seconds: float
    error: str | None = None
    unfinished: bool = False
    section: Section | None = None

    @property
    def landed(self) -> bool:
        """Whether the result has landed."""
        return self.error is None and not self.unfinished


def exhibit_jobs(
    suite: Suite, folder: RecordFolder, data: Path | None, deadline: float | None, device: DeviceName = "cpu"
) -> list[ExhibitJob]:
    """The job of every exhibit of ``suite``, its fields as in `ExhibitJob`.

    Raises `StepscapeError` for an unknown name or option.
    """
    if not suite.exhibits:  # whose modules take as long as a small study
        return []
    from benchmarks.exhibits import make_question

    questions = [make_question(name, suite.exhibit.get(name, {})) for name in suite.exhibits]
    return [ExhibitJob(question, place, folder, data, deadline, device) for place, question in enumerate(questions)]


def carry_out(job: Job) -> JobResult:
    """Do a job; an exception becomes its error and stops no other.

    One whose result has landed already, where a worker was lost before it could report it, is not done again.
    """
    began = time.perf_counter()
    error, unfinished = None, False
    try:
        if not job.finished:
            job.run()
    except OutOfTime:
        unfinished = True
    except (StepscapeError, DataError, OSError) as problem:  # a broken disk is no bug of ours: no traceback
        error = redacted(str(problem))
    except (Exception, SystemExit) as problem:
        known = storage_failure(problem) or (with_line(problem) if line_raised(problem) else None)
        error = redacted(known or traceback.format_exc())
    return JobResult(job.name, job.title, time.perf_counter() - began, error, unfinished)


def carry_out_and_draw(job: Job, ahead: Ahead) -> JobResult:
    """`carry_out` the job; where the last cell of a problem landed so, its section of the report is drawn as well."""
    done = carry_out(job)
    return replace(done, section=ahead.section_after(done.name)) if done.landed else done
