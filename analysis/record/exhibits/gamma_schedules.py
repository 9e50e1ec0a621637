"""Exercise 4: schedules of gamma, and what gamma's influence is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import SPREAD, STATUS, ExhibitSchema, Facts

__all__ = ["GAMMA_SCHEDULES", "GammaSchedulesFacts"]


@dataclass(frozen=True)
class GammaSchedulesFacts(Facts):
    """The facts of the exhibit ``gamma-schedules``."""

    problems: tuple[str, ...]
    """Problems of ``schedules``, as called."""
    explained: Mapping[str, float]
    """``{problem: share of gamma's influence that is the missing correction}`` over all lr."""
    explained_sensible: Mapping[str, float]
    """The same over the sensible lr: whose best gap over gamma is within ten times the best of all."""
    best: Mapping[str, str | None]
    """``{problem: title of the way of lowest median of which no seed diverged}``; None where each lost one."""
    thresholds: Mapping[str, float | None]
    """``{n: lowest gamma tried from which on the mean drift is to the minimum}``; None where none is."""


GAMMA_SCHEDULES: Final = ExhibitSchema(
    name="gamma-schedules",
    page="chapter",
    question="Exercise 4: should gamma change during a run?",
    tables={
        "sensitivity": {
            "problem": "registered name",
            "rule": "plain | corrected (bias-corrected, all else equal)",
            "lr": "learning rate",
            "gamma": "memory",
            **SPREAD,
            "gap": "mean minus the floor",
        },
        "shares": {
            "problem": "registered name",
            "lr": "learning rate; NaN: over several",
            "over": "one (lr) | all | sensible (lr whose best gap over gamma is within ten times the best of all)",
            "plain": "variance over gamma of log10 gap without correction",
            "corrected": "the same with it",
            "explained": "1 - corrected / plain: share of gamma's influence that is the missing correction",
            "explained_low": "low end of its 90% interval over resampled seeds",
            "explained_high": "high end",
            "plain_decades": "largest over smallest gap over gamma, in decades",
            "corrected_decades": "same, corrected",
        },
        "schedules": {
            "problem": "registered name",
            "schedule": "how gamma goes, as constant or one-minus-inverse",
            "title": "in words",
            "rule": "plain | corrected",
            "gamma": "chosen base gamma; NaN where it plays no part",
            "lr": "chosen learning rate",
            **SPREAD,
            "gap": "median minus the floor",
            "gap_low": "5% quantile of the gap",
            "gap_high": "95% quantile",
            "tried": "configurations tried on the tuning seeds",
        },
        "threshold": {
            "n": "components of the finite sum",
            "rule": "plain | corrected",
            "gamma": "memory",
            "steps": "updates made",
            "x": "median end point, from a start at 1; the minimum is at -2",
            "drift": "movement over the last half, per unit of summed lr: mean over seeds; its sign says where to",
            "drift_low": "5% quantile over seeds",
            "drift_high": "95% quantile",
            "found": "share of seeds that drift to the minimum",
            "seeds": "number of seeds",
        },
        "runs": {
            "problem": "registered name",
            "part": "map (of `sensitivity`) | tuning (where lr and gamma of `schedules` were chosen) | test (its rows)",
            "schedule": "as in schedules; constant in a map",
            "rule": "plain | corrected",
            "lr": "learning rate",
            "gamma": "memory; NaN where it plays no part",
            "seed": "seed",
            "status": STATUS,
            "loss": "loss at the end; NaN where diverged",
        },
        "threshold_runs": {
            "n": "as in threshold",
            "rule": "as in threshold",
            "gamma": "memory",
            "seed": "seed",
            "x": "end point",
            "drift": "movement over the last half, per unit of summed lr",
        },
    },
    facts=GammaSchedulesFacts,
)
