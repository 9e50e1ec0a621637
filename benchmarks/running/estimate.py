"""How long a run will take: every problem's own speed, measured for a moment, times the updates ahead."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from benchmarks.engine.engines import Engine
from benchmarks.engine.inputs import evaluation_steps
from benchmarks.engine.kernel.compiler import why_no_compiler
from benchmarks.engine.kernel_lanes import worth_it
from benchmarks.engine.training import Training, train
from benchmarks.naming.foreign import ForeignSpec
from benchmarks.running.slices import slices_of
from benchmarks.suite.judging import PrunerKind
from benchmarks.tuning.landscape import grid_axes

if TYPE_CHECKING:
    from benchmarks.running.prepare import ReadyCell

__all__ = ["estimate_seconds", "in_slices", "seconds_of", "total_seconds"]

STEPS = 3  # updates timed for an estimate
FOREIGN_LANES = 16  # timed of a foreign optimizer, whose every lane costs as much again
SAMPLING = {"tpe": 0.003, "cmaes": 0.005, "gp": 0.1, "qmc": 0.0005, "random": 0.0005, "grid": 0.0005}
"""Seconds a trial: asking and telling, measured in studies of 64 trials."""
CELL = 1.0  # seconds: building the cell, its tables and files, its part of the report and of the MLflow store
START = 4.0  # seconds until the worker processes are up
SMALL = 16  # parameters: a problem of so many is one loop over lanes to a kernel
ON_SMALL, ON_OTHERS = 30.0, 4.0
"""How many times as fast as torch a kernel is on small problems, and on others (docs/performance.md)."""
PRUNED = {PrunerKind.HYPERBAND: 0.65, PrunerKind.HALVING: 0.3, PrunerKind.MEDIAN: 0.75}
"""The share of updates that pruning leaves, as measured."""


def estimate_seconds(cells: Iterable[ReadyCell], jobs: int) -> float:
    """The expected wall time of ``cells`` in ``jobs`` processes, start-up of the workers included."""
    cells = list(cells)
    return total_seconds(in_slices(cells, seconds_of(cells), jobs), jobs)


def in_slices(cells: Sequence[ReadyCell], seconds: Sequence[float], jobs: int) -> list[float]:
    """The ``seconds`` of ``cells`` as those of their jobs, where ``jobs`` processes share the slices of some."""
    cut, found = slices_of(cells, jobs), list[float]()
    for cell, whole in zip(cells, seconds, strict=True):
        shares = [part.share for part in cut.get(cell.plan.name, ())]
        found += [whole * share for share in (*shares, 1 - sum(shares))]
    return found


def seconds_of(cells: Iterable[ReadyCell]) -> list[float]:
    """The expected seconds of each of ``cells`` by itself, at the pace that this machine has at this moment."""
    cells = list(cells)
    costs: dict[tuple[str, str], _Cost] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for cell in cells:
            if _pace(cell) not in costs:
                costs[_pace(cell)] = _Cost.measured(cell)
    finally:
        torch.set_num_threads(threads)
    return [_cell_seconds(cell, costs[_pace(cell)]) for cell in cells]


def total_seconds(seconds: Sequence[float], jobs: int) -> float:
    """The wall time of jobs that take ``seconds`` each by themselves, in ``jobs`` processes.

    Never less than the longest job. Where others keep the machine busy, every further process of ours gets a smaller
    share of its cores than the one that measured.
    """
    used = min(jobs, max(1, len(seconds)))
    wall = max(sum(seconds) / used, max(seconds, default=0.0))
    return wall * _slower(used) + (START if used > 1 else 0.0)


def _slower(processes: int) -> float:
    """How many times slower each of ``processes`` runs than one alone does, from the load of the machine."""
    try:
        others = max(0.0, os.getloadavg()[0] - 1)
    except OSError:  # no such number there
        return 1.0
    cores = os.cpu_count() or 1
    return max(1.0, (others + processes) / cores) / max(1.0, (others + 1) / cores)


def _pace(cell: ReadyCell) -> tuple[str, str]:
    """What decides how long a step takes: the problem, and the optimizer where it steps one run at a time."""
    return cell.plan.problem, cell.spec.name if isinstance(cell.spec, ForeignSpec) or cell.native else ""


@dataclass(frozen=True)
class _Cost:
    """Seconds a step of so many lanes takes, ``fixed + lane * lanes``, and of evaluating a lane."""

    fixed: float
    lane: float
    evaluation: float

    def faster(self, times: float) -> _Cost:
        """The same of what is so many times as fast."""
        return _Cost(self.fixed / times, self.lane / times, self.evaluation / times)

    def steps(self, lanes: int, chunk: int) -> float:
        """Seconds of one step of ``lanes`` runs, cut into chunks."""
        return math.ceil(lanes / chunk) * self.fixed + self.lane * lanes

    @classmethod
    def measured(cls, cell: ReadyCell) -> _Cost:
        """Measured on a few lanes and on more, for a rule a whole chunk; nothing where problem or rule is broken."""
        if cell.native is not None:
            return cls._alone(cell)
        few = min(4, cell.problem.chunk)
        many = min(cell.problem.chunk, FOREIGN_LANES if isinstance(cell.spec, ForeignSpec) else 2048)
        try:
            _time(cell, few, 1)  # loads the data
            small, large = _time(cell, few, STEPS), _time(cell, many, STEPS)
            # of a few lanes it would be the calls that are timed
            starts = cell.problem.start(range(few)).to(cell.problem.dtype)
            starts = starts.repeat(max(1, many // few), *[1] * (starts.dim() - 1))
            began = time.perf_counter()
            with torch.no_grad():
                cell.problem.evaluate(starts)
            evaluation = (time.perf_counter() - began) / len(starts)
        except (Exception, SystemExit):  # a broken rule or problem of the user's says so when its cell runs
            return cls(0.0, 0.0, 0.0)
        lane = max(0.0, large - small) / (many - few) if many > few else large / many
        return cls(max(0.0, small - lane * few), lane, evaluation)

    @classmethod
    def _alone(cls, cell: ReadyCell) -> _Cost:
        """The same of runs that are trained one at a time."""
        try:
            _time(cell, 1, 1)  # loads the data
            lane = _time(cell, 1, STEPS)
            began = time.perf_counter()
            cell.problem.evaluate(cell.problem.start([0]).to(cell.problem.dtype))
        except (Exception, SystemExit):  # as above
            return cls(0.0, 0.0, 0.0)
        return cls(0.0, lane, time.perf_counter() - began)


def _cell_seconds(cell: ReadyCell, cost: _Cost) -> float:
    plan, chunk, steps = cell.plan, cell.problem.chunk, cell.steps
    if _compiled(cell):
        cost = cost.faster(ON_SMALL if cell.problem.dim <= SMALL else ON_OTHERS)
    seconds = CELL
    studies = plan.tuning.studies if plan.tuning.enabled else 0
    parts = [
        (studies + 1, len(cell.seeds(plan.test.seeds)), plan.evaluations, 1.0)
    ]  # (configurations, seeds, evaluations, share)
    if plan.tuning.enabled:
        share = PRUNED.get(plan.tuning.pruner.kind, 1.0)
        blocks, rest = divmod(plan.tuning.trials, plan.tuning.block)
        seeds = len(cell.seeds(plan.tuning.seeds))
        looks = len(evaluation_steps(steps, cell.evaluate_trials)) - 1
        parts.append((plan.tuning.block, seeds, looks, share * blocks * studies))
        parts.append((rest, seeds, looks, share * studies))
        seconds += studies * plan.tuning.trials * SAMPLING[plan.tuning.sampler]
    if plan.landscape.enabled:
        points = math.prod(count for _, count in grid_axes(cell.spec, cell.space, plan.landscape.grid))
        parts.append((points, len(cell.seeds(plan.landscape.seeds)), plan.landscape.evaluations, 1.0))
    for configurations, seeds, evaluations, share in parts:
        lanes = configurations * seeds
        seconds += share * (steps * cost.steps(lanes, chunk) + (evaluations + 1) * lanes * cost.evaluation)
    return seconds


def _compiled(cell: ReadyCell) -> bool:
    """Whether a kernel will train ``cell``, as far as that is known before one is made."""
    if cell.native is not None or isinstance(cell.spec, ForeignSpec):
        return False
    training = cell.training([0], None)
    asked = training.engine == "kernel" or (training.engine == "auto" and worth_it(training, 1))
    return asked and torch.device(training.device).type == "cpu" and why_no_compiler() is None


def _time(cell: ReadyCell, lanes: int, steps: int) -> float:
    """Seconds a step takes with so many lanes, on one seed, without the evaluations."""
    knob = cell.space.searched[0]
    values = {knob.name: torch.full((lanes,), knob.at(0.2), dtype=torch.float64)}
    engine: Engine = "auto" if cell.native is None else "native"
    trainings = [
        Training(cell.problem, cell.spec, [0], count, engine=engine, groups=cell.groups) for count in (steps, 2 * steps)
    ]
    seconds = [train(training, values).seconds for training in trainings]
    return max(0.0, seconds[1] - seconds[0]) / steps
