"""Schedules found by search, against the usual ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import OPTIMIZER, STATUS, ExhibitSchema, Facts

__all__ = ["FREE", "LR_FOUND", "OPTIMUM", "SCHEDULES_FOUND", "SchedulesFoundFacts"]

LR_FOUND: Final = "found-lr"
"""The way that searches lr(t) alone, everything else as by default."""
FREE: Final = ("found-lr-constant-memory", "found-lr-memory")
"""The ways that search lr(t) with a constant memory, and both over time."""
OPTIMUM: Final = "optimum"
"""SGD's best learning rates where they can be computed."""


@dataclass(frozen=True)
class SchedulesFoundFacts(Facts):
    """The facts of the exhibit ``schedules-found``."""

    problems: tuple[str, ...]
    """Problems, as called."""
    optimizers: tuple[str, ...]
    """Optimizers, as called."""
    shapes: tuple[str, ...]
    """The usual schedules of lr, as called."""
    memories: Mapping[str, str | None]
    """``{optimizer: its memory that was searched}``; None where it has none."""
    floors: Mapping[str, float | None]
    """``{problem: its floor}``."""
    starts: Mapping[str, float]
    """``{problem: mean loss at the start of the test runs}``."""
    steps: Mapping[str, int]
    """``{problem: steps of a run}``."""
    knots: tuple[float, ...]
    """The shares of a run at which values were searched."""
    studies: int
    """How many times everything was searched and tuned."""
    tried: int
    """Configurations that every way tried in a study."""
    tuning_seeds: int
    """Seeds of a study's tuning."""
    test_seeds: int
    """Fresh seeds of the test; a deterministic problem has one."""
    optimum: Mapping[str, float]
    """``{problem: the lowest expected loss of SGD, a learning rate a step}`` where it is known."""


WAY: Final = "a shape, as linear | found-lr | found-lr-constant-memory | found-lr-memory"
STUDY: Final = "number of the study, from 1"
CASE: Final[Mapping[str, str]] = {"problem": "as called", "optimizer": OPTIMIZER}

SCHEDULES_FOUND: Final = ExhibitSchema(
    name="schedules-found",
    question="Which schedules does a search find, and what do the usual ones lose against them?",
    tables={
        "choices": {
            **CASE,
            "way": WAY,
            "study": STUDY,
            "schedule": "what was chosen, as `schedules` of a suite takes it",
            "lr": "base lr that goes with it",
            "memory": "memory; NaN where it changes or there is none",
            "loss": "mean final loss on the study's tuning seeds",
            "at_edge": "whether a shape's base lr is an end of its range",
            "tried": "configurations tried",
        },
        "schedules": {
            **CASE,
            "way": f"{WAY} | optimum (SGD's best, where it can be computed)",
            "study": STUDY,
            "rank": "0: the study's choice; 1, 2: the next best of a search",
            "step": "step of the run, from 1",
            "lr": "learning rate of that step",
            "memory": "memory of that step; NaN where there is none",
        },
        "runs": {
            **CASE,
            "way": WAY,
            "study": STUDY,
            "seed": "test seed",
            "status": STATUS,
            "loss": "final loss; NaN where diverged",
        },
        "expected": {
            **CASE,
            "way": WAY,
            "study": STUDY,
            "expected": "expected final loss of the study's choice, in closed form (SGD on a quadratic only)",
            "optimum": "the lowest there is, a learning rate a step",
        },
    },
    facts=SchedulesFoundFacts,
)
