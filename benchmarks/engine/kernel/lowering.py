"""Torch's graph as statements over views: what each of torch's operations becomes stands in a table.

What hangs on no input is computed by torch while lowering, and is a constant from then on.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch.fx import Node
from torch.fx.node import map_arg

from benchmarks.engine.kernel.builder import Builder, Call
from benchmarks.engine.kernel.operations import TORCH
from benchmarks.engine.kernel.program import Place, Program, View
from benchmarks.engine.kernel.refusal import NotCompiledError
from benchmarks.engine.kernel.torch_axes import ALONG_AXES
from benchmarks.engine.kernel.torch_elementwise import ELEMENTWISE
from benchmarks.engine.kernel.torch_picks import PICKS
from benchmarks.engine.kernel.torch_views import VIEWS
from benchmarks.engine.kernel.torch_windows import WINDOWS
from benchmarks.engine.kernel.tracing import Traced

__all__ = ["LOWERINGS", "lower"]

SHARED: Final = ("batch:", "t")
"""The inputs, by how their names begin, that all lanes of a tile share."""

LOWERINGS: Final[Mapping[str, Callable[[Call], Any]]] = {**ELEMENTWISE, **VIEWS, **ALONG_AXES, **PICKS, **WINDOWS}
"""What every operation of torch's becomes that is not one line of `operations.TORCH`."""


def lower(traced: Traced) -> Program:
    """The program of a traced function. Raises `NotCompiledError` for an operation that is in no table, by its name."""
    builder = Builder()
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
            for name, value in zip(traced.outputs, results, strict=True):
                builder.program.outputs[name] = _result(builder, name, builder.view(value))
    return builder.program


def _called(builder: Builder, node: Node, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """The value of one call: of torch where nothing in it hangs on an input, else of statements."""
    if node.target is operator.getitem:
        return args[0][args[1]]
    if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
        raise NotCompiledError(f"operation {node.target}, whose numbers are random")
    if not _depends([args, kwargs]):
        return node.target(*args, **kwargs)  # type: ignore[operator]
    name = str(node.target).removeprefix("aten.").split(".")[0]
    call = Call(builder, node, list(args), dict(kwargs))
    if name in TORCH and not kwargs:
        return call.elementwise(TORCH[name], *call.args)
    if name not in LOWERINGS:
        raise NotCompiledError(f"operation {node.target}{' with ' if kwargs else ''}{', '.join(kwargs)}")
    return LOWERINGS[name](call)


def _result(builder: Builder, name: str, view: View) -> View:
    """An output, in numbers of its own where an input that is written over holds them."""
    given = view.buffer is not None and view.buffer.place is Place.GIVEN
    return builder.copied(view) if given and view != builder.program.inputs.get(name) else view


def _depends(value: Any) -> bool:
    if isinstance(value, View):
        return True
    if isinstance(value, Mapping):
        return any(map(_depends, value.values()))
    return isinstance(value, list | tuple) and any(map(_depends, value))
