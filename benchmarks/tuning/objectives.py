"""Objectives: what a trial is worth, from the trace of its runs.

A run's value is its final loss, its best one, the mean over the evaluations of log10 of the gap ("auc"), or the steps
it needs to the target; a trial's value joins its seeds by mean, median or a quantile. A configuration with a diverged
seed is worth ``inf``.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from analysis.record.outcome import Outcome
from benchmarks.engine.trace import Trace
from benchmarks.errors import UsageError
from benchmarks.suite.settings import Tuning
from problems import Problem

__all__ = ["aggregate", "check_objectives", "intermediate_values", "rung_values", "trial_values"]

SMALLEST = 1e-16  # of the start's gap: smaller gaps are rounding


def check_objectives(problem: Problem, tuning: Tuning) -> None:
    """Raise `UsageError` where the problem lacks the floor or the target that an objective needs."""
    for objective in tuning.objective:
        if objective == "auc" and problem.minimum is None:
            raise UsageError(f"the objective auc needs a known floor, and {problem.name!r} has none")
        if objective == "steps-to-target" and problem.target is None:
            raise UsageError(f"the objective steps-to-target needs a target, and {problem.name!r} has none")


def trial_values(problem: Problem, tuning: Tuning, trace: Trace) -> Tensor:
    """The objectives ``[C, K]`` of each configuration: ``inf`` where a seed diverged, NaN where it was pruned."""
    runs = torch.stack([_run_values(problem, name, trace) for name in tuning.objective], dim=-1)  # [C, S, K]
    values = aggregate(tuning, runs.nan_to_num(torch.inf), dim=1)
    pruned = (trace.status == Outcome.PRUNED).any(-1, keepdim=True)
    diverged = (trace.status == Outcome.DIVERGED).any(-1, keepdim=True)
    return values.masked_fill(pruned, torch.nan).masked_fill(diverged, torch.inf)


def rung_values(tuning: Tuning, loss: Tensor) -> Tensor:
    """The loss ``[C]`` of each configuration at a rung, from ``loss [C, S]``; ``inf`` where a seed is invalid."""
    return aggregate(tuning, loss.nan_to_num(torch.inf), dim=1)


def intermediate_values(tuning: Tuning, trace: Trace) -> Iterator[list[tuple[int, float]]]:
    """For each configuration the (step, value) pairs at its evaluations, from the start until it stopped."""
    values = torch.stack([rung_values(tuning, trace.loss[..., e]) for e in range(len(trace.step))], dim=-1)
    for row in values.tolist():
        yield [(int(step), value) for step, value in zip(trace.step.tolist(), row, strict=True) if value < torch.inf]


def aggregate(tuning: Tuning, values: Tensor, dim: int) -> Tensor:
    """The seeds along ``dim`` joined as the suite says; an infinite one makes the result infinite."""
    finite = values.isfinite().all(dim)
    if tuning.aggregate == "mean":
        joined = values.mean(dim)
    else:
        level = 0.5 if tuning.aggregate == "median" else float(tuning.aggregate.removeprefix("q"))
        joined = values.nan_to_num(posinf=torch.finfo(values.dtype).max).quantile(level, dim=dim)
    return joined.where(finite, torch.inf)


def _run_values(problem: Problem, objective: str, trace: Trace) -> Tensor:
    """The value ``[C, S]`` of each run."""
    loss = trace.loss
    if objective == "final":
        return trace.final_loss
    if objective == "best":
        return loss.nan_to_num(torch.inf).amin(-1)
    if objective == "auc":
        gap = loss - float(problem.minimum or 0.0)
        return (gap.clamp_min(SMALLEST * gap[..., :1].abs().clamp_min(SMALLEST))).log10().mean(-1)
    return _steps_to_target(problem, trace)


def _steps_to_target(problem: Problem, trace: Trace) -> Tensor:
    """The first evaluated step at the target. A run that never gets there counts for the sampler as the whole budget,
    and a budget more for each power of ten it stays away, so that coming closer is better; reports censor it instead.
    """
    target, floor = float(problem.target or 0.0), problem.minimum
    reached = trace.loss <= target
    first = trace.step[reached.to(torch.int8).argmax(-1)].double()
    away = trace.final_loss - target if floor is None else (trace.final_loss - floor) / (target - floor)
    budget = float(trace.step[-1])
    missed = budget * (1 + (away.log10() if floor is not None else away.log1p()).clamp_min(0))
    return first.where(reached.any(-1), missed)
