"""Calls of a problem and of a rule as the engine makes them: what raises, or gives what nobody can use, is one sentence
that names the user's line. What ours raise is passed on as it is.

The checks look at types and shapes only: they cost a step nothing that could be measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import prod
from typing import Final

import torch
from torch import Tensor

from benchmarks.errors import OwnCodeError, UsageError
from benchmarks.naming.blame import blame, line_of
from optimizers import Rule
from optimizers.rule import Hyperparameters, State
from problems import Batch, Problem
from problems.module import ModuleProblem

__all__ = [
    "EXPECTED",
    "OF_A_MODULE",
    "batches_of",
    "bound_to",
    "complain",
    "evaluation_of",
    "gradient_of",
    "loss_of",
    "name_of",
    "project_",
    "raise_as_own",
    "shown_of",
    "start_of",
    "state_of",
    "step_",
]

EXPECTED: Final = {
    "facts": "its facts are a Facts(dim=…, …)",
    "layout": "layout names the tensors in x, (name, shape) each, and their numbers sum up to dim",
    "start": "start(seeds) gives finite points [S, P] of real numbers, in float64",
    "batches": "batches(seeds, steps) yields one batch a step: None, a tensor [S, …] or a tuple of such",
    "loss": "loss(x, batch) gives one real number a lane, [..., S] for x [..., S, P], differentiable in x",
    "evaluate": "evaluate(x) gives a dict of tensors with 'loss' in it, one real number a lane: [...] for x [..., P]",
    "project_": "project_(x) moves x [..., P] in place",
    "fingerprint": "fingerprint() names the problem by its definition(), starts and first losses",
    "init": "init(x) gives a dict of tensors, shaped like x or with a last axis of 1",
    "update": "update(g, state, hp, t) gives the step for x, shaped like g",
    "shown": "shown(x, state) gives the point that a run is judged by, shaped like x",
}
"""What is expected of each method, to end a sentence with."""

OF_A_MODULE: Final = "a run draws inputs and a target, and loss(module(inputs), target) is one number, differentiable"
"""What is expected of the author of a module, who writes none of these methods."""


def name_of(problem: Problem) -> str:
    """How a problem is called in errors."""
    return f"problem {problem.name or type(problem).__name__!r}"


def raise_as_own(problem: Problem, method: str, error: BaseException) -> None:
    """Raise `OwnCodeError` where ``error`` of the problem's ``method`` is the user's; else nothing happens."""
    blame(error, f"{name_of(problem)}: {method}", _expected(problem, method), *_owners(problem, method))


def complain(problem: Problem, method: str, what: str) -> OwnCodeError:
    """The error that says what the problem's ``method`` gave instead of what is expected, with its line."""
    line = next(filter(None, map(line_of, _owners(problem, method))), None)
    where = f" ({line})" if line else ""
    return OwnCodeError(f"{name_of(problem)}: {method} gave {what}{where}; {_expected(problem, method)}")


def start_of(problem: Problem, seeds: Sequence[int]) -> Tensor:
    """The start points ``[S, P]``."""
    try:
        start = problem.start(seeds)
    except (Exception, SystemExit) as error:
        raise_as_own(problem, "start", error)
        raise
    if not isinstance(start, Tensor) or not start.is_floating_point():
        raise complain(problem, "start", _kind(start))
    if start.shape != (len(seeds), problem.dim):
        raise complain(problem, "start", f"shape {_shape(start)} for {len(seeds)} seeds and dim {problem.dim}")
    wrong = (~start.isfinite()).sum(-1)
    if bool(wrong.any()):
        place = int(wrong.argmax())
        raise complain(
            problem, "start", f"{int(wrong[place])} of {problem.dim} numbers not finite for seed {seeds[place]}"
        )
    return start


def batches_of(problem: Problem, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
    """The data of each of ``steps`` updates, all of them."""
    made = 0
    try:
        for batch in islice(problem.batches(seeds, steps), steps):
            if not (batch is None or isinstance(batch, Tensor) or _are_tensors(batch)):
                raise complain(problem, "batches", _kind(batch))
            made += 1
            yield batch
    except (Exception, SystemExit) as error:
        raise_as_own(problem, "batches", error)
        raise
    if made < steps:
        raise complain(problem, "batches", f"{made} for {steps} steps")


def loss_of(problem: Problem, x: Tensor, batch: Batch, autocast: bool = False) -> Tensor:
    """The training loss ``[..., S]`` of ``x [..., S, P]``; where ``autocast``, with matrix products in bfloat16."""
    try:
        if autocast:
            with torch.autocast(x.device.type, torch.bfloat16):
                loss = problem.loss(x, batch)
            loss = loss.to(x.dtype)
        else:
            loss = problem.loss(x, batch)
    except (Exception, SystemExit) as error:
        raise_as_own(problem, "loss", error)
        raise
    if not isinstance(loss, Tensor) or loss.shape != x.shape[:-1] or loss.is_complex():
        raise complain(problem, "loss", _wrong(loss, x))
    if not loss.requires_grad and x.requires_grad:
        raise complain(problem, "loss", "a tensor without a gradient (detached, or computed outside of torch)")
    return loss


def gradient_of(problem: Problem, loss: Tensor, x: Tensor) -> Tensor:
    """Every lane's gradient of its ``loss``, ``[..., S, P]``."""
    try:
        (g,) = torch.autograd.grad(loss.sum(), x)  # handed ones instead, torch imports sympy: a second of a process
    except (Exception, SystemExit) as error:
        raise_as_own(problem, "loss", error)
        raise
    return g


def evaluation_of(problem: Problem, x: Tensor) -> dict[str, Tensor]:
    """The full-data loss and the other metrics of ``x [..., P]``, each ``[...]``, in double precision."""
    try:
        metrics = problem.evaluate(x)
    except (Exception, SystemExit) as error:
        raise_as_own(problem, "evaluate", error)
        raise
    if not isinstance(metrics, Mapping) or "loss" not in metrics or not all(isinstance(name, str) for name in metrics):
        listed = f"{list(metrics)}" if isinstance(metrics, Mapping) else _kind(metrics)
        raise complain(problem, "evaluate", listed)
    for name, value in metrics.items():
        if not isinstance(value, Tensor) or value.shape != x.shape[:-1] or value.is_complex():
            raise complain(problem, "evaluate", f"as {name!r} {_wrong(value, x)}")
    return {name: value.double() for name, value in metrics.items()}


def project_(problem: Problem, x: Tensor) -> None:
    """Move ``x [..., P]`` to the nearest feasible point."""
    try:
        problem.project_(x)
    except (Exception, SystemExit) as error:
        raise_as_own(problem, "project_", error)
        raise


def bound_to(problem: Problem, rule: Rule, name: str) -> Rule:
    """The rule called ``name`` as it trains ``problem``: one that sees matrices is told its layout.

    Raises `UsageError` where it cannot train tensors of these shapes.
    """
    try:
        layout = problem.layout
    except (Exception, SystemExit) as error:
        raise_as_own(problem, "layout", error)
        raise
    try:
        shapes = [tuple(map(int, shape)) for _, shape in layout]
    except (TypeError, ValueError) as error:
        raise complain(problem, "layout", f"{layout!r}") from error
    numbers = sum(map(prod, shapes))
    if numbers != problem.dim:
        raise complain(problem, "layout", f"tensors of {numbers} numbers for dim {problem.dim}")
    try:
        return rule.bound(shapes)
    except ValueError as error:
        raise UsageError(f"optimizer {name!r} cannot train {name_of(problem)}: {error}") from error


def state_of(rule: Rule, x: Tensor, name: str) -> State:
    """The state at ``x`` of the rule called ``name``."""
    try:
        return rule.init(x)
    except (Exception, SystemExit) as error:
        blame(error, f"optimizer {name!r}: init", EXPECTED["init"], rule.init)
        raise


def step_(rule: Rule, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int, name: str) -> None:
    """A whole step of the rule called ``name`` at ``x``, in place."""
    try:
        rule.step_(x, g, state, hp, t)
    except (Exception, SystemExit) as error:
        blame(error, f"optimizer {name!r}: update at step {t}", EXPECTED["update"], rule.update)
        raise


def shown_of(rule: Rule, x: Tensor, state: State, name: str) -> Tensor:
    """The points by which the runs at ``x`` of the rule called ``name`` are judged."""
    try:
        return rule.shown(x, state)
    except (Exception, SystemExit) as error:
        blame(error, f"optimizer {name!r}: shown", EXPECTED["shown"], rule.shown)
        raise


def _expected(problem: Problem, method: str) -> str:
    of_a_module = isinstance(problem, ModuleProblem) and method in ("batches", "loss", "evaluate")
    return OF_A_MODULE if of_a_module else EXPECTED[method]


def _owners(problem: Problem, method: str) -> tuple[object, ...]:
    """Whose code it may be: the method's, then whatever the problem holds."""
    called = getattr(type(problem), method, None)
    return (called, problem) if callable(called) else (problem,)


def _are_tensors(batch: object) -> bool:
    return isinstance(batch, tuple) and all(isinstance(part, Tensor) for part in batch)


def _wrong(value: object, x: Tensor) -> str:
    """What is wrong with numbers that should be one a lane."""
    if not isinstance(value, Tensor):
        return _kind(value)
    return "complex numbers" if value.is_complex() else f"shape {_shape(value)} for x {_shape(x)}"


def _kind(value: object) -> str:
    """What something is, in a word or two."""
    if isinstance(value, Tensor):
        return f"a tensor of {str(value.dtype).removeprefix('torch.')}"
    return "None" if value is None else f"a {type(value).__name__}"


def _shape(value: Tensor) -> str:
    return f"[{', '.join(map(str, value.shape))}]"
