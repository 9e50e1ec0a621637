"""Foreign `torch.optim` optimizers, trained one lane at a time.

A foreign optimizer knows one parameter tensor. Every lane has an optimizer object of its own over its row ``[P]`` of
the tensor ``x [C, S, P]``; loss and gradients of all lanes are still one tensor computation, only the step is a loop.
An optimizer whose ``step`` demands a closure (L-BFGS) is given one that evaluates its own lane alone.

Everything else (start, data order, evaluation grid, divergence, rungs) is `benchmarks.engine.driver`, shared with
`benchmarks.engine.rule_lanes`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from benchmarks.engine.calls import gradient_of, loss_of, project_
from benchmarks.engine.driver import Lanes
from benchmarks.engine.inputs import Configurations, Training
from benchmarks.engine.segments import Segment
from benchmarks.errors import StepscapeError, UsageError
from benchmarks.naming.blame import blame, line_raised
from benchmarks.naming.call_syntax import in_words
from benchmarks.naming.foreign import ForeignSpec, write
from optimizers import Schedule
from problems import Batch

__all__ = ["ForeignLanes", "has_modes", "of_seed", "try_out"]

EXPECTED = "it steps on one parameter vector [P], as any torch.optim.Optimizer"


def try_out(spec: ForeignSpec, values: Mapping[str, float], schedules: Mapping[str, Schedule]) -> None:
    """Make the optimizer at ``values`` over a vector and take one step, so that mistakes are found before a run begins.

    Raises `UsageError` as `benchmarks.engine.training.train` does.
    """
    row = _Row(spec, values, torch.zeros(1, 2), schedules)
    (p,) = row.parameters
    row.set_mode("train")
    row.step(0, torch.ones_like(p), (lambda: p.detach().sum()) if _needs_closure(row.optimizers[0]) else None)
    row.set_mode("eval")


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
        self.spec = spec
        self.rows = [  # per configuration its values, and per seed the row of x and its optimizer
            _Row(spec, configurations.row(c), self.x[c], training.schedules) for c in range(len(configurations))
        ]
        self.needs_closure = _needs_closure(self.rows[0].optimizers[0])
        for row in self.rows:
            row.set_mode("train")

    def evaluate(self) -> dict[str, Tensor]:
        if self.rows and has_modes(self.rows[0].optimizers[0]):
            trained = [[p.detach().clone() for p in row.parameters] for row in self.rows]
            for row in self.rows:
                row.set_mode("eval")
            self.x = self._where_they_stand()
            for row, parameters in zip(self.rows, trained, strict=True):
                row.set_mode("train")
                row.put_back(parameters)
        return super().evaluate()

    def advance(self, data: Segment, done: int) -> None:
        if not self.rows:
            return
        for t, batch in enumerate(data.batches, start=done + 1):
            x = self._where_they_stand().requires_grad_()
            loss = loss_of(self.problem, x, batch, self.training.autocast)
            g = gradient_of(self.problem, loss, x)
            self.count_steps(loss.detach().unsqueeze(0))
            for c, row in enumerate(self.rows):
                row.schedule(self.spec, self.training.schedules, t, self.training.steps)
                for s in self.alive[c].nonzero().flatten().tolist():
                    row.step(s, g[c, s], self._closure(row.parameters[s], batch, s) if self.needs_closure else None)
                    project_(self.problem, row.parameters[s].data)
        self.x = self._where_they_stand()
        self.lane_steps += len(data) * self.alive.numel()

    def keep(self, chosen: Tensor) -> None:
        self.rows = [row for row, stays in zip(self.rows, chosen.tolist(), strict=True) if stays]

    @property
    def state_bytes(self) -> int:
        states = (o.state for row in self.rows for o in row.optimizers)
        held = [value for state in states for each in state.values() for value in each.values()]
        return sum(value.numel() * value.element_size() for value in held if isinstance(value, Tensor))

    def _where_they_stand(self) -> Tensor:
        """The parameters ``[c, S, P]`` that the optimizers hold."""
        return torch.stack([torch.stack([p.detach() for p in row.parameters]) for row in self.rows])

    def _closure(self, p: Tensor, batch: Batch, s: int) -> Callable[[], Tensor]:
        """The loss of one lane as a closure that leaves its gradient in ``p.grad``."""
        alone = of_seed(batch, s)

        def closure() -> Tensor:
            with torch.enable_grad():
                loss = loss_of(self.problem, p.unsqueeze(0), alone, self.training.autocast)
                p.grad = gradient_of(self.problem, loss, p)
            return loss.detach().sum()

        return closure


class _Row:
    """One configuration: its values, and for each seed a parameter ``[P]`` and the optimizer over it."""

    def __init__(
        self, spec: ForeignSpec, values: Mapping[str, float], x: Tensor, schedules: Mapping[str, Schedule]
    ) -> None:
        self.name, self.values = spec.name, values
        self.parameters = [row.clone().requires_grad_() for row in x]
        try:
            self.optimizers = [spec.torch([p], **values) for p in self.parameters]
        except (Exception, SystemExit) as error:
            if not isinstance(error, ValueError):  # which is how a class refuses a value
                blame(error, f"optimizer {spec.name!r}: its construction", EXPECTED, spec.factory)
            what = _said(error, spec.factory)
            raise UsageError(f"{spec.name} refuses {dict(values)} on a parameter vector: {what}") from error
        group = self.optimizers[0].param_groups[0]
        for name in schedules:
            if spec.places[name][0] not in group:
                raise UsageError(
                    f"{spec.name} keeps no {spec.places[name][0]!r} in its groups, so {name} takes no schedule"
                )

    def schedule(self, spec: ForeignSpec, schedules: Mapping[str, Schedule], t: int, steps: int) -> None:
        """Set the scheduled hyperparameters of step ``t`` in every optimizer."""
        for name, schedule in schedules.items():
            value = float(schedule(self.values[name], t, steps))
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    write(group, spec.places[name], value)

    def set_mode(self, mode: Literal["train", "eval"]) -> None:
        """Tell every optimizer that it is trained, or looked at, where that makes a difference to it."""
        for optimizer in filter(has_modes, self.optimizers):
            try:
                getattr(optimizer, mode)()
            except (Exception, SystemExit) as error:
                blame(error, f"optimizer {self.name!r}: {mode}", EXPECTED, optimizer)
                raise UsageError(f"{self.name} cannot {mode}: {_said(error, optimizer)}") from error

    def put_back(self, parameters: Sequence[Tensor]) -> None:
        """Let every parameter be as it was: an average taken out and put in again would leave its rounding."""
        for p, before in zip(self.parameters, parameters, strict=True):
            p.data.copy_(before)

    def step(self, s: int, g: Tensor, closure: Callable[[], Tensor] | None) -> None:
        """One step of the lane of seed number ``s`` by its gradient ``g [P]``."""
        self.parameters[s].grad = g
        optimizer: Any = self.optimizers[s]  # torch types a closure as giving a float; its own L-BFGS needs a tensor
        try:
            optimizer.step(*([] if closure is None else [closure]))
        except StepscapeError:  # of the problem, whose loss the optimizer asked for
            raise
        except (Exception, SystemExit) as error:
            blame(error, f"optimizer {self.name!r}: step", EXPECTED, optimizer)
            what = _said(error, optimizer)
            raise UsageError(f"{self.name} cannot step on a parameter vector: {what}") from error


def has_modes(optimizer: torch.optim.Optimizer) -> bool:
    """Whether it steps from other parameters than those it should be judged by, as schedule-free ones do."""
    return all(callable(getattr(optimizer, mode, None)) for mode in ("train", "eval"))


def _said(error: BaseException, owner: object) -> str:
    """What an exception of the optimizer says, with the line of its class or of the user's that raised."""
    line = line_raised(error, owner)
    return f"{in_words(error)} ({line})" if line else in_words(error)


def _needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    return closure is not None and closure.default is closure.empty


def of_seed(batch: Batch, s: int) -> Batch:
    """The batch ``[1, ...]`` of seed number ``s`` (from 0) of a batch ``[S, ...]``."""
    if batch is None:
        return None
    return tuple(part[s : s + 1] for part in batch) if isinstance(batch, tuple) else batch[s : s + 1]
