"""How far a suite's run is, reported to whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.record.shard import Shard
    from benchmarks.running.jobs import JobResult

__all__ = ["RunObserver"]


class RunObserver:
    """Receives reports on how far a run is and ignores them; a subclass overrides those it shows."""

    def estimated(self, seconds: Callable[[], float], jobs: int, processes: int) -> None:
        """``jobs`` jobs will run in ``processes`` processes; ``seconds()`` measures briefly and estimates the time."""

    def noted(self, sentence: str) -> None:
        """Something the user is to know before the jobs begin."""

    def divided(self, shard: Shard, parts: int) -> None:
        """Only ``shard`` of the suite is run, which has so many ``parts``, cells and exhibits; told before the rest."""

    def started(self, cost: float, kept: int) -> None:
        """The jobs begin: ``cost`` in the units of `Job.cost`; ``kept`` cells and exhibits were finished before."""

    def ended(self, result: JobResult, cost: float) -> None:
        """The job of a cell or an exhibit ended with ``result``; ``cost`` was its estimate."""

    def inside(self, cost: float) -> None:
        """So much of the cost of the jobs that run now is done; told twice a second, by another thread."""

    def mirrored(self, done: int, total: int) -> None:
        """The run waits for the mirror, which has ``done`` of ``total`` parts; not called where there is no mirror."""

    def reported(self, done: int, total: int) -> None:
        """``done`` of ``total`` parts of the report are written; not called where there is no report."""
