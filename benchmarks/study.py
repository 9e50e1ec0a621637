"""Tuning a cell: an Optuna study that asks a block of trials, trains all their lanes at once, and tells.

A study is a pure function of its cell. It lives in memory while it runs, and its sampler is built anew for every block from
(cell, block), so that a study broken off and taken up again ends like one that never stopped. A configuration that
diverged on any tuning seed is told ``inf``: never nan, which Optuna would forget.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmarks.errors import UsageError, nearest
from benchmarks.lanes import DIVERGED, Trace
from benchmarks.foreign import AnyOptimizer
from benchmarks.loop import train_with
from benchmarks.suite import Searching, Tuning
from optimizers import Hyperparameter, Schedule
from problems import Problem

if TYPE_CHECKING:
    import optuna

__all__ = ["Block", "Space", "Study", "Winner", "grid_shape", "objective_values", "trial_count", "tune"]

AT_EDGE = 0.02  # a winner closer than this share of the range to a bound counts as at the edge


@dataclass(frozen=True)
class Space:
    """What is searched and what is held fixed, for one optimizer in one suite."""

    searched: tuple[Hyperparameter, ...]
    fixed: Mapping[str, float]

    @classmethod
    def of(cls, spec: AnyOptimizer, searching: Searching) -> Space:
        """The spec's own search with the suite's ranges and fixed values; raises `UsageError` for a wrong one."""
        known = {knob.name: knob for knob in spec.hyperparameters}
        for name in (*searching.search, *searching.fixed):
            if name not in known:
                raise UsageError(f"optimizer {spec.name!r} has no hyperparameter {name!r}{nearest(name, known)}")
        names = [name for name in dict.fromkeys((*spec.searched, *searching.search)) if name not in searching.fixed]
        if not names:
            raise UsageError(f"optimizer {spec.name!r}: every hyperparameter is fixed, nothing is left to search")
        try:
            searched = tuple(_ranged(known[name], searching.search.get(name)) for name in names)
        except (TypeError, ValueError) as error:
            raise UsageError(f"optimizer {spec.name!r}: {error}") from error
        return cls(searched, {n: k.default for n, k in known.items() if n not in names} | dict(searching.fixed))

    def defaults(self, spec: AnyOptimizer) -> dict[str, float]:
        """The setting of somebody who tunes nothing: the spec's defaults, and what the suite fixes."""
        return {knob.name: self.fixed.get(knob.name, knob.default) for knob in spec.hyperparameters}

    def at_edge(self, values: Mapping[str, float]) -> list[str]:
        """The searched names whose value is at a bound of its range; a memory of 0 is no bound one could move."""
        edges = []
        for knob in self.searched:
            position = knob.position(values[knob.name])
            natural = knob.scale == "log1m" and knob.low == 0
            if position > 1 - AT_EDGE or (position < AT_EDGE and not natural):
                edges.append(knob.name)
        return edges


@dataclass(frozen=True)
class Block:
    """Trials asked together: their numbers, searched values ``{name: [C]}``, objectives ``[C]`` and the trace of their lanes."""

    number: int
    trials: range
    values: Mapping[str, Tensor]
    objective: Tensor
    trace: Trace

    @property
    def diverged(self) -> Tensor:
        """The number of diverged seeds of each trial ``[C]``."""
        return (self.trace.status == DIVERGED).sum(-1)


@dataclass(frozen=True)
class Winner:
    """The best trial of a study, with every hyperparameter's value."""

    trial: int
    objective: float
    values: Mapping[str, float]
    at_edge: list[str]


@dataclass(frozen=True)
class Study:
    """A finished study; ``sampling_seconds`` is what asking and telling took."""

    blocks: Sequence[Block]
    winner: Winner | None
    sampling_seconds: float


def tune(
    problem: Problem,
    spec: AnyOptimizer,
    space: Space,
    tuning: Tuning,
    seeds: Sequence[int],
    steps: int,
    *,
    cell: str,
    evaluate_every: int,
    schedules: Mapping[str, Schedule] | None = None,
    on_block: Callable[[Block], None] | None = None,
) -> Study:
    """Search ``space`` with ``tuning.trials`` trials; ``cell`` names the study and seeds its sampler."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize", study_name=cell)
    blocks: list[Block] = []
    sampling = 0.0
    count = trial_count(tuning, space)
    for number, first in enumerate(range(0, count, tuning.block)):
        trials = range(first, min(first + tuning.block, count))
        began = time.perf_counter()
        values, tell = _ask(study, space, tuning, trials, cell, number)
        sampling += time.perf_counter() - began
        trace = train_with(
            problem, spec, {**space.fixed, **values}, seeds, steps, evaluate_every=evaluate_every, schedules=schedules
        )
        objective = objective_values(trace, tuning.objective)
        began = time.perf_counter()
        tell(objective.tolist())
        sampling += time.perf_counter() - began
        blocks.append(Block(number, trials, values, objective, trace))
        if on_block is not None:
            on_block(blocks[-1])
    return Study(blocks, _winner(blocks, space), sampling)


def objective_values(trace: Trace, objective: str) -> Tensor:
    """What each configuration is told ``[C]``: the mean over seeds of the final or best loss, ``inf`` if a seed diverged."""
    loss = trace.final_loss if objective == "final" else trace.loss.nan_to_num(torch.inf).amin(-1)
    diverged = (trace.status == DIVERGED).any(-1) | ~loss.isfinite().all(-1)
    return loss.mean(-1).masked_fill(diverged, torch.inf)


def trial_count(tuning: Tuning, space: Space) -> int:
    """The number of trials a study makes: as many as asked for, or the largest grid that is not more."""
    return math.prod(grid_shape(tuning.trials, len(space.searched))) if tuning.sampler == "grid" else tuning.trials


def grid_shape(trials: int, axes: int) -> list[int]:
    """How many points a grid of at most ``trials`` points has along each of ``axes`` hyperparameters; more for the first."""
    shape: list[int] = []
    left = trials
    for remaining in range(axes, 0, -1):
        shape.append(max(1, math.ceil(round(left ** (1 / remaining), 9))) if remaining > 1 else max(1, left))
        left //= shape[-1]
    return shape


def _ask(
    study: optuna.Study, space: Space, tuning: Tuning, trials: range, cell: str, block: int
) -> tuple[dict[str, Tensor], Callable[[list[float]], None]]:
    """The values of a block of trials ``{name: [C]}``, and the function that takes their objectives."""
    import optuna

    distributions = {_optuna_name(knob): _distribution(knob) for knob in space.searched}
    if tuning.sampler == "grid":
        points = _grid_points(space.searched, tuning.trials)[trials.start : trials.stop]

        def tell_grid(objectives: list[float]) -> None:
            for point, value in zip(points, objectives, strict=True):
                params = dict(zip(distributions, map(_to_optuna, space.searched, point), strict=True))
                study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))

        columns = list(zip(*points, strict=True))
        return {k.name: torch.tensor(c, dtype=torch.float64) for k, c in zip(space.searched, columns, strict=True)}, tell_grid

    study.sampler = _sampler(tuning, distributions, cell, block)
    asked = [study.ask(distributions) for _ in trials]

    def tell(objectives: list[float]) -> None:
        for trial, value in zip(asked, objectives, strict=True):
            study.tell(trial, value)

    values = {
        knob.name: torch.tensor([_from_optuna(knob, t.params[_optuna_name(knob)]) for t in asked], dtype=torch.float64)
        for knob in space.searched
    }
    return values, tell


def _sampler(tuning: Tuning, distributions: Mapping[str, Any], cell: str, block: int) -> optuna.samplers.BaseSampler:
    """The sampler of one block. QMC continues one scrambled sequence; the others are seeded anew by (cell, block)."""
    from optuna import samplers

    seed = _seed(cell, block)
    if tuning.sampler == "random":
        return samplers.RandomSampler(seed=seed)
    if tuning.sampler == "gp":
        return samplers.GPSampler(seed=seed, n_startup_trials=tuning.block, deterministic_objective=False)
    if tuning.sampler == "tpe":
        return samplers.TPESampler(seed=seed, n_startup_trials=tuning.block, multivariate=True, constant_liar=True)
    known = dict(sorted(distributions.items()))  # so that the first block is sampled like the others, not at random
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", _optuna_experimental())
        if tuning.sampler == "qmc":

            class KnownSpaceQMC(samplers.QMCSampler):
                def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:  # noqa: ARG002
                    return known

            return KnownSpaceQMC(scramble=True, seed=_seed(cell, 0))

        class KnownSpaceCmaEs(samplers.CmaEsSampler):
            def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:  # noqa: ARG002
                return known

        return KnownSpaceCmaEs(seed=seed, popsize=tuning.block, n_startup_trials=0, warn_independent_sampling=False)


def _optuna_experimental() -> type[Warning]:
    """Optuna's warning for interfaces it may still change; QMC is used knowingly."""
    from optuna.exceptions import ExperimentalWarning

    return ExperimentalWarning


def _seed(cell: str, block: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{cell}\n{block}".encode()).digest()[:4])


def _grid_points(searched: Sequence[Hyperparameter], trials: int) -> list[tuple[float, ...]]:
    shape = grid_shape(trials, len(searched))
    return list(itertools.product(*(knob.grid(count) for knob, count in zip(searched, shape, strict=True))))


def _optuna_name(knob: Hyperparameter) -> str:
    """A memory is searched, and shown by Optuna, as 1 - value, which is log-uniform."""
    return f"1 - {knob.name}" if knob.scale == "log1m" else knob.name


def _distribution(knob: Hyperparameter) -> optuna.distributions.FloatDistribution:
    from optuna.distributions import FloatDistribution

    if knob.scale == "log1m":
        return FloatDistribution(1 - knob.high, 1 - knob.low, log=True)
    return FloatDistribution(knob.low, knob.high, log=knob.scale == "log")


def _to_optuna(knob: Hyperparameter, value: float) -> float:
    return min(max(1 - value, 1 - knob.high), 1 - knob.low) if knob.scale == "log1m" else value


def _from_optuna(knob: Hyperparameter, value: float) -> float:
    return 1 - value if knob.scale == "log1m" else value


def _ranged(knob: Hyperparameter, change: Sequence[float | str] | None) -> Hyperparameter:
    if change is None:
        return knob
    low, high, *scale = change
    return Hyperparameter(knob.name, knob.default, float(low), float(high), *(scale or [knob.scale]))  # type: ignore[arg-type]


def _winner(blocks: Sequence[Block], space: Space) -> Winner | None:
    """The trial with the lowest objective, the first of equals; None where every trial diverged."""
    objective = torch.cat([block.objective for block in blocks])
    best = int(objective.argmin())
    if not objective[best].isfinite():
        return None
    searched = {k.name: float(torch.cat([block.values[k.name] for block in blocks])[best]) for k in space.searched}
    values = {**searched, **space.fixed}
    return Winner(best, float(objective[best]), values, space.at_edge(values))
