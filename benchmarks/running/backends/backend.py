"""What every backend does: it carries out jobs somewhere and yields how each ended; results land in this machine's
record.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Self

from benchmarks.running.ahead import Ahead
from benchmarks.running.jobs import Job, JobResult
from benchmarks.suite.suite import Suite

__all__ = ["Backend"]


class Backend(ABC):
    """Carries out jobs, up to ``jobs`` of them at once; None where that is for the workers that there are.

    It is opened by the first jobs, or before, and closed at the end of a ``with`` block, which leaves no process of
    its own.
    """

    here = True  # whether the workers are processes of this machine

    def __init__(self, jobs: int | None) -> None:
        self.jobs = jobs

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def check_address(self) -> None:  # noqa: B027 - nothing to do is right
        """Raise `UsageError`, within seconds, where nobody answers at the address of the workers, if there is one."""

    def open(self, suite: Suite, note: Callable[[str], None]) -> None:  # noqa: B027 - nothing to do is right
        """Reach or start the workers, and see that they can do the jobs of ``suite``; nothing where they are there.

        ``note`` is told what the user is to know. Raises `UsageError` where nobody answers, or workers are of other
        versions.
        """

    def close(self) -> None:  # noqa: B027 - as above
        """End what was started, and leave what was reached."""

    def room(self) -> int:
        """How many jobs are carried out at once, where there are so many."""
        return self.jobs or 1

    @abstractmethod
    def carry_out(self, jobs: Sequence[Job], ahead: Ahead | None) -> Iterator[JobResult]:
        """Do the jobs and yield how each ended, as they end; those whose workers were killed again and again end with
        an error. What is ``ahead`` of the report may be drawn as well.
        """

    def shares(self) -> Mapping[str, float]:
        """How much is done of each running job that writes no meter into this machine's record, by its name."""
        return {}
