"""One step of one lane, and one evaluation of it, as graphs of torch's own operations.

A problem and a rule are called as they are written, on one configuration of one seed; what they do to tensors is
recorded. A Python branch is thereby frozen as it was taken, so a branch on the numbers themselves is refused, and one
on anything else has to be found by comparison (`benchmarks.engine.kernel.choice`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

from benchmarks.engine.calls import evaluation_of, loss_of
from benchmarks.engine.kernel.refusal import NotCompiledError
from benchmarks.errors import StepscapeError
from optimizers import Rule
from optimizers.rule import State
from problems import Batch, Problem

__all__ = ["Traced", "batch_parts", "trace_evaluation", "trace_function", "trace_step"]

SEED = 1
STEP = 2  # the step that is traced: one on whose number nothing hinges


@dataclass(frozen=True)
class Traced:
    """A graph with its arguments in order: ``inputs`` are examples of them, by name; ``outputs`` the results' names."""

    graph: GraphModule
    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]


def trace_step(problem: Problem, rule: Rule, start: Tensor, batch: Batch) -> Traced:
    """A step from ``start [1, P]`` on ``batch [1, ...]``.

    Inputs are ``x [1, 1, P]``, ``state:NAME``, ``hp:NAME [1, 1, 1]`` and ``t []`` in float64, ``batch:PLACE``; outputs
    ``x``, ``loss [1, 1]`` and ``state:NAME``. Raises `NotCompiledError` where tracing fails.
    """
    x = start.unsqueeze(0).clone()
    state = rule.init(x)
    if any(value.shape[:2] != (1, 1) or value.dim() != 3 for value in state.values()):
        raise NotCompiledError("a state that is not [C, S, N]")
    inputs = {"x": x} | {f"state:{name}": value for name, value in state.items()}
    inputs |= {
        f"hp:{name}": torch.full((1, 1, 1), value, dtype=torch.float64) for name, value in rule.defaults().items()
    }
    inputs |= {"t": torch.tensor(float(STEP), dtype=torch.float64)}
    inputs |= {f"batch:{place}": part for place, part in enumerate(batch_parts(batch))}

    def step(*given: Tensor) -> list[Tensor]:
        named = dict(zip(inputs, given, strict=True))
        data = [value for name, value in named.items() if name.startswith("batch:")]
        rows = None if batch is None else tuple(data) if isinstance(batch, tuple) else data[0]
        with torch.enable_grad():
            at = named["x"].detach().requires_grad_()
            loss = problem.loss(at, rows)
            (g,) = torch.autograd.grad(loss.sum(), at)
        moved, states = named["x"].clone(), {name: named[f"state:{name}"].clone() for name in state}
        with torch.no_grad():
            rule.step_(moved, g, states, _named(named, "hp:"), named["t"])  # type: ignore[arg-type]
            problem.project_(moved)
        return [moved, loss.detach(), *states.values()]

    with torch.enable_grad():
        loss_of(problem, x.detach().requires_grad_(), batch)  # which complains of a shape that no kernel could hold
    names = ("x", "loss", *(f"state:{name}" for name in state))
    made = dict(zip(names, step(*inputs.values()), strict=True))  # and what is kept after it is made is no part of it
    for name, value in inputs.items():
        if name in made and (made[name].shape, made[name].dtype) != (value.shape, value.dtype):
            raise NotCompiledError(f"{name.replace('state:', 'a state ')} that changes its shape or its type")
    return Traced(
        _graph(step, list(inputs.values()), differentiates=True),
        inputs,
        names,
    )


def trace_evaluation(problem: Problem, start: Tensor) -> Traced:
    """An evaluation at ``start [1, P]``: input ``x [1, 1, P]``, outputs the metrics by name.

    Raises `NotCompiledError` where tracing fails.
    """
    x = start.unsqueeze(0).clone()

    def evaluate(at: Tensor) -> list[Tensor]:
        with torch.no_grad():
            return list(problem.evaluate(at).values())

    with torch.no_grad():
        names = tuple(evaluation_of(problem, x))  # which complains of a shape that no kernel could hold
    return Traced(_graph(evaluate, [x], differentiates=False), {"x": x}, names)


def trace_function(
    function: Callable[..., Sequence[Tensor]], inputs: Mapping[str, Tensor], *, differentiates: bool = False
) -> Traced:
    """Any function of ``inputs``, one lane of each, whose results are called ``0``, ``1``, …

    ``differentiates`` says whether it takes gradients. Raises `NotCompiledError` where tracing fails.
    """
    graph = _graph(lambda *given: list(function(*given)), list(inputs.values()), differentiates=differentiates)
    (end,) = graph.graph.find_nodes(op="output")
    return Traced(graph, inputs, tuple(map(str, range(len(end.args[0])))))


def batch_parts(batch: Batch) -> Sequence[Tensor]:
    """The tensors of a batch."""
    if batch is None:
        return ()
    return batch if isinstance(batch, tuple) else (batch,)


def _named(inputs: Mapping[str, Tensor], prefix: str) -> State:
    return {name.removeprefix(prefix): value for name, value in inputs.items() if name.startswith(prefix)}


def _graph(function: Callable[..., list[Tensor]], inputs: list[Tensor], *, differentiates: bool) -> GraphModule:
    """The graph of ``function`` without changes in place, in torch's core operations."""
    from torch._guards import TracingContext, tracing
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.func import functionalize
    from torch.fx.experimental.proxy_tensor import make_fx

    inputs = [value.clone(memory_format=torch.contiguous_format) for value in inputs]  # one given twice would be one
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about itself
            with tracing(TracingContext(FakeTensorMode(allow_fallback_kernels=True))):  # else one is made a node
                if differentiates:  # which torch does not do inside of functionalize
                    function = make_fx(function)(*inputs)
                pure = functionalize(function, remove="mutations")
                return make_fx(pure, decomposition_table=_decompositions())(*inputs)
    except StepscapeError:
        raise
    except Exception as error:
        said = str(error).splitlines()[0] if str(error) else ""
        if "_local_scalar_dense" in said:
            raise NotCompiledError("a branch, or a number, taken from the numbers themselves") from error
        raise NotCompiledError(f"tracing: {type(error).__name__}: {said}") from error


def _decompositions() -> dict[Any, Any]:
    """How torch writes its larger operations in smaller ones."""
    from torch._decomp import core_aten_decompositions, get_decompositions

    aten = torch.ops.aten
    further = (
        *(aten.elu, aten.gelu, aten.hardtanh, aten.leaky_relu),
        *(aten.linalg_vector_norm, aten.native_group_norm, aten.native_layer_norm, aten.native_batch_norm),
        *(aten.embedding, aten.repeat),
    )
    return {**core_aten_decompositions(), **get_decompositions(further)}
