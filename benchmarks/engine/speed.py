"""How fast the lanes engine is, as a ratio to a plain loop measured in the same run.

The yardstick is what people write: ``torch.optim.RMSprop`` on one parameter tensor, ``zero_grad``, ``backward``,
``step``, over the same problem, loss, data and precision. Both sides run on one thread; sides alternate, and medians
are compared.
"""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass
from itertools import islice
from statistics import median
from typing import Any

import torch

from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from problems import Problem

__all__ = ["GOALS", "Goal", "Speed", "all_speeds", "measure", "plain_loop", "text"]


@dataclass(frozen=True)
class Goal:
    """What is measured: a problem, a number of lanes, steps on either side, and the ratio to reach (0: none)."""

    problem: str
    lanes: int
    steps: int
    plain_steps: int
    ratio: float


GOALS = (
    Goal("ellipse", 4096, 300, 1000, 1000),
    Goal("rosenbrock", 4096, 300, 1000, 0),
    Goal("quadratic", 2048, 200, 1000, 0),
    Goal("airfoil", 2048, 300, 1000, 300),
    Goal("digits-mlp", 64, 50, 300, 10),
)


@dataclass(frozen=True)
class Speed:
    """One measurement, in seconds a step of one run: in the plain loop, and as a lane."""

    problem: str
    lanes: int
    plain_seconds: float
    lane_seconds: float
    goal: float

    @property
    def ratio(self) -> float:
        """How many times cheaper a step is as a lane."""
        return self.plain_seconds / self.lane_seconds

    @property
    def reached(self) -> bool:
        """Whether the goal is reached."""
        return self.ratio >= self.goal

    def as_dict(self) -> dict[str, Any]:
        """The measurement with its ratio, for JSON."""
        return {**asdict(self), "ratio": self.ratio, "reached": self.reached}


def all_speeds(repeats: int = 5) -> list[Speed]:
    """Every goal measured, medians of ``repeats``, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [measure(goal, repeats) for goal in GOALS]
    finally:
        torch.set_num_threads(threads)


def measure(goal: Goal, repeats: int) -> Speed:
    """The speed of ``goal``: medians of ``repeats`` times, plain loop and lanes by turns."""
    problem = make_problem(goal.problem)
    training = Training(problem, OPTIMIZERS["rmsprop-torch"], [1], goal.steps)
    lr = torch.logspace(-4, -1, goal.lanes, dtype=torch.float64)

    def lanes() -> float:
        began = time.perf_counter()
        train(training, {"lr": lr, "gamma": 0.9})
        return (time.perf_counter() - began) / (goal.steps * goal.lanes)

    plain_loop(problem, 20), lanes()  # warm up both
    pairs = [(plain_loop(problem, goal.plain_steps), lanes()) for _ in range(repeats)]
    plain, lane = (median(side) for side in zip(*pairs, strict=True))
    return Speed(goal.problem, goal.lanes, plain, lane, goal.ratio)


def plain_loop(problem: Problem, steps: int) -> float:
    """Seconds a step of one run with `torch.optim.RMSprop`, data included."""
    x = torch.nn.Parameter(problem.start([1]).to(problem.dtype))
    optimizer = torch.optim.RMSprop([x], lr=1e-3, alpha=0.9)
    batches = problem.batches([1], steps)
    began = time.perf_counter()
    for batch in islice(batches, steps):
        optimizer.zero_grad()
        problem.loss(x, batch).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return (time.perf_counter() - began) / steps


def text(results: list[Speed]) -> str:
    """The measurements as a table."""
    lines = [f"{'problem':<12} {'lanes':>6} {'plain loop':>14} {'as a lane':>14} {'ratio':>8}   goal"]
    for r in results:
        goal = "" if not r.goal else f"{r.goal:.0f}x {'reached' if r.reached else 'MISSED'}"
        lines.append(
            f"{r.problem:<12} {r.lanes:>6} {r.plain_seconds * 1e6:>8.1f} us/step {r.lane_seconds * 1e9:>7.0f} ns/step "
            f"{r.ratio:>7.0f}x   {goal}".rstrip()
        )
    lines.append(f"one thread each, torch {torch.__version__}, {platform.machine()}; a step is one update of one run")
    return "\n".join(lines)
