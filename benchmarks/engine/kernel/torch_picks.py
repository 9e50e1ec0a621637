"""Torch's operations that take numbers by their places, which are the same in all lanes, or put them there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import numpy as np
import torch

from benchmarks.engine.kernel.builder import Call
from benchmarks.engine.kernel.program import Kind, Pick, View, literal
from benchmarks.engine.kernel.refusal import NotCompiledError

__all__ = ["PICKS"]


def _places(call: Call, given: Any) -> View:
    if isinstance(given, torch.Tensor) and given.dtype in (torch.int32, torch.int16, torch.int8):
        given = given.long()
    index = call.builder.view(given)
    if index.lanes:
        raise NotCompiledError(f"operation {call.node.target} by numbers that differ between lanes")
    if index.kind is not Kind.I64:
        raise NotCompiledError(f"operation {call.node.target} by other numbers than whole ones")
    return index


def _picked(call: Call, source: View, axis: int, index: View) -> View:
    """A fresh view in the shape of ``index``."""
    result = call.builder.fresh(source.kind, index.shape, source.lanes)
    if result.size:
        call.builder.program.statements.append(Pick(result, source, axis, index))
    return result


def _put_into(call: Call, result: View, axis: int, index: View, given: View, back: Literal["=", "+="]) -> View:
    if index.size:
        call.builder.program.statements.append(Pick(result, given, axis, index, back))
    return result


def _gather(call: Call) -> View:
    return _picked(call, call.source, call.axis(), _places(call, call.args[2]))


def _scattered(back: Literal["=", "+="]) -> Callable[[Call], View]:
    def scattered(call: Call) -> View:
        if call.kwargs or len(call.args) > 4:
            raise NotCompiledError(f"operation {call.node.target}")
        index, given = _places(call, call.args[2]), call.builder.view(call.args[3], call.kind)
        if given.buffer is None:
            given = literal(given.value or 0, call.kind, index.shape)
        cut = given.as_strided(index.shape, given.strides, given.offset)
        return _put_into(call, call.builder.changed(call.source, cut), call.axis(), index, cut, back)

    return scattered


def _index_select(call: Call) -> View:
    """Rows by number, as an embedding takes them."""
    axis, index = call.axis(), _places(call, call.args[2])
    return _picked(call, call.source, axis, _along(index, call.shape, axis))


def _along(index: View, shape: tuple[int, ...], axis: int) -> View:
    """``index`` along an axis of ``shape``, the same wherever one is along the others."""
    (stride,) = index.strides
    return index.as_strided(shape, [stride * (other == axis) for other in range(len(shape))], index.offset)


def _flat(call: Call) -> tuple[int, int, tuple[int, ...], View]:
    """Of arrays of numbers, one for each of some neighbouring axes: the first axis and how many, the arrays' shape, and
    the places ``[N]`` along these axes taken as one."""
    build, source = call.builder, call.source
    named = [axis for axis, index in enumerate(call.args[1]) if index is not None]
    if named != list(range(named[0], named[0] + len(named))):
        raise NotCompiledError(f"operation {call.node.target} along axes apart from each other")
    arrays = [_places(call, call.args[1][axis]) for axis in named]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    flat = literal(0, Kind.I64, shape)
    for axis, array in zip(named, arrays, strict=True):
        size = literal(source.shape[axis], Kind.I64)
        below = build.computed("lt", [array, literal(0, Kind.I64)], Kind.I64, Kind.BOOL, array.shape)
        wrapped = build.computed("add", [array, size], Kind.I64, Kind.I64, array.shape)
        place = build.computed("where", [below, wrapped, array], Kind.I64, Kind.I64, array.shape)
        flat = build.computed("mul", [flat, size], Kind.I64, Kind.I64, shape)
        flat = build.computed("add", [flat, place], Kind.I64, Kind.I64, shape)
    return named[0], len(named), shape, build.in_order(flat, (flat.size,))


def _index(call: Call) -> View:
    axis, count, _, places = _flat(call)
    before, along, after = _cut(call.source.shape, axis, count)
    source = call.builder.in_order(call.source, (*before, along, *after))
    return call.shaped(_picked(call, source, axis, _along(places, (*before, places.size, *after), axis)))


def _index_put(call: Call) -> View:
    axis, count, shape, places = _flat(call)
    before, along, after = _cut(call.source.shape, axis, count)
    values = call.builder.view(call.args[2], call.kind).broadcast((*before, *shape, *after))
    given = call.builder.in_order(values, (*before, places.size, *after))
    index = _along(places, given.shape, axis)
    result = call.builder.changed(call.source, given)
    merged = call.builder.in_order(result, (*before, along, *after))
    _put_into(call, merged, axis, index, given, "+=" if call.get(3, "accumulate", False) else "=")
    return result


def _cut(shape: tuple[int, ...], axis: int, count: int) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    """The axes before some, their numbers, and the axes after."""
    return shape[:axis], math.prod(shape[axis : axis + count]), shape[axis + count :]


PICKS: Final[Mapping[str, Callable[[Call], View]]] = {
    "gather": _gather,
    "scatter": _scattered("="),
    "scatter_add": _scattered("+="),
    "index_select": _index_select,
    "index": _index,
    "index_put": _index_put,
}
