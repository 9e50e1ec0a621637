"""Torch's graph as statements over views: a function for each of torch's operations, or a line where it is one of ours.

What hangs on no input is computed by torch while lowering, and is a constant from then on.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor
from torch.fx import Node
from torch.fx.node import map_arg

from benchmarks.engine.kernel.operations import TORCH
from benchmarks.engine.kernel.program import (
    KINDS,
    Assign,
    Buffer,
    Kind,
    MatMul,
    Number,
    Pick,
    Place,
    Statement,
    View,
    contiguous,
    literal,
    whole,
)
from benchmarks.engine.kernel.refusal import NotCompiledError
from benchmarks.engine.kernel.tracing import Traced

__all__ = ["Program", "lower"]

SHARED: Final = ("batch:", "t")
"""The inputs, by how their names begin, that all lanes of a tile share."""


@dataclass
class Program:
    """Statements in order, with the ``inputs`` and ``outputs`` as views by name, and the ``constants`` by buffer name."""

    inputs: dict[str, View] = field(default_factory=dict)
    outputs: dict[str, View] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    constants: dict[str, Tensor] = field(default_factory=dict)


def lower(traced: Traced) -> Program:
    """The program of a traced function. Raises `NotCompiledError` for an operation that is not in the table, by its name."""
    builder = _Builder()
    values: dict[Node, Any] = {}
    names = iter(traced.inputs)
    for node in traced.graph.graph.nodes:
        if node.op == "placeholder":
            name = next(names)
            values[node] = builder.given(name, traced.inputs[name], not name.startswith(SHARED))
        elif node.op == "get_attr":
            values[node] = getattr(traced.graph, str(node.target))
        elif node.op == "call_function":
            args = map_arg(node.args, values.__getitem__)
            kwargs = map_arg(node.kwargs, values.__getitem__)
            values[node] = _called(builder, node, args, kwargs)
        elif node.op == "output":
            results = map_arg(node.args[0], values.__getitem__)
            builder.program.outputs = {
                name: builder.view(value) for name, value in zip(traced.outputs, results, strict=True)
            }
    return builder.program


def _called(builder: _Builder, node: Node, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The value of one call: of torch where nothing in it hangs on an input, else of statements."""
    if node.target is operator.getitem:
        return args[0][args[1]]
    if not _depends([args, kwargs]):
        return node.target(*args, **kwargs)  # type: ignore[operator]
    name = str(node.target).removeprefix("aten.").split(".")[0]
    call = _Call(builder, node, list(args), dict(kwargs))
    if name in TORCH:
        return call.elementwise(TORCH[name], *call.args)
    if name not in LOWERINGS:
        raise NotCompiledError(f"operation {node.target}")
    return LOWERINGS[name](call)


def _depends(value: Any) -> bool:
    if isinstance(value, View):
        return True
    if isinstance(value, Mapping):
        return any(map(_depends, value.values()))
    return isinstance(value, list | tuple) and any(map(_depends, value))


class _Builder:
    """Makes buffers and statements."""

    def __init__(self) -> None:
        self.program = Program()
        self._count = 0
        self._constants: dict[int, View] = {}

    def given(self, name: str, example: Tensor, lanes: bool) -> View:
        buffer = Buffer(f"in{len(self.program.inputs)}", _kind(example.dtype), example.numel(), lanes, Place.GIVEN)
        self.program.inputs[name] = whole(buffer, example.shape)
        return self.program.inputs[name]

    def fresh(self, kind: Kind, shape: Sequence[int], lanes: bool) -> View:
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
            self._constants[id(value)] = self._constant(value.detach())
        return self._constants[id(value)]

    def _constant(self, value: Tensor) -> View:
        kind = _kind(value.dtype)
        if value.numel() and bool((value == value.flatten()[0]).all()):
            return literal(value.flatten()[0].item(), kind, value.shape)
        name = f"c{len(self.program.constants)}"
        self.program.constants[name] = value.contiguous()
        return whole(Buffer(name, kind, value.numel(), False, Place.CONSTANT), value.shape)

    def assign(self, out: View, operation: str, *arguments: View, kind: Kind) -> None:
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

    def reduced(self, operation: str, view: View, axes: Sequence[int], first: Number) -> View:
        """``view`` gathered along ``axes`` by an operation from ``first`` on; the other axes stay."""
        shape = [count for axis, count in enumerate(view.shape) if axis not in axes]
        result = self.fresh(view.kind, shape, view.lanes)
        kept = iter(result.strides)
        strides = [0 if axis in axes else next(kept) for axis in range(len(view.shape))]
        spread = result.as_strided(view.shape, strides, 0)
        self.program.statements.append(Assign(spread, "copy", (view,), view.kind, operation, first))
        return result


@dataclass
class _Call:
    """One call of torch's, with what is known of its result."""

    builder: _Builder
    node: Node
    args: list[Any]
    kwargs: dict[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.node.meta["val"].shape)

    @property
    def kind(self) -> Kind:
        return _kind(self.node.meta["val"].dtype)

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
        if given is None or given == []:
            return list(range(count))
        return sorted({axis % max(1, count) for axis in (given if isinstance(given, list | tuple) else [given])})

    def elementwise(self, operation: str, *arguments: Any, kind: Kind | None = None) -> View:
        """An operation on numbers, computed in ``kind``, that of the result by default."""
        kind = kind or self.kind
        views = [self.builder.view(argument, kind) for argument in arguments]
        if operation == "mul" and views[1].buffer is None and views[1].value == 1 and views[0].kind is self.kind:
            return views[0].broadcast(self.shape)
        return self.builder.computed(operation, views, kind, self.kind, self.shape)

    def shaped(self, view: View) -> View:
        """``view`` in the shape of the result; copied where it has to be."""
        seen = view.reshape(self.shape)
        return seen if seen is not None else _must(self.builder.copied(view).reshape(self.shape))


def _kind(dtype: torch.dtype) -> Kind:
    if dtype not in KINDS:
        raise NotCompiledError(f"numbers of {str(dtype).removeprefix('torch.')}")
    return KINDS[dtype]


def _must(view: View | None) -> View:
    assert view is not None, "numbers one after the other take every shape"
    return view


# --------------------------------------------------------------------------------------------------- one operation each


def _add(call: _Call, operation: str = "add") -> View:
    left, right = call.args[:2]
    alpha = call.kwargs.get("alpha", 1)
    if alpha != 1:
        right = call.elementwise("mul", right, alpha)
    return call.elementwise(operation, left, right)


def _rsub(call: _Call) -> View:
    return call.elementwise("sub", call.args[1], call.args[0])


def _pow(call: _Call) -> View:
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


def _comparison(operation: str) -> Callable[[_Call], View]:
    def compared(call: _Call) -> View:
        left, right = (call.node.args[place] for place in (0, 1))
        examples = [part.meta["val"] if isinstance(part, Node) else part for part in (left, right)]
        return call.elementwise(operation, *call.args[:2], kind=_kind(torch.result_type(*examples)))

    return compared


def _logical(operation: str) -> Callable[[_Call], View]:
    def combined(call: _Call) -> View:
        truths = [_truth(call, argument) for argument in call.args]
        return call.builder.computed(operation, truths, Kind.BOOL, Kind.BOOL, call.shape)

    return combined


def _truth(call: _Call, argument: Any) -> View:
    view = call.builder.view(argument)
    if view.kind is Kind.BOOL:
        return view
    return call.builder.computed("ne", [view, literal(0, view.kind)], view.kind, Kind.BOOL, view.shape)


def _bitwise(operation: str) -> Callable[[_Call], View]:
    def combined(call: _Call) -> View:
        if call.kind is not Kind.BOOL:
            raise NotCompiledError(f"operation {call.node.target} of whole numbers")
        return call.elementwise(operation, *call.args)

    return combined


def _where(call: _Call) -> View:
    chosen, yes, no = (call.builder.view(argument, call.kind) for argument in call.args[:3])
    return call.builder.computed("where", [chosen, yes, no], call.kind, call.kind, call.shape)


def _masked_fill(call: _Call) -> View:
    source, mask, value = call.args
    views = [call.builder.view(mask), call.builder.view(value, call.kind), call.builder.view(source)]
    return call.builder.computed("where", views, call.kind, call.kind, call.shape)


def _clamp(call: _Call) -> View:
    low, high = call.get(1, "min"), call.get(2, "max")
    result = call.source
    if low is not None:
        result = call.elementwise("maximum", result, low)
    if high is not None:
        result = call.elementwise("minimum", result, high)
    return result


def _threshold_backward(call: _Call) -> View:
    gradient, source, threshold = call.args
    below = call.builder.computed(
        "le", [call.builder.view(source), literal(threshold, call.kind)], call.kind, Kind.BOOL, call.shape
    )
    return call.builder.computed(
        "where", [below, literal(0, call.kind), call.builder.view(gradient)], call.kind, call.kind, call.shape
    )


def _copy_of_kind(call: _Call) -> View:
    source = call.source
    return source if source.kind is call.kind else call.elementwise("copy", source)


def _itself(call: _Call) -> View:
    return call.source


def _view(call: _Call) -> View:
    return call.shaped(call.source)


def _expand(call: _Call) -> View:
    return call.source.broadcast(call.shape)


def _permute(call: _Call) -> View:
    source = call.source
    order = [axis % len(source.shape) for axis in call.args[1]]
    return source.as_strided(call.shape, [source.strides[axis] for axis in order], source.offset)


def _select(call: _Call) -> View:
    source, axis = call.source, call.axis()
    place = call.args[2] % source.shape[axis]
    strides = [stride for other, stride in enumerate(source.strides) if other != axis]
    return source.as_strided(call.shape, strides, source.offset + place * source.strides[axis])


def _slice(call: _Call) -> View:
    source, axis = call.source, call.axis()
    first, _, step = slice(call.get(2, "start"), call.get(3, "end"), call.get(4, "step", 1)).indices(source.shape[axis])
    strides = list(source.strides)
    strides[axis] *= step
    return source.as_strided(call.shape, strides, source.offset + first * source.strides[axis])


def _split(call: _Call) -> list[View]:
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


def _unbind(call: _Call) -> list[View]:
    source, axis = call.source, call.axis()
    shape = [count for other, count in enumerate(source.shape) if other != axis]
    strides = [stride for other, stride in enumerate(source.strides) if other != axis]
    return [
        source.as_strided(shape, strides, source.offset + place * source.strides[axis])
        for place in range(source.shape[axis])
    ]


def _flip(call: _Call) -> View:
    source = call.source
    strides, offset = list(source.strides), source.offset
    for axis in (axis % len(source.shape) for axis in call.args[1]):
        offset += (source.shape[axis] - 1) * strides[axis]
        strides[axis] = -strides[axis]
    return source.as_strided(source.shape, strides, offset)


def _unfold(call: _Call) -> View:
    source, axis, step = call.source, call.axis(), call.args[3]
    strides = [*source.strides, source.strides[axis]]
    strides[axis] *= step
    return source.as_strided(call.shape, strides, source.offset)


def _filled(value: Callable[[_Call], Number]) -> Callable[[_Call], View]:
    return lambda call: literal(value(call), call.kind, call.shape)


def _cat(call: _Call) -> View:
    parts = [call.builder.view(part) for part in call.args[0]]
    axis = call.get(1, "dim", 0) % len(call.shape)
    result, first = call.builder.fresh(call.kind, call.shape, any(part.lanes for part in parts)), 0
    for part in parts:
        if part.size:
            here = result.as_strided(part.shape, result.strides, first * result.strides[axis])
            call.builder.assign(here, "copy", part, kind=call.kind)
            first += part.shape[axis]
    return result


def _scattered(call: _Call) -> View:
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


def _padded(call: _Call) -> View:
    source, pads, value = call.source, call.args[1], call.get(2, "value", 0)
    if any(pad < 0 for pad in pads):
        raise NotCompiledError("operation constant_pad_nd that cuts off")
    result = call.builder.fresh(call.kind, call.shape, source.lanes)
    call.builder.assign(result, "copy", literal(value, call.kind), kind=call.kind)
    offset = sum(pads[2 * place] * result.strides[len(call.shape) - 1 - place] for place in range(len(pads) // 2))
    call.builder.assign(result.as_strided(source.shape, result.strides, offset), "copy", source, kind=call.kind)
    return result


def _reduction(operation: str, first: Callable[[Kind], Number]) -> Callable[[_Call], View]:
    def reduced(call: _Call) -> View:
        source = call.source
        if source.kind is not call.kind:
            source = call.builder.computed("copy", [source], call.kind, call.kind, source.shape)
        return call.shaped(_over(call, operation, source, first(call.kind)))

    return reduced


def _over(call: _Call, operation: str, source: View, first: Number) -> View:
    axes = [axis for axis in call.axes() if source.shape[axis] != 1]
    if not axes:
        return source
    return call.builder.reduced(operation, source, axes, first)


def _mean(call: _Call) -> View:
    count = math.prod(call.source.shape[axis] for axis in call.axes())
    total = _over(call, "add", call.source, 0)
    if count == 1:
        return call.shaped(total)
    share = call.builder.computed("div", [total, literal(count, call.kind)], call.kind, call.kind, total.shape)
    return call.shaped(share)


def _cumulative(operation: str) -> Callable[[_Call], View]:
    def running(call: _Call) -> View:
        source, axis = call.source, call.axis()
        result = call.builder.fresh(call.kind, call.shape, source.lanes)

        def at(view: View, place: int) -> View:
            shape = [*view.shape[:axis], 1, *view.shape[axis + 1 :]]
            return view.as_strided(shape, view.strides, view.offset + place * view.strides[axis])

        call.builder.assign(at(result, 0), "copy", at(source, 0), kind=call.kind)
        for place in range(1, call.shape[axis]):
            call.builder.assign(at(result, place), operation, at(result, place - 1), at(source, place), kind=call.kind)
        return result

    return running


def _argmax(call: _Call) -> View:
    """The first place of the largest, or of a NaN."""
    source, axis = call.source, call.axis()
    if call.get(1, "dim") is None:
        raise NotCompiledError("operation argmax over all axes")
    largest = _must(call.builder.reduced("maximum", source, [axis], -math.inf).reshape(_kept(source, axis)))
    unlike = call.builder.computed("ne", [source, largest], call.source.kind, Kind.BOOL, source.shape)
    no_number = call.builder.computed("ne", [source, source], call.source.kind, Kind.BOOL, source.shape)
    other = call.builder.computed(
        "and",
        [unlike, call.builder.computed("not", [no_number], Kind.BOOL, Kind.BOOL, source.shape)],
        Kind.BOOL, Kind.BOOL, source.shape,
    )  # fmt: skip
    count = source.shape[axis]
    places = call.builder.view(torch.arange(count).reshape([-1] + [1] * (len(source.shape) - 1 - axis)))
    candidates = call.builder.computed(
        "where", [other, literal(count, Kind.I64), places], Kind.I64, Kind.I64, source.shape
    )
    return call.shaped(call.builder.reduced("minimum", candidates, [axis], count))


def _kept(view: View, axis: int) -> list[int]:
    return [1 if other == axis else count for other, count in enumerate(view.shape)]


def _matmul(call: _Call) -> View:
    left, right = call.source, call.builder.view(call.args[1])
    result = call.builder.fresh(call.kind, call.shape, left.lanes or right.lanes)
    matrices = [result, left, right]
    if len(call.shape) == 2:
        call.builder.program.statements.append(MatMul(*matrices))
        return result
    for place in range(call.shape[0]):
        parts = [
            view.as_strided(view.shape[1:], view.strides[1:], view.offset + place * view.strides[0])
            for view in matrices
        ]
        call.builder.program.statements.append(MatMul(*parts))
    return result


def _matvec(call: _Call) -> View:
    """A matrix times a vector, or a vector times a vector, as a product of matrices."""
    left, right = call.source, call.builder.view(call.args[1])
    if len(left.shape) == 1:
        left = left.as_strided((1, *left.shape), (0, *left.strides), left.offset)
    right = right.as_strided((*right.shape, 1), (*right.strides, 0), right.offset)
    result = call.builder.fresh(call.kind, (left.shape[0], 1), left.lanes or right.lanes)
    call.builder.program.statements.append(MatMul(result, left, right))
    return call.shaped(result)


def _addmm(call: _Call) -> View:
    bias, left, right = (call.builder.view(argument) for argument in call.args[:3])
    if {call.kwargs.get("beta", 1), call.kwargs.get("alpha", 1)} != {1}:
        raise NotCompiledError("operation addmm with factors")
    result = call.builder.fresh(call.kind, call.shape, left.lanes or right.lanes)
    call.builder.program.statements.append(MatMul(result, left, right))
    return call.elementwise("add", result, bias)


def _gather(call: _Call) -> View:
    source, index = call.source, call.builder.view(call.args[2])
    if index.lanes:
        raise NotCompiledError("operation gather by numbers that differ between lanes")
    result = call.builder.fresh(call.kind, call.shape, source.lanes)
    call.builder.program.statements.append(Pick(result, source, call.axis(), index))
    return result


def _scatter_add(call: _Call) -> View:
    index, given = call.builder.view(call.args[2]), call.builder.view(call.args[3])
    if index.lanes:
        raise NotCompiledError("operation scatter_add by numbers that differ between lanes")
    result = call.builder.fresh(call.kind, call.shape, call.source.lanes or given.lanes)
    call.builder.assign(result, "copy", call.source, kind=call.kind)
    cut = given.as_strided(index.shape, given.strides, given.offset)
    call.builder.program.statements.append(Pick(result, cut, call.axis(), index, add=True))
    return result


def _index_select(call: _Call) -> View:
    """Rows by number, as an embedding takes them."""
    source, axis, index = call.source, call.axis(), call.builder.view(call.args[2])
    if index.lanes:
        raise NotCompiledError("operation index_select by numbers that differ between lanes")
    spread = index.as_strided(
        call.shape, [index.strides[0] if a == axis else 0 for a in range(len(call.shape))], index.offset
    )
    result = call.builder.fresh(call.kind, call.shape, source.lanes)
    call.builder.program.statements.append(Pick(result, source, axis, spread))
    return result


def _softmax(logarithm: bool) -> Callable[[_Call], View]:
    def softmax(call: _Call) -> View:
        build, source, axis, kind = call.builder, call.source, call.axis(), call.kind
        kept = _kept(source, axis)
        largest = _must(build.reduced("maximum", source, [axis], -math.inf).reshape(kept))
        shifted = build.computed("sub", [source, largest], kind, kind, call.shape)
        raised = build.computed("exp", [shifted], kind, kind, call.shape)
        total = _must(build.reduced("add", raised, [axis], 0).reshape(kept))
        if not logarithm:
            return build.computed("div", [raised, total], kind, kind, call.shape)
        return build.computed(
            "sub", [shifted, build.computed("log", [total], kind, kind, kept)], kind, kind, call.shape
        )

    return softmax


def _softmax_backward(logarithm: bool) -> Callable[[_Call], View]:
    def backward(call: _Call) -> View:
        build, gradient, output = call.builder, call.source, call.builder.view(call.args[1])
        axis, kind, shape = int(call.args[2]) % len(call.shape), call.kind, call.shape
        if logarithm:
            total = _must(build.reduced("add", gradient, [axis], 0).reshape(_kept(gradient, axis)))
            share = build.computed("exp", [output], kind, kind, shape)
            return build.computed(
                "sub", [gradient, build.computed("mul", [share, total], kind, kind, shape)], kind, kind, shape
            )
        weighted = build.computed("mul", [gradient, output], kind, kind, shape)
        total = _must(build.reduced("add", weighted, [axis], 0).reshape(_kept(gradient, axis)))
        return build.computed(
            "sub", [weighted, build.computed("mul", [output, total], kind, kind, shape)], kind, kind, shape
        )

    return backward


def _lowest(kind: Kind) -> Number:
    return -math.inf if kind.floating else -(2**62)


def _highest(kind: Kind) -> Number:
    return math.inf if kind.floating else 2**62


LOWERINGS: Final[Mapping[str, Callable[[_Call], Any]]] = {
    "add": _add, "sub": lambda call: _add(call, "sub"), "rsub": _rsub, "pow": _pow,
    "gt": _comparison("gt"), "ge": _comparison("ge"), "lt": _comparison("lt"), "le": _comparison("le"),
    "eq": _comparison("eq"), "ne": _comparison("ne"),
    "logical_and": _logical("and"), "logical_or": _logical("or"), "logical_xor": _logical("xor"),
    "logical_not": _logical("not"),
    "bitwise_and": _bitwise("and"), "bitwise_or": _bitwise("or"), "bitwise_xor": _bitwise("xor"),
    "bitwise_not": _bitwise("not"),
    "where": _where, "masked_fill": _masked_fill,
    "clamp": _clamp, "clamp_min": lambda call: call.elementwise("maximum", *call.args),
    "clamp_max": lambda call: call.elementwise("minimum", *call.args),
    "threshold_backward": _threshold_backward,
    "_to_copy": _copy_of_kind, "copy": lambda call: call.elementwise("copy", call.args[1]),
    "clone": _itself, "alias": _itself, "detach": _itself, "lift_fresh_copy": _itself, "contiguous": _itself,
    "view": _view, "_unsafe_view": _view, "reshape": _view, "unsqueeze": _view, "squeeze": _view, "squeeze_": _view,
    "expand": _expand, "permute": _permute, "select": _select, "slice": _slice, "split_with_sizes": _split,
    "split": _split, "unbind": _unbind, "flip": _flip, "unfold": _unfold,
    "t": lambda call: call.source.as_strided(call.shape, call.source.strides[::-1], call.source.offset),
    "full_like": _filled(lambda call: call.args[1]), "zeros_like": _filled(lambda call: 0),
    "ones_like": _filled(lambda call: 1), "new_zeros": _filled(lambda call: 0), "new_ones": _filled(lambda call: 1),
    "new_full": _filled(lambda call: call.args[2]),
    "cat": _cat, "slice_scatter": _scattered, "select_scatter": _scattered, "constant_pad_nd": _padded,
    "sum": _reduction("add", lambda kind: 0), "prod": _reduction("mul", lambda kind: 1),
    "amax": _reduction("maximum", _lowest), "amin": _reduction("minimum", _highest),
    "any": _reduction("or", lambda kind: False), "all": _reduction("and", lambda kind: True),
    "mean": _mean, "cumsum": _cumulative("add"), "cumprod": _cumulative("mul"), "argmax": _argmax,
    "mm": _matmul, "bmm": _matmul, "mv": _matvec, "dot": _matvec, "addmm": _addmm,
    "gather": _gather, "scatter_add": _scatter_add, "index_select": _index_select,
    "_log_softmax": _softmax(logarithm=True), "_softmax": _softmax(logarithm=False),
    "_log_softmax_backward_data": _softmax_backward(logarithm=True),
    "_softmax_backward_data": _softmax_backward(logarithm=False),
}  # fmt: skip
"""What every operation of torch's becomes that is not one line of `operations.TORCH`."""
