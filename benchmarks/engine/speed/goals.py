"""What `stepscape speed` measures: problems and numbers of lanes, and the ratios they are to reach."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Final

import torch
from torch import Tensor

from benchmarks.engine.engines import Engine
from benchmarks.engine.inputs import Training
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from problems import Problem
from problems.module import ModuleProblem

__all__ = ["EPS", "GAMMA", "GOALS", "Goal"]

OPTIMIZER: Final = "rmsprop-torch"  # torch.optim.RMSprop's arithmetic, so that every side makes the same updates
GAMMA: Final = 0.9
EPS: Final = 1e-8
SEEDS: Final = 8  # of a tuning block, whose 16 trials are the other factor of its 128 lanes


@dataclass(frozen=True)
class Goal:
    """A problem, a number of lanes, steps as lanes and in the plain loop, and the ratio to reach (0: none).

    The lanes are configurations on ``seeds`` seeds. With ``leads`` they are to be faster than JAX too, and no slower
    than eager torch.
    """

    problem: str
    lanes: int
    steps: int
    plain_steps: int
    ratio: float = 0.0
    seeds: int = 1
    leads: bool = False

    @property
    def name(self) -> str:
        """The problem and the lanes, as ``"airfoil x 128"``."""
        return f"{self.problem} x {self.lanes}"

    def training(self, steps: int, engine: Engine = "auto", evaluate_at: Sequence[int] = ()) -> Training:
        """The training that every side repeats, for so many steps."""
        seeds = range(1, self.seeds + 1)
        return Training(_timed(self.problem), OPTIMIZERS[OPTIMIZER], seeds, steps, evaluate_at, engine=engine)

    @property
    def lr(self) -> Tensor:
        """The learning rate ``[C]`` of each configuration, in float64."""
        return torch.logspace(-4, -1, self.lanes // self.seeds, dtype=torch.float64)

    @property
    def configurations(self) -> dict[str, Tensor]:
        """What the lanes differ in: lr and gamma, a value a configuration each."""
        return {"lr": self.lr, "gamma": torch.full_like(self.lr, GAMMA)}


@cache
def _timed(name: str) -> Problem:
    """The problem, the same one for all sides; a module's evaluations, which are not timed, look at few examples."""
    problem = make_problem(name)
    if isinstance(problem, ModuleProblem):
        problem = copy(problem)
        object.__setattr__(problem, "measured", problem.batch)  # before anybody else sees the copy
    return problem


def _block_and(problem: str, many: int, steps: tuple[int, int], plain_steps: int, ratio: float = 0.0) -> list[Goal]:
    """A tuning block of ``problem``, and ``many`` lanes on one seed, which are to reach the ratio."""
    return [
        Goal(problem, 16 * SEEDS, steps[0], plain_steps, 0.0, SEEDS, leads=True),
        Goal(problem, many, steps[1], plain_steps, ratio, leads=True),
    ]


GOALS: Final = (
    *_block_and("ellipse", 4096, (1000, 500), 500, 20_000),
    *_block_and("rosenbrock", 4096, (1000, 500), 500),
    *_block_and("quadratic", 2048, (300, 100), 500, 2_500),
    *_block_and("airfoil", 2048, (500, 200), 500, 30_000),
    *_block_and("breast-cancer", 2048, (300, 100), 500),
    *_block_and("digits-softmax", 1024, (50, 10), 200),
    *_block_and("digits-mlp", 1024, (25, 5), 100, 40),
    *_block_and("char-gru", 256, (2, 2), 15),
)
"""Analytic, quadratic, linear, logistic, softmax, a network, and an `nn.Module`."""
