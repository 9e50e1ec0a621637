"""Seeded random numbers for a run of steps: each seed's stream is its own, whichever seeds are beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from problems.problem import generator

__all__ = ["Array", "blocks", "rotation"]

Array = npt.NDArray[np.floating]

BLOCK = 64  # steps drawn at once: bounded memory, few calls; part of what a seed means


def blocks(
    seeds: Sequence[int], steps: int, purpose: str, sample: Callable[[np.random.Generator, int], Array]
) -> Iterator[Tensor]:
    """``steps`` tensors ``[S, ...]``, where ``sample(generator, count)`` draws ``[count, ...]`` for one seed."""
    generators = [generator(seed, purpose) for seed in seeds]
    for first in range(0, steps, BLOCK):
        drawn = np.stack([sample(g, BLOCK) for g in generators], axis=1)
        yield from torch.from_numpy(drawn[: steps - first])


@cache
def rotation(dim: int) -> Tensor:
    """An orthogonal matrix ``[dim, dim]``, the same one for a dimension always: Q of a seeded Gaussian matrix's QR.

    Columns are signed so that R has a positive diagonal, which makes Q unique, and uniform among rotations and
    reflections (Mezzadri 2007).
    """
    q, r = np.linalg.qr(generator(0, "rotation").standard_normal((dim, dim)))
    return torch.from_numpy(q * np.sign(np.diag(r)))
