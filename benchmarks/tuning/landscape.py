"""Landscapes: a dense grid over lr and a second hyperparameter, every point trained on several seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from benchmarks.engine.engines import Used
from benchmarks.engine.kernel_lanes import planned
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Configurations, Training, train
from benchmarks.errors import UsageError
from benchmarks.naming.foreign import AnyOptimizer, ForeignSpec
from benchmarks.record.checkpoints import Checkpoints
from benchmarks.tuning.space import Space
from optimizers import Hyperparameter, Rule

__all__ = ["GridMap", "grid_axes", "group_numbers", "landscape", "lane_numbers"]

HELD = 8e6  # numbers that are held by the lanes of a group: 64 MB of them
STATE = 8  # tensors like the parameters: themselves, their gradient, the rule's state and what arithmetic makes
ROOTS = 4  # a matrix, its eigenvectors, its root, and what is multiplied for it
MODULE = 10**5  # parameters whose update takes as long as a step of a small module: about a millisecond
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
    engines: frozenset[Used] = frozenset()


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
    training = planned(training, [count * len(training.seeds)])
    parts: list[_Ends] = []
    for first in range(0, count, size):
        part = every[first : first + size]
        make = partial(train, training, on_segment=checkpoints.passed)
        parts.append(_Ends.of(checkpoints.trace(f"landscape-{first:06d}", part, make)))
        if on_progress is not None:
            on_progress(min(first + size, count), count)
    status, stopped_at, start, final, best = (torch.cat(each) for each in zip(*(e.columns for e in parts), strict=True))
    seconds, lane_steps = sum(part.seconds for part in parts), sum(part.lane_steps for part in parts)
    engines = frozenset(part.engine for part in parts)
    return GridMap(values, status, stopped_at, start, final, best, seconds, lane_steps, engines)


@dataclass(frozen=True)
class _Ends:
    """What is kept of a group's trace, whose curves are many times as large.

    ``columns`` are those of `GridMap`, ``[C, S]``: status, steps, and the loss at the start, at the end and at best.
    """

    columns: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    seconds: float
    lane_steps: int
    engine: Used

    @classmethod
    def of(cls, trace: Trace) -> _Ends:
        loss = trace.loss
        ends = loss[..., 0].clone(), loss[..., -1].clone()  # a view would keep the whole curve
        best = loss.nan_to_num(torch.inf).amin(-1)
        return cls((trace.status, trace.stopped_at, *ends, best), trace.seconds, trace.lane_steps, trace.engine)


def _group_size(training: Training) -> int:
    """Configurations trained by one call: whole chunks, so that grouping changes no lane's neighbours.

    Modules as they are have none, and a step of each takes the time of many parameters.
    """
    seeds, problem = len(training.seeds), training.problem
    alone = training.native is not None
    per_chunk = 1 if alone else max(1, training.lanes_together // seeds)
    lanes, size = per_chunk * seeds, problem.dim + (MODULE if alone else 0)
    timed, held = GROUP / (size * lanes * training.steps), HELD / (lanes * lane_numbers(training))
    return per_chunk * max(1, int(min(timed, held)))


def group_numbers(training: Training) -> int:
    """How many numbers a group of the landscape holds at most while it is trained."""
    return _group_size(training) * len(training.seeds) * lane_numbers(training)


def lane_numbers(training: Training) -> int:
    """How many numbers a lane holds while it is trained: losses and metrics, parameters and what a rule keeps."""
    return 3 * len(training.evaluations) + STATE * training.problem.dim + _in_matrices(training)


def _in_matrices(training: Training) -> int:
    """The numbers in a lane's square matrices, and in what their roots are made of."""
    optimizer = training.optimizer
    if isinstance(optimizer, ForeignSpec | Rule) or training.rule is optimizer.rule:  # told nothing, it sees none
        return 0
    dim = training.problem.dim
    state = training.rule.init(torch.empty(dim, device="meta"))
    return ROOTS * max(0, sum(value.numel() for value in state.values()) - STATE * dim)
