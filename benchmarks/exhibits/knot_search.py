"""The search for a schedule: values at the knots by CMA-ES (Hansen and Ostermeier 2001), a generation a block of lanes.

A point of the search is the positions, in [0, 1] of their ranges on their scales, of every knot's value and of what
else is searched; a generation is trained as one batch of lanes on the same seeds. The first generation is of constant
learning rates over the whole range, and the best of them is where CMA-ES starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks.engine.kernel_lanes import planned
from benchmarks.engine.training import Configurations, Training, train
from optimizers import Hyperparameter, OptimizerSpec, Schedule
from optimizers.rule import Value
from optimizers.schedule import between, progress

__all__ = ["Found", "Freedom", "knot_name", "search", "shaped"]

Points = npt.NDArray[np.float64]

WIDTH: Final = 0.12
"""The standard deviation of the first samples around the best constant, in ranges: about half a decade of lr."""


@dataclass(frozen=True)
class Freedom:
    """What a search may choose: a value at each of the shares ``at`` for every hyperparameter of ``moving``, and one
    for the whole run for those of ``still``.
    """

    at: tuple[float, ...]
    moving: tuple[str, ...]
    still: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What a search found: the ``values`` of the best configurations, the best first, their mean ``losses`` on the
    tuning seeds (inf where a run diverged), and how many were ``tried``.
    """

    values: list[dict[str, float]]
    losses: list[float]
    tried: int


@dataclass(frozen=True, eq=False)
class _Shapes(Schedule):
    """A shape a configuration: the base value is the number of a row of ``table`` ``[C, knots]``, whose values, joined
    by straight lines, stand at the shares ``at`` of the run.

    Schedules are one shape for all lanes, with a base value a lane; so lanes of many shapes have a name for base value.
    """

    table: Tensor
    at: tuple[float, ...]

    kind = "any"

    def __call__(self, value: Value, t: int, steps: int) -> Value:
        place, share = between(self.at, progress(t, steps))
        now = self.table[:, place] * (1 - share) + self.table[:, place + 1] * share
        return now[value.long()] if isinstance(value, Tensor) else float(now[int(value)])


def shaped(
    training: Training, spec: OptimizerSpec, freedom: Freedom, rows: Sequence[Mapping[str, float]]
) -> tuple[Training, Configurations]:
    """``training`` with the schedules of all ``rows``, values by name as `Found` has them, and its configurations."""
    number = torch.arange(len(rows), dtype=torch.float64)
    tables = {name: [[row[knot_name(name, at)] for at in freedom.at] for row in rows] for name in freedom.moving}
    schedules = {n: _Shapes(torch.tensor(t, dtype=torch.float64), freedom.at) for n, t in tables.items()}
    values: dict[str, Tensor | float] = {**spec.default_values, **dict.fromkeys(freedom.moving, number)}
    values |= {name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in freedom.still}
    return replace(training, schedules=schedules), Configurations(values)


def search(
    training: Training, spec: OptimizerSpec, freedom: Freedom, population: int, generations: int, seed: int, kept: int
) -> Found:
    """The best values at the knots after ``generations`` of ``population`` configurations each."""
    from cmaes import CMA

    knobs = _searched(spec, freedom)
    training = planned(training, [population * len(training.seeds)] * generations)
    points = _first(freedom, knobs, population)
    losses = _mean_losses(training, spec, freedom, knobs, points)
    every, results = [points], [losses]
    sampler = CMA(
        mean=points[int(losses.argmin())].copy(),
        sigma=WIDTH,
        bounds=np.tile([0.0, 1.0], (len(knobs), 1)),
        seed=seed,
        population_size=population,
    )
    for _ in range(generations - 1):
        points = np.stack([sampler.ask() for _ in range(population)])
        losses = _mean_losses(training, spec, freedom, knobs, points)
        sampler.tell(list(zip(points, losses.tolist(), strict=True)))
        every.append(points)
        results.append(losses)
    points, losses = np.concatenate(every), np.concatenate(results)
    best = np.argsort(losses, kind="stable")[:kept]
    return Found([_values(knobs, points[place]) for place in best], losses[best].tolist(), len(losses))


def knot_name(name: str, at: float) -> str:
    """What the value of ``name`` at the share ``at`` of the run is called."""
    return f"{name}@{at:g}"


def _searched(spec: OptimizerSpec, freedom: Freedom) -> dict[str, Hyperparameter]:
    """What is searched, by name; a knot has the range of its hyperparameter."""
    moving = {knot_name(name, at): spec.hyperparameter(name) for name in freedom.moving for at in freedom.at}
    return moving | {name: spec.hyperparameter(name) for name in freedom.still}


def _first(freedom: Freedom, knobs: Mapping[str, Hyperparameter], population: int) -> Points:
    """Constant learning rates over the whole range, every other one falling on a line to a hundredth; everything else
    as by default: ``[population, knobs]``.
    """
    of_lr = {knot_name("lr", at): at for at in freedom.at}
    rows = []
    for place in range(population):
        middle = (place + 0.5) / population
        row = []
        for name, knob in knobs.items():
            start, fall = (knob.at(middle), of_lr[name]) if name in of_lr else (knob.default, 0.0)
            row.append(min(max(knob.position(start * max(1 - fall * (place % 2), 0.01)), 0.0), 1.0))
        rows.append(row)
    return np.asarray(rows)


def _mean_losses(
    training: Training, spec: OptimizerSpec, freedom: Freedom, knobs: Mapping[str, Hyperparameter], points: Points
) -> Points:
    """The mean final loss over the seeds of every point ``[C]``, inf where a run diverged."""
    losses = train(*shaped(training, spec, freedom, [_values(knobs, point) for point in points])).final_loss
    found = losses.mean(-1).nan_to_num(torch.inf, posinf=torch.inf)
    return np.asarray(found.numpy(), dtype=np.float64)


def _values(knobs: Mapping[str, Hyperparameter], point: Points) -> dict[str, float]:
    return {name: knob.at(float(place)) for (name, knob), place in zip(knobs.items(), point, strict=True)}
