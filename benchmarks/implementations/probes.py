"""Constructed gradients: what isolates each trait of an implementation, and simple numbers that are measured by them.

All coordinates are led along at once: random gradients of ordinary size; of every size down to 1e-15, where eps shows;
a steady one; one after a rest of zeros, and one before; each from 0 and from 1, where a decay of weights shows. And
once more with an lr that falls in the middle, which tells whether a buffer holds gradients or steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from benchmarks.implementations.implementation import Runnable
from benchmarks.implementations.paths import Ride, forced
from problems.problem import generator

__all__ = ["CONSTRUCTED", "FALLING", "Fact", "facts", "rides"]

CONSTRUCTED: Final = "constructed gradients"
FALLING: Final = "constructed gradients, lr falls"

STEPS: Final = 24  # long enough for the tail of a memory of 0.9, short enough for hundreds of hypotheses
SIZES: Final = (1.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12)
SMALLEST: Final = 1e-15  # the square of a smaller one, times 1 - memory, is below what a root is taken of (1e-38)
LONG: Final = 100


@dataclass(frozen=True)
class Fact:
    """A number measured by a constructed gradient: what it is, and its value for each of the two."""

    what: str
    first: float
    second: float


def rides(eps: Iterable[float] = ()) -> dict[str, Ride]:
    """The constructed gradients by name; ``eps`` and their roots are among the sizes of gradients."""
    own = [size for each in eps if each > 0 for size in (each, each**0.5)]
    sizes = sorted({max(size, SMALLEST) for size in (*SIZES, *own)}, reverse=True)
    random = generator(0, "constructed gradients")
    tiny = random.uniform(0.5, 2.0, (STEPS, len(sizes))) * random.choice([-1.0, 1.0], (STEPS, len(sizes))) * sizes
    ordinary = random.standard_normal((STEPS, 4)) * 10 ** random.uniform(-1, 1, (STEPS, 4))
    steady = np.ones((STEPS, 1))
    after, before = np.zeros((STEPS, 1)), np.zeros((STEPS, 1))
    after[STEPS // 3], before[0] = 1.0, 1.0
    one = np.concatenate([ordinary, tiny, steady, after, before], axis=1)
    gradients = torch.from_numpy(np.concatenate([one, one], axis=1))
    start = torch.cat([torch.zeros(one.shape[1]), torch.ones(one.shape[1])]).double()
    shares = [1.0] * (STEPS // 2) + [0.1] * (STEPS - STEPS // 2)
    return {CONSTRUCTED: Ride(start, gradients), FALLING: Ride(start, gradients, shares)}


def facts(first: Runnable, second: Runnable, eps: float) -> tuple[Fact, ...]:
    """What constructed gradients measure of two implementations, each a multiple of its own lr."""
    steady, small = torch.ones(LONG, 1).double(), torch.full((1, 1), max(eps, SMALLEST)).double()
    spike = torch.zeros(LONG, 1).double()
    spike[0] = 1.0
    asked = (
        ("first step under a steady gradient of 1", steady, 0.0, lambda path: path[0] - path[1]),
        (f"step {LONG} under a steady gradient of 1", steady, 0.0, lambda path: path[-2] - path[-1]),
        (f"first step under a gradient of {max(eps, SMALLEST):.3g}", small, 0.0, lambda path: path[0] - path[1]),
        ("way gone after a single gradient of 1", spike, 0.0, lambda path: path[1] - path[-1]),
        ("pull to 0 from 1, without a gradient", 0 * small, 1.0, lambda path: path[0] - path[1]),
    )
    return tuple(
        Fact(what, *(_measured(runnable, gradients, start, read) for runnable in (first, second)))
        for what, gradients, start, read in asked
    )


def _measured(runnable: Runnable, gradients: Tensor, start: float, read: object) -> float:
    path = forced(runnable, Ride(torch.full((1,), start).double(), gradients))
    return float(read(path)) / runnable.values.get("lr", 1.0)  # type: ignore[operator]  # one of the functions above
