"""What a traced step is between torch and C: statements over views of buffers, one number of a buffer a lane.

Buffers of *lanes* hold a value for each lane of a tile (parameters, state, hyperparameters and all that follows from
them); *shared* ones hold one value for all lanes (data of a seed's batch, constants). Views have torch's own shapes
and strides, so that reshaping, transposing and slicing cost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, Literal, get_args

import torch
from torch import Tensor

__all__ = [
    "GATHERINGS",
    "KINDS",
    "Assign",
    "Buffer",
    "Gathering",
    "Kind",
    "MatMul",
    "Number",
    "Pick",
    "Place",
    "Program",
    "Statement",
    "View",
    "contiguous",
    "literal",
    "whole",
]


class Kind(Enum):
    """The kinds of numbers a program computes with; the value is the type in C."""

    F32 = "float"
    F64 = "double"
    I64 = "int64_t"
    BOOL = "unsigned char"

    @property
    def size(self) -> int:
        """Bytes of one number."""
        return {"float": 4, "double": 8, "int64_t": 8, "unsigned char": 1}[self.value]

    @property
    def floating(self) -> bool:
        """Whether it is a real number."""
        return self in (Kind.F32, Kind.F64)


KINDS: Final = {torch.float32: Kind.F32, torch.float64: Kind.F64, torch.int64: Kind.I64, torch.bool: Kind.BOOL}
"""The kinds of torch's types; a program of any other type is not compiled."""

Number = float | int | bool

Gathering = Literal["add", "mul", "maximum", "minimum", "and", "or"]
GATHERINGS: Final = get_args(Gathering)
"""Operations that many numbers can be gathered into one by."""


class Place(Enum):
    """Where a buffer comes from."""

    GIVEN = "given"
    """An argument of the compiled function: parameters, state, hyperparameters, data of the batch."""
    CONSTANT = "constant"
    """Numbers of the problem itself."""
    WORK = "work"
    """Computed on the way."""


@dataclass(frozen=True)
class Buffer:
    """``size`` numbers of one kind; ``lanes`` says whether each lane has its own."""

    name: str
    kind: Kind
    size: int
    lanes: bool
    place: Place = Place.WORK


@dataclass(frozen=True)
class View:
    """Numbers of a buffer by shape, strides and offset, counted in numbers; or, without a buffer, one ``value``."""

    buffer: Buffer | None
    kind: Kind
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    value: Number | None = None

    @property
    def lanes(self) -> bool:
        """Whether each lane has its own numbers."""
        return self.buffer is not None and self.buffer.lanes

    @property
    def size(self) -> int:
        """How many numbers are seen."""
        return math.prod(self.shape)

    def as_strided(self, shape: Sequence[int], strides: Sequence[int], offset: int) -> View:
        """The same buffer seen otherwise."""
        return replace(self, shape=tuple(shape), strides=tuple(strides), offset=offset)

    def broadcast(self, shape: Sequence[int]) -> View:
        """This view with axes of one number repeated up to ``shape``."""
        missing = len(shape) - len(self.shape)
        strides = [0] * missing + [
            0 if has == 1 and wanted != 1 else stride
            for has, stride, wanted in zip(self.shape, self.strides, shape[missing:], strict=True)
        ]
        return self.as_strided(shape, strides, self.offset)

    def reshape(self, shape: Sequence[int]) -> View | None:
        """The same numbers in the same order as another shape, None where no strides can say so."""
        if self.buffer is None:
            return self.as_strided(shape, (0,) * len(shape), 0)
        if self.size == 0:
            return self.as_strided(shape, contiguous(shape), self.offset)
        runs = _runs(self.shape, self.strides)
        strides: list[int] = []
        count, stride = 1, 0
        for wanted in shape:
            if wanted == 1:
                strides.append(0)
                continue
            while count % wanted or count < wanted:  # the axis spans this run and more: it must continue evenly
                if count != 1 or not runs:
                    return None
                count, stride = runs.pop(0)
            count //= wanted
            strides.append(count * stride)
        return self.as_strided(shape, strides, self.offset)

    def places(self) -> Iterator[int]:
        """The place in the buffer of every number, in order."""
        places = [self.offset]
        for count, stride in zip(self.shape, self.strides, strict=True):
            places = [place + step * stride for place in places for step in range(count)]
        return iter(places)


def _runs(shape: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """Counts and strides of the longest evenly spaced runs, outermost first; axes of one number left out."""
    runs: list[tuple[int, int]] = []
    for count, stride in zip(shape, strides, strict=True):
        if count == 1:
            continue
        if runs and runs[-1][1] == count * stride:
            runs[-1] = (runs[-1][0] * count, stride)
        else:
            runs.append((count, stride))
    return runs


@dataclass(frozen=True)
class Assign:
    """``out = operation(arguments)`` for every number of ``out``; arguments have its shape, read in ``kind``.

    With ``into`` (``add``, ``mul``, ``maximum``, …) all results that fall on one number of ``out`` are gathered by that
    operation from ``first`` on: axes along which ``out`` does not move are thereby reduced.
    """

    out: View
    operation: str
    arguments: tuple[View, ...]
    kind: Kind
    into: Gathering | None = None
    first: Number = 0


@dataclass(frozen=True)
class MatMul:
    """``out [M…, N…] = left [M…, K…] @ right [K…, N…]``, accumulated in order over K…, which are ``summed`` axes."""

    out: View
    left: View
    right: View
    summed: int = 1

    @property
    def arguments(self) -> tuple[View, ...]:
        """What is read."""
        return self.left, self.right

    @property
    def terms(self) -> int:
        """How many numbers are summed up for each of ``out``."""
        return math.prod(self.right.shape[: self.summed])


@dataclass(frozen=True)
class Pick:
    """``out[i] = source[i, but index[i] along axis]``.

    With ``back``, ``=`` or ``+=``, it is the other way: ``out[i, but index[i] along axis] back source[i]``.
    """

    out: View
    source: View
    axis: int
    index: View
    back: Literal["", "=", "+="] = ""

    @property
    def arguments(self) -> tuple[View, ...]:
        """What is read."""
        return self.source, self.index


Statement = Assign | MatMul | Pick


@dataclass
class Program:
    """Statements in order; ``inputs`` and ``outputs`` are views by name, ``constants`` numbers by the buffer's name."""

    inputs: dict[str, View] = field(default_factory=dict)
    outputs: dict[str, View] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    constants: dict[str, Tensor] = field(default_factory=dict)


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of numbers that lie one after the other."""
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * shape[axis + 1]
    return tuple(strides)


def whole(buffer: Buffer, shape: Sequence[int]) -> View:
    """All of a buffer, in order."""
    return View(buffer, buffer.kind, tuple(shape), contiguous(shape))


def literal(value: Number, kind: Kind, shape: Sequence[int] = ()) -> View:
    """One number, however often."""
    return View(None, kind, tuple(shape), (0,) * len(shape), 0, value)
