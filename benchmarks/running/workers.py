"""Cells in parallel: one process a cell at a time, one torch thread a process; a killed worker costs its cell only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from analysis.pages.drawing import end_with
from benchmarks.errors import StepscapeError
from benchmarks.garbage import collect_rarely
from benchmarks.redaction import guard_output

__all__ = ["WorkersLostError", "default_jobs", "map_unordered"]

Task = TypeVar("Task")
Result = TypeVar("Result")

ATTEMPTS = 3


class WorkersLostError(StepscapeError, RuntimeError):
    """Worker processes were killed from outside, again and again."""


def default_jobs() -> int:
    """The number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_unordered(function: Callable[[Task], Result], tasks: Sequence[Task], jobs: int) -> Iterator[Result]:
    """``function`` of every task, in ``jobs`` processes, yielded as they finish; in this process where ``jobs`` is 1.

    A worker killed from outside takes its pool with it: the pool is built again for the tasks without a result, up to
    three times in all; then `WorkersLostError` is raised. Workers end with the process that called.
    """
    if jobs == 1 or len(tasks) <= 1:
        yield from map(function, tasks)
        return
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    left = dict(enumerate(tasks))
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with parallel_config(backend="loky", inner_max_num_threads=1, initializer=collect_rarely):
                # of large arguments joblib would keep files, which a killed run leaves in the machine's memory
                pool = Parallel(
                    n_jobs=min(jobs, len(left)), return_as="generator_unordered", batch_size=1, max_nbytes=None
                )
                for place, result in pool(
                    delayed(_result_of)(function, *item, os.getpid()) for item in list(left.items())
                ):
                    del left[place]
                    yield result
            return
        except TerminatedWorkerError as error:
            if attempt == ATTEMPTS:
                raise WorkersLostError(
                    f"worker processes were killed {ATTEMPTS} times, as when memory runs out; fewer --jobs may help"
                ) from error


def _result_of(function: Callable[[Task], Result], place: int, task: Task, parent: int) -> tuple[int, Result]:
    """The result of a task, with its place."""
    if os.getpid() != parent:  # with one task left, joblib runs it in the parent itself
        guard_output()
        end_with(parent)
    return place, function(task)
