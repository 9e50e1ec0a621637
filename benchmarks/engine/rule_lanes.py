"""The lanes engine: thousands of runs trained as one tensor program.

A *lane* is one run: one configuration, one seed. Parameters are one tensor ``[C, S, P]``; a problem's loss gives one
number a lane, the gradient of their sum is every lane's own gradient, and a rule's arithmetic broadcasts over lanes.

Lanes are cut into chunks of configurations (``problem.chunk`` lanes each) that fit the cache and are trained a segment
at a time, all chunks on the same data, so that every rung sees every lane (`benchmarks.engine.driver`). Lanes whose
loss is no longer a valid number are marked with the step it happened at; configurations without a living lane leave the
tensor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from benchmarks.engine.driver import Evaluate, Lanes, OnRung, configurations, divergence_limit, drive, evaluation_steps
from benchmarks.engine.trace import DIVERGED, FINISHED, PRUNED, STATUS, Trace
from optimizers import Rule, Schedule
from optimizers.rule import Value
from problems import Batch, Problem

__all__ = [
    "DIVERGED", "FINISHED", "PRUNED", "STATUS", "OnRung", "Trace", "divergence_limit", "evaluation_steps", "train",
]  # fmt: skip


def train(
    problem: Problem,
    rule: Rule,
    hyperparameters: Mapping[str, Tensor | float],
    seeds: Sequence[int],
    steps: int,
    *,
    evaluate_every: Evaluate = None,
    schedules: Mapping[str, Schedule] | None = None,
    on_rung: OnRung | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    chunk: int | None = None,
    keep_path: bool = False,
) -> Trace:
    """Train every configuration on every seed for ``steps`` updates.

    Hyperparameters are floats or tensors ``[C]``, all of one length; those not given take the rule's defaults.
    ``seeds`` fix start, data order and noise; lanes of a seed see the same. Losses are evaluated at step 0, every
    ``evaluate_every`` steps (or at the steps listed; default: none) and at the end. ``dtype`` and ``chunk`` (lanes)
    default to the problem's.

    Raises `UsageError` for an unknown hyperparameter, unequal lengths, no seed or a count below one.
    """
    values, count = configurations(type(rule).__name__, rule.defaults(), hyperparameters, schedules or {})
    start = problem.start(seeds).to(device=device, dtype=dtype or problem.dtype)
    limit = divergence_limit(problem, start)
    per_chunk = max(1, (chunk or problem.chunk) // max(1, len(seeds)))
    chunks = [
        _RuleLanes(problem, places, start, limit, rule=rule, values=values, schedules=schedules or {}, steps=steps)
        for places in torch.split(torch.arange(count), per_chunk)
    ]
    return drive(
        problem, chunks, start, seeds, steps, evaluate_every=evaluate_every, on_rung=on_rung, keep_path=keep_path
    )


class _RuleLanes(Lanes):
    """Configurations trained as one tensor by a rule: adds its state and its hyperparameters, a value a lane."""

    def __init__(
        self,
        problem: Problem,
        index: Tensor,
        start: Tensor,
        limit: Tensor,
        *,
        rule: Rule,
        values: Mapping[str, Tensor | float],
        schedules: Mapping[str, Schedule],
        steps: int,
    ) -> None:
        super().__init__(problem, index, start, limit)
        self.rule, self.schedules, self.steps = rule, schedules, steps
        self.state = rule.init(self.x)
        self.values: dict[str, Value] = {
            name: value[index].view(-1, 1, 1).to(start.device) if isinstance(value, Tensor) else value
            for name, value in values.items()
        }

    def advance(self, batches: Sequence[Batch], done: int) -> None:
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

    def keep(self, chosen: Tensor) -> None:
        self.state = {name: tensor[chosen] for name, tensor in self.state.items()}
        self.values = {n: v[chosen] if isinstance(v, Tensor) else v for n, v in self.values.items()}

    def _at(self, t: int) -> Mapping[str, Value]:
        if not self.schedules:
            return self.values
        return {
            name: self.schedules[name](value, t, self.steps) if name in self.schedules else value
            for name, value in self.values.items()
        }
