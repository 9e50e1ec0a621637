"""Foreign `torch.optim` optimizers, trained one lane at a time.

A foreign optimizer knows one parameter tensor. Every lane has an optimizer object of its own over its row ``[P]`` of
the tensor ``x [C, S, P]``; loss and gradients of all lanes are still one tensor computation, only the step is a loop.
An optimizer whose ``step`` demands a closure (L-BFGS) is given one that evaluates its own lane alone.

Everything else (start, data order, evaluation grid, divergence, rungs) is `benchmarks.engine.driver`, shared with
`benchmarks.engine.rule_lanes`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.engine.calls import gradient_of, loss_of, project_
from benchmarks.engine.driver import Lanes
from benchmarks.engine.inputs import Configurations, Training
from benchmarks.engine.segments import Segment
from benchmarks.engine.stepping import Stepper
from benchmarks.naming.foreign import ForeignSpec
from problems import Batch

__all__ = ["VECTOR", "ForeignLanes", "of_seed"]

VECTOR = "a parameter vector, which is all that a problem has that is no module"
"""What a foreign optimizer steps on here, in words."""


class ForeignLanes(Lanes):
    """Configurations each of whose lanes has a foreign optimizer of its own over its row of ``x``.

    Optimizers that have two modes, as schedule-free ones, step in the one of training, and what is evaluated, and kept
    as a path, is where they stand in the other.
    """

    engine = "native"

    def __init__(
        self,
        training: Training,
        spec: ForeignSpec,
        configurations: Configurations,
        start: Tensor,
        limit: Tensor | None,
    ) -> None:
        super().__init__(training, torch.arange(len(configurations)), start, limit)
        self.rows = [  # per configuration and seed the optimizer over its row of x
            [
                Stepper(spec, configurations.row(c), {"x": x.clone().requires_grad_()}, VECTOR, training.schedules)
                for x in self.x[c]
            ]
            for c in range(len(configurations))
        ]
        for stepper in self._steppers:
            stepper.set_mode("train")

    def evaluate(self) -> dict[str, Tensor]:
        steppers = self._steppers
        if self.lane_steps and steppers and steppers[0].has_modes:  # some keep no average before their first step
            trained = [[p.detach().clone() for p in stepper.parameters] for stepper in steppers]
            for stepper in steppers:
                stepper.set_mode("eval")
            self.x = self._where_they_stand()
            for stepper, parameters in zip(steppers, trained, strict=True):
                stepper.set_mode("train")
                stepper.put_back(parameters)
        return super().evaluate()

    def advance(self, data: Segment, done: int) -> None:
        if not self.rows:
            return
        for t, batch in enumerate(data.batches, start=done + 1):
            x = self._where_they_stand().requires_grad_()
            loss = loss_of(self.problem, x, batch, self.training.autocast)
            g = gradient_of(self.problem, loss, x)
            self.count_steps(loss.detach().unsqueeze(0))
            for c, s in self.alive.nonzero().tolist():
                stepper = self.rows[c][s]
                (p,) = stepper.parameters
                stepper.schedule(t, self.training.steps)
                p.grad = g[c, s]
                stepper.step(self._closure(p, batch, s) if stepper.needs_closure else None)
                project_(self.problem, p.data)
        self.x = self._where_they_stand()
        self.lane_steps += len(data) * self.alive.numel()

    def keep(self, chosen: Tensor) -> None:
        self.rows = [row for row, stays in zip(self.rows, chosen.tolist(), strict=True) if stays]

    @property
    def state_bytes(self) -> int:
        return sum(stepper.state_bytes for stepper in self._steppers)

    @property
    def _steppers(self) -> list[Stepper]:
        return [stepper for row in self.rows for stepper in row]

    def _where_they_stand(self) -> Tensor:
        """The parameters ``[c, S, P]`` that the optimizers hold."""
        return torch.stack([torch.stack([stepper.parameters[0].detach() for stepper in row]) for row in self.rows])

    def _closure(self, p: Tensor, batch: Batch, s: int) -> Callable[[], Tensor]:
        """The loss of one lane as a closure that leaves its gradient in ``p.grad``."""
        alone = of_seed(batch, s)

        def closure() -> Tensor:
            with torch.enable_grad():
                loss = loss_of(self.problem, p.unsqueeze(0), alone, self.training.autocast)
                p.grad = gradient_of(self.problem, loss, p)
            return loss.detach().sum()

        return closure


def of_seed(batch: Batch, s: int) -> Batch:
    """The batch ``[1, ...]`` of seed number ``s`` (from 0) of a batch ``[S, ...]``."""
    if batch is None:
        return None
    return tuple(part[s : s + 1] for part in batch) if isinstance(batch, tuple) else batch[s : s + 1]
