"""How fast one core of this machine is, and what it takes to measure on one core only."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

import torch

__all__ = ["Machine", "cpu_name", "one_core"]

PRODUCTS: Final = (128, 256, 512, 1024)  # sides of the matrices whose product is timed
IN_CACHE: Final = (2**15, 2**16, 2**18)  # numbers of 4 bytes: 3 arrays of which fit a second or third level
IN_MEMORY: Final = 2**24  # and 3 of which, 200 MB, fit none
NUMBERS: Final = 2**22  # passed for one timing of a cache, so that the clock does not count
REPEATS: Final = 7


@dataclass(frozen=True)
class Machine:
    """What one core can do in a second, as measured: the best of some tries.

    ``operations`` by the bytes of a number, from the product of two matrices (a multiplication and an addition are
    two). ``cache`` and ``memory`` in bytes, from the triad a = b + 2 c (McCalpin 1995, STREAM) over arrays that fit a
    cache, and that do not; a number read or written is counted once.
    """

    operations: Mapping[int, float]
    cache: float
    memory: float

    @classmethod
    def measured(cls) -> Self:
        """This machine, now, on the threads that torch is set to: one, inside `one_core`."""
        return cls(
            {
                dtype.itemsize: max(_products(size, dtype) for size in PRODUCTS)
                for dtype in (torch.float32, torch.float64)
            },
            max(_triad(numbers) for numbers in IN_CACHE),
            _triad(IN_MEMORY),
        )

    def __str__(self) -> str:
        single, double = (self.operations[size] / 1e9 for size in (4, 8))
        return (
            f"one core: {single:.0f} GF/s in single and {double:.0f} in double precision, "
            f"{self.cache / 1e9:.0f} GB/s in cache, {self.memory / 1e9:.0f} from memory"
        )


@contextmanager
def one_core() -> Iterator[None]:
    """The process on one core and torch on one thread; as it was afterwards.

    Threads that begin inside stay on the core, where the system can hold them there at all.
    """
    threads = torch.get_num_threads()
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    torch.set_num_threads(1)
    if cores:
        os.sched_setaffinity(0, {max(cores)})  # the first core of a machine is its busiest
    try:
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)
        torch.set_num_threads(threads)


def cpu_name() -> str:
    """What the processor calls itself, "" where it does not say."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 - a file of the system
            return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        return ""


def _products(side: int, dtype: torch.dtype) -> float:
    """Operations a second of the product of two square matrices."""
    a, b, out = (torch.ones(side, side, dtype=dtype) for _ in range(3))
    return 2 * side**3 / _least(lambda: torch.mm(a, b, out=out), 1)


def _triad(numbers: int) -> float:
    """Bytes a second of a = b + 2 c in single precision."""
    a, b, c = (torch.ones(numbers) for _ in range(3))
    return 3 * 4 * numbers / _least(lambda: torch.add(b, c, alpha=2.0, out=a), max(1, NUMBERS // numbers))


def _least(call: Callable[[], object], times: int) -> float:
    """The least CPU seconds of a call, each timing over several."""
    seconds = []
    for _ in range(REPEATS):
        began = time.process_time()
        for _ in range(times):
            call()
        seconds.append((time.process_time() - began) / times)
    return min(seconds)
