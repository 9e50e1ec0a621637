"""The lanes engine: thousands of runs trained as one tensor program.

A *lane* is one run: one configuration, one seed. Parameters are one tensor ``[C, S, P]``; a problem's loss gives one number
a lane, the gradient of their sum is every lane's own gradient, and a rule's arithmetic broadcasts over the lanes.

Lanes are cut into chunks of configurations (``problem.chunk`` lanes each) that fit the cache and are trained a segment at
a time, all chunks on the same data, so that every rung sees every lane. Lanes whose loss is no longer a valid number are
marked with the step it happened at; configurations without a living lane leave the tensor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final

import torch
from torch import Tensor

from benchmarks.errors import UsageError
from optimizers import Rule, Schedule
from optimizers.rule import Value
from problems import Batch, Problem

__all__ = ["DIVERGED", "FINISHED", "PRUNED", "STATUS", "Trace", "divergence_limit", "evaluation_steps", "train"]

FINISHED: Final = 0
DIVERGED: Final = 1
PRUNED: Final = 2
STATUS: Final = ("finished", "diverged", "pruned")
"""The names of the codes in `Trace.status`."""

DIVERGENCE_FACTOR: Final = 1e6
SEGMENT: Final = 32  # steps whose data is held at once
LEAVING: Final = 0.25  # the share of stopped configurations in a chunk that pays for copying the others

OnRung = Callable[[int, Mapping[str, Tensor]], Tensor | None]
"""Called after each evaluation with its step and the metrics ``[C, S]`` (NaN for stopped lanes); returns which of the
``[C]`` configurations go on, or None for all."""


@dataclass(frozen=True)
class Trace:
    """What a batch of runs left behind.

    ``step [E]`` are the evaluated steps, from 0; ``metrics`` maps ``"loss"`` and the problem's further metrics to
    ``[C, S, E]`` in float64, NaN from a lane's divergence or pruning on. ``status [C, S]`` are codes of `STATUS`;
    ``stopped_at [C, S]`` counts the updates a lane made while its loss was valid, all of them where it finished.
    ``path [C, S, E, P]`` are the parameters at the evaluations, kept on request. ``lane_steps`` is the number of updates
    made in all; ``seconds`` is wall time.
    """

    step: Tensor
    metrics: dict[str, Tensor]
    status: Tensor
    stopped_at: Tensor
    seconds: float
    lane_steps: int
    path: Tensor | None = None

    @property
    def loss(self) -> Tensor:
        """The full-data loss ``[C, S, E]``."""
        return self.metrics["loss"]

    @property
    def final_loss(self) -> Tensor:
        """The loss after the last step ``[C, S]``, NaN unless the lane finished."""
        return self.loss[..., -1]


def train(
    problem: Problem,
    rule: Rule,
    hyperparameters: Mapping[str, Tensor | float],
    seeds: Sequence[int],
    steps: int,
    *,
    evaluate_every: int | None = None,
    schedules: Mapping[str, Schedule] | None = None,
    on_rung: OnRung | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    chunk: int | None = None,
    keep_path: bool = False,
) -> Trace:
    """Train every configuration on every seed for ``steps`` updates.

    Hyperparameters are floats or tensors ``[C]``, all of one length; those not given take the rule's defaults. ``seeds``
    fix start, data order and noise; lanes of a seed see the same. Losses are evaluated at step 0, every
    ``evaluate_every`` steps (default: only the last) and at the end. ``dtype`` and ``chunk`` (lanes) default to the problem's.

    Raises `UsageError` for an unknown hyperparameter, unequal lengths, no seed or a count below one.
    """
    values, count = _configurations(rule, hyperparameters)
    schedules = dict(schedules or {})
    _check(rule, schedules, seeds, steps, evaluate_every)
    began = time.perf_counter()
    start = problem.start(seeds).to(device=device, dtype=dtype or problem.dtype)
    limit = divergence_limit(problem, start)
    per_chunk = max(1, (chunk or problem.chunk) // len(seeds))
    chunks = [
        _Chunk(problem, rule, torch.arange(first, min(first + per_chunk, count)), values, schedules, start, limit, steps)
        for first in range(0, count, per_chunk)
    ]
    grid = evaluation_steps(steps, evaluate_every)
    out = _Recorder(count, len(seeds), grid, problem.dim if keep_path else None, start)
    out.record(0, chunks)
    data = problem.batches(seeds, steps)
    for place, (before, after) in enumerate(pairwise(grid), start=1):
        for first in range(before, after, SEGMENT):
            batches = [_to(batch, start) for batch in islice(data, min(SEGMENT, after - first))]
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


def evaluation_steps(steps: int, every: int | None) -> list[int]:
    """The steps evaluated: 0, every ``every`` steps, and the last."""
    return [*range(0, steps, every or steps), steps]


def divergence_limit(problem: Problem, start: Tensor) -> Tensor:
    """The loss ``[S]`` above which a lane counts as diverged: a million times the gap it started with."""
    loss = problem.evaluate(start)["loss"].double()
    gap = loss - (problem.minimum if problem.minimum is not None else 0.0)
    scale = torch.where(gap > 0, gap, loss.abs().clamp_min(1.0))
    return loss + DIVERGENCE_FACTOR * scale


class _Chunk:
    """Configurations trained as one tensor: parameters, state, and who is still alive."""

    def __init__(
        self,
        problem: Problem,
        rule: Rule,
        index: Tensor,
        values: Mapping[str, Tensor | float],
        schedules: Mapping[str, Schedule],
        start: Tensor,
        limit: Tensor,
        steps: int,
    ) -> None:
        self.problem, self.rule, self.schedules, self.steps = problem, rule, schedules, steps
        self.index = index  # places [c] of the configurations among all
        self.x = start.expand(len(index), -1, -1).clone()
        self.state = rule.init(self.x)
        self.values: dict[str, Value] = {
            name: value[index].view(-1, 1, 1).to(start.device) if isinstance(value, Tensor) else value
            for name, value in values.items()
        }
        self.limit = limit
        self.alive = torch.ones(self.x.shape[:-1], dtype=torch.bool, device=start.device)
        self.valid_steps = torch.zeros(self.x.shape[:-1], dtype=torch.int64, device=start.device)
        self.left: list[tuple[Tensor, Tensor, Tensor]] = []  # (places, alive, valid steps) of those that were dropped
        self.lane_steps = 0

    def advance(self, batches: Sequence[Batch], done: int) -> None:
        """Make one update a batch, after ``done`` updates made before."""
        if len(self.index) == 0:
            return
        limit = self.limit.to(self.x.dtype)  # rounds to inf at most
        x, alive, valid_steps = self.x.requires_grad_(), self.alive, self.valid_steps
        for t, batch in enumerate(batches, start=done + 1):
            loss = self.problem.loss(x, batch)
            (g,) = torch.autograd.grad(loss.sum(), x)
            with torch.no_grad():
                alive &= (loss <= limit) & (loss.abs() < torch.inf)
                valid_steps += alive
                self.rule.step_(x, g, self.state, self._at(t), t)
                self.problem.project_(x)
        self.x = x.detach()
        self.lane_steps += len(batches) * alive.numel()

    @torch.no_grad()
    def evaluate(self) -> dict[str, Tensor]:
        """The metrics ``[c, S]`` in double precision; a lane whose loss is invalid is marked, and NaN from then on."""
        metrics = {name: value.double() for name, value in self.problem.evaluate(self.x).items()}
        self.alive &= (metrics["loss"] <= self.limit) & (metrics["loss"].abs() < torch.inf)
        return {name: value.masked_fill(~self.alive, torch.nan) for name, value in metrics.items()}

    def drop_stopped(self, going_on: Tensor | None) -> None:
        """Take configurations out of the tensor: those not ``going_on`` ``[C]`` at once, dead ones when they are many."""
        keep = self.alive.any(-1)
        if going_on is None:
            if len(keep) - int(keep.sum()) <= LEAVING * len(keep):
                return
        else:
            keep = keep & going_on[self.index].to(keep.device)
            if bool(keep.all()):
                return
        self.left.append((self.index[~keep.cpu()], self.alive[~keep], self.valid_steps[~keep]))
        self.index, self.alive, self.valid_steps = self.index[keep.cpu()], self.alive[keep], self.valid_steps[keep]
        self.x = self.x[keep]
        self.state = {name: tensor[keep] for name, tensor in self.state.items()}
        self.values = {n: v[keep] if isinstance(v, Tensor) else v for n, v in self.values.items()}

    def _at(self, t: int) -> Mapping[str, Value]:
        if not self.schedules:
            return self.values
        return {
            name: self.schedules[name](value, t, self.steps) if name in self.schedules else value
            for name, value in self.values.items()
        }


class _Recorder:
    """Collects evaluations of all chunks into tensors over all configurations, on the CPU."""

    def __init__(self, count: int, seeds: int, grid: Sequence[int], dim: int | None, like: Tensor) -> None:
        self.shape = (count, seeds, len(grid))
        self.steps = grid[-1]
        self.metrics: dict[str, Tensor] = {}
        self.status = torch.full((count, seeds), FINISHED, dtype=torch.int8)
        self.stopped_at = torch.zeros((count, seeds), dtype=torch.int64)
        self.path = None if dim is None else torch.full((*self.shape, dim), torch.nan, dtype=like.dtype)

    def record(self, place: int, chunks: Sequence[_Chunk]) -> dict[str, Tensor]:
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

    def close(self, lanes: _Chunk) -> None:
        """Enter how every lane of a chunk ended."""
        for index, alive, valid_steps in lanes.left:  # left early: diverged, or pruned while alive
            self.status[index] = torch.where(alive, PRUNED, DIVERGED).to(torch.int8).cpu()
            self.stopped_at[index] = valid_steps.cpu()
        self.status[lanes.index] = torch.where(lanes.alive, FINISHED, DIVERGED).to(torch.int8).cpu()
        self.stopped_at[lanes.index] = lanes.valid_steps.cpu()


def _configurations(rule: Rule, given: Mapping[str, Tensor | float]) -> tuple[dict[str, Tensor | float], int]:
    """Every hyperparameter's value as a float or a float64 tensor ``[C]``, and C."""
    defaults = rule.defaults()
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        raise UsageError(f"{type(rule).__name__} has no hyperparameter {unknown[0]!r}; it has {', '.join(defaults)}")
    values: dict[str, Tensor | float] = dict(defaults)
    for name, value in given.items():
        values[name] = value.detach().double().cpu() if isinstance(value, Tensor) and value.dim() else float(value)
    lengths = {name: tuple(value.shape) for name, value in values.items() if isinstance(value, Tensor)}
    if len(set(lengths.values())) > 1 or any(len(shape) != 1 or shape[0] == 0 for shape in lengths.values()):
        raise UsageError(f"hyperparameters must be floats or tensors [C] of one length C >= 1, got {lengths}")
    return values, next(iter(lengths.values()), (1,))[0]


def _check(
    rule: Rule, schedules: Mapping[str, Schedule], seeds: Sequence[int], steps: int, evaluate_every: int | None
) -> None:
    strange = sorted(set(schedules) - set(rule.defaults()))
    if strange:
        raise UsageError(f"{type(rule).__name__} has no hyperparameter {strange[0]!r} to schedule")
    if not seeds or len(set(seeds)) != len(seeds):
        raise UsageError(f"train needs at least one seed, each once, got {list(seeds)}")
    if steps < 1 or (evaluate_every is not None and evaluate_every < 1):
        raise UsageError(f"steps and evaluate_every must be at least 1, got {steps} and {evaluate_every}")


def _to(batch: Batch, like: Tensor) -> Batch:
    """The batch on the device of ``like``, its floating tensors in the precision of ``like``."""
    if batch is None:
        return None
    if isinstance(batch, tuple):
        return tuple(_to(part, like) for part in batch)  # type: ignore[misc]
    return batch.to(like.device, like.dtype if batch.is_floating_point() else batch.dtype)
