"""One training run of a module as it is: its own parameters, buffers that move, train and eval mode, its own chance.

A `ModuleRun` knows no optimizer. Whoever trains it asks, step by step:

    with run.at_work():
        run.draw()
        run.loss().backward()
        run.clip_()
        optimizer.step()

Initialisation, order of data, dropout and augmentation follow from the seed. Runs may be advanced in turns: each has
random states of its own, which are in force inside ``at_work`` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from problems.any_module import Measure, in_layers, measured_by
from problems.batching import Tensors
from problems.examples import Examples, seeded
from problems.random_state import RandomState

__all__ = ["ModuleRun", "Task"]


@dataclass(frozen=True, eq=False)
class Task:
    """What a module is trained on and judged by.

    ``measures`` are the loss, as ``"loss"``, and metrics; ``heldout`` are measured under names that say so. ``clip`` is
    the largest norm of a gradient, over all parameters; ``measured`` bounds the examples that evaluation looks at.
    """

    measures: Mapping[str, Measure]
    train: Examples
    heldout: Examples | None
    batch: int
    measured: int | None = None
    clip: float | None = None


class ModuleRun:
    """A run of ``module`` on ``task`` under ``seed``, on ``device`` and in the precision ``dtype``."""

    def __init__(self, module: nn.Module, task: Task, seed: int, device: torch.device | str, dtype: torch.dtype):
        self.module, self.task, self.seed = module.to(device, dtype), task, seed
        self.parameters = {name: p for name, p in self.module.named_parameters() if p.requires_grad}
        self._like = next(iter(self.parameters.values())).detach()
        self._modes = [(part, part.training) for part in self.module.modules()]
        self._random = seeded(task.train, seed, "run", device)
        self._batches = task.train.batches(seed, task.batch)
        self._batch: Tensors = ()

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return self._like.device

    def at_work(self) -> RandomState:
        """The random state of this run, to be in force while it is advanced."""
        return self._random

    def draw(self) -> None:
        """Take the next minibatch."""
        with self._random:
            self._batch = next(self._batches)

    def loss(self) -> Tensor:
        """The loss on the minibatch in train mode, one number to be differentiated; buffers move, dropout drops."""
        with self._random:
            (loss,) = self._measured(self._batch, ["loss"])
        return loss

    def clip_(self) -> None:
        """Bound the norm of the gradient, where the problem asks for it."""
        if self.task.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.task.clip)

    @torch.no_grad()
    def evaluate(self) -> dict[str, Tensor]:
        """The loss and the metrics, each a number in double precision, in eval mode over all examples.

        What is random in the examples is the same at every evaluation, and leaves the run as it was.
        """
        values = self._over(self.task.train)
        if self.task.heldout is not None:
            held = self._over(self.task.heldout)
            values |= {f"heldout_{name}": value for name, value in held.items()}
        return values

    def flat(self) -> Tensor:
        """The trained parameters as one vector ``[P]``, a copy."""
        return torch.cat([p.detach().reshape(-1) for p in self.parameters.values()])

    @torch.no_grad()
    def put_(self, x: Tensor) -> None:
        """Let the trained parameters be ``x [P]``."""
        parts = torch.split(x, [p.numel() for p in self.parameters.values()])
        for p, part in zip(self.parameters.values(), parts, strict=True):
            p.copy_(part.view_as(p))

    def _over(self, examples: Examples) -> dict[str, Tensor]:
        """Each measure's mean over ``examples``, block by block."""
        names = list(self.task.measures)
        totals, count = [torch.zeros((), dtype=torch.float64, device=self._like.device) for _ in names], 0
        with seeded(examples, self.seed, "evaluation", self._like.device), self._in_eval_mode():
            for rows in examples.blocks(self.task.measured):
                values = self._measured(rows, names)
                totals = [total + len(rows[0]) * value.double() for total, value in zip(totals, values, strict=True)]
                count += len(rows[0])
        return {name: total / count for name, total in zip(names, totals, strict=True)}

    @contextmanager
    def _in_eval_mode(self) -> Iterator[None]:
        """Every layer in eval mode, and afterwards as it was made: some may never train."""
        self.module.eval()
        try:
            yield
        finally:
            for part, mode in self._modes:
                part.training = mode

    def _measured(self, rows: Tensors, names: list[str]) -> Tensors:
        *inputs, target = (self._placed(part) for part in rows)
        with in_layers(self.module):
            output = self.module(*inputs)
        return measured_by([self.task.measures[name] for name in names], output, target)

    def _placed(self, part: Tensor) -> Tensor:
        return part.to(self._like.device, self._like.dtype if part.is_floating_point() else part.dtype)
