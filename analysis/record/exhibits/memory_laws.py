"""How the best memory changes with batch size and horizon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import OPTIMIZER, ExhibitSchema, Facts

__all__ = ["MEMORY_LAWS", "MemoryLawsFacts"]


@dataclass(frozen=True)
class MemoryLawsFacts(Facts):
    """The facts of the exhibit ``memory-laws``."""

    problems: tuple[str, ...]
    """Problems, as called."""
    optimizers: tuple[str, ...]
    """Optimizers, as called."""
    seeds: int
    """Seeds of every point."""
    verdicts: Mapping[str, Mapping[str, str]]
    """``{problem: {optimizer: verdict}}``: samples | refreshes | constant | neither | cannot be told."""


PROBLEM: Final = "name of the problem, as called"
SWEEP: Final = "what grows: batch at equal samples | batch at equal steps | horizon at one batch size"

MEMORY_LAWS: Final = ExhibitSchema(
    name="memory-laws",
    question="How should the memory change with batch size and horizon?",
    tables={
        "map": {
            "problem": PROBLEM,
            "optimizer": OPTIMIZER,
            "knob": "its memory: gamma or beta2",
            "batch": "batch size",
            "steps": "horizon: updates made",
            "memory": "value of the knob",
            "lr": "the learning rate of the lowest mean gap there",
            "lr_edge": "whether that is an end of the grid of learning rates",
            "gap": "lowest mean gap over the rates, read between them; mean loss without a floor; inf: all diverged",
            "seeds": "number of seeds",
        },
        "best": {
            "problem": PROBLEM,
            "optimizer": OPTIMIZER,
            "sweep": SWEEP,
            "batch": "batch size",
            "steps": "horizon",
            "x": "what grows: the batch size, or the horizon",
            "memory": "best value of the knob, read between grid points",
            "low": "low end of its 90% interval over resampled seeds",
            "high": "high end",
            "steps_back": "the memory in steps: half-life (batch sweeps) or window 1 / (1 - memory) (horizon)",
            "edge": "share of resamples whose best grid point is an end of the grid; censored above one half",
            "flat_low": "lowest value of the knob of the unbroken range within 1.1 times the lowest gap",
            "flat_high": "highest",
            "gap": "lowest gap",
        },
        "fits": {
            "problem": PROBLEM,
            "optimizer": OPTIMIZER,
            "sweep": SWEEP,
            "told": "half-life | window",
            "exponent": "of the memory in steps in what grows; NaN where fewer than three places are within the grid",
            "low": "low end of its interval over resampled seeds: 90% for the three sweeps together",
            "high": "high end",
            "misfit": "how far the places lie from the power law, root mean square, in decades",
            "used": "places the exponent rests on",
            "censored": "places at an end of the grid, left out",
            "verdict": "of this sweep alone: a law's exponent, neither, or cannot be told",
            "seeds": "number of seeds",
        },
        "verdicts": {
            "problem": PROBLEM,
            "optimizer": OPTIMIZER,
            "verdict": "samples | refreshes | constant | neither | cannot be told",
            "inside": "laws inside the interval of every sweep, separated by commas",
            "why": "in a few words",
        },
    },
    facts=MemoryLawsFacts,
)
