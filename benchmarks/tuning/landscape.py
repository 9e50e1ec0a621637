"""Landscapes: a dense grid over lr and a second hyperparameter, every point trained on several seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Configurations, Training, train
from benchmarks.errors import UsageError
from benchmarks.naming.foreign import AnyOptimizer
from benchmarks.record.checkpoints import Checkpoints
from benchmarks.tuning.space import Space
from optimizers import Hyperparameter, Rule

__all__ = ["GridMap", "grid_axes", "landscape"]

GROUP = 1e8  # parameters times steps that are trained between two looks at the clock: about a second


@dataclass(frozen=True)
class GridMap:
    """A trained grid: the value of each axis at each point ``{name: [C]}``, and per seed ``[C, S]`` how it ended.

    ``status`` holds codes of `analysis.record.outcome.Outcome`; ``start_loss``, ``final_loss`` and ``best_loss`` are in
    float64.
    """

    values: Mapping[str, Tensor]
    status: Tensor
    stopped_at: Tensor
    start_loss: Tensor
    final_loss: Tensor
    best_loss: Tensor
    seconds: float
    lane_steps: int


def grid_axes(spec: AnyOptimizer, space: Space, grid: tuple[int, int]) -> list[tuple[Hyperparameter, int]]:
    """The axes of the landscape of ``spec``, as ``space`` searches them, each with its number of points of ``grid``.

    One axis only where the optimizer has one.
    """
    ranged = {knob.name: knob for knob in space.searched}
    names = [axis for axis in spec.axes if axis is not None and axis in ranged] or [space.searched[0].name]
    return [(ranged[name], count) for name, count in zip(names, grid, strict=False)]


def landscape(
    training: Training,
    space: Space,
    grid: tuple[int, int],
    *,
    checkpoints: Checkpoints | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> GridMap:
    """The trained ``grid`` of (points of lr, points of the second hyperparameter) over the ranges of ``space``.

    Hyperparameters off the axes take their fixed values, or their defaults where searched. The grid is trained in
    groups, which bounds memory; ``on_progress(done, all)`` counts its points. Raises `OutOfTime` a few steps after
    the deadline of ``checkpoints``, and `UsageError` for a bare rule.
    """
    checkpoints, spec = checkpoints or Checkpoints(), training.optimizer
    if isinstance(spec, Rule):
        raise UsageError(f"a landscape needs an optimizer that names its axes, got the bare rule {training.name}")
    axes = grid_axes(spec, space, grid)
    mesh = torch.cartesian_prod(*(torch.tensor(knob.grid(count), dtype=torch.float64) for knob, count in axes))
    values = dict(zip((knob.name for knob, _ in axes), mesh.reshape(-1, len(axes)).unbind(-1), strict=True))
    every = Configurations({**space.defaults(spec), **values})
    count, size = len(every), _group_size(training)
    traces: list[Trace] = []
    for first in range(0, count, size):
        part = every[first : first + size]
        make = partial(train, training, on_segment=checkpoints.passed)
        traces.append(checkpoints.trace(f"landscape-{first:06d}", part, make))
        if on_progress is not None:
            on_progress(min(first + size, count), count)
    loss = torch.cat([trace.loss for trace in traces])
    return GridMap(
        values,
        torch.cat([trace.status for trace in traces]),
        torch.cat([trace.stopped_at for trace in traces]),
        loss[..., 0],
        loss[..., -1],
        loss.nan_to_num(torch.inf).amin(-1),
        sum(trace.seconds for trace in traces),
        sum(trace.lane_steps for trace in traces),
    )


def _group_size(training: Training) -> int:
    """Configurations trained by one call: whole chunks, so that grouping changes no lane's neighbours."""
    seeds, problem = len(training.seeds), training.problem
    per_chunk = max(1, problem.chunk // seeds)
    return per_chunk * max(1, int(GROUP / (problem.dim * seeds * per_chunk * training.steps)))
