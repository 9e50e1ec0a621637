"""What it costs not to tune: rules that find their steps themselves, and range tests, against the best setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import OPTIMIZER, STATUS, ExhibitSchema, Facts

__all__ = ["TUNING_FREE", "TuningFreeFacts"]


@dataclass(frozen=True)
class TuningFreeFacts(Facts):
    """The facts of the exhibit ``tuning-free``."""

    problems: tuple[str, ...]
    """Names, in order."""
    measures: Mapping[str, str]
    """For each problem what it is judged by: gap | loss."""
    without: tuple[str, ...]
    """Problems asked of on which no point of any reference's landscape finished: there is no optimum there."""
    references: tuple[str, ...]
    """Optimizers whose landscapes are the truth."""
    points: Mapping[str, int]
    """For each reference the points of its landscape."""
    landscape_seeds: int
    """Seeds that chose the best point."""
    seeds: int
    """Test seeds."""
    range_steps: int
    """Steps of a range test, which nobody is charged for."""


TUNING_FREE: Final = ExhibitSchema(
    name="tuning-free",
    question="What does it cost not to tune?",
    tables={
        "regrets": {
            "problem": "name of the problem",
            "method": "an optimizer as its authors leave it, a range test of a reference, or its defaults",
            "kind": "rule | range test | defaults",
            "optimizer": OPTIMIZER,
            "order": "place among the methods, from 0",
            "regret": "how many times the optimum's gap (or loss) it ends at, median seed by seed; below 1: better",
            "low": "low end of its 90% interval",
            "high": "high end",
            "diverged": "test runs that diverged",
            "silent": "test runs without a learning rate: their range test ended too soon to suggest one",
            "above": "test runs that finished above their start",
            "runs": "test runs",
            "value": "median gap or loss",
        },
        "shares": {
            "method": "as above",
            "kind": "as above",
            "optimizer": OPTIMIZER,
            "problems": "number of problems",
            "diverged": "problems on which a run diverged",
            "diverged_share": "the same as a share",
            "diverged_low": "low end of its 90% interval (Clopper and Pearson)",
            "diverged_high": "high end",
            "near": "problems with a regret of at most 2",
            "near_share": "the same as a share",
            "near_low": "low end of its 90% interval",
            "near_high": "high end",
            "regret": "median regret over the problems",
            "regret_low": "low end of its 90% interval",
            "regret_high": "high end",
        },
        "optima": {
            "problem": "name of the problem",
            "reference": "optimizer of the landscape",
            "best": "whether it is the lowest of the references there: the optimum",
            "value": "its median gap or loss on the test seeds",
            "lr": "learning rate of the best point",
            "second": "its other hyperparameter; missing where there is none",
            "at_edge": "whether a value lies at a bound of its range",
        },
        "rates": {
            "problem": "name of the problem",
            "reference": "optimizer that was tested",
            "suggestion": "valley | steep | minimum",
            "seed": "seed of the range test",
            "lr": "learning rate that it suggests; missing where it suggests none",
            "best_lr": "learning rate of the best point of the reference's landscape",
        },
        "runs": {
            "problem": "name of the problem",
            "method": "as above",
            "seed": "test seed",
            "status": f"{STATUS} | untrained (its range test suggested nothing)",
            "loss": "loss after the last step",
        },
    },
    facts=TuningFreeFacts,
)
