"""The yardsticks: one run at a time with `torch.optim.RMSprop`, as people write it.

A loop over one flat parameter tensor calls the problem's own loss. Where the problem is a model there is a second one,
over an `nn.Module` as its user would write it: modules called through their lanes' form, on a cut-up vector, are slower
than they are. Whichever is faster is the yardstick. Both take the problem's batches as they come, data included, and
have the same start, lr and gamma, so that they make the same updates.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.engine.speed.goals import EPS, GAMMA
from problems import Problem
from problems.module import ModuleProblem

__all__ = ["WAYS", "Loop", "flat_loop", "module_loop", "plain_loop"]

LR: Final = 1e-3


@dataclass(frozen=True)
class Loop:
    """What one run is made of: its parameters, its optimizer and the loss on a batch."""

    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    loss: Callable[[object], Tensor]

    def run(self, batches: Iterable[object]) -> None:
        """An update for each of ``batches``."""
        for batch in batches:
            self.optimizer.zero_grad()
            self.loss(batch).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()


@dataclass(frozen=True)
class _Model:
    """A model as people write it: module, loss of its output and the target, and the optimizer's weight decay."""

    module: nn.Module
    loss: Callable[[Tensor, Tensor], Tensor]
    weight_decay: float = 0.0


def _half_squared(predictions: Tensor, targets: Tensor) -> Tensor:
    return functional.mse_loss(predictions.squeeze(-1), targets) / 2


def _logistic(predictions: Tensor, targets: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(predictions.squeeze(-1), targets)


MODELS: Final[Mapping[str, Callable[[], _Model]]] = {
    "airfoil": lambda: _Model(nn.Linear(6, 1, bias=False), _half_squared),  # the rows end in a column of ones
    "breast-cancer": lambda: _Model(nn.Linear(31, 1, bias=False), _logistic, 1e-3),
    "digits-softmax": lambda: _Model(nn.Linear(64, 10), functional.cross_entropy, 1e-3),
    "digits-mlp": lambda: _Model(
        nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10)), functional.cross_entropy
    ),
}
"""Problems that are models, by name; the parameters in the order of the problem's flat vector."""


def flat_loop(problem: Problem, seed: int = 1) -> Loop:
    """The loop over one flat parameter tensor ``[1, P]`` and the problem's loss."""
    x = nn.Parameter(problem.start([seed]).to(problem.dtype))
    return Loop([x], _rmsprop([x]), lambda batch: problem.loss(x, batch).sum())  # type: ignore[arg-type]


def module_loop(problem: Problem, seed: int = 1) -> Loop | None:
    """The loop over the problem's model as an `nn.Module`; None where the problem is none."""
    if isinstance(problem, ModuleProblem):
        model = _Model(copy.deepcopy(problem.module), problem.module_loss)
    elif problem.name in MODELS:
        with torch.random.fork_rng(devices=[]):
            model = MODELS[problem.name]()
    else:
        return None
    parameters = list(model.module.parameters())
    nn.utils.vector_to_parameters(problem.start([seed])[0].to(problem.dtype), parameters)

    def loss(batch: object) -> Tensor:
        inputs, target = batch  # type: ignore[misc]  # a model's batch is a pair of tensors [1, B, ...]
        return model.loss(model.module(inputs[0]), target[0])  # type: ignore[has-type]

    return Loop(parameters, _rmsprop(parameters, model.weight_decay), loss)


WAYS: Final[Mapping[str, Callable[[Problem], Loop | None]]] = {"flat": flat_loop, "module": module_loop}
"""The ways to write a plain loop, by name."""


def plain_loop(problem: Problem, steps: int) -> dict[str, float]:
    """CPU seconds a step of one run, data included, by the way the loop is written."""
    seconds = {}
    for way, write in WAYS.items():
        loop = write(problem)
        if loop is not None:
            began = time.process_time()
            loop.run(problem.batches([1], steps))
            seconds[way] = (time.process_time() - began) / steps
    return seconds


def _rmsprop(parameters: list[nn.Parameter], weight_decay: float = 0.0) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(parameters, lr=LR, alpha=GAMMA, eps=EPS, weight_decay=weight_decay)
