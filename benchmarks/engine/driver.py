"""Driving a batch of runs over one problem: the data, the evaluation grid, divergence, rungs and the trace.

What is common to lanes that are trained as one tensor (`benchmarks.engine.rule_lanes`) and to foreign optimizers that
step one lane at a time (`benchmarks.engine.foreign_lanes`): each defines how its `Lanes` advance, everything else is
here, so that both mean the same by a step, an evaluation, a diverged lane and a pruned one.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, pairwise
from typing import Final, TypedDict

import torch
from torch import Tensor

from benchmarks.engine.trace import DIVERGED, FINISHED, PRUNED, Trace
from benchmarks.errors import UsageError
from optimizers import Schedule
from problems import Batch, Problem

__all__ = [
    "Evaluate",
    "Lanes",
    "OnRung",
    "TrainOptions",
    "batch_like",
    "configurations",
    "divergence_limit",
    "drive",
    "evaluation_steps",
]

DIVERGENCE_FACTOR: Final = 1e6
SEGMENT: Final = 32  # steps whose data is held at once
LEAVING: Final = 0.25  # the share of stopped configurations in a chunk that pays for copying the others

Evaluate = int | Sequence[int] | None
"""When runs are evaluated, besides at the start and the end: every so many steps, at the steps listed, or not."""

OnRung = Callable[[int, Mapping[str, Tensor]], Tensor | None]
"""Called after each evaluation with its step and the metrics ``[C, S]`` (NaN for stopped lanes); returns which of the
``[C]`` configurations go on, or None for all."""


class TrainOptions(TypedDict, total=False):
    """The options of a training, as `benchmarks.engine.rule_lanes.train` documents them."""

    evaluate_every: Evaluate
    schedules: Mapping[str, Schedule] | None
    on_rung: OnRung | None
    device: str | torch.device
    dtype: torch.dtype | None
    chunk: int | None
    keep_path: bool


class Lanes(ABC):
    """Configurations that are trained together: parameters ``x [c, S, P]``, who is still alive, and who has left."""

    def __init__(self, problem: Problem, index: Tensor, start: Tensor, limit: Tensor) -> None:
        self.problem, self.limit = problem, limit
        self.index = index  # places [c] of the configurations among all
        self.x = start.expand(len(index), -1, -1).clone()
        self.alive = torch.ones(self.x.shape[:-1], dtype=torch.bool, device=start.device)
        self.valid_steps = torch.zeros(self.x.shape[:-1], dtype=torch.int64, device=start.device)
        self.left: list[tuple[Tensor, Tensor, Tensor]] = []  # (places, alive, valid steps) of those that were dropped
        self.lane_steps = 0

    @abstractmethod
    def advance(self, batches: Sequence[Batch], done: int) -> None:
        """Make one update a batch, after ``done`` updates made before; keep ``alive`` and the counts of steps."""

    @abstractmethod
    def keep(self, chosen: Tensor) -> None:
        """Forget whatever belongs to configurations that are not ``chosen`` ``[c]``, besides what this class holds."""

    @torch.no_grad()
    def evaluate(self) -> dict[str, Tensor]:
        """The metrics ``[c, S]`` in double precision; a lane whose loss is invalid is marked, and NaN from then on."""
        metrics = {name: value.double() for name, value in self.problem.evaluate(self.x).items()}
        self.alive &= (metrics["loss"] <= self.limit) & (metrics["loss"].abs() < torch.inf)
        return {name: value.masked_fill(~self.alive, torch.nan) for name, value in metrics.items()}

    def drop_stopped(self, going_on: Tensor | None) -> None:
        """Take configurations out of the tensor: those not ``going_on [C]`` at once, dead ones when they are many."""
        chosen = self.alive.any(-1)
        if going_on is None:
            if len(chosen) - int(chosen.sum()) <= LEAVING * len(chosen):
                return
        else:
            chosen = chosen & going_on[self.index].to(chosen.device)
            if bool(chosen.all()):
                return
        self.left.append((self.index[~chosen.cpu()], self.alive[~chosen], self.valid_steps[~chosen]))
        self.index, self.alive = self.index[chosen.cpu()], self.alive[chosen]
        self.valid_steps, self.x = self.valid_steps[chosen], self.x[chosen]
        self.keep(chosen)


def drive(
    problem: Problem,
    chunks: Sequence[Lanes],
    start: Tensor,
    seeds: Sequence[int],
    steps: int,
    *,
    evaluate_every: Evaluate,
    on_rung: OnRung | None,
    keep_path: bool,
) -> Trace:
    """Advance all chunks together over the same data for ``steps`` updates, a segment at a time.

    ``start [S, P]`` has the device and precision of the run. Losses are evaluated at `evaluation_steps`; after each but
    the last, ``on_rung`` decides who goes on. Raises `UsageError` for no seed, one given twice, or a count below one.
    """
    if not seeds or len(set(seeds)) != len(seeds):
        raise UsageError(f"train needs at least one seed, each once, got {list(seeds)}")
    if steps < 1 or (isinstance(evaluate_every, int) and evaluate_every < 1):
        raise UsageError(f"steps and evaluate_every must be at least 1, got {steps} and {evaluate_every}")
    began = time.perf_counter()
    grid = evaluation_steps(steps, evaluate_every)
    count = sum(len(lanes.index) for lanes in chunks)
    out = _Recorder(count, len(seeds), grid, problem.dim if keep_path else None, start)
    out.record(0, chunks)
    data = problem.batches(seeds, steps)
    for place, (before, after) in enumerate(pairwise(grid), start=1):
        for first in range(before, after, SEGMENT):
            batches = [batch_like(batch, start) for batch in islice(data, min(SEGMENT, after - first))]
            for lanes in chunks:
                lanes.advance(batches, first)
        metrics = out.record(place, chunks)
        going_on = on_rung(after, metrics) if on_rung is not None and after < steps else None
        for lanes in chunks:
            lanes.drop_stopped(going_on)
    for lanes in chunks:
        out.close(lanes)
    return Trace(
        torch.tensor(grid), out.metrics, out.status, out.stopped_at, time.perf_counter() - began,
        int(sum(lanes.lane_steps for lanes in chunks)), out.path,
    )  # fmt: skip


def evaluation_steps(steps: int, every: Evaluate) -> list[int]:
    """The steps evaluated: 0, every ``every`` steps (or those listed), and the last."""
    if every is None or isinstance(every, int):
        return [*range(0, steps, every or steps), steps]
    return [0, *sorted({step for step in every if 0 < step < steps}), steps]


def divergence_limit(problem: Problem, start: Tensor) -> Tensor:
    """The loss ``[S]`` above which a lane counts as diverged: a million times the gap it started with."""
    loss = problem.evaluate(start)["loss"].double()
    gap = loss - (problem.minimum if problem.minimum is not None else 0.0)
    scale = torch.where(gap > 0, gap, loss.abs().clamp_min(1.0))
    return loss + DIVERGENCE_FACTOR * scale


def configurations(
    name: str,
    defaults: Mapping[str, float],
    given: Mapping[str, Tensor | float],
    schedules: Mapping[str, Schedule],
) -> tuple[dict[str, Tensor | float], int]:
    """Every hyperparameter's value as a float or a float64 tensor ``[C]``, and C; ``name`` is for errors.

    Raises `UsageError` for a value or a schedule of an unknown hyperparameter and for unequal lengths.
    """
    for strange in sorted((set(given) | set(schedules)) - set(defaults)):
        raise UsageError(f"{name} has no hyperparameter {strange!r}; it has {', '.join(defaults) or 'none'}")
    values: dict[str, Tensor | float] = dict(defaults)
    for key, value in given.items():
        values[key] = value.detach().double().cpu() if isinstance(value, Tensor) and value.dim() else float(value)
    lengths = {key: tuple(value.shape) for key, value in values.items() if isinstance(value, Tensor)}
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 or shape[0] == 0 for shape in lengths.values()):
        raise UsageError(f"hyperparameters must be floats or tensors [C] of one length C >= 1, got {lengths}")
    return values, next(iter(lengths.values()), (1,))[0]


class _Recorder:
    """Collects evaluations of all chunks into tensors over all configurations, on the CPU."""

    def __init__(self, count: int, seeds: int, grid: Sequence[int], dim: int | None, like: Tensor) -> None:
        self.shape = (count, seeds, len(grid))
        self.metrics: dict[str, Tensor] = {}
        self.status = torch.full((count, seeds), FINISHED, dtype=torch.int8)
        self.stopped_at = torch.zeros((count, seeds), dtype=torch.int64)
        self.path = None if dim is None else torch.full((*self.shape, dim), torch.nan, dtype=like.dtype)

    def record(self, place: int, chunks: Sequence[Lanes]) -> dict[str, Tensor]:
        """Evaluate every chunk into column ``place``; returns that column's metrics ``[C, S]``."""
        for lanes in chunks:
            if len(lanes.index) == 0:
                continue
            for name, value in lanes.evaluate().items():
                table = self.metrics.setdefault(name, torch.full(self.shape, torch.nan, dtype=torch.float64))
                table[lanes.index, :, place] = value.cpu()
            if self.path is not None:
                self.path[lanes.index, :, place] = lanes.x.cpu()
        return {name: table[..., place] for name, table in self.metrics.items()}

    def close(self, lanes: Lanes) -> None:
        """Enter how every lane of a chunk ended."""
        for index, alive, valid_steps in lanes.left:  # left early: diverged, or pruned while alive
            self.status[index] = torch.where(alive, PRUNED, DIVERGED).to(torch.int8).cpu()
            self.stopped_at[index] = valid_steps.cpu()
        self.status[lanes.index] = torch.where(lanes.alive, FINISHED, DIVERGED).to(torch.int8).cpu()
        self.stopped_at[lanes.index] = lanes.valid_steps.cpu()


def batch_like(batch: Batch, like: Tensor) -> Batch:
    """The batch on the device of ``like``, its floating tensors in the precision of ``like``."""
    if batch is None:
        return None
    if isinstance(batch, tuple):
        return tuple(batch_like(part, like) for part in batch)  # type: ignore[misc]
    return batch.to(like.device, like.dtype if batch.is_floating_point() else batch.dtype)
