"""Torch's operations along axes: reductions, running sums, products of matrices, numbers taken by their place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import torch

from benchmarks.engine.kernel.builder import Call
from benchmarks.engine.kernel.program import Kind, MatMul, Number, Pick, View, literal
from benchmarks.engine.kernel.refusal import NotCompiledError

__all__ = ["ALONG_AXES"]


def _reduction(operation: str, first: Callable[[Kind], Number]) -> Callable[[Call], View]:
    return lambda call: call.shaped(_over(call, operation, _source(call), first(call.kind)))


def _source(call: Call) -> View:
    """The first argument in the kind of the result."""
    return (
        call.source if call.source.kind is call.kind else call.elementwise("copy", call.source, shape=call.source.shape)
    )


def _over(call: Call, operation: str, source: View, first: Number) -> View:
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


def _place_of(extreme: str, first: Callable[[Kind], Number]) -> Callable[[Call], View]:
    """The first place of the largest or smallest number, or of a NaN; over all axes where none is named."""

    def found(call: Call) -> View:
        build, source, axis = call.builder, call.source, call.axis()
        if call.get(1, "dim") is None:
            source, axis = build.in_order(source, (source.size,)), 0
        if not source.shape:
            return literal(0, Kind.I64)
        shape, count = source.shape, source.shape[axis]
        most = build.reduced(extreme, source, [axis], first(source.kind), keep=True)
        unlike = build.computed("ne", [source, most], source.kind, Kind.BOOL, shape)
        known = build.computed("eq", [source, source], source.kind, Kind.BOOL, shape)
        other = build.computed("and", [unlike, known], Kind.BOOL, Kind.BOOL, shape)
        places = build.view(torch.arange(count).reshape([-1] + [1] * (len(shape) - 1 - axis)))
        candidates = build.computed("where", [other, literal(count, Kind.I64), places], Kind.I64, Kind.I64, shape)
        return call.shaped(build.reduced("minimum", candidates, [axis], count))

    return found


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


def _index(call: Call, place: int = 2) -> View:
    """An argument of places that are the same in all lanes. Raises `NotCompiledError` where they differ."""
    index = call.builder.view(call.args[place])
    if index.lanes:
        raise NotCompiledError(f"operation {call.node.target} by numbers that differ between lanes")
    return index


def _gather(call: Call) -> View:
    source, index = call.source, _index(call)
    result = call.builder.fresh(call.kind, call.shape, source.lanes)
    call.builder.program.statements.append(Pick(result, source, call.axis(), index))
    return result


def _scatter_add(call: Call) -> View:
    index, given = _index(call), call.builder.view(call.args[3])
    result = call.builder.fresh(call.kind, call.shape, call.source.lanes or given.lanes)
    call.builder.assign(result, "copy", call.source, kind=call.kind)
    cut = given.as_strided(index.shape, given.strides, given.offset)
    call.builder.program.statements.append(Pick(result, cut, call.axis(), index, add=True))
    return result


def _index_select(call: Call) -> View:
    """Rows by number, as an embedding takes them."""
    source, axis, index = call.source, call.axis(), _index(call)
    strides = [index.strides[0] if other == axis else 0 for other in range(len(call.shape))]
    result = call.builder.fresh(call.kind, call.shape, source.lanes)
    spread = index.as_strided(call.shape, strides, index.offset)
    call.builder.program.statements.append(Pick(result, source, axis, spread))
    return result


def _embedding(call: Call) -> View:
    """The rows of a table ``[V, D]`` that the numbers ``[...]`` name, as ``[..., D]``."""
    source, index = call.source, _index(call, 1)
    result = call.builder.fresh(call.kind, (index.size, source.shape[1]), source.lanes)
    call.builder.program.statements.append(Pick(result, source, 0, _by_row(call, index, source.shape[1])))
    return call.shaped(result)


def _index_put(call: Call) -> View:
    """A table ``[V, ...]`` with values ``[N, ...]`` added to the rows that numbers ``[N]`` name, as an embedding's
    gradient is gathered.
    """
    places, adds = call.args[1], call.get(3, "accumulate", False)
    if len(places) != 1 or places[0] is None or not adds:
        raise NotCompiledError(f"operation {call.node.target} but for adding rows")
    index = call.builder.view(places[0])
    if index.lanes:
        raise NotCompiledError(f"operation {call.node.target} by numbers that differ between lanes")
    rows, columns = call.shape[0], math.prod(call.shape[1:])
    values = call.builder.in_order(call.builder.view(call.args[2]), (index.size, columns))
    result = call.builder.fresh(call.kind, (rows, columns), call.source.lanes or values.lanes)
    call.builder.assign(result, "copy", call.builder.in_order(call.source, (rows, columns)), kind=call.kind)
    call.builder.program.statements.append(Pick(result, values, 0, _by_row(call, index, columns), add=True))
    return call.shaped(result)


def _by_row(call: Call, index: View, columns: int) -> View:
    """The numbers ``[...]`` as ``[N, D]``, the same in a row."""
    return call.builder.in_order(index, (index.size, 1)).broadcast((index.size, columns))


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


ALONG_AXES: Final[Mapping[str, Callable[[Call], View]]] = {
    "sum": _reduction("add", _always(0)),
    "prod": _reduction("mul", _always(1)),
    "amax": _reduction("maximum", _lowest),
    "amin": _reduction("minimum", _highest),
    "any": _reduction("or", _always(False)),
    "all": _reduction("and", _always(True)),
    "mean": _mean,
    "cumsum": _cumulative("add"),
    "cumprod": _cumulative("mul"),
    "argmax": _place_of("maximum", _lowest),
    "argmin": _place_of("minimum", _highest),
    **dict.fromkeys(("mm", "bmm"), _matmul),
    **dict.fromkeys(("mv", "dot"), _matvec),
    "addmm": _addmm,
    "gather": _gather,
    "scatter_add": _scatter_add,
    "index_select": _index_select,
    "embedding": _embedding,
    "index_put": _index_put,
    "_softmax": _softmax(logarithm=False),
    "_log_softmax": _softmax(logarithm=True),
    "_softmax_backward_data": _softmax_backward(logarithm=False),
    "_log_softmax_backward_data": _softmax_backward(logarithm=True),
}
