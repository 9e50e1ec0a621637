"""The loop that trains a batch of runs over one problem: data, evaluations, divergence, rungs and the trace.

What is common to lanes that are trained as one tensor (`benchmarks.engine.rule_lanes`), to foreign optimizers that
step one lane at a time (`benchmarks.engine.foreign_lanes`) and to modules as they are
(`benchmarks.engine.native_lanes`): each defines how its `Lanes` advance, everything else is
here, so that both mean the same by a step, an evaluation, a diverged lane and a pruned one.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, Final

import torch
from torch import Tensor

from analysis.record.outcome import Outcome
from benchmarks.engine.calls import complain, evaluation_of
from benchmarks.engine.engines import Used
from benchmarks.engine.inputs import Training
from benchmarks.engine.segments import SEGMENT, Segment, without_data
from benchmarks.engine.trace import Trace
from optimizers.rule import State
from problems import Problem

__all__ = ["Lanes", "OnRung", "OnSegment", "divergence_limit", "drive", "segments_of"]

DIVERGENCE_FACTOR: Final = 1e6
LEAVING: Final = 0.25  # the share of stopped configurations in a chunk that pays for copying the others

OnSegment = Callable[[int], None]
"""Called after every few steps with the number of updates of single runs that they were."""
OnRung = Callable[[int, Mapping[str, Tensor]], Tensor | None]
"""Called after each evaluation with its step and the metrics ``[C, S]`` (NaN for stopped lanes); returns which of the
``[C]`` configurations go on, or None for all."""


class Lanes(ABC):
    """Configurations that are trained together: parameters ``x [c, S, P]``, who is still alive, and who has left.

    ``index [c]`` are their places among all configurations, ``start [S, P]`` where they begin, ``limit [S]`` the loss
    above which a lane counts as diverged (None where none ever does). Lanes of rules show what `Training.keep_updates`
    keeps: ``gradient [c, S, P]``, the last one, and ``state``.
    """

    engine: ClassVar[Used] = "eager"
    segment: int = SEGMENT
    draws: ClassVar[bool] = False
    """Whether its runs draw their data themselves."""

    def __init__(self, training: Training, index: Tensor, start: Tensor, limit: Tensor | None) -> None:
        self.training, self.problem, self.index = training, training.problem, index
        self.x = start.expand(len(index), -1, -1).clone()
        self.gradient = torch.full_like(self.x, torch.nan) if training.keep_updates else None
        self.state: State = {}
        self.limit = limit
        self.limit_of_steps = None if limit is None else limit.to(start.dtype)  # rounds to inf at most
        self.alive = torch.ones(self.x.shape[:-1], dtype=torch.bool, device=start.device)
        self.valid_steps = torch.zeros(self.x.shape[:-1], dtype=torch.int64, device=start.device)
        self.left: list[tuple[Tensor, Tensor, Tensor]] = []  # (places, alive, valid steps) of those that were dropped
        self.lane_steps = 0

    @abstractmethod
    def advance(self, data: Segment, done: int) -> None:
        """Make one update a batch of ``data``, after ``done`` updates made before; keep ``alive`` and the counts of
        steps.
        """

    @abstractmethod
    def keep(self, chosen: Tensor) -> None:
        """Forget whatever belongs to configurations that are not ``chosen`` ``[c]``, besides what this class holds."""

    def count_steps(self, losses: Tensor) -> None:
        """Count the updates before which the ``losses [K, c, S]`` of living lanes were valid, and mark the lanes of
        which one was not: no later update of theirs counts.
        """
        if self.limit_of_steps is None:
            self.valid_steps += len(losses)
            return
        highest, lowest = losses.amax(0), losses.amin(0)  # NaN where one of them is
        ends = self.alive & ~((highest <= self.limit_of_steps) & (highest < torch.inf) & (lowest > -torch.inf))
        if bool(ends.any()):
            loss, limit = losses[:, ends], self.limit_of_steps.expand_as(ends)[ends]
            valid = (loss <= limit) & (loss.abs() < torch.inf)
            self.valid_steps[ends] += (~valid).byte().argmax(0)  # the first of several
            self.alive &= ~ends
        self.valid_steps += self.alive * len(losses)

    def shown(self) -> Tensor:
        """The points ``[c, S, P]`` by which the runs are judged: where they are, or an average of their paths."""
        return self.x

    @property
    def state_bytes(self) -> int:
        """Bytes of the optimizer's state of all lanes."""
        return sum(value.numel() * value.element_size() for value in self.state.values())

    def metrics(self) -> dict[str, Tensor]:
        """The metrics ``[c, S]`` of what the runs are judged by, in double precision."""
        return evaluation_of(self.problem, self.shown())

    @torch.no_grad()
    def evaluate(self) -> dict[str, Tensor]:
        """The metrics ``[c, S]`` in double precision; a lane whose loss is invalid is marked, and NaN from then on."""
        metrics = self.metrics()
        if self.limit is not None:
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
    training: Training,
    chunks: Sequence[Lanes],
    on_rung: OnRung | None,
    on_segment: OnSegment | None = None,
) -> Trace:
    """The trace of all ``chunks``, advanced together over the same data, a segment at a time.

    After each evaluation but the last, ``on_rung`` decides who goes on; what diverged may leave after any segment.
    ``on_segment`` is told of the updates of every segment, of lanes that have left too.
    """
    began, steps, grid = time.perf_counter(), training.steps, training.evaluations
    out = _Recorder(training, sum(len(lanes.index) for lanes in chunks), grid)
    out.record(0, chunks)
    lanes_in_all = sum(len(lanes.index) for lanes in chunks) * len(training.seeds)
    data = segments_of(training, chunks[0], min(lanes.segment for lanes in chunks))
    for place, (before, after) in enumerate(pairwise(grid), start=1):
        done = before
        while done < after:
            segment = next(data)
            for lanes in chunks:
                lanes.advance(segment, done)
            if on_segment is not None:
                on_segment(lanes_in_all * len(segment))
            done += len(segment)
            if done < after:
                for lanes in chunks:
                    lanes.drop_stopped(None)
        metrics = out.record(place, chunks)
        going_on = on_rung(after, metrics) if on_rung is not None and after < steps else None
        for lanes in chunks:
            lanes.drop_stopped(going_on)
    for lanes in chunks:
        out.close(lanes)
    return Trace(
        step=torch.tensor(grid),
        metrics=out.metrics,
        status=out.status,
        stopped_at=out.stopped_at,
        seconds=time.perf_counter() - began,
        lane_steps=int(sum(lanes.lane_steps for lanes in chunks)),
        engine=chunks[0].engine,
        path=out.path,
        gradient=out.gradient,
        state=out.state if training.keep_updates else None,
    )


def segments_of(training: Training, lanes: Lanes, longest: int) -> Iterator[Segment]:
    """The data of every update of ``lanes``, at most ``longest`` at once; empty where their runs draw it themselves."""
    return without_data(training.evaluations, longest) if lanes.draws else training.data.segments(longest)


def divergence_limit(problem: Problem, loss: Tensor) -> Tensor:
    """The loss ``[S]`` above which a lane counts as diverged: a million times the gap of the ``loss`` at the start.

    Raises `OwnCodeError` where that is not finite.
    """
    if not bool(loss.isfinite().all()):
        raise complain(problem, "evaluate", f"as 'loss' {float(loss[~loss.isfinite()][0])} at the start")
    gap = loss - (problem.minimum if problem.minimum is not None else 0.0)
    scale = torch.where(gap > 0, gap, loss.abs().clamp_min(1.0))
    return loss + DIVERGENCE_FACTOR * scale


class _Recorder:
    """Collects evaluations of all chunks into tensors over all configurations, on the CPU."""

    def __init__(self, training: Training, count: int, grid: Sequence[int]) -> None:
        self.training, self.shape = training, (count, len(training.seeds), len(grid))
        self.metrics: dict[str, Tensor] = {}
        self.state: dict[str, Tensor] = {}
        self.path: Tensor | None = None
        self.gradient: Tensor | None = None
        self.status = torch.full(self.shape[:2], int(Outcome.FINISHED), dtype=torch.int8)
        self.stopped_at = torch.zeros(self.shape[:2], dtype=torch.int64)

    def record(self, place: int, chunks: Sequence[Lanes]) -> dict[str, Tensor]:
        """Evaluate every chunk into column ``place``; returns that column's metrics ``[C, S]``."""
        for lanes in chunks:
            if len(lanes.index) == 0:
                continue
            for name, value in lanes.evaluate().items():
                self.metrics[name] = self._entered(self.metrics.get(name), place, lanes, value)
            if self.training.keep_path:
                self.path = self._entered(self.path, place, lanes, lanes.shown())
            if lanes.gradient is not None:
                self.gradient = self._entered(self.gradient, place, lanes, lanes.gradient)
                for name, value in lanes.state.items():
                    self.state[name] = self._entered(self.state.get(name), place, lanes, value)
        return {name: table[..., place] for name, table in self.metrics.items()}

    def _entered(self, table: Tensor | None, place: int, lanes: Lanes, value: Tensor) -> Tensor:
        """The table ``[C, S, E, ...]`` with the ``value [c, S, ...]`` of some lanes; NaN where nothing was entered."""
        if table is None:
            table = torch.full((*self.shape, *value.shape[2:]), torch.nan, dtype=value.dtype)
        first, last = int(lanes.index[0]), int(lanes.index[-1]) + 1
        together = last - first == len(lanes.index)  # as all are until some leave; a slice takes half as long
        table[slice(first, last) if together else lanes.index, :, place] = value.cpu()
        return table

    def close(self, lanes: Lanes) -> None:
        """Enter how every lane of a chunk ended."""
        for index, alive, valid_steps in lanes.left:  # left early: diverged, or pruned while alive
            self.status[index] = _codes(alive, Outcome.PRUNED)
            self.stopped_at[index] = valid_steps.cpu()
        self.status[lanes.index] = _codes(lanes.alive, Outcome.FINISHED)
        self.stopped_at[lanes.index] = lanes.valid_steps.cpu()


def _codes(alive: Tensor, ended: Outcome) -> Tensor:
    """The codes of lanes: ``ended`` where they are alive, diverged where not."""
    return torch.where(alive, int(ended), int(Outcome.DIVERGED)).to(torch.int8).cpu()
