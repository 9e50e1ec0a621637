"""What statements are made with: a builder of buffers and statements, and a call of torch's as its function sees it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.fx import Node

from benchmarks.engine.kernel.program import (
    KINDS,
    Assign,
    Buffer,
    Gathering,
    Kind,
    Number,
    Place,
    Program,
    View,
    literal,
    whole,
)
from benchmarks.engine.kernel.refusal import NotCompiledError

__all__ = ["Builder", "Call", "kind_of"]

TRUTHS: Final = {"add": "or", "mul": "and", "maximum": "or", "minimum": "and"}
"""What torch makes of arithmetic on truth values."""


class Builder:
    """Makes buffers and statements of one program."""

    def __init__(self) -> None:
        self.program = Program()
        self._count = 0
        self._constants: dict[int, tuple[Tensor, View]] = {}  # by identity, which lasts as long as the tensor is held

    def given(self, name: str, example: Tensor, lanes: bool) -> View:
        """An input, shaped like ``example``."""
        buffer = Buffer(f"in{len(self.program.inputs)}", kind_of(example.dtype), example.numel(), lanes, Place.GIVEN)
        self.program.inputs[name] = whole(buffer, example.shape)
        return self.program.inputs[name]

    def fresh(self, kind: Kind, shape: Sequence[int], lanes: bool) -> View:
        """All of a new buffer."""
        self._count += 1
        return whole(Buffer(f"b{self._count}", kind, math.prod(shape), lanes), shape)

    def view(self, value: View | Tensor | Number, kind: Kind | None = None) -> View:
        """A value as a view: of itself, of a constant, or of one number."""
        if isinstance(value, View):
            return value
        if not isinstance(value, Tensor):
            found = Kind.BOOL if isinstance(value, bool) else Kind.I64 if isinstance(value, int) else Kind.F64
            return literal(value, kind or found)
        if id(value) not in self._constants:
            self._constants[id(value)] = value, self._constant(value.detach())
        return self._constants[id(value)][1]

    def _constant(self, value: Tensor) -> View:
        kind = kind_of(value.dtype)
        if value.numel() and _all_alike(value):
            return literal(value.flatten()[0].item(), kind, value.shape)
        name = f"c{len(self.program.constants)}"
        self.program.constants[name] = value.contiguous()
        return whole(Buffer(name, kind, value.numel(), False, Place.CONSTANT), value.shape)

    def assign(self, out: View, operation: str, *arguments: View, kind: Kind) -> None:
        """``out = operation(arguments)``, the arguments broadcast and read in ``kind``."""
        spread = tuple(argument.broadcast(out.shape) for argument in arguments)
        self.program.statements.append(Assign(out, operation, spread, kind))

    def computed(self, operation: str, arguments: Sequence[View], kind: Kind, out: Kind, shape: Sequence[int]) -> View:
        """A fresh view of what an operation gives."""
        result = self.fresh(out, shape, any(argument.lanes for argument in arguments))
        self.assign(result, operation, *arguments, kind=kind)
        return result

    def copied(self, view: View) -> View:
        """The same numbers, one after the other."""
        return self.computed("copy", [view], view.kind, view.kind, view.shape)

    def changed(self, view: View, by: View) -> View:
        """A copy of ``view`` that part of ``by`` can be written to."""
        result = self.fresh(view.kind, view.shape, view.lanes or by.lanes)
        self.assign(result, "copy", view, kind=view.kind)
        return result

    def in_order(self, view: View, shape: Sequence[int]) -> View:
        """The numbers of ``view``, in order, as another shape; copied where no strides can say so."""
        seen = view.reshape(shape) or self.copied(view).reshape(shape)
        assert seen is not None, "numbers one after the other take every shape"
        return seen

    def reduced(self, operation: Gathering, view: View, axes: Sequence[int], first: Number, keep: bool = False) -> View:
        """``view`` gathered along ``axes`` by an operation from ``first`` on.

        The other axes stay; so do these, of one number each, where ``keep`` says so.
        """
        shape = [1 if axis in axes else count for axis, count in enumerate(view.shape)]
        if view.size == 0:
            result = literal(first, view.kind, shape)
        else:
            result = self.fresh(view.kind, shape, view.lanes)
            strides = [0 if axis in axes else stride for axis, stride in enumerate(result.strides)]
            spread = result.as_strided(view.shape, strides, 0)
            self.program.statements.append(Assign(spread, "copy", (view,), view.kind, operation, first))
        if keep:
            return result
        left = [axis for axis in range(len(shape)) if axis not in axes]
        return result.as_strided([shape[axis] for axis in left], [result.strides[axis] for axis in left], 0)


def _all_alike(value: Tensor) -> bool:
    """Whether all numbers are one and the same; zeros of two signs are not."""
    first = value.flatten()[0]
    return bool((value == first).all()) and bool((value.signbit() == first.signbit()).all())


@dataclass
class Call:
    """One call of torch's, with what is known of its result."""

    builder: Builder
    node: Node
    args: list[Any]
    kwargs: dict[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the result."""
        return tuple(self.node.meta["val"].shape)

    @property
    def kind(self) -> Kind:
        """The kind of the result."""
        return kind_of(self.node.meta["val"].dtype)

    @property
    def source(self) -> View:
        """The first argument."""
        return self.builder.view(self.args[0])

    def get(self, place: int, name: str, default: Any = None) -> Any:
        """An argument by place or by name."""
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)

    def axis(self, place: int = 1, name: str = "dim") -> int:
        """An axis counted from the front."""
        return int(self.get(place, name, 0)) % max(1, len(self.source.shape))

    def axes(self, place: int = 1) -> list[int]:
        """Axes counted from the front; all where none is named."""
        given, count = self.get(place, "dim"), len(self.source.shape)
        if given is None or given == [] or count == 0:
            return list(range(count))
        return sorted({axis % count for axis in (given if isinstance(given, list | tuple) else [given])})

    def elementwise(
        self, operation: str, *arguments: Any, kind: Kind | None = None, shape: Sequence[int] | None = None
    ) -> View:
        """An operation on numbers, computed in ``kind`` and given in ``shape``, those of the result by default."""
        kind, shape = kind or self.kind, self.shape if shape is None else shape
        if kind is Kind.BOOL:
            operation = TRUTHS.get(operation, operation)
        views = [self.builder.view(argument, kind) for argument in arguments]
        if operation == "mul" and views[1].buffer is None and views[1].value == 1 and views[0].kind is self.kind:
            return views[0].broadcast(shape)
        return self.builder.computed(operation, views, kind, self.kind, shape)

    def shaped(self, view: View) -> View:
        """``view`` in the shape of the result."""
        return self.builder.in_order(view, self.shape)


def kind_of(dtype: torch.dtype) -> Kind:
    """The kind of numbers of a type of torch's. Raises `NotCompiledError` where there is none."""
    if dtype not in KINDS:
        raise NotCompiledError(f"numbers of {str(dtype).removeprefix('torch.')}")
    return KINDS[dtype]
