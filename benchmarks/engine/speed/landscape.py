"""The largest thing a record holds, timed: a landscape of a million runs, from Python's call to the last loss."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch

from benchmarks.engine.engines import Engine
from benchmarks.engine.speed.machine import one_core
from benchmarks.engine.training import Training, train

__all__ = ["LandscapeSpeed", "landscape_speed"]

SIDE: Final = 1000
STEPS: Final = 1000
GOAL: Final = 4.0  # seconds


@dataclass(frozen=True)
class LandscapeSpeed:
    """CPU seconds of training a landscape of ``lanes`` runs, evaluations included, and which engine it was."""

    problem: str
    lanes: int
    steps: int
    seconds: float
    engine: str
    goal: float

    @property
    def reached(self) -> bool:
        """Whether it was fast enough."""
        return self.seconds < self.goal

    def as_dict(self) -> dict[str, Any]:
        """The measurement, for JSON."""
        return {**asdict(self), "reached": self.reached}

    def __str__(self) -> str:
        each = self.seconds / self.lanes / self.steps * 1e9
        return (
            f"{self.problem}: {self.lanes:,} runs of {self.steps:,} steps in {self.seconds:.2f} CPU seconds "
            f"({each:.3g} ns an update), {self.engine}; {self.goal:.0f} s {'reached' if self.reached else 'MISSED'}"
        )


def landscape_speed(side: int = SIDE, steps: int = STEPS, engine: Engine = "auto") -> LandscapeSpeed:
    """A landscape of lr × gamma, ``side`` points each, on the ellipse, trained once on one core."""
    training = Training("ellipse", "rmsprop", [1], steps, engine=engine)
    lr = torch.logspace(-4, -1, side, dtype=torch.float64)
    gamma = 1 - torch.logspace(0, -4, side, dtype=torch.float64)
    points = torch.cartesian_prod(lr, gamma)
    with one_core():
        began = time.process_time()
        trace = train(training, {"lr": points[:, 0], "gamma": points[:, 1]})
        seconds = time.process_time() - began
    return LandscapeSpeed(training.problem.name, side * side, steps, seconds, trace.engine, GOAL)
