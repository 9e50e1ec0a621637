"""Curvature along runs, and the divergence boundary that it predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import OPTIMIZER, ExhibitSchema, Facts

__all__ = ["CURVATURE", "CurvatureFacts", "RateRatio"]


@dataclass(frozen=True)
class RateRatio:
    """A ratio of rates over ``n`` problems: their geometric median, the smallest and the largest."""

    median: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class CurvatureFacts(Facts):
    """The facts of the exhibit ``curvature``; a pair is a problem and an optimizer."""

    problems: tuple[str, ...]
    """Names of the problems."""
    optimizers: tuple[str, ...]
    """Names of the optimizers."""
    measured_over_predicted: Mapping[str, RateRatio]
    """For each optimizer with a preconditioner the measured boundary over limit / eigenvalue of P⁻¹H at the start."""
    measured_over_critical: Mapping[str, RateRatio]
    """For each optimizer the measured boundary over the critical rate at the start."""
    within_twice: int
    """Pairs whose measured boundary is within twice the predicted rate."""
    pairs: int
    """All pairs."""
    at_the_edge: Mapping[str, float]
    """For each optimizer with a preconditioner: eigenvalue of P⁻¹H over limit / lr at the end of its fastest runs, the
    median over problems."""
    forward_passes: float
    """Forward passes of a search for critical rates, the median."""
    largest_residual: float
    """How far at most the largest eigenvalue of a Hessian is from an exact one, as a share of it."""


CURVATURE: Final = ExhibitSchema(
    name="curvature",
    question="How does the curvature change along runs, and does it say at which learning rate training fails?",
    tables={
        "boundary": {
            "problem": "name of the problem",
            "optimizer": OPTIMIZER,
            "seed": "seed of start and data",
            "sharpness": "largest eigenvalue of the Hessian of the full-data loss at the start",
            "preconditioned": "largest eigenvalue of P^-1 H at the start, P of the first step; missing where the rule "
            "has no preconditioner",
            "limit": "largest lr times that eigenvalue with which the rule settles on a parabola while P is held",
            "predicted_lr": "limit / preconditioned; missing where nothing curves upwards",
            "critical_lr": "rate from which on the first step raises the full-data loss",
            "largest_stable_lr": "last of the unbroken stable rates",
            "first_unstable_lr": "the next rate tried; inf where none was unstable",
            "measured_lr": "the boundary: the geometric mean of the two",
            "steps": "steps of a run",
        },
        "runs": {
            "problem": "name of the problem",
            "optimizer": OPTIMIZER,
            "share": "share of the largest stable rate",
            "lr": "learning rate",
            "seed": "seed of start and data",
            "step": "steps made",
            "loss": "full-data loss",
            "sharpness": "largest eigenvalue of the Hessian",
            "preconditioned": "largest eigenvalue of P^-1 H, P of the step about to be taken",
            "critical": "critical sharpness: 2 over the rate at which that step would raise the loss",
            "limit_over_lr": "limit / lr: what a settling run's preconditioned eigenvalue stays below",
            "edge": "preconditioned / limit_over_lr; 1 is the edge of stability",
        },
    },
    facts=CurvatureFacts,
)
