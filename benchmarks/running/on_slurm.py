"""A suite on SLURM: its shards as the jobs of one array, by way of submitit, joined when they have ended.

A shard's job runs `benchmarks.running.run_suite.run` in a folder of its own beside that of the whole, on a file system
that this machine shares with the nodes. A job never raises: submitit hands on the first exception it meets, and what
the other shards did would go unseen. How it ended is what it returns; of one that was killed submitit tells it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analysis.record.shard import Shard
from benchmarks.engine.devices import DeviceName
from benchmarks.engine.engines import Engine
from benchmarks.errors import StepscapeError, UsageError
from benchmarks.record.folder import RecordFolder
from benchmarks.redaction import redacted
from benchmarks.running.jobs import exhibit_jobs
from benchmarks.running.observer import RunObserver
from benchmarks.running.parts import LookedUp
from benchmarks.running.prepare import Compute
from benchmarks.running.run_suite import run
from benchmarks.running.shards import divided
from benchmarks.running.workers import default_jobs
from benchmarks.suite.suite import Suite
from problems import DataError

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job

__all__ = ["ShardEnd", "ShardRun", "Submitted", "executor_of", "slurm_options", "submit"]

MINUTES: Final = 60
"""Of a shard's job where the user does not say: submitit's own default is five, after which SLURM ends it."""

AGAIN: Final = 24
"""How often a job that ran into its time is put into the queue again; each goes on from what was made."""

POLL: Final = 2.0  # seconds between two looks at the files of the jobs


@dataclass(frozen=True)
class ShardEnd:
    """How the job of a ``shard`` ended: what was wrong, None where nothing was and all of it is finished."""

    shard: Shard
    error: str | None = None


@dataclass(frozen=True)
class ShardRun:
    """The job of a ``shard`` of ``suite``, which lands in ``folder``; called on the node.

    ``minutes`` are those after which it stops, the rest is as in `benchmarks.running.run_suite.run`.
    """

    suite: Suite
    folder: Path
    shard: Shard
    jobs: int | None = None
    data: Path | None = None
    storage: str | None = None
    minutes: float | None = None
    memory: int | None = None
    engine: Engine = "auto"
    device: DeviceName = "cpu"

    def __call__(self) -> ShardEnd:
        """Run what is missing of the shard; no exception leaves it."""
        try:
            result = run(
                self.suite,
                self.folder,
                jobs=self.jobs or default_jobs(),
                data=self.data,
                storage=self.storage,
                deadline=None if self.minutes is None else time.time() + 60 * self.minutes,
                memory=self.memory,
                engine=self.engine,
                device=self.device,
                observer=RunObserver(),
                shard=self.shard,
            )
        except (StepscapeError, DataError, OSError) as error:
            return ShardEnd(self.shard, redacted(str(error)))
        left = [f"{each.title} failed: {each.error}" for each in result.failed]
        left += [f"{each.title} is unfinished: time is up" for each in result.unfinished]
        return ShardEnd(self.shard, "; ".join(left) or None)

    def checkpoint(self) -> Any:
        """What submitit puts into the queue again when the time of the job is up: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass(frozen=True)
class Submitted:
    """Jobs in the queue: each with what it runs. ``logs`` is the folder of what they print."""

    jobs: Sequence[tuple[ShardRun, Job[ShardEnd]]]
    logs: Path

    @property
    def array(self) -> str:
        """The number of the array, by which ``scancel`` ends it."""
        return str(self.jobs[0][1].job_id).partition("_")[0] if self.jobs else ""

    def wait(self, ended: Callable[[ShardEnd], None]) -> list[ShardEnd]:
        """Wait for all jobs, and tell each that ``ended``; one that was killed ended with an error."""
        left, ends = list(self.jobs), list[ShardEnd]()
        while left:
            for one in [one for one in left if one[1].done()]:
                left.remove(one)
                ends.append(_end_of(*one))
                ended(ends[-1])
            if left:
                time.sleep(POLL)
        return ends


def _end_of(shard: ShardRun, job: Job[ShardEnd]) -> ShardEnd:
    """How a job ended that is over."""
    error = job.exception()
    if error is None:
        end: ShardEnd = job.result()
        return end
    last = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return ShardEnd(shard.shard, redacted(f"job {job.job_id} was lost ({last[-1].strip()}), see {job.paths.stderr}"))


def slurm_options(given: Sequence[str]) -> dict[str, str | int]:
    """What ``--slurm KEY=VALUE`` says, by name; raises `UsageError` for what is not written so."""
    options: dict[str, str | int] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip().lstrip("-").replace("-", "_")
        if not (name and equals and value.strip()):
            raise UsageError(f"--slurm is written KEY=VALUE, as --slurm partition=cpu, got {text!r}")
        options[name] = int(value) if value.strip().isdecimal() else value.strip()
    return options


def submit(one: ShardRun, options: Mapping[str, str | int], folder: Callable[[Shard], Path]) -> Submitted:
    """Submit the shards of a suite that are not finished as one array; ``one`` says how each is run, of how many there
    are, in the folder of the whole, ``folder`` where each lands instead.

    ``options`` are those of ``sbatch`` (partition, time in minutes, mem, cpus_per_task, account, …); ``cluster=local``
    runs them as processes of this machine instead. Raises `StepscapeError`, before anything is submitted, for mistakes
    in the suite, where SLURM is not at hand or refuses, and for options that there are not.
    """
    logs = one.folder.with_name(f"{one.folder.name}-slurm")
    executor = executor_of(one.suite.name, dict(options), logs)
    found = LookedUp.of(one.suite, one.data, Compute(one.engine))
    found.check()
    parts = divided(found.costs(exhibit_jobs(one.suite, RecordFolder(one.folder), one.data, None)), one.shard.count)
    runs, whole = list[ShardRun](), RecordFolder(one.folder)
    for number, names in enumerate(parts, start=1):
        shard = Shard(number, one.shard.count)
        place = folder(shard)
        if not all(_landed(RecordFolder(place), name) or _landed(whole, name) for name in names):
            runs.append(replace(one, shard=shard, folder=place))
    try:
        jobs = executor.submit_array(runs) if runs else []
    except Exception as error:  # whatever sbatch says
        raise UsageError(f"SLURM refused the jobs: {error}") from error
    return Submitted(list(zip(runs, jobs, strict=True)), logs)


def _landed(record: RecordFolder, name: str) -> bool:
    """Whether the cell or exhibit called ``name`` among the jobs of its suite is finished."""
    return record.has_cell(name) or record.has_exhibit(name.removeprefix("exhibit "))


def executor_of(name: str, options: dict[str, str | int], logs: Path) -> AutoExecutor:
    """What submits, set up as the ``options`` say; raises `UsageError` where it cannot be."""
    if find_spec("submitit") is None:
        raise UsageError("--backend slurm needs submitit, which is not installed: pip install 'stepscape[slurm]'")
    import submitit

    cluster, minutes = options.pop("cluster", "slurm"), options.pop("time", MINUTES)
    if cluster not in ("slurm", "local"):
        raise UsageError(f"--slurm cluster is slurm or local, got {cluster!r}")
    if not isinstance(minutes, int) or minutes < 1:
        raise UsageError(f"--slurm time is a number of minutes, as time=240, got {minutes!r}")
    try:
        executor = submitit.AutoExecutor(logs, cluster=str(cluster), slurm_max_num_timeout=AGAIN)
    except RuntimeError as error:
        raise UsageError(
            "there is no SLURM here (no srun): run this where sbatch is at hand, or with --slurm cluster=local as "
            "processes of this machine"
        ) from error
    try:
        executor.update_parameters(
            name=name, timeout_min=minutes, **{f"slurm_{key}": value for key, value in options.items()}
        )
    except (NameError, ValueError, TypeError, AssertionError) as error:
        said = next((line for line in str(error).splitlines() if "argument" in line or "arameter" in line), error)
        raise UsageError(f"--slurm cannot be so: {said}") from error
    return executor
