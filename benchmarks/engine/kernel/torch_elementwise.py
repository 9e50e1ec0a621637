"""Torch's operations number by number, as statements: a function each where it is more than a line of `operations`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch.fx import Node

from benchmarks.engine.kernel.builder import Call, kind_of
from benchmarks.engine.kernel.program import Kind, View, literal
from benchmarks.engine.kernel.refusal import NotCompiledError

__all__ = ["ELEMENTWISE"]


def _add(call: Call, operation: str = "add") -> View:
    left, right = call.args[:2]
    alpha = call.kwargs.get("alpha", 1)
    if alpha != 1:
        right = call.elementwise("mul", right, alpha)
    return call.elementwise(operation, left, right)


def _rsub(call: Call) -> View:
    return call.elementwise("sub", call.args[1], call.args[0])


def _pow(call: Call) -> View:
    """A power, as torch takes the small ones: by products, a root and a reciprocal."""
    base, exponent = call.args
    if isinstance(exponent, int | float):
        if exponent == 1:
            return call.builder.view(base)
        known = {2: "square", 3: "cube", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}
        if exponent in known:
            return call.elementwise(known[exponent], base)
        if exponent == -2:
            return call.elementwise("reciprocal", call.elementwise("square", base))
        if exponent == 0:
            return literal(1, call.kind, call.shape)
    return call.elementwise("pow", base, exponent)


def _comparison(operation: str) -> Callable[[Call], View]:
    def compared(call: Call) -> View:
        left, right = (_example(call, place) for place in (0, 1))
        return call.elementwise(operation, *call.args[:2], kind=kind_of(torch.result_type(left, right)))

    return compared


def _example(call: Call, place: int) -> Any:
    """An argument as torch saw it while tracing."""
    given = call.node.args[place]
    return given.meta["val"] if isinstance(given, Node) and "val" in given.meta else call.args[place]


def _logical(operation: str) -> Callable[[Call], View]:
    def combined(call: Call) -> View:
        truths = [_truth(call, argument) for argument in call.args]
        return call.builder.computed(operation, truths, Kind.BOOL, Kind.BOOL, call.shape)

    return combined


def _truth(call: Call, argument: Any) -> View:
    view = call.builder.view(argument)
    if view.kind is Kind.BOOL:
        return view
    return call.builder.computed("ne", [view, literal(0, view.kind)], view.kind, Kind.BOOL, view.shape)


def _bitwise(operation: str) -> Callable[[Call], View]:
    def combined(call: Call) -> View:
        if call.kind is not Kind.BOOL:
            raise NotCompiledError(f"operation {call.node.target} of whole numbers")
        return call.elementwise(operation, *call.args)

    return combined


def _where(call: Call) -> View:
    chosen, yes, no = (call.builder.view(argument, call.kind) for argument in call.args[:3])
    return call.builder.computed("where", [chosen, yes, no], call.kind, call.kind, call.shape)


def _masked_fill(call: Call) -> View:
    source, mask, value = call.args
    views = [call.builder.view(mask), call.builder.view(value, call.kind), call.builder.view(source)]
    return call.builder.computed("where", views, call.kind, call.kind, call.shape)


def _clamp(call: Call) -> View:
    low, high = call.get(1, "min"), call.get(2, "max")
    result = call.source
    if low is not None:
        result = call.elementwise("maximum", result, low)
    if high is not None:
        result = call.elementwise("minimum", result, high)
    return result


def _threshold_backward(call: Call) -> View:
    gradient, source, threshold = call.args
    below = call.builder.computed(
        "le", [call.builder.view(source), literal(threshold, call.kind)], call.kind, Kind.BOOL, call.shape
    )
    return call.builder.computed(
        "where", [below, literal(0, call.kind), call.builder.view(gradient)], call.kind, call.kind, call.shape
    )


def _copy_of_kind(call: Call) -> View:
    source = call.source
    return source if source.kind is call.kind else call.elementwise("copy", source)


ELEMENTWISE: Final[Mapping[str, Callable[[Call], View]]] = {
    "add": _add,
    "sub": lambda call: _add(call, "sub"),
    "rsub": _rsub,
    "pow": _pow,
    "gt": _comparison("gt"),
    "ge": _comparison("ge"),
    "lt": _comparison("lt"),
    "le": _comparison("le"),
    "eq": _comparison("eq"),
    "ne": _comparison("ne"),
    "logical_and": _logical("and"),
    "logical_or": _logical("or"),
    "logical_xor": _logical("xor"),
    "logical_not": _logical("not"),
    "bitwise_and": _bitwise("and"),
    "bitwise_or": _bitwise("or"),
    "bitwise_xor": _bitwise("xor"),
    "bitwise_not": _bitwise("not"),
    "where": _where,
    "masked_fill": _masked_fill,
    "clamp": _clamp,
    "clamp_min": lambda call: call.elementwise("maximum", *call.args),
    "clamp_max": lambda call: call.elementwise("minimum", *call.args),
    "threshold_backward": _threshold_backward,
    "_to_copy": _copy_of_kind,
    "copy": lambda call: call.elementwise("copy", call.args[1]),
}
