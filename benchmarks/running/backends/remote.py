"""Jobs on workers that share no file with this process, the driver: sent and landed here, whatever carries them."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.errors import StepscapeError, UsageError
from benchmarks.running.ahead import Ahead
from benchmarks.running.backends.backend import Backend
from benchmarks.running.backends.luggage import Luggage
from benchmarks.running.backends.parcel import Parcel, Requirements, Returned, land, parcel_of
from benchmarks.running.jobs import Job, JobResult
from benchmarks.suite.suite import Suite

__all__ = ["ATTEMPTS", "ClusterGoneError", "JobLostError", "LOOK", "Remote", "lost"]

LOOK: Final = 1.0  # seconds after which the number of workers is looked at anew
ATTEMPTS: Final = 3
"""Workers that a job may take with it before it counts as failed."""


class JobLostError(StepscapeError, RuntimeError):
    """The workers that ran a job ended, one after another."""


class ClusterGoneError(StepscapeError, RuntimeError):
    """The cluster ended, or cannot be reached any more."""


class Remote(Backend):
    """Workers that an engine of its own reaches: by ``address``, or of a cluster on this machine where that is None.

    No more jobs are sent than there are workers: what kills its worker then takes no other with it, and the order is
    the driver's to the end. ``data`` is the user's data folder.
    """

    def __init__(self, jobs: int | None, address: str | None, data: Path | None) -> None:
        super().__init__(jobs)
        self.address, self.data, self.here = address, data, address is None
        self.needs: Requirements | None = None

    def open(self, suite: Suite, note: Callable[[str], None]) -> None:
        if self.needs is None:
            needs = Requirements.of(Luggage.of(suite, self.data))
            self.check_address()
            self.connect()
            found = self.unfit_workers(needs)
            if found is None:
                note(f"{self.address} has no workers yet; the jobs wait for them")
            for unfit in found or ():
                raise UsageError(unfit)
            self.needs = needs

    def room(self) -> int:
        return self.jobs or max(1, self.workers)

    def carry_out(self, jobs: Sequence[Job], ahead: Ahead | None) -> Iterator[JobResult]:  # noqa: ARG002 - no cells there
        if self.needs is None:  # it is not opened for nothing
            return
        waiting, sent = deque(jobs), dict[Hashable, Job]()
        try:
            while waiting or sent:
                while waiting and len(sent) < self.room():
                    handle = self.send(parcel_of(waiting[0], self.needs))
                    sent[handle] = waiting.popleft()
                for handle in self.ended(list(sent)):
                    done = self._landed(handle, sent[handle])
                    del sent[handle]
                    yield done
        except ClusterGoneError as error:
            yield from (JobResult(job.name, job.title, 0.0, str(error)) for job in [*sent.values(), *waiting])
        finally:
            self.forget(list(sent))

    def _landed(self, handle: Hashable, job: Job) -> JobResult:
        try:
            returned = self.result(handle)
        except JobLostError as error:
            return JobResult(job.name, job.title, 0.0, str(error))
        if returned.unfit:
            raise UsageError(returned.unfit)
        return land(returned, job)

    @abstractmethod
    def connect(self) -> None:
        """Reach the cluster, or start one. Raises `UsageError` where it does not take us up."""

    @abstractmethod
    def unfit_workers(self, needs: Requirements) -> list[str] | None:
        """Why workers may not run the jobs, a sentence each; None where there are no workers yet."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """How many workers there are at this moment. Raises `ClusterGoneError`."""

    @abstractmethod
    def send(self, parcel: Parcel) -> Hashable:
        """Send a job, and return what it is known by from then on. Raises `ClusterGoneError`."""

    @abstractmethod
    def ended(self, handles: Sequence[Hashable]) -> Sequence[Hashable]:
        """Those of ``handles`` whose jobs have ended; waits up to `LOOK` for one. Raises `ClusterGoneError`."""

    @abstractmethod
    def result(self, handle: Hashable) -> Returned:
        """What came back of a job that has ended. Raises `JobLostError` and `ClusterGoneError`."""

    @abstractmethod
    def forget(self, handles: Sequence[Hashable]) -> None:
        """Have jobs not run that were sent, where they have not begun."""

    @abstractmethod
    def shares(self) -> Mapping[str, float]: ...


def lost(attempts: int) -> JobLostError:
    """The error of a job whose workers ended so often."""
    return JobLostError(
        f"the worker that ran it ended {attempts} times, as when memory runs out; fewer --jobs or workers with more "
        "memory may help"
    )
