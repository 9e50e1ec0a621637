"""Pages drawn by several processes, which end with the one that asked, even where it was killed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

__all__ = ["drawn", "end_with"]

Part = TypeVar("Part")


def drawn(tasks: Sequence[tuple[Callable[..., Part], tuple[Any, ...]]], jobs: int) -> Iterator[Part]:
    """What each function of ``tasks`` makes of its arguments, in their order, by ``jobs`` processes.

    Where one of them is killed from outside, as when memory runs out, the rest is drawn by this process.
    """
    done = 0
    if jobs > 1 and len(tasks) > 1:
        from joblib import Parallel, delayed
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        # of large arguments joblib would keep files, which a killed run leaves in the machine's memory
        parallel = Parallel(n_jobs=min(jobs, len(tasks)), return_as="generator", max_nbytes=None)
        with suppress(TerminatedWorkerError):
            for part in parallel(delayed(_drawn)(os.getpid(), *task) for task in tasks):
                done += 1
                yield part
    yield from (function(*arguments) for function, arguments in tasks[done:])


def _drawn(parent: int, function: Callable[..., Part], arguments: tuple[Any, ...]) -> Part:
    if os.getpid() != parent:
        end_with(parent)
    return function(*arguments)


@cache
def end_with(parent: int) -> None:
    """End this process when its parent has ended, even by a kill: its results would reach no one."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
