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

from benchmarks.engine.calls import gradient_of, loss_of, project_, shown_of, state_of, step_
from benchmarks.engine.driver import Lanes
from benchmarks.engine.inputs import Configurations, Training
from benchmarks.engine.segments import Segment
from optimizers import Rule
from optimizers.rule import Value

__all__ = ["RuleLanes", "in_chunks", "rule_lanes"]


def rule_lanes(
    training: Training, rule: Rule, configurations: Configurations, start: Tensor, limit: Tensor | None
) -> Sequence[Lanes]:
    """The lanes of all ``configurations``, which name every hyperparameter, in chunks that fit the cache.

    ``start`` ``[S, P]`` is where they begin, ``limit`` ``[S]`` the loss above which a lane counts as diverged.
    """
    places = in_chunks(configurations, training.lanes_together, len(training.seeds))
    return [RuleLanes(training, rule, configurations[index], index, start, limit) for index in places]


def in_chunks(configurations: Configurations, lanes: int, seeds: int) -> Sequence[Tensor]:
    """The places of configurations cut into chunks of at most so many ``lanes``, one configuration at least."""
    return torch.split(torch.arange(len(configurations)), max(1, lanes // seeds))


class RuleLanes(Lanes):
    """Configurations trained as one tensor by a rule: adds its state and its hyperparameters, a value a lane."""

    def __init__(
        self,
        training: Training,
        rule: Rule,
        configurations: Configurations,
        index: Tensor,
        start: Tensor,
        limit: Tensor | None,
    ) -> None:
        super().__init__(training, index, start, limit)
        self.rule, self.state = rule, state_of(rule, self.x, training.name)
        self.values: dict[str, Value] = {
            name: value.view(-1, 1, 1).to(start.device) if isinstance(value, Tensor) else value
            for name, value in configurations.values.items()
        }

    def advance(self, data: Segment, done: int) -> None:
        if len(self.index) == 0:
            return
        x = self.x.requires_grad_()
        losses = x.new_empty(0)
        for place, batch in enumerate(data.batches):
            t = done + 1 + place
            loss = loss_of(self.problem, x, batch, self.training.autocast)
            g = gradient_of(self.problem, loss, x)
            if self.gradient is not None:
                self.gradient = g
            with torch.no_grad():
                if place == 0:
                    losses = loss.new_empty(len(data), *loss.shape)
                losses[place] = loss  # a copy, for it may be a view of x
                step_(self.rule, x, g, self.state, self._at(t), t, self.training.name)
                project_(self.problem, x)
        self.x = x.detach()
        self.count_steps(losses)
        self.lane_steps += len(data) * self.alive.numel()

    def shown(self) -> Tensor:
        shown = shown_of(self.rule, self.x, self.state, self.training.name)
        if shown is not self.x:  # an average of feasible points and steps beyond them
            shown = shown.clone()
            project_(self.problem, shown)
        return shown

    def keep(self, chosen: Tensor) -> None:
        self.state = {name: tensor[chosen] for name, tensor in self.state.items()}
        self.values = {n: v[chosen] if isinstance(v, Tensor) else v for n, v in self.values.items()}
        if self.gradient is not None:
            self.gradient = self.gradient[chosen]

    def _at(self, t: int) -> Mapping[str, Value]:
        schedules, steps = self.training.schedules, self.training.steps
        if not schedules:
            return self.values
        return {
            name: schedules[name](value, t, steps) if name in schedules else value
            for name, value in self.values.items()
        }
