"""What the book's two RMSProp runs, from scratch and concise, differ in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import OPTIMIZER, SPREAD, ExhibitSchema, Facts

__all__ = ["Printed", "VARIANTS", "VariantsFacts"]


@dataclass(frozen=True)
class Printed:
    """What the book prints as the loss of each of its two programs."""

    scratch: float
    concise: float


@dataclass(frozen=True)
class VariantsFacts(Facts):
    """The facts of the exhibit ``variants``."""

    floor: float
    """Lowest loss that can be reached."""
    seeds: int
    """Number of seeds."""
    data: str
    """surrogate | file: what was trained on."""
    largest: str
    """Name of the difference that alone shifts the mean most."""
    printed: Printed
    """The book's two numbers, newest edition."""


VARIANTS: Final = ExhibitSchema(
    name="variants",
    page="chapter",
    question="From scratch against concise: why are the book's two RMSProp runs not the same algorithm?",
    tables={
        "differences": {
            "order": "place in the list, from 0; 0 is the book's own code",
            "mode": "alone (this difference only) | together (this and all before)",
            "name": "scratch | eps | loss | epochs | bias",
            "title": "what is changed, in words",
            "optimizer": OPTIMIZER,
            "lr": "learning rate",
            "gamma": "memory",
            "eps": "eps",
            "gradient_factor": "1, or 2 where the loss has no ½",
            "steps": "updates made",
            **SPREAD,
            "shift": "mean difference to the book's own code, seed by seed",
            "shift_low": "low end of its 90% bootstrap interval",
            "shift_high": "high end",
        },
        "runs": {
            "mode": "as above",
            "name": "as above",
            "seed": "seed",
            "loss": "½ mean squared error at the end",
            "start_loss": "the same at step 0",
        },
        "curves": {"name": "scratch | bias (all differences together)", "step": "updates made", **SPREAD},
    },
    facts=VariantsFacts,
)
