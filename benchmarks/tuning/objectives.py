"""Objectives: what a trial is worth, from the trace of its runs.

A run's value is its final loss, its best one, the mean over the evaluations of log10 of the gap ("auc"), or the steps
it needs to the target; or its loss on held-out data, at the end or, as early stopping takes it, the lowest at an
evaluation. A trial's value is their mean, median or a quantile over its seeds. A configuration with a diverged seed is
worth ``inf``.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from analysis.record.outcome import Outcome
from benchmarks.engine.calls import evaluation_of, start_of
from benchmarks.engine.trace import Trace
from benchmarks.errors import UsageError
from benchmarks.suite.judging import Aggregate, Objective
from benchmarks.suite.settings import Tuning
from problems import Problem

__all__ = ["aggregate", "check_objectives", "intermediate_values", "rung_values", "trial_values", "watched"]

SMALLEST = 1e-16  # of the start's gap: smaller gaps are rounding


def check_objectives(problem: Problem, tuning: Tuning) -> None:
    """Raise `UsageError` where the problem lacks the floor, the target or the held-out data that an objective needs."""
    for objective in tuning.objective:
        if objective.needs_floor and problem.minimum is None:
            raise UsageError(f"the objective {objective} needs a known floor, and {problem.name!r} has none")
        if objective.needs_target and problem.target is None:
            raise UsageError(f"the objective {objective} needs a target, and {problem.name!r} has none")
        if objective.metric != "loss":
            measured = list(evaluation_of(problem, start_of(problem, [0]).to(problem.dtype)))
            if objective.metric not in measured:
                raise UsageError(
                    f"the objective {objective} needs a loss on held-out data, and {problem.name!r} measures only "
                    f"{', '.join(measured)}: give it {objective.metric!r}, as ModuleProblem(heldout=…) does"
                )


def trial_values(problem: Problem, tuning: Tuning, trace: Trace) -> Tensor:
    """The objectives ``[C, K]`` of each configuration: ``inf`` where a seed diverged, NaN where it was pruned."""
    runs = torch.stack([_run_values(problem, objective, trace) for objective in tuning.objective], dim=-1)  # [C, S, K]
    values = aggregate(tuning.aggregate, runs.nan_to_num(torch.inf), dim=1)
    pruned = (trace.status == Outcome.PRUNED).any(-1, keepdim=True)
    diverged = (trace.status == Outcome.DIVERGED).any(-1, keepdim=True)
    return values.masked_fill(pruned, torch.nan).masked_fill(diverged, torch.inf)


def watched(tuning: Tuning) -> str:
    """The metric by which runs are stopped and reported while they go: that of the first objective."""
    return tuning.objective[0].metric


def rung_values(tuning: Tuning, loss: Tensor) -> Tensor:
    """The loss ``[C]`` of each configuration at a rung, from ``loss [C, S]``, the training's or that on held-out data;
    ``inf`` where a seed is invalid.
    """
    return aggregate(tuning.aggregate, loss.nan_to_num(torch.inf), dim=1)


def intermediate_values(tuning: Tuning, trace: Trace) -> Iterator[list[tuple[int, float]]]:
    """For each configuration the (step, value) pairs at its evaluations, from the start until it stopped."""
    loss = trace.metrics[watched(tuning)]
    values = torch.stack([rung_values(tuning, loss[..., e]) for e in range(len(trace.step))], dim=-1)
    for row in values.tolist():
        yield [(int(step), value) for step, value in zip(trace.step.tolist(), row, strict=True) if value < torch.inf]


def aggregate(how: Aggregate, values: Tensor, dim: int) -> Tensor:
    """The seeds along ``dim`` joined as the suite says; an infinite one makes the result infinite."""
    finite = values.isfinite().all(dim)
    if how.level is None:
        joined = values.mean(dim)
    else:
        joined = values.nan_to_num(posinf=torch.finfo(values.dtype).max).quantile(how.level, dim=dim)
    return joined.where(finite, torch.inf)


def _run_values(problem: Problem, objective: Objective, trace: Trace) -> Tensor:
    """The value ``[C, S]`` of each run."""
    match objective:
        case Objective.FINAL:
            return trace.final_loss
        case Objective.BEST:
            return trace.loss.nan_to_num(torch.inf).amin(-1)
        case Objective.AUC:
            return _mean_log_gap(problem, trace.loss)
        case Objective.STEPS_TO_TARGET:
            return _steps_to_target(problem, trace)
        case Objective.HELDOUT_LOSS:
            return trace.metrics[objective.metric][..., -1]
        case Objective.HELDOUT_BEST:
            return trace.metrics[objective.metric].nan_to_num(torch.inf).amin(-1)


def _mean_log_gap(problem: Problem, loss: Tensor) -> Tensor:
    """The mean over the evaluations of log10 of the gap to the floor."""
    gap = loss - float(problem.minimum or 0.0)
    return (gap.clamp_min(SMALLEST * gap[..., :1].abs().clamp_min(SMALLEST))).log10().mean(-1)


def _steps_to_target(problem: Problem, trace: Trace) -> Tensor:
    """The first evaluated step at which the target is reached.

    A run that never reaches it counts for the sampler as the whole budget, and one budget more for each power of ten
    that it ends above the target, so that ending closer is better; reports censor it instead.
    """
    target, floor = float(problem.target or 0.0), problem.minimum
    reached = trace.loss <= target
    first = trace.step[reached.to(torch.int8).argmax(-1)].double()
    away = trace.final_loss - target if floor is None else (trace.final_loss - floor) / (target - floor)
    budget = float(trace.step[-1])
    missed = budget * (1 + (away.log10() if floor is not None else away.log1p()).clamp_min(0))
    return first.where(reached.any(-1), missed)
