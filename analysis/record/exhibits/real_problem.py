"""Exercise 3: schedules of the learning rate on images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import SPREAD, STATUS, ExhibitSchema, Facts

__all__ = ["REAL_PROBLEM", "RealProblemFacts"]


@dataclass(frozen=True)
class RealProblemFacts(Facts):
    """The facts of the exhibit ``real-problem``."""

    problem: str
    """Registered name, as called."""
    images: str
    """Fashion-MNIST | MNIST."""
    network: str
    """The network in words."""
    dim: int
    """Its number of parameters."""
    optimizer: str
    """Registered name of the optimizer."""
    gamma: float
    """Its memory."""
    batch: int
    """Rows of a minibatch."""
    steps: int
    """Updates of a run."""
    epochs: float
    """The same in passes over the data."""
    tuning_seeds: tuple[int, ...]
    """Seeds on which the learning rates were chosen."""
    test_seeds: tuple[int, ...]
    """Fresh seeds on which the chosen ones were trained again."""
    rates: tuple[float, ...]
    """Learning rates of the grid."""
    best: str | None
    """Schedule of lowest median training loss of which no test seed diverged; None where each lost one."""
    best_accuracy: str | None
    """Schedule of highest median accuracy, likewise."""


REAL_PROBLEM: Final = ExhibitSchema(
    name="real-problem",
    page="chapter",
    question="Exercise 3: how should the learning rate change on a real problem?",
    tables={
        "grid": {
            "schedule": "name of the schedule",
            "lr": "base learning rate",
            "seed": "tuning seed",
            "status": STATUS,
            "loss": "training loss at the end",
            "heldout_loss": "loss on held-out images",
            "heldout_accuracy": "share of held-out images that are told right",
        },
        "choices": {
            "schedule": "name of the schedule",
            "lr": "base lr of lowest mean training loss on the tuning seeds",
            "at_edge": "whether it is at an end of the grid",
            **SPREAD,
            "heldout_loss": "median over test seeds",
            "heldout_accuracy": "median over test seeds",
            "accuracy_low": "5% quantile",
            "accuracy_high": "95% quantile",
            "width": "decades between the lowest and highest lr of at most 1.5 times the lowest tuning loss",
        },
        "curves": {
            "schedule": "name of the schedule",
            "seed": "test seed",
            "step": "updates made",
            "lr": "learning rate of the step",
            "loss": "training loss",
            "heldout_loss": "as above",
            "heldout_accuracy": "as above",
        },
    },
    facts=RealProblemFacts,
)
