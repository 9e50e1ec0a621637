"""Torch's operations along axes: reductions, running sums, products of matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import torch

from benchmarks.engine.kernel.builder import Builder, Call
from benchmarks.engine.kernel.program import Gathering, Kind, MatMul, Number, View, literal
from benchmarks.engine.kernel.refusal import NotCompiledError

__all__ = ["ALONG_AXES"]


def _reduction(operation: Gathering, first: Callable[[Kind], Number]) -> Callable[[Call], View]:
    return lambda call: call.shaped(_over(call, operation, _source(call), first(call.kind)))


def _source(call: Call) -> View:
    """The first argument in the kind of the result."""
    return (
        call.source if call.source.kind is call.kind else call.elementwise("copy", call.source, shape=call.source.shape)
    )


def _over(call: Call, operation: Gathering, source: View, first: Number) -> View:
    axes = [axis for axis in call.axes() if source.shape[axis] != 1]
    if not axes:
        return source
    return call.builder.reduced(operation, source, axes, first)


def _mean(call: Call) -> View:
    count = math.prod(call.source.shape[axis] for axis in call.axes())
    total = _over(call, "add", _source(call), 0)
    if count == 1:
        return call.shaped(total)
    return call.shaped(call.elementwise("div", total, count, shape=total.shape))


def _cumulative(operation: str) -> Callable[[Call], View]:
    def running(call: Call) -> View:
        source, axis = _source(call), call.axis()
        if not source.shape or source.size == 0:
            return source
        result = call.builder.fresh(call.kind, call.shape, source.lanes)

        def at(view: View, place: int) -> View:
            shape = [*view.shape[:axis], 1, *view.shape[axis + 1 :]]
            return view.as_strided(shape, view.strides, view.offset + place * view.strides[axis])

        call.builder.assign(at(result, 0), "copy", at(source, 0), kind=call.kind)
        for place in range(1, call.shape[axis]):
            call.builder.assign(at(result, place), operation, at(result, place - 1), at(source, place), kind=call.kind)
        return result

    return running


def _place_of(extreme: Gathering, first: Callable[[Kind], Number]) -> Callable[[Call], View]:
    """The first place of the largest or smallest number, or of a NaN; over all axes where none is named."""

    def found(call: Call) -> View:
        source, axis = call.source, call.axis()
        if call.get(1, "dim") is None:
            source, axis = call.builder.in_order(source, (source.size,)), 0
        return call.shaped(_place(call.builder, source, axis, extreme, first))

    return found


def _place(build: Builder, source: View, axis: int, extreme: Gathering, first: Callable[[Kind], Number]) -> View:
    if not source.shape:
        return literal(0, Kind.I64)
    shape, count = source.shape, source.shape[axis]
    most = build.reduced(extreme, source, [axis], first(source.kind), keep=True)
    unlike = build.computed("ne", [source, most], source.kind, Kind.BOOL, shape)
    known = build.computed("eq", [source, source], source.kind, Kind.BOOL, shape)
    other = build.computed("and", [unlike, known], Kind.BOOL, Kind.BOOL, shape)
    places = build.view(torch.arange(count).reshape([-1] + [1] * (len(shape) - 1 - axis)))
    candidates = build.computed("where", [other, literal(count, Kind.I64), places], Kind.I64, Kind.I64, shape)
    return build.reduced("minimum", candidates, [axis], count)


def _extreme(operation: Gathering, first: Callable[[Kind], Number]) -> Callable[[Call], View | list[View]]:
    """The largest or smallest of all numbers; along an axis, with its place."""

    def found(call: Call) -> View | list[View]:
        if call.get(1, "dim") is None:
            return _reduction(operation, first)(call)
        build, source, axis = call.builder, call.source, call.axis()
        shape = call.node.meta["val"][0].shape
        most = build.reduced(operation, source, [axis] if source.shape else [], first(source.kind))
        return [build.in_order(view, shape) for view in (most, _place(build, source, axis, operation, first))]

    return found


def _variance(call: Call, *, with_mean: bool = False) -> View | list[View]:
    """The mean square of what is left of the numbers without their mean, ``correction`` fewer of them."""
    build, source, kind, axes = call.builder, call.source, call.source.kind, call.axes()
    count = math.prod(source.shape[axis] for axis in axes)
    correction = call.get(2, "correction")
    total = build.reduced("add", source, axes, 0, keep=True)
    mean = build.computed("div", [total, literal(count, kind)], kind, kind, total.shape)
    apart = build.computed("sub", [source, mean], kind, kind, source.shape)
    squares = build.computed("square", [apart], kind, kind, source.shape)
    share = literal(max(0, count - (1 if correction is None else correction)), kind)
    spread = build.reduced("add", squares, axes, 0)
    variance = build.computed("div", [spread, share], kind, kind, spread.shape)
    if not with_mean:
        return call.shaped(variance)
    shape = call.node.meta["val"][0].shape
    return [build.in_order(variance, shape), build.in_order(mean, shape)]


def _product(call: Call, left: View, right: View) -> View:
    """A product of matrices ``[M, K]`` and ``[K, N]``, or of as many of them as a first axis has."""
    if not call.kind.floating:
        raise NotCompiledError(f"operation {call.node.target} of whole numbers")
    shape = (*left.shape[:-1], right.shape[-1])
    if left.size == 0 or right.size == 0:
        return literal(0, call.kind, shape)
    result = call.builder.fresh(call.kind, shape, left.lanes or right.lanes)
    for matrices in [(result, left, right)] if len(shape) == 2 else zip(*map(_along_first, (result, left, right))):
        call.builder.program.statements.append(MatMul(*matrices))
    return result


def _along_first(view: View) -> list[View]:
    return [
        view.as_strided(view.shape[1:], view.strides[1:], view.offset + place * view.strides[0])
        for place in range(view.shape[0])
    ]


def _matmul(call: Call) -> View:
    return _product(call, call.source, call.builder.view(call.args[1]))


def _matvec(call: Call) -> View:
    """A matrix times a vector, or a vector times a vector, as a product of matrices."""
    left, right = call.source, call.builder.view(call.args[1])
    if len(left.shape) == 1:
        left = left.as_strided((1, *left.shape), (0, *left.strides), left.offset)
    right = right.as_strided((*right.shape, 1), (*right.strides, 0), right.offset)
    return call.shaped(_product(call, left, right))


def _addmm(call: Call) -> View:
    bias, left, right = (call.builder.view(argument) for argument in call.args[:3])
    if {call.kwargs.get("beta", 1), call.kwargs.get("alpha", 1)} != {1}:
        raise NotCompiledError("operation addmm with factors")
    return call.elementwise("add", _product(call, left, right), bias)


def _softmax(logarithm: bool) -> Callable[[Call], View]:
    def softmax(call: Call) -> View:
        build, kind, axes = call.builder, call.kind, [call.axis()] if call.shape else []
        source = _source(call)
        largest = build.reduced("maximum", source, axes, -math.inf, keep=True)
        shifted = call.elementwise("sub", source, largest)
        raised = call.elementwise("exp", shifted)
        total = build.reduced("add", raised, axes, 0, keep=True)
        if not logarithm:
            return call.elementwise("div", raised, total)
        return call.elementwise("sub", shifted, build.computed("log", [total], kind, kind, total.shape))

    return softmax


def _softmax_backward(logarithm: bool) -> Callable[[Call], View]:
    def backward(call: Call) -> View:
        build, gradient, output = call.builder, call.source, call.builder.view(call.args[1])
        axes = [call.axis(2)] if call.shape else []
        if logarithm:
            total = build.reduced("add", gradient, axes, 0, keep=True)
            share = call.elementwise("exp", output)
            return call.elementwise("sub", gradient, call.elementwise("mul", share, total))
        weighted = call.elementwise("mul", gradient, output)
        total = build.reduced("add", weighted, axes, 0, keep=True)
        return call.elementwise("sub", weighted, call.elementwise("mul", output, total))

    return backward


def _lowest(kind: Kind) -> Number:
    return -math.inf if kind.floating else kind is Kind.I64 and -(2**63 - 1)


def _highest(kind: Kind) -> Number:
    return math.inf if kind.floating else kind is Kind.BOOL or 2**63 - 1


def _always(value: Number) -> Callable[[Kind], Number]:
    return lambda _: value


ALONG_AXES: Final[Mapping[str, Callable[[Call], View | list[View]]]] = {
    "sum": _reduction("add", _always(0)),
    "prod": _reduction("mul", _always(1)),
    "amax": _reduction("maximum", _lowest),
    "amin": _reduction("minimum", _highest),
    "any": _reduction("or", _always(False)),
    "all": _reduction("and", _always(True)),
    "max": _extreme("maximum", _lowest),
    "min": _extreme("minimum", _highest),
    "mean": _mean,
    "var": _variance,
    "var_mean": lambda call: _variance(call, with_mean=True),
    "cumsum": _cumulative("add"),
    "cumprod": _cumulative("mul"),
    "argmax": _place_of("maximum", _lowest),
    "argmin": _place_of("minimum", _highest),
    **dict.fromkeys(("mm", "bmm"), _matmul),
    **dict.fromkeys(("mv", "dot"), _matvec),
    "addmm": _addmm,
    "_softmax": _softmax(logarithm=False),
    "_log_softmax": _softmax(logarithm=True),
    "_softmax_backward_data": _softmax_backward(logarithm=False),
    "_log_softmax_backward_data": _softmax_backward(logarithm=True),
}
