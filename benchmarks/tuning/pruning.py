"""Pruning in lanes: which configurations of a block go on at a rung, decided for all of them at once.

Synchronous successive halving and hyperband compare the whole block at each rung, so that a lane's position in it
decides nothing (but ties). Optuna's own pruners see one trial at a time, and cost milliseconds a call.
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmarks.engine.inputs import Evaluate, evaluation_steps
from benchmarks.engine.trace import Trace
from benchmarks.errors import UsageError, nearest
from benchmarks.suite.judging import Objective, PrunerKind
from benchmarks.suite.settings import Tuning
from benchmarks.tuning.objectives import rung_values, watched

if TYPE_CHECKING:
    import optuna

__all__ = [
    "Halving",
    "MedianRule",
    "OptunaRule",
    "Rungs",
    "make_rungs",
    "optuna_pruner",
    "rung_steps",
    "trial_evaluations",
]


class Rungs(ABC):
    """Decides at each evaluation of one block which configurations go on.

    Where the objective is the steps to a ``target``, a configuration that reached it with every seed is never stopped:
    its value is known, and stopping would discard it.
    """

    target: float | None = None

    def __init__(self, tuning: Tuning) -> None:
        self.tuning = tuning
        self.reached: Tensor | None = None  # [C, S]: which lanes have reached the target so far

    def __call__(self, step: int, metrics: Mapping[str, Tensor]) -> Tensor | None:
        """The mask ``[C]`` of those that go on after ``step``, or None for all; a diverged seed always ends a trial."""
        values = rung_values(self.tuning, metrics[watched(self.tuning)])
        chosen = self.choose(step, values)
        alive = values.isfinite()
        if chosen is None:
            chosen = torch.ones_like(alive)
        if self.target is not None:
            now = metrics["loss"] <= self.target
            self.reached = now if self.reached is None else self.reached | now
            chosen = chosen | self.reached.all(-1)
        return chosen & alive

    @abstractmethod
    def choose(self, step: int, values: Tensor) -> Tensor | None:
        """The mask of those that go on, from the values ``[C]`` (``inf`` for those that are out); None for all."""


class Halving(Rungs):
    """Successive halving: at each rung the best 1/reduction go on (Jamieson and Talwalkar 2016), ties by number."""

    def __init__(self, tuning: Tuning, steps: Sequence[int]) -> None:
        super().__init__(tuning)
        self.steps = steps

    def choose(self, step: int, values: Tensor) -> Tensor | None:
        times = self.steps.count(step)
        alive = int(values.isfinite().sum())
        if times == 0 or alive == 0:
            return None
        keep = max(1, math.ceil(alive / self.tuning.reduction**times))
        mask = torch.zeros(len(values), dtype=torch.bool)
        mask[torch.argsort(values, stable=True)[:keep]] = True
        return mask


class MedianRule(Rungs):
    """Stops what is worse at a step than the median of the finished trials at that step (Golovin et al. 2017)."""

    def __init__(self, tuning: Tuning, finished: Mapping[int, Tensor]) -> None:
        super().__init__(tuning)
        self.finished = finished

    def choose(self, step: int, values: Tensor) -> Tensor | None:
        before = self.finished.get(step)
        if before is None or len(before) < self.tuning.block:
            return None
        return values <= before.median()


class OptunaRule(Rungs):
    """One of Optuna's own pruners, asked trial by trial."""

    def __init__(self, tuning: Tuning, trials: Sequence[optuna.Trial]) -> None:
        super().__init__(tuning)
        self.trials = trials
        self.out = torch.zeros(len(trials), dtype=torch.bool)
        self.step = 0  # the last step the pruner was asked about

    def catch_up(self, trace: Trace) -> None:
        """Report a ``trace`` that was read back to the pruner as if it were trained now: its later decisions depend on
        all it has seen.
        """
        for place, step in enumerate(trace.step[:-1].tolist()):
            if step > self.step:
                self(step, {name: metric[..., place] for name, metric in trace.metrics.items()})

    def choose(self, step: int, values: Tensor) -> Tensor | None:
        self.step = step
        for place, (trial, value) in enumerate(zip(self.trials, values.tolist(), strict=True)):
            if self.out[place] or not math.isfinite(value):
                continue
            trial.report(value, step)
            self.out[place] = bool(trial.should_prune())
        return ~self.out


def rung_steps(tuning: Tuning, block: int, evaluations: Sequence[int]) -> list[int]:
    """The evaluated steps at which block number ``block`` is halved; a step occurs twice where two rungs fall on it.

    Rungs are at 1/reduction, 1/reduction², … of the steps, so many that one configuration of a full block is left.
    Hyperband gives the blocks in turn none of these rungs, the last, the last two, …, all: every trial of the first
    block finishes, so that differences that only long runs show (a floor of noise, the last powers of ten) are seen
    before anything is stopped.
    """
    steps = evaluations[-1]
    wanted = _shares(tuning, steps)
    if tuning.pruner.kind is PrunerKind.HYPERBAND:
        wanted = wanted[len(wanted) - block % (len(wanted) + 1) :]
    inner = [step for step in evaluations if 0 < step < steps]
    return [next((step for step in inner if step >= want), inner[-1]) for want in wanted] if inner else []


def trial_evaluations(tuning: Tuning, steps: int, every: Evaluate) -> Evaluate:
    """When the runs of a study are evaluated, besides start and end: at the rungs, which are log-spaced.

    As often as test runs, at ``every`` evaluation, only where these are no more, or where each is read: by an objective
    that looks at the way and not only at the end, or by a pruner that has no rungs. An evaluation of a network costs as
    much as many of its steps.
    """
    rungs = [math.ceil(share) for share in _shares(tuning, steps)]
    by_objective = any(each.needs_the_way for each in tuning.objective)
    by_all = by_objective or tuning.pruner.kind in (PrunerKind.MEDIAN, PrunerKind.OPTUNA)
    no_more = len(evaluation_steps(steps, every)) <= len(evaluation_steps(steps, rungs))
    return every if by_all or no_more else rungs


def _shares(tuning: Tuning, steps: int) -> list[float]:
    """1/reduction, 1/reduction², … of the steps, from the smallest, so many that of a full block one is left."""
    count = math.ceil(round(math.log(tuning.block, tuning.reduction), 9))
    return [steps / tuning.reduction**power for power in range(count, 0, -1)]


def make_rungs(
    tuning: Tuning,
    block: int,
    evaluations: Sequence[int],
    finished: Mapping[int, Tensor],
    trials: Sequence[optuna.Trial],
    target: float | None = None,
) -> Rungs | None:
    """The rungs of block number ``block``, None where nothing is pruned.

    ``evaluations`` are the evaluated steps ``[E]``; ``finished`` maps them to the values of earlier, finished trials;
    ``trials`` are Optuna's live ones; ``target`` is the problem's.
    """
    rungs: Rungs
    match tuning.pruner.kind:
        case PrunerKind.HALVING | PrunerKind.HYPERBAND:
            rungs = Halving(tuning, rung_steps(tuning, block, evaluations))
        case PrunerKind.MEDIAN:
            rungs = MedianRule(tuning, finished)
        case PrunerKind.OPTUNA:
            rungs = OptunaRule(tuning, trials)
        case PrunerKind.NONE:
            return None
    if tuning.objective == [Objective.STEPS_TO_TARGET]:
        rungs.target = target
    return rungs


def optuna_pruner(tuning: Tuning) -> optuna.pruners.BasePruner:
    """The pruner object a study is made with; raises `UsageError` where Optuna has none of that name."""
    import optuna

    if tuning.pruner.kind is not PrunerKind.OPTUNA:
        return optuna.pruners.NopPruner()
    name = tuning.pruner.optuna_name
    known = [kind for kind in dir(optuna.pruners) if kind.endswith("Pruner") and kind != "BasePruner"]
    if name not in known:
        raise UsageError(f"Optuna has no pruner {name!r}{nearest(name, known)}; it has {', '.join(known)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return getattr(optuna.pruners, name)()  # type: ignore[no-any-return]
    except TypeError as error:
        raise UsageError(f"Optuna's {name} cannot be made without arguments ({error}); choose another") from error
