"""The data of a training, a segment of consecutive updates at a time: drawn once, and kept for the next block.

All lanes of a seed see the same data, and so do all blocks of a study and all groups of a landscape: whoever trains
again by the same `Training` finds the data of the first time, as long as it takes no more than `KEPT` bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final

import torch
from torch import Tensor

from benchmarks.engine.calls import batches_of
from problems import Batch, Problem

__all__ = ["KEPT", "SEGMENT", "Data", "Segment", "batch_like", "stacked", "without_data"]

SEGMENT: Final = 32
"""Updates whose data is made at once, at most."""

KEPT: Final = 32 * 2**20
"""Bytes of data that a training keeps for the next time, at most; of more it keeps nothing."""


@dataclass(frozen=True, eq=False)
class Segment:
    """The data of K consecutive updates, on the device and in the precision of the run.

    ``batches [K]`` has one batch an update. ``parts`` are the same numbers, stacked: contiguous tensors
    ``[K, S, ...]``, one for each tensor of a batch, of which the batches are views; none where the loss needs no data,
    and None where batches differ in shape or would take more than `KEPT` bytes together.
    """

    batches: Sequence[Batch]
    parts: tuple[Tensor, ...] | None

    @classmethod
    def of(cls, batches: Sequence[Batch], like: Tensor) -> Segment:
        """The segment of ``batches`` on the device and in the precision of ``like``."""
        columns = stacked(batches) if _size([_tensors(batch) for batch in batches]) <= KEPT else None
        if columns is None:
            return cls([batch_like(batch, like) for batch in batches], None)
        parts = tuple(_tensor_like(column, like) for column in columns)
        if isinstance(batches[0], tuple):
            return cls(list(zip(*(part.unbind() for part in parts), strict=True)) or list(batches), parts)
        return cls(parts[0].unbind() if parts else list(batches), parts)

    def __len__(self) -> int:
        return len(self.batches)

    @property
    def size(self) -> int:
        """Bytes that its numbers take."""
        return _size([_tensors(batch) for batch in self.batches])


class Data:
    """The data of every update of a training, segment by segment; none reaches over one of the evaluations ``[E]``.

    It is drawn while it is iterated the first time, and afterwards read from what was kept.
    """

    def __init__(self, problem: Problem, seeds: Sequence[int], evaluations: Sequence[int], like: Tensor) -> None:
        self.problem, self.seeds, self.evaluations, self.like = problem, seeds, evaluations, like
        self.kept: Sequence[Segment] | None = None

    def segments(self, longest: int = SEGMENT) -> Iterator[Segment]:
        """The data of all updates, of at most ``longest`` at once where it was not kept."""
        if self.kept is not None:
            yield from self.kept
            return
        kept: list[Segment] = []
        size = 0
        batches = batches_of(self.problem, self.seeds, self.evaluations[-1])
        for before, after in pairwise(self.evaluations):
            for first in range(before, after, longest):
                last = min(first + longest, after)
                segment = Segment.of(list(islice(batches, last - first)), self.like)
                size += segment.size
                if size <= KEPT:
                    kept.append(segment)
                else:
                    kept.clear()
                if last == self.evaluations[-1] and size <= KEPT:  # nobody asks on after the last
                    self.kept = kept
                yield segment


def without_data(evaluations: Sequence[int], longest: int = SEGMENT) -> Iterator[Segment]:
    """The same segments for runs that draw their data themselves."""
    for before, after in pairwise(evaluations):
        for first in range(before, after, longest):
            yield Segment([None] * (min(first + longest, after) - first), ())


def stacked(batches: Sequence[Batch]) -> tuple[Tensor, ...] | None:
    """The parts ``[K, S, ...]`` of K batches, none where there is no data; None where batches differ in shape."""
    rows = [_tensors(batch) for batch in batches]
    kinds = {tuple((part.shape, part.dtype, part.device) for part in row) for row in rows}
    if len(kinds) > 1 or len({type(batch) for batch in batches}) > 1:
        return None
    return tuple(torch.stack(column) for column in zip(*rows, strict=True))


def batch_like(batch: Batch, like: Tensor) -> Batch:
    """The batch on the device of ``like``, its floating tensors in the precision of ``like``."""
    if batch is None:
        return None
    if isinstance(batch, tuple):
        return tuple(_tensor_like(part, like) for part in batch)
    return _tensor_like(batch, like)


def _tensor_like(part: Tensor, like: Tensor) -> Tensor:
    return part.to(like.device, like.dtype if part.is_floating_point() else part.dtype)


def _tensors(batch: Batch) -> tuple[Tensor, ...]:
    """The tensors of a batch, none where it is None."""
    if batch is None:
        return ()
    return batch if isinstance(batch, tuple) else (batch,)


def _size(rows: Sequence[Sequence[Tensor]]) -> int:
    return sum(part.numel() * part.element_size() for row in rows for part in row)
