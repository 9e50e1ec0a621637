"""What each ingredient of an optimizer is worth, alone and on top of those before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import OPTIMIZER, STATUS, ExhibitSchema, Facts

__all__ = ["LADDER", "LadderFacts"]


@dataclass(frozen=True)
class LadderFacts(Facts):
    """The facts of the exhibit ``ladder``."""

    problems: tuple[str, ...]
    """Names, in order."""
    measures: Mapping[str, str]
    """For each problem what it is judged by: gap | loss."""
    steps: Mapping[str, int]
    """For each problem the updates of a run."""
    left_out: Mapping[str, tuple[str, ...]]
    """For each problem without matrices, the optimizers that need them."""
    at_zero: tuple[str, ...]
    """The problems whose minimum lies at 0, where weight decay pulls to."""
    sampler: str
    """What chose the settings."""
    studies: int
    """Searches of each optimizer on each problem."""
    trials: int
    """Settings of each search."""
    tuning_seeds: int
    """Seeds on which each setting was tried."""
    enough: float
    """Share of the steps: what can be worth no more adds nothing."""


LADDER: Final = ExhibitSchema(
    name="ladder",
    question="Which ingredient of an optimizer helps, and how much?",
    tables={
        "ingredients": {
            "problem": "name of the problem",
            "way": "added (to what the ladder has so far) | alone (without the others)",
            "order": "place in its list, from 0",
            "ingredient": "what is added, in words",
            "before": "optimizer without it",
            "after": "optimizer with it",
            "unit": "of change: decades | gap | loss",
            "change": "how much higher it ends with the ingredient, mean over studies; negative: lower, better",
            "low": "low end of its 90% interval",
            "high": "high end",
            "p_holm": "p-value, adjusted for all ingredients of the problem; missing where the difference is exact",
            "verdict": "helps | hurts | adds nothing | undecided | both solve it",
            "saved": "steps that the change saves, read off the convergence of the lower one; negative: it costs them",
            "saved_low": "the same of the high end of the interval",
            "saved_high": "of the low end",
            "at_most": "steps that it saves or costs at most: the larger of the two ends",
            "steps": "updates of a run",
            "studies": "searches a side",
            "seeds": "test seeds",
        },
        "rungs": {
            "problem": "name of the problem",
            "optimizer": OPTIMIZER,
            "order": "place among the optimizers, from 0",
            "value": "what tuning typically finds: median over studies of medians over test seeds of the gap or loss",
            "low": "low end of its interval",
            "high": "high end",
            "searched": "number of hyperparameters searched",
            "diverged": "test runs that diverged",
            "runs": "test runs",
        },
        "found": {
            "problem": "name of the problem",
            "optimizer": OPTIMIZER,
            "study": "number of the search, from 0",
            "hyperparameter": "name",
            "value": "what the search found",
            "at_edge": "whether that is at a bound of its range",
        },
        "runs": {
            "problem": "name of the problem",
            "optimizer": OPTIMIZER,
            "study": "number of the search, from 0",
            "seed": "test seed",
            "status": STATUS,
            "loss": "loss after the last step",
        },
        "curves": {
            "problem": "name of the problem",
            "optimizer": OPTIMIZER,
            "step": "updates made",
            "value": "gap or loss of the typical test run",
        },
    },
    facts=LadderFacts,
)
