"""Who is told how far a suite's run is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmarks.running.jobs import JobResult

__all__ = ["SILENT", "RunObserver"]


class RunObserver:
    """Is told how far a run is, and does nothing about it: a subclass says what, where it wants to know."""

    def estimated(self, seconds: Callable[[], float], jobs: int, processes: int) -> None:
        """So many jobs are to be done in so many processes; ``seconds()`` measures for a moment and says how long."""

    def started(self, cost: float, kept: int) -> None:
        """The work begins: its cost in the units of `Job.cost`, and the number of cells and exhibits that stand."""

    def ended(self, result: JobResult, cost: float) -> None:
        """A cell or an exhibit ended, which was estimated to cost so much."""

    def reported(self, done: int, total: int) -> None:
        """So many parts of the report are written; nobody tells where no report is."""


SILENT: Final = RunObserver()
