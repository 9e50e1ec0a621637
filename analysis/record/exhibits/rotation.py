"""Exercise 2: the ellipse at every angle and condition number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import OPTIMIZER, POINT, STATUS, ExhibitSchema, Facts

__all__ = ["ROTATION", "RotationFacts"]


@dataclass(frozen=True)
class RotationFacts(Facts):
    """The facts of the exhibit ``rotation``."""

    angles: tuple[float, ...]
    """Angles in degrees."""
    conditions: tuple[float, ...]
    """Condition numbers."""
    points: int
    """Number of learning rates tried."""
    low: float
    """Lowest of them."""
    high: float
    """Highest of them."""
    gamma: float
    """Memory of RMSProp."""
    worst_angle: Mapping[str, float]
    """``{optimizer that is not invariant: angle of its largest best loss}`` at condition number 20, after 20 steps."""
    rotation_cost: Mapping[str, float | None]
    """``{optimizer: decades between its largest and smallest best loss over the angles}``, likewise; None where one
    diverged.
    """
    helped_until: Mapping[str, Mapping[str, float | None]]
    """``{adaptive optimizer: {condition number: largest angle}}`` up to which it ends, after 20 steps and at the best
    lr, at a tenth of SGD's loss or below; None: not even at 0; 90: at every angle.
    """
    invariant: tuple[str, ...]
    """Names of the optimizers whose best loss is the same at every angle to rounding."""


ROTATION: Final = ExhibitSchema(
    name="rotation",
    page="chapter",
    question="Exercise 2: where does a scale for each coordinate stop helping?",
    tables={
        "losses": {
            "optimizer": OPTIMIZER,
            "condition": "condition number",
            "angle": "rotation in degrees",
            "steps": "20 | 1000",
            "rule": "best (lr chosen at this angle) | fixed (lr chosen at angle 0)",
            "lr": "learning rate",
            "status": STATUS,
            "loss": "loss at the end",
            "share": "loss as a share of that at the start",
            "at_edge": "whether lr is at an end of its grid",
        },
        "rates": {
            "optimizer": OPTIMIZER,
            "condition": "condition number",
            "angle": "0 | 45",
            "steps": "20 | 1000",
            "lr": "learning rate",
            "loss": "loss at the end; NaN where diverged",
        },
        "book": {
            "optimizer": OPTIMIZER,
            "problem": "ellipse | ellipse-rotated",
            "lr": "learning rate",
            "steps": "20 | 1000",
            **POINT,
            "loss": "loss at the end",
        },
    },
    facts=RotationFacts,
)
