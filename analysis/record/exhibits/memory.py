"""How far back the average of squared gradients looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import ExhibitSchema, Facts

__all__ = ["MEMORY", "MemoryFacts"]


@dataclass(frozen=True)
class MemoryFacts(Facts):
    """The facts of the exhibit ``memory``."""

    steps: int
    """Ages shown, from 0."""
    largest_error: float
    """Largest abs(weight - theory)."""
    optimizer: str
    """Registered name of the optimizer whose rule was measured."""


MEMORY: Final = ExhibitSchema(
    name="memory",
    page="chapter",
    question="How far back does the average of squared gradients look?",
    tables={
        "weights": {
            "gamma": "memory",
            "age": "steps ago, from 0",
            "weight": "weight of the squared gradient of that age, measured by an impulse through the rule",
            "theory": "(1 - gamma) gamma^age",
            "cumulative": "sum of the weights up to this age",
        },
        "windows": {
            "gamma": "memory",
            "window": "1 / (1 - gamma): all weight over that of the newest, in steps",
            "half_life": "log ½ / log gamma: steps after which a weight has halved",
            "claimed_half_life": "1 / gamma, the book's claim",
            "left_at_half_life": "weight after the half-life, as a share of the first: ½",
            "left_at_claim": "the same after the claimed half-life: gamma^(1/gamma)",
            "inside_window": "share of all weight within the window",
        },
    },
    facts=MemoryFacts,
)
