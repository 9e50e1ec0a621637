"""Processes of this machine, which work in the record itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from benchmarks.running.ahead import Ahead
from benchmarks.running.backends.backend import Backend
from benchmarks.running.jobs import Job, JobResult, carry_out, carry_out_and_draw
from benchmarks.running.workers import WorkersLostError, map_unordered

__all__ = ["Local"]


class Local(Backend):
    """As many processes as ``jobs`` says; this process alone where that is one."""

    def carry_out(self, jobs: Sequence[Job], ahead: Ahead | None) -> Iterator[JobResult]:
        work = carry_out if ahead is None else partial(carry_out_and_draw, ahead=ahead)
        left = {job.name: job for job in jobs}
        try:
            for done in map_unordered(work, jobs, self.jobs or 1):
                del left[done.name]
                yield done
        except WorkersLostError as error:
            yield from (JobResult(job.name, job.title, 0.0, str(error)) for job in left.values())
