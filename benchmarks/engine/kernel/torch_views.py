"""Torch's operations that see numbers otherwise, fill them in, or put them together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.engine.kernel.builder import Call
from benchmarks.engine.kernel.program import Number, View, literal
from benchmarks.engine.kernel.refusal import NotCompiledError

__all__ = ["VIEWS"]


def _itself(call: Call) -> View:
    return call.source


def _view(call: Call) -> View:
    if call.source.kind is not call.kind:  # the same bits, read as other numbers
        raise NotCompiledError(f"operation {call.node.target}")
    return call.shaped(call.source)


def _expand(call: Call) -> View:
    return call.source.broadcast(call.shape)


def _permute(call: Call) -> View:
    source = call.source
    order = [axis % len(source.shape) for axis in call.args[1]]
    return source.as_strided(call.shape, [source.strides[axis] for axis in order], source.offset)


def _transposed(call: Call) -> View:
    return call.source.as_strided(call.shape, call.source.strides[::-1], call.source.offset)


def _select(call: Call) -> View:
    source, axis = call.source, call.axis()
    place = call.args[2] % source.shape[axis]
    strides = [stride for other, stride in enumerate(source.strides) if other != axis]
    return source.as_strided(call.shape, strides, source.offset + place * source.strides[axis])


def _slice(call: Call) -> View:
    source, axis = call.source, call.axis()
    first, _, step = slice(call.get(2, "start"), call.get(3, "end"), call.get(4, "step", 1)).indices(source.shape[axis])
    strides = list(source.strides)
    strides[axis] *= step
    return source.as_strided(call.shape, strides, source.offset + first * source.strides[axis])


def _split(call: Call) -> list[View]:
    source, axis, sizes = call.source, call.axis(2), call.args[1]
    length = source.shape[axis]
    if isinstance(sizes, int):
        sizes = [min(sizes, length - first) for first in range(0, length, sizes)]
    parts, first = [], 0
    for size in sizes:
        shape = [*source.shape[:axis], size, *source.shape[axis + 1 :]]
        parts.append(source.as_strided(shape, source.strides, source.offset + first * source.strides[axis]))
        first += size
    return parts


def _unbind(call: Call) -> list[View]:
    source, axis = call.source, call.axis()
    shape = [count for other, count in enumerate(source.shape) if other != axis]
    strides = [stride for other, stride in enumerate(source.strides) if other != axis]
    return [
        source.as_strided(shape, strides, source.offset + place * source.strides[axis])
        for place in range(source.shape[axis])
    ]


def _flip(call: Call) -> View:
    source = call.source
    strides, offset = list(source.strides), source.offset
    for axis in (axis % len(source.shape) for axis in call.args[1]):
        offset += (source.shape[axis] - 1) * strides[axis]
        strides[axis] = -strides[axis]
    return source.as_strided(source.shape, strides, offset)


def _unfold(call: Call) -> View:
    source, axis, step = call.source, call.axis(), call.args[3]
    strides = [*source.strides, source.strides[axis]]
    strides[axis] *= step
    return source.as_strided(call.shape, strides, source.offset)


def _filled(value: Number) -> Callable[[Call], View]:
    return lambda call: literal(value, call.kind, call.shape)


def _filled_by(place: int) -> Callable[[Call], View]:
    """Filled with the argument at ``place``."""
    return lambda call: literal(call.args[place], call.kind, call.shape)


def _cat(call: Call) -> View:
    parts = [call.builder.view(part) for part in call.args[0]]
    axis = call.get(1, "dim", 0) % len(call.shape)
    result, first = call.builder.fresh(call.kind, call.shape, any(part.lanes for part in parts)), 0
    for part in parts:
        if part.size:
            here = result.as_strided(part.shape, result.strides, first * result.strides[axis])
            call.builder.assign(here, "copy", part, kind=call.kind)
            first += part.shape[axis]
    return result


def _scattered(call: Call) -> View:
    """``source`` with a slice of it, or one place along an axis, taken from elsewhere."""
    source, given = call.source, call.builder.view(call.args[1])
    result = call.builder.fresh(call.kind, call.shape, source.lanes or given.lanes)
    call.builder.assign(result, "copy", source, kind=call.kind)
    axis = int(call.get(2, "dim", 0)) % len(call.shape)
    strides = list(result.strides)
    if str(call.node.target).startswith("aten.select_scatter"):
        first = call.get(3, "index") % call.shape[axis]
        here = result.as_strided(given.shape, strides[:axis] + strides[axis + 1 :], first * strides[axis])
    else:
        bounds = slice(call.get(3, "start"), call.get(4, "end"), call.get(5, "step", 1))
        first, _, step = bounds.indices(call.shape[axis])
        offset = first * strides[axis]
        strides[axis] *= step
        here = result.as_strided(given.shape, strides, offset)
    call.builder.assign(here, "copy", given, kind=call.kind)
    return result


def _padded(call: Call) -> View:
    source, pads, value = call.source, call.args[1], call.get(2, "value", 0)
    if any(pad < 0 for pad in pads):
        raise NotCompiledError("operation constant_pad_nd that cuts off")
    result = call.builder.fresh(call.kind, call.shape, source.lanes)
    call.builder.assign(result, "copy", literal(value, call.kind), kind=call.kind)
    offset = sum(pads[2 * place] * result.strides[len(call.shape) - 1 - place] for place in range(len(pads) // 2))
    call.builder.assign(result.as_strided(source.shape, result.strides, offset), "copy", source, kind=call.kind)
    return result


VIEWS: Final[Mapping[str, Callable[[Call], View | list[View]]]] = {
    **dict.fromkeys(("clone", "alias", "detach", "lift_fresh_copy", "contiguous"), _itself),
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "squeeze_"), _view),
    "expand": _expand,
    "permute": _permute,
    "t": _transposed,
    "select": _select,
    "slice": _slice,
    "split_with_sizes": _split,
    "split": _split,
    "unbind": _unbind,
    "flip": _flip,
    "unfold": _unfold,
    "full_like": _filled_by(1),
    "new_full": _filled_by(2),
    **dict.fromkeys(("zeros_like", "new_zeros"), _filled(0)),
    **dict.fromkeys(("ones_like", "new_ones"), _filled(1)),
    "cat": _cat,
    "slice_scatter": _scattered,
    "select_scatter": _scattered,
    "constant_pad_nd": _padded,
}
