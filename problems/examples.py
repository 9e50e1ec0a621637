"""The examples of a module problem, however they come: tensors, a ``Dataset``, or a loader that batches by itself.

Tensors and a ``Dataset`` are drawn in an order of ours, a function of the seed; a loader keeps its own, which it draws
from the random state of the run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, TensorDataset, default_collate

from problems.batching import Tensors, checked
from problems.data import minibatches, shuffled_rows
from problems.problem import digest
from problems.random_state import RandomState

__all__ = ["BLOCK", "Examples", "OfTensors", "Source", "examples_of", "seeded"]

BLOCK: Final = 128
"""Examples evaluated at once."""

WORDS: Final = {"data": "data", "heldout": "heldout data"}

ENDLESS: Final = 2**62  # steps: a run ends when nobody asks on

Source = Tensors | Dataset[Any] | Iterable[Any]
"""Tensors ``[N, ...]``, a ``Dataset`` of such rows, or anything that gives batches each time it is iterated."""


class Examples(ABC):
    """What a module is trained on or judged by: inputs, and last the target, as tensors with an example a row."""

    native: str | None = None
    """Why no lanes can be trained on it, None where they can."""

    @abstractmethod
    def batches(self, seed: int, batch: int) -> Iterator[Tensors]:
        """Minibatches ``[B, ...]`` without end, in the order of ``seed``."""

    @abstractmethod
    def blocks(self, measured: int | None) -> Iterator[Tensors]:
        """Every example once, ``measured`` at most, some at a time."""

    @abstractmethod
    def described(self) -> str:
        """What makes these examples what they are, in a line, for a fingerprint."""

    @property
    def generators(self) -> Sequence[torch.Generator]:
        """Generators that it draws from besides the global ones."""
        return ()


@dataclass(frozen=True, eq=False)
class OfTensors(Examples):
    """Examples that are tensors ``[N, ...]``."""

    tensors: Tensors

    def batches(self, seed: int, batch: int) -> Iterator[Tensors]:
        for parts in minibatches(self.tensors, [seed], batch, ENDLESS):
            yield tuple(part[0] for part in parts)

    def blocks(self, measured: int | None) -> Iterator[Tensors]:
        tensors = tuple(part[:measured] for part in self.tensors)
        for first in range(0, len(tensors[0]), BLOCK):
            yield tuple(part[first : first + BLOCK] for part in tensors)

    def described(self) -> str:
        return digest(*self.tensors)


@dataclass(frozen=True, eq=False)
class _OfDataset(Examples):
    """Examples that a ``Dataset`` makes one at a time, augmented as it pleases."""

    dataset: Dataset[Any]
    name: str

    @property
    def native(self) -> str:  # type: ignore[override]
        return f"its {WORDS[self.name]} come from {type(self.dataset).__name__}, an example at a time"

    def batches(self, seed: int, batch: int) -> Iterator[Tensors]:
        for rows in shuffled_rows([seed], self._length, batch, ENDLESS):
            yield self._rows(rows[0].tolist())

    def blocks(self, measured: int | None) -> Iterator[Tensors]:
        count = self._length if measured is None else min(measured, self._length)
        for first in range(0, count, BLOCK):
            yield self._rows(range(first, min(first + BLOCK, count)))

    def described(self) -> str:
        first = next(self.blocks(BLOCK))
        return f"{type(self.dataset).__qualname__} of {self._length}: {digest(*first)}"

    @property
    def _length(self) -> int:
        if not isinstance(self.dataset, Sized):
            raise ValueError(f"the {type(self.dataset).__name__} of {self.name} has no length; give it __len__")
        return len(self.dataset)

    def _rows(self, rows: Sequence[int]) -> Tensors:
        given = _as_tensors(default_collate([self.dataset[row] for row in rows]), self.name)
        return _finite(given, self.name, lambda place: f"row {rows[place]}")


@dataclass(frozen=True, eq=False)
class _OfLoader(Examples):
    """Batches that a ``DataLoader`` makes, or whatever gives them each time it is iterated."""

    loader: Iterable[Any]
    name: str

    @property
    def native(self) -> str:  # type: ignore[override]
        return f"its {WORDS[self.name]} come from {type(self.loader).__name__}, which makes its own batches"

    def batches(self, seed: int, batch: int) -> Iterator[Tensors]:  # noqa: ARG002 - it has an order and batches of its own
        while True:
            yield from self._once()

    def blocks(self, measured: int | None) -> Iterator[Tensors]:
        left = measured
        if left is None and _length(self.loader) is None:
            raise ValueError(f"the loader of {self.name} has no length; say how many examples to look at, measured=…")
        for given in self._once():
            yield tuple(part[:left] for part in given)
            left = None if left is None else left - len(given[0])
            if left is not None and left <= 0:
                return

    def described(self) -> str:
        return f"{type(self.loader).__qualname__} of {_length(self.loader)}: {digest(*next(self._once()))}"

    @property
    def generators(self) -> Sequence[torch.Generator]:
        found = [getattr(self.loader, "generator", None), getattr(_sampler(self.loader), "generator", None)]
        return list({id(each): each for each in found if isinstance(each, torch.Generator)}.values())

    def _once(self) -> Iterator[Tensors]:
        """The batches of one epoch; raises ``ValueError`` where there are fewer than the loader says."""
        if getattr(self.loader, "persistent_workers", False):
            raise ValueError(f"the loader of {self.name} keeps its workers, which runs cannot share; give none")
        count = 0
        for count, given in enumerate(self.loader, start=1):
            place = f"batch {count}"
            yield _finite(_as_tensors(given, self.name), self.name, lambda row, at=place: f"row {row} of {at}")
        said = _length(self.loader) or 1
        if count < said:
            raise ValueError(
                f"the loader of {self.name} ended after {count} of {said} batches; give one that can be iterated "
                "again and again, as a torch DataLoader"
            )


def examples_of(given: Any, name: str, batch: int) -> Examples:
    """The `Examples` that a problem was ``given`` as its ``name``; an iterable dataset is batched by ``batch``.

    Raises ``ValueError`` for what is no data.
    """
    if isinstance(given, TensorDataset):
        return OfTensors(checked(given.tensors, name))
    if isinstance(given, IterableDataset):
        return _OfLoader(torch.utils.data.DataLoader(given, batch), name)
    if isinstance(given, Dataset):
        return _OfDataset(given, name)
    if isinstance(given, Iterable) and not isinstance(given, tuple | list | str | bytes | Tensor):
        return _OfLoader(given, name)
    return OfTensors(checked(given, name))


def seeded(examples: Examples, seed: int, purpose: str, device: torch.device | str = "cpu") -> RandomState:
    """The random state in which a run of ``seed`` draws from ``examples``."""
    return RandomState(seed, purpose, device, examples.generators)


def _length(loader: Any) -> int | None:
    """The number of batches that a loader says it has, None where it does not."""
    try:
        return len(loader)
    except TypeError:  # also a loader of what has no length
        return None


def _sampler(loader: Any) -> Any:
    return getattr(loader, "sampler", None)


def _as_tensors(given: Any, name: str) -> Tensors:
    """A batch as a tuple; raises ``ValueError`` for anything but inputs and a target."""
    parts = tuple(given) if isinstance(given, tuple | list) else ()
    if len(parts) < 2 or not all(isinstance(part, Tensor) for part in parts):
        kinds = ", ".join(type(part).__name__ for part in parts) or type(given).__name__
        raise ValueError(f"an example of {name} is a tuple, inputs first and the target last; a batch of it is {kinds}")
    return parts


def _finite(given: Tensors, name: str, row: Any) -> Tensors:
    """A batch of finite numbers only; raises ``ValueError`` with the place of the first example that is not."""
    for place, part in enumerate(given):
        if part.is_floating_point() and not bool(part.isfinite().all()):
            wrong = ~part.isfinite().reshape(len(part), -1).all(-1)
            role = "the target" if place == len(given) - 1 else f"input {place + 1}"
            raise ValueError(f"{role} of {name} is nan or inf in {row(int(wrong.int().argmax()))}; leave that row out")
    return given
