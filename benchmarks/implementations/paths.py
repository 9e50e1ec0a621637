"""Paths in double precision: on a problem by one's own gradients, or under gradients that are given; and how far
rounding alone may take two of them apart.

Two implementations are held against each other under the **same** gradients, those of the first one's path: left to
themselves, chaos makes a difference in the last place as large as any. Inputs of the same rule that differ by one
unit in the last place (every gradient, every hyperparameter) show how far rounding can take it: `rounding_bound` is
`UNITS` times as much, and a few units of the position for each step, whose addition is rounded. What lies within
agrees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from benchmarks.engine.calls import evaluation_of, gradient_of, loss_of, project_
from benchmarks.engine.stepping import has_modes
from benchmarks.engine.training import Training
from benchmarks.errors import UsageError
from benchmarks.implementations.implementation import Runnable
from benchmarks.naming.blame import with_line
from problems import Batch, Problem
from problems.problem import generator

__all__ = ["FreeRun", "Ride", "apart", "coordinates_apart", "first_apart", "forced", "free", "length", "rounding_bound"]

UNITS: Final = 64.0
"""An update is at most some 20 operations, each of which rounds as if an input had been moved by a unit at most, and
two implementations round each their own way: 40, and room for libraries that take a power where we keep a product."""

OF_POSITION: Final = 4.0
"""Units of the position that a step may cost: each of the two rounds it for the decay, the step and a sum between."""

UNIT: Final = 2.0**-52


@dataclass(frozen=True)
class Ride:
    """What an implementation is led along: ``start [P]``, ``gradients [T, P]``, and the share of lr at every step.

    ``project`` moves each point reached into a problem's domain, in place.
    """

    start: Tensor
    gradients: Tensor
    shares: Sequence[float] | None = None
    project: Callable[[Tensor], None] | None = None


@dataclass(frozen=True)
class FreeRun:
    """A run by one's own gradients: ``path [T + 1, P]``, the ``gradients [T, P]`` met, the last full-data ``loss``.

    T is less than was asked for where the run left the numbers whose squares are finite.
    """

    path: Tensor
    gradients: Tensor
    loss: float


def forced(runnable: Runnable, ride: Ride, moved: int | None = None) -> Tensor:
    """The path ``[T + 1, P]`` under given gradients; NaN or inf stay in it.

    With ``moved`` every gradient and every hyperparameter is moved by one unit in the last place, up or down as a
    generator of that seed says.
    """
    values, gradients = runnable.values, ride.gradients
    if moved is not None:
        random = generator(moved, "units in the last place")
        values = {name: _moved(value, random) for name, value in values.items()}
        signs = torch.from_numpy(random.choice([-1.0, 1.0], size=tuple(gradients.shape)))
        gradients = gradients * (1 + UNIT * signs)
    x = ride.start.clone().requires_grad_()
    optimizer = _made(runnable, x, values)
    path = [x.detach().clone()]
    for t, g in enumerate(gradients):
        if ride.shares is not None and "lr" in values:
            for group in optimizer.param_groups:
                group["lr"] = values["lr"] * ride.shares[t]
        _step(runnable.name, optimizer, x, g)
        if ride.project is not None:
            ride.project(x.data)
        path.append(x.detach().clone())
    return torch.stack(path)


def free(runnable: Runnable, problem: Problem, training: Training) -> FreeRun:
    """The run on ``problem`` by its own gradients, from the start and over the data of ``training``'s one seed."""
    x = training.start()[0].clone().requires_grad_()
    optimizer = _made(runnable, x, runnable.values)
    path, gradients = [x.detach().clone()], []
    for batch in (batch for segment in training.data.segments() for batch in segment.batches):
        g = _gradient(problem, x, batch)
        if not bool(g.isfinite().all()):
            break
        _step(runnable.name, optimizer, x, g)
        project_(problem, x.data)
        if not bool(x.detach().norm().isfinite()):
            break
        gradients.append(g)
        path.append(x.detach().clone())
    loss = float(evaluation_of(problem, x.detach()[None])["loss"][0])  # not finite where the run did not stay so
    met = torch.stack(gradients) if gradients else torch.zeros(0, len(x), dtype=x.dtype)
    return FreeRun(torch.stack(path[: len(met) + 1]), met, loss)


def rounding_bound(runnable: Runnable, ride: Ride, path: Tensor) -> Tensor:
    """How far ``[T + 1, P]`` from the ``path`` rounding alone may take an implementation, a coordinate at a time."""
    moved = [forced(runnable, ride, seed) for seed in (0, 1)]
    spread = torch.stack([(each - path).abs() for each in moved]).amax(0).cummax(0).values
    largest = torch.maximum(path.abs(), _steps(path).abs()).cummax(0).values
    steps = torch.arange(len(path), dtype=path.dtype).unsqueeze(-1)
    return UNITS * spread + OF_POSITION * steps * UNIT * largest


def first_apart(path: Tensor, other: Tensor, bound: Tensor) -> int | None:
    """The first step after which two paths ``[T + 1, P]`` are further apart than the ``bound``, or None.

    Where both have left the finite numbers nothing is said any more; where one has, they are apart.
    """
    finite, others = path.isfinite().all(-1), other.isfinite().all(-1)
    both = (finite & others).cumprod(0).bool()
    beyond = ((path - other).abs() > bound.nan_to_num(0.0)).any(-1) & both
    beyond |= (finite != others) & torch.cat([torch.ones(1, dtype=torch.bool), both[:-1]])
    places = beyond.nonzero().flatten()
    return int(places[0]) if len(places) else None


def apart(path: Tensor, other: Tensor) -> Tensor:
    """How far apart two paths are after each step, ``[T + 1]``, as a share of the length of ``path`` so far.

    Where ``path`` has not moved yet it is a share of the other's. 0 where they are in one place; inf where one of them
    has left the finite numbers, and 0 where both have.
    """
    distance, gone = (path - other).norm(dim=-1), length(path)
    gone = torch.where(gone > 0, gone, length(other))
    share: Tensor = (distance / gone).nan_to_num(math.inf, math.inf)
    lost = ~(path.isfinite().all(-1) | other.isfinite().all(-1))
    return share.masked_fill((distance == 0) | lost, 0.0)


def coordinates_apart(path: Tensor, other: Tensor) -> Tensor:
    """How far apart each coordinate is at most, ``[P]``, as a share of the way that it has gone by then."""
    distance, gone = (path - other).abs(), _steps(path).abs().cumsum(0)
    share: Tensor = (distance / gone).masked_fill(distance == 0, 0.0).nan_to_num(math.inf, math.inf)
    return share.amax(0)


def length(path: Tensor) -> Tensor:
    """The length of a path ``[T + 1, P]`` up to each step, ``[T + 1]``."""
    gone: Tensor = _steps(path).norm(dim=-1).cumsum(0)
    return gone


def _steps(path: Tensor) -> Tensor:
    """The step that led to each point of a path; 0 to the first."""
    return torch.cat([torch.zeros_like(path[:1]), path.diff(dim=0)])


def _moved(value: float, random: np.random.Generator) -> float:
    """A value moved by a unit in its last place; 0 stays, and 1 is moved down, for a memory is at most that."""
    upwards = random.random() < 0.5 and value != 1
    return float(np.nextafter(value, 2 * value if upwards else 0.0))


def _made(runnable: Runnable, x: Tensor, values: Mapping[str, float]) -> torch.optim.Optimizer:
    try:
        optimizer = runnable.optimizer(x, values)
        if has_modes(optimizer):
            optimizer.train()  # type: ignore[attr-defined]  # just looked for
    except (Exception, SystemExit) as error:
        raise UsageError(f"{runnable.name} cannot be made over a parameter vector: {with_line(error)}") from error
    return optimizer


def _gradient(problem: Problem, x: Tensor, batch: Batch) -> Tensor:
    """The gradient ``[P]`` of a single run at ``x [P]``; the batch is that of one seed."""
    lane = x.detach()[None].requires_grad_()
    with torch.enable_grad():
        return gradient_of(problem, loss_of(problem, lane, batch), lane)[0]


def _step(name: str, optimizer: Any, x: Tensor, g: Tensor) -> None:
    """A step under a given gradient, through a closure, which every torch optimizer accepts and some demand."""
    asked = 0

    def closure() -> Tensor:
        nonlocal asked
        asked += 1
        x.grad = g.clone()
        return (x.detach() * g).sum()

    try:
        optimizer.step(closure)
    except (Exception, SystemExit) as error:
        raise UsageError(f"{name} cannot step on a parameter vector: {with_line(error)}") from error
    if asked > 1:
        raise UsageError(
            f"{name} asks for several gradients a step, at points of its own; only what takes one can be compared"
        )
