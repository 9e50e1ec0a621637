"""A problem or a rule of the user's own, tried for a moment before it runs: what is wrong at once is said at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from numbers import Real
from typing import Any, Final

import numpy as np
import torch

from benchmarks.engine.calls import (
    batches_of,
    bound_to,
    complain,
    evaluation_of,
    gradient_of,
    loss_of,
    raise_as_own,
    start_of,
    state_of,
    step_,
)
from benchmarks.engine.foreign_lanes import VECTOR
from benchmarks.engine.native_calls import draw, evaluation_of_run, gradient_of_run, run_of
from benchmarks.engine.native_lanes import MODULE
from benchmarks.engine.segments import batch_like
from benchmarks.engine.stepping import Stepper
from benchmarks.naming.foreign import AnyOptimizer, ForeignSpec
from benchmarks.naming.groups import ParameterGroup
from optimizers import OptimizerSpec, Schedule
from problems import Batch, Problem
from problems.module import ModuleProblem
from problems.module_run import ModuleRun

__all__ = ["check_facts", "try_on_vector", "try_optimizer", "try_problem"]

SEEDS: Final = (0, 1)
STEPS: Final = 2
ARRAYS: Final = (np.float32, np.float64)


def try_problem(problem: Problem) -> None:
    """Read the facts, and call every method on two configurations of two seeds, as training will.

    Raises `OwnCodeError` for what raises or what cannot be trained: facts of the wrong kind, values of the wrong kind
    or shape, a loss or a gradient that is not finite at the start.
    """
    check_facts(problem)
    start = start_of(problem, SEEDS).to(problem.dtype)
    if isinstance(problem, ModuleProblem) and problem.native is not None:
        for seed in SEEDS:
            _try_run(problem, run_of(problem, seed, start))
    else:
        _try_lanes(problem, start)
    try:
        problem.fingerprint()
    except (Exception, SystemExit) as error:
        raise_as_own(problem, "fingerprint", error)
        raise


def _try_lanes(problem: Problem, start: torch.Tensor) -> None:
    x = start.expand(2, -1, -1).clone().requires_grad_()
    for batch in batches_of(problem, SEEDS, STEPS):
        loss = loss_of(problem, x, batch_like(batch, start))
        if not bool(loss.isfinite().all()):
            raise complain(problem, "loss", f"{_first_not_finite(loss)} at the start{_spoilt(problem, batch)}")
        g = gradient_of(problem, loss, x)
        if not bool(g.isfinite().all()):
            raise complain(problem, "loss", f"a gradient with {_first_not_finite(g)} in it at the start")
    with torch.no_grad():
        loss = evaluation_of(problem, x.detach())["loss"]
    if not bool(loss.isfinite().all()):
        raise complain(problem, "evaluate", f"as 'loss' {_first_not_finite(loss)} at the start{_spoilt(problem)}")


def _try_run(problem: ModuleProblem, run: ModuleRun) -> None:
    with run.at_work():
        for _ in range(STEPS):
            draw(problem, run)
            loss = gradient_of_run(problem, run)
            if not bool(loss.isfinite()):
                raise complain(problem, "loss", f"{float(loss)} at the start")
    for name, p in run.parameters.items():
        if p.grad is not None and not bool(
            torch.isfinite(p.grad.coalesce().values() if p.grad.is_sparse else p.grad).all()
        ):
            raise complain(problem, "loss", f"a gradient of {name!r} that is not finite at the start")
    loss = evaluation_of_run(problem, run)["loss"]
    if not bool(loss.isfinite()):
        raise complain(problem, "evaluate", f"as 'loss' {float(loss)} at the start")


def try_optimizer(
    problem: Problem,
    spec: AnyOptimizer,
    values: Mapping[str, float],
    schedules: Mapping[str, Schedule],
    groups: Sequence[ParameterGroup],
    *,
    native: bool,
) -> None:
    """Take one step at ``values``, as training will, so that mistakes are found before a run begins.

    Raises `StepscapeError` as `benchmarks.engine.training.train` does.
    """
    if native and isinstance(problem, ModuleProblem):
        run = run_of(problem, SEEDS[0], torch.empty(0, dtype=problem.dtype))
        stepper = Stepper(spec, values, run.parameters, MODULE, schedules, groups)
        with run.at_work():
            draw(problem, run)
            gradient_of_run(problem, run)
            _try_step(stepper, lambda: gradient_of_run(problem, run))
    elif isinstance(spec, ForeignSpec):
        try_on_vector(spec, values, schedules)
    else:
        _try_rule(spec)
        bound_to(problem, spec.rule, spec.name)


def try_on_vector(spec: ForeignSpec, values: Mapping[str, float], schedules: Mapping[str, Schedule]) -> None:
    """Make the optimizer at ``values`` over a vector and take one step; raises `UsageError` where it refuses."""
    p = torch.zeros(2, requires_grad=True)
    p.grad = torch.ones_like(p)
    _try_step(Stepper(spec, values, {"x": p}, VECTOR, schedules), lambda: p.detach().sum())


def _try_step(stepper: Stepper, closure: Callable[[], torch.Tensor]) -> None:
    stepper.set_mode("train")
    stepper.step(closure if stepper.needs_closure else None)
    stepper.set_mode("eval")


def _try_rule(spec: OptimizerSpec) -> None:
    """Take one step at the defaults; raises `OwnCodeError` where that fails."""
    x = torch.ones(1, 1, 3)
    state = state_of(spec.rule, x, spec.name)
    step_(spec.rule, x, torch.ones_like(x), state, spec.default_values, 1, spec.name)


def check_facts(problem: Problem) -> None:
    """Raise `OwnCodeError` for a fact that is missing or of the wrong kind."""
    for name, (fits, words) in FACTS.items():
        try:
            value = getattr(problem, name)
        except (Exception, SystemExit) as error:
            raise_as_own(problem, "facts", error)
            raise
        if not fits(value):
            raise complain(problem, "facts", f"{name} = {_short(value)}, which should be {words}")
    for point in problem.minimisers:
        if not isinstance(point, Collection) or len(point) != problem.dim or not all(map(_is_number, point)):
            raise complain(problem, "facts", f"the minimiser {_short(point)}, which should be {problem.dim} numbers")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def _is_number_or_none(value: Any) -> bool:
    return value is None or _is_number(value)


def _are_words(value: Any) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str) and all(isinstance(tag, str) for tag in value)


FACTS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "dim": (_is_count, "a whole number of at least 1"),
    "steps": (_is_count, "a whole number of at least 1"),
    "minimum": (_is_number_or_none, "a finite number, or None where it is not known"),
    "target": (_is_number_or_none, "a finite number, or None"),
    "sharpness": (_is_number_or_none, "a finite number, or None"),
    "tags": (_are_words, "a set of words"),
    "deterministic": (lambda value: isinstance(value, bool), "True or False"),
    "dtype": (lambda value: isinstance(value, torch.dtype) and value.is_floating_point, "a torch precision"),
    "native": (lambda value: value is None or isinstance(value, str), "words, or None"),
    "chunk": (_is_count, "a whole number of at least 1"),  # which may follow from dim and dtype
    "minimisers": (lambda value: isinstance(value, Collection) and not isinstance(value, str), "points, each [P]"),
}
"""What each fact is, and in words."""


def _first_not_finite(values: torch.Tensor) -> str:
    """``"nan"``, ``"inf"`` or ``"-inf"``: the first value that is not finite."""
    return str(float(values.detach()[~values.isfinite()][0]))


def _spoilt(problem: Problem, batch: Batch = None) -> str:
    """Which array of its data, in the batch or in the problem, is not finite; empty where all are."""
    arrays = {f"tensor {place} of the batch": part for place, part in enumerate(_parts(batch), start=1)}
    for name, value in vars(problem).items():
        arrays |= {f"its {name}": part for part in _parts(value)}
    for name, array in arrays.items():
        numbers = torch.as_tensor(array)
        wrong = int((~numbers.isfinite()).sum())
        if wrong:
            return f", where {name}, {list(numbers.shape)}, holds {wrong} values that are nan or inf"
    return ""


def _parts(value: Any) -> list[Any]:
    """The arrays of numbers in ``value``: itself, or those in a tuple or list."""
    inside = value if isinstance(value, tuple | list) else [value]
    return [part for part in inside if isinstance(part, torch.Tensor) or getattr(part, "dtype", None) in ARRAYS]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:58]} …"
