"""Exercise 1: what happens at gamma = 1, for every variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import OPTIMIZER, POINT, STATUS, ExhibitSchema, Facts

__all__ = ["GAMMA_ONE", "GammaOneFacts"]

Point = tuple[float, float]


@dataclass(frozen=True)
class GammaOneFacts(Facts):
    """The facts of the exhibit ``gamma-one``."""

    lr: float
    """The book's learning rate."""
    eps: float
    """The chapter's eps."""
    gain: float
    """1 / √eps: what lr is multiplied by at gamma = 1."""
    first_point: Point
    """Where the book's run at gamma = 1 is after one step."""
    first_loss: float
    """Loss there."""
    overflow_step: int
    """Step at which the book's run at gamma = 1 overflows: a squared gradient is too large."""
    equivalent_lr: float
    """lr at which RMSProp with gamma = 1 is gradient descent with the book's lr."""
    equivalent: Point
    """Where it is after 20 steps with that."""
    descent: Point
    """Where gradient descent with the book's lr is after as many."""


GAMMA_ONE: Final = ExhibitSchema(
    name="gamma-one",
    page="chapter",
    question="Exercise 1: what happens at gamma = 1, and why?",
    tables={
        "outcomes": {
            "optimizer": OPTIMIZER,
            "title": "the variant, in words",
            "lr": "learning rate",
            "gamma": "memory",
            "steps": "updates asked for",
            "status": STATUS,
            "stopped_at": "updates made while the loss was valid",
            **POINT,
            "loss": "loss at the end",
            "theory": "what it should be, in words",
            "theory_status": STATUS,
            "theory_stopped_at": "as stopped_at",
            "theory_x1": "first parameter in theory",
            "theory_x2": "second",
            "theory_loss": "loss in theory",
            "error": "largest relative difference of the two paths while both are valid",
            "agrees": "whether that is rounding only",
        },
        "trajectories": {
            "optimizer": OPTIMIZER,
            "lr": "learning rate",
            "gamma": "memory",
            "source": "measured | theory",
            "step": "updates made",
            **POINT,
            "loss": "loss there",
        },
        "approach": {
            "optimizer": OPTIMIZER,
            "lr": "learning rate",
            "gamma": "memory",
            "forgotten": "1 - gamma",
            "steps": "20 | 1000",
            "status": STATUS,
            "loss": "loss then",
            "first_step": "length of the first step in x1, over lr",
        },
    },
    facts=GammaOneFacts,
)
