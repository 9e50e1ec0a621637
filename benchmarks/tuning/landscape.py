"""Landscapes: a dense grid over lr and a second hyperparameter, every point trained on several seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from analysis.record.anytime import packed
from benchmarks.engine.engines import Used
from benchmarks.engine.kernel_lanes import planned
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Configurations, Training, train
from benchmarks.errors import UsageError
from benchmarks.naming.foreign import AnyOptimizer, ForeignSpec
from benchmarks.record.checkpoints import Checkpoints
from benchmarks.tuning.space import Space
from optimizers import Hyperparameter, Rule

__all__ = ["GridMap", "Groups", "grid_axes", "group_numbers", "group_size", "landscape", "lane_numbers"]

HELD = 8e6  # numbers that are held by the lanes of a group: 64 MB of them
STATE = 8  # tensors like the parameters: themselves, their gradient, the rule's state and what arithmetic makes
ROOTS = 4  # a matrix, its eigenvectors, its root, and what is multiplied for it
MODULE = 10**5  # parameters whose update takes as long as a step of a small module: about a millisecond
FOREIGN = 10**4  # and as long as a step of a foreign optimizer
FEW = 64  # lanes of foreign optimizers in a group: they gain nothing together
GROUP = 1e8  # parameters times steps that are trained between two looks at the clock: about a second


@dataclass(frozen=True)
class GridMap:
    """A trained grid: the value of each axis at each point ``{name: [C]}``, and per seed ``[C, S]`` how it ended.

    ``status`` holds codes of `analysis.record.outcome.Outcome`; ``start_loss``, ``final_loss`` and ``best_loss`` are in
    float64. ``anytime [C, S, H]`` holds codes of `analysis.record.anytime` of the gap (where no minimum is stated, the
    loss) after so many steps, the ``horizons``, the last of which lies before the end; None where there are none.
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
    horizons: tuple[int, ...] = ()
    anytime: Tensor | None = None

    @classmethod
    def of(
        cls, groups: Groups, checkpoints: Checkpoints, on_progress: Callable[[int, int], None] | None = None
    ) -> GridMap:
        """The map that ``groups`` make; as `landscape` says."""
        parts, count = list[_Ends](), len(groups.every)
        for number in range(len(groups)):
            parts.append(groups.trained(number, checkpoints))
            if on_progress is not None:
                on_progress(min((number + 1) * groups.size, count), count)
        columns = zip(*(part.columns for part in parts), strict=True)
        status, stopped_at, start, final, best, anytime = (torch.cat(each) for each in columns)
        seconds, lane_steps = sum(part.seconds for part in parts), sum(part.lane_steps for part in parts)
        engines = frozenset(part.engine for part in parts)
        horizons = tuple(groups.training.evaluations[1:-1])
        ends = status, stopped_at, start, final, best
        return cls(groups.values, *ends, seconds, lane_steps, engines, horizons, anytime if horizons else None)


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
    return GridMap.of(Groups.of(training, space, grid), checkpoints or Checkpoints(), on_progress)


@dataclass(frozen=True)
class Groups:
    """The grid of a landscape, of ``values`` on its axes ``{name: [C]}``, in groups that are each trained by one call.

    A group of ``size`` configurations is whole chunks, so that whoever trains it, beside which others, has the same
    bits: a landscape may be made in any order, and by several processes.
    """

    training: Training
    values: Mapping[str, Tensor]
    every: Configurations
    size: int

    @classmethod
    def of(cls, training: Training, space: Space, grid: tuple[int, int]) -> Groups:
        """The groups of the ``grid``; raises `UsageError` for a bare rule."""
        spec = training.optimizer
        if isinstance(spec, Rule):
            raise UsageError(f"a landscape needs an optimizer that names its axes, got the bare rule {training.name}")
        axes = grid_axes(spec, space, grid)
        mesh = torch.cartesian_prod(*(torch.tensor(knob.grid(count), dtype=torch.float64) for knob, count in axes))
        values = dict(zip((knob.name for knob, _ in axes), mesh.reshape(-1, len(axes)).unbind(-1), strict=True))
        every = Configurations({**space.defaults(spec), **values})
        whole = planned(training, [len(every) * len(training.seeds)])
        return cls(whole, values, every, group_size(training))

    def __len__(self) -> int:
        return math.ceil(len(self.every) / self.size)

    def trained(self, number: int, checkpoints: Checkpoints) -> _Ends:
        """Group ``number``: that which ``checkpoints`` keep, or trained. Raises `OutOfTime` after their deadline."""

        def make(part: Configurations) -> _Ends:
            trace = train(self.training, part, on_segment=checkpoints.passed)
            return _Ends.of(trace, self.training.problem.minimum or 0.0)

        first = number * self.size
        return checkpoints.part(f"landscape-{first:06d}", self.every[first : first + self.size], make, _Ends)


@dataclass(frozen=True)
class _Ends:
    """What is kept of a group's trace, whose curves are many times as large: columns of `GridMap`, ``[C, S]``.

    ``anytime`` is ``[C, S, H]``; ``updates`` counts those of lanes that have left too.
    """

    status: Tensor
    stopped_at: Tensor
    start_loss: Tensor
    final_loss: Tensor
    best_loss: Tensor
    anytime: Tensor
    seconds: float
    lane_steps: int
    engine: Used
    updates: int

    @classmethod
    def of(cls, trace: Trace, floor: float) -> _Ends:
        loss = trace.loss
        return cls(
            trace.status,
            trace.stopped_at,
            start_loss=loss[..., 0].clone(),  # a view would keep the whole curve
            final_loss=loss[..., -1].clone(),
            best_loss=loss.nan_to_num(torch.inf).amin(-1),
            anytime=torch.from_numpy(packed((loss[..., 1:-1] - floor).numpy())),
            seconds=trace.seconds,
            lane_steps=trace.lane_steps,
            engine=trace.engine,
            updates=trace.updates,
        )

    @property
    def columns(self) -> tuple[Tensor, ...]:
        """The status, the steps, the loss at the start, at the end and at best, and on the way."""
        return self.status, self.stopped_at, self.start_loss, self.final_loss, self.best_loss, self.anytime


def group_size(training: Training) -> int:
    """Configurations trained by one call: whole chunks, so that grouping changes no lane's neighbours.

    Modules as they are and foreign optimizers have none, and a step of each takes the time of many parameters.
    """
    seeds, problem = len(training.seeds), training.problem
    alone = training.native is not None
    foreign = isinstance(training.optimizer, ForeignSpec)
    together = min(FEW, training.lanes_together) if foreign else training.lanes_together
    per_chunk = 1 if alone else max(1, together // seeds)
    lanes, size = per_chunk * seeds, problem.dim + (MODULE if alone else FOREIGN if foreign else 0)
    timed, held = GROUP / (size * lanes * training.steps), HELD / (lanes * lane_numbers(training))
    return per_chunk * max(1, int(min(timed, held)))


def group_numbers(training: Training) -> int:
    """How many numbers a group of the landscape holds at most while it is trained."""
    return group_size(training) * len(training.seeds) * lane_numbers(training)


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
