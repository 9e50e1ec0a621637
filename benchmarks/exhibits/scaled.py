"""What questions of scale share: problems with a parameter changed, and their losses on a grid at several horizons."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from analysis.statistics.arrays import Array
from benchmarks.engine.training import Training, train
from benchmarks.errors import UsageError
from benchmarks.naming.foreign import AnyOptimizer
from benchmarks.naming.registry import PROBLEMS, make_problem, parse_call
from problems import Problem

__all__ = [
    "GAP_FLOOR",
    "check_parameter",
    "floor_of",
    "grid_of",
    "losses_at",
    "parameter_of",
    "problems_with",
    "seconds_of",
    "varied",
]

TRIED = (2, 8)
"""The lengths of the two trainings by which the cost of a step and of a look is measured."""

FEW = 4
"""The configurations in them: what many cost is so many times as much, or a little less."""

GAP_FLOOR = 0.0
"""What a gap is counted from where no floor is known: it is then the loss."""


def problems_with(names: Sequence[str]) -> list[str]:
    """The registered problems that have a parameter of one of ``names``; plug-ins that are not loaded are left out."""
    return [spec.name for spec in PROBLEMS.loaded if any(name in spec.parameters for name in names)]


def parameter_of(problem: str, names: Sequence[str]) -> str | None:
    """The first of ``names`` that is a parameter of the registered ``problem``, written with parameters or without;
    None where it has none, or is not in the registry.
    """
    name, _ = parse_call(problem)
    if name not in PROBLEMS:
        return None
    return next((each for each in names if each in PROBLEMS[name].parameters), None)


def check_parameter(problem: str, names: Sequence[str], what: str, question: str) -> str:
    """The parameter of ``problem`` among ``names``; raises `UsageError` that says which problems have ``what``."""
    found = parameter_of(problem, names)
    if found is None:
        raise UsageError(
            f"{question}: the problem {problem!r} has no {what}; those that have one are "
            f"{', '.join(problems_with(names))}"
        )
    return found


def varied(problem: str, data: Path | None, **changed: object) -> Problem:
    """``problem``, as it is written, with parameters ``changed``; raises as `make_problem` does."""
    name, given = parse_call(problem)
    text = ", ".join(f"{key}={value!r}" for key, value in {**given, **changed}.items())
    return make_problem(f"{name}({text})" if text else name, data)


def floor_of(problem: Problem) -> float:
    """The floor, 0 where none is known."""
    return GAP_FLOOR if problem.minimum is None else float(problem.minimum)


def grid_of(**axes: Sequence[float]) -> dict[str, Tensor]:
    """Every combination of the values of ``axes`` as columns ``[C]``, the last axis fastest."""
    columns = torch.meshgrid(*(torch.tensor(values, dtype=torch.float64) for values in axes.values()), indexing="ij")
    return {name: column.flatten() for name, column in zip(axes, columns, strict=True)}


def losses_at(
    problem: Problem, optimizer: AnyOptimizer, grid: Mapping[str, Tensor], seeds: Sequence[int], horizons: Iterable[int]
) -> dict[int, Array]:
    """The loss ``[S, C]`` of every configuration of ``grid`` after each of ``horizons`` steps, inf where it diverged.

    One training gives all horizons: a run does not know how long it will go on.
    """
    looks = sorted(set(horizons))
    trace = train(Training(problem, optimizer, seeds, looks[-1], looks), dict(grid))
    place = {int(step): at for at, step in enumerate(trace.step)}
    losses = np.where(trace.loss.isfinite().numpy(), trace.loss.numpy(), np.inf)
    return {step: np.ascontiguousarray(losses[:, :, place[step]].T) for step in looks}


def seconds_of(
    problem: Problem, optimizer: AnyOptimizer, grid: Mapping[str, Tensor], seeds: Sequence[int], looks: Sequence[int]
) -> float:
    """About the seconds that `losses_at` takes of one core, by trying a few configurations for a few steps.

    Processor time is measured, which other programs at work do not change.
    """
    few = {name: values[:FEW] for name, values in grid.items()}
    took = []
    for steps in (TRIED[0], *TRIED):  # the first loads data and compiles kernels
        began = time.process_time()
        train(Training(problem, optimizer, seeds, steps), few)
        took.append(time.process_time() - began)
    a_step = max(took[2] - took[1], 0.0) / (TRIED[1] - TRIED[0])
    look = max(took[1] - TRIED[0] * a_step, 0.0) / 2
    more = len(next(iter(grid.values()))) / len(next(iter(few.values())))
    return more * (a_step * max(looks) + look * (1 + len(set(looks))))
