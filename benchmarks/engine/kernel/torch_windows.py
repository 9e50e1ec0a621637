"""Torch's operations on windows that move over the last axes: convolutions and average pooling.

A window is a view: two axes for each that it moves along, where it stands and what is in it. A convolution is thereby
one product of arrays, and so are both of its gradients, and nothing is copied but what is padded.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from benchmarks.engine.kernel.builder import Builder, Call
from benchmarks.engine.kernel.program import MatMul, View, literal
from benchmarks.engine.kernel.refusal import NotCompiledError

__all__ = ["WINDOWS"]


def _windows(view: View, size: Sequence[int], step: Sequence[int], apart: Sequence[int]) -> View:
    """``view [..., *places, *size]`` of ``view [..., *numbers]``.

    Windows stand ``step`` numbers from each other, of which each sees so many, ``apart`` from one another.
    """
    axes = len(size)
    before, counts = view.shape[:-axes], view.shape[-axes:]
    strides = view.strides[-axes:]
    places = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(counts, size, step, apart, strict=True)]
    return view.as_strided(
        [*before, *places, *size],
        [*view.strides[:-axes], *_times(strides, step), *_times(strides, apart)],
        view.offset,
    )


def _times(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [a * b for a, b in zip(one, other, strict=True)]


def _ordered(view: View, *axes: int) -> View:
    """``view`` with its axes in another order."""
    return view.as_strided([view.shape[axis] for axis in axes], [view.strides[axis] for axis in axes], view.offset)


def _part(view: View, axis: int, first: int, count: int, step: int = 1) -> View:
    """Every ``step``-th of the numbers from ``first`` on along an axis, ``count`` of them."""
    shape, strides = list(view.shape), list(view.strides)
    offset = view.offset + first * strides[axis]
    shape[axis], strides[axis] = count, strides[axis] * step
    return view.as_strided(shape, strides, offset)


def _among_zeros(build: Builder, view: View, first: Sequence[int], counts: Sequence[int], step: Sequence[int]) -> View:
    """``view`` among zeros: along each of its last axes ``counts`` numbers, every ``step``-th of them its from
    ``first`` on."""
    axes = len(counts)
    if list(view.shape[-axes:]) == list(counts):
        return view
    result = build.fresh(view.kind, [*view.shape[:-axes], *counts], view.lanes)
    build.assign(result, "copy", literal(0, view.kind), kind=view.kind)
    here = result
    for axis in range(axes):
        at = len(view.shape) - axes + axis
        here = _part(here, at, first[axis], view.shape[at], step[axis])
    build.assign(here, "copy", view, kind=view.kind)
    return result


class _Convolution:
    """A convolution of numbers ``[n, c, *h]`` with weights ``[o, c / groups, *k]``, and its gradients.

    ``place`` is where the numbers stand among the arguments of a call; weights are the next, settings begin three on.
    """

    def __init__(self, call: Call, place: int) -> None:
        self.build = call.builder
        self.x, self.weight = (call.builder.view(argument) for argument in call.args[place : place + 2])
        step, pad, apart, transposed, _, groups = call.args[place + 3 : place + 9]
        count = len(self.weight.shape) - 2
        self.step, self.pad, self.apart = (_each(given, count) for given in (step, pad, apart))
        self.groups, self.size = int(groups), list(self.weight.shape[2:])
        self.places, self.inside = range(2, 2 + count), range(2 + count, 2 + 2 * count)
        """The axes of windows ``[n, c, *places, *k]``."""
        if transposed or not self.x.kind.floating or len(self.x.shape) != len(self.weight.shape):
            raise NotCompiledError(f"operation {call.node.target} of this kind")

    def result(self) -> View:
        """What it gives, ``[n, o, *places]``."""
        windows = self._windows()
        shape = [self.x.shape[0], self.weight.shape[0], *(windows.shape[axis] for axis in self.places)]
        result = self.build.fresh(self.x.kind, shape, self.x.lanes or self.weight.lanes)
        for group in range(self.groups):
            out = _ordered(self._part(result, 1, group), 1, 0, *self.places)
            seen = _ordered(self._part(windows, 1, group), 1, *self.inside, 0, *self.places)
            self._multiply(out, self._part(self.weight, 0, group), seen)
        return result

    def for_weight(self, gradient: View) -> View:
        """The gradient of the weights."""
        windows = self._windows()
        result = self.build.fresh(self.x.kind, self.weight.shape, self.x.lanes or gradient.lanes)
        for group in range(self.groups):
            given = _ordered(self._part(gradient, 1, group), 1, 0, *self.places)
            seen = _ordered(self._part(windows, 1, group), 0, *self.places, 1, *self.inside)
            self._multiply(self._part(result, 0, group), given, seen)
        return result

    def for_numbers(self, gradient: View) -> View:
        """The gradient of the numbers: a convolution of the gradient among zeros with the weights turned round."""
        reach = [d * (k - 1) for k, d in zip(self.size, self.apart, strict=True)]
        counts = [h + 2 * p + r for h, p, r in zip(self.x.shape[2:], self.pad, reach, strict=True)]
        spread = _among_zeros(self.build, gradient, reach, counts, self.step)
        windows, weight = _windows(spread, self.size, [1] * len(self.size), self.apart), self.weight
        for axis, pad, size in zip(self.places, self.pad, self.size, strict=True):
            windows = _part(windows, axis, pad, self.x.shape[axis])
            weight = _part(weight, axis, size - 1, size, -1)
        result = self.build.fresh(self.x.kind, self.x.shape, self.weight.lanes or gradient.lanes)
        for group in range(self.groups):
            out = _ordered(self._part(result, 1, group), 1, 0, *self.places)
            turned = _ordered(self._part(weight, 0, group), 1, 0, *self.places)
            seen = _ordered(self._part(windows, 1, group), 1, *self.inside, 0, *self.places)
            self._multiply(out, turned, seen)
        return result

    def _windows(self) -> View:
        """Every window of the numbers with zeros around them."""
        counts = [h + 2 * pad for h, pad in zip(self.x.shape[2:], self.pad, strict=True)]
        padded = _among_zeros(self.build, self.x, self.pad, counts, [1] * len(counts))
        return _windows(padded, self.size, self.step, self.apart)

    def _multiply(self, out: View, left: View, right: View) -> None:
        """A product over one axis of channels, or of rows, and one for each that windows move along."""
        self.build.program.statements.append(MatMul(out, left, right, 1 + len(self.size)))

    def _part(self, view: View, axis: int, group: int) -> View:
        """A group's share of an axis of channels."""
        count = view.shape[axis] // self.groups
        return _part(view, axis, group * count, count)


def _each(given: Sequence[int], axes: int) -> list[int]:
    """A number an axis, of which one may stand for all."""
    return list(given) * (axes if len(given) == 1 else 1)


def _convolution(call: Call) -> View:
    result = _Convolution(call, 0).result()
    if call.args[2] is None:
        return result
    bias, rest = call.builder.view(call.args[2]), len(result.shape) - 2
    spread = bias.as_strided((1, bias.size, *[1] * rest), (0, *bias.strides, *[0] * rest), bias.offset)
    return call.elementwise("add", result, spread)


def _convolution_backward(call: Call) -> list[View | None]:
    convolution, gradient = _Convolution(call, 1), call.source
    of_numbers, of_weight, of_bias = call.args[10]
    rows = [axis for axis in range(len(gradient.shape)) if axis != 1]
    return [
        convolution.for_numbers(gradient) if of_numbers else None,
        convolution.for_weight(gradient) if of_weight else None,
        call.builder.reduced("add", gradient, rows, 0) if of_bias else None,
    ]


def _pool(call: Call, place: int) -> tuple[list[int], list[int]]:
    """The size of windows and the step between them, from the argument at ``place`` on."""
    size = _each(call.args[place], 2)
    step = _each(call.get(place + 1, "stride") or size, 2)
    pad, up, divisor = (
        call.get(place + 2, "padding", [0]),
        call.get(place + 3, "ceil_mode"),
        call.get(place + 5, "divisor"),
    )
    if any(pad) or up or divisor is not None:
        raise NotCompiledError(f"operation {call.node.target} with padding, rounding up or a divisor")
    return size, step


def _pooled(call: Call) -> View:
    size, step = _pool(call, 1)
    windows = _windows(call.source, size, step, [1, 1])
    count = len(windows.shape)
    total = call.builder.reduced("add", windows, [count - 2, count - 1], 0)
    return call.elementwise("div", total, math.prod(size))


def _pooled_backward(call: Call) -> View:
    size, step = _pool(call, 2)
    gradient, build = call.source, call.builder
    share = call.elementwise("div", gradient, math.prod(size), shape=gradient.shape)
    result = build.fresh(call.kind, call.shape, gradient.lanes)
    build.assign(result, "copy", literal(0, call.kind), kind=call.kind)
    high, wide = gradient.shape[-2:]
    for i, j in itertools.product(*map(range, size)):  # windows may lie over each other
        rows = _part(result, len(call.shape) - 2, i, high, step[0])
        here = _part(rows, len(call.shape) - 1, j, wide, step[1])
        build.assign(here, "add", here, share, kind=call.kind)
    return result


WINDOWS: Final[Mapping[str, Callable[[Call], View | list[View | None]]]] = {
    "convolution": _convolution,
    "convolution_backward": _convolution_backward,
    "avg_pool2d": _pooled,
    "avg_pool2d_backward": _pooled_backward,
}
