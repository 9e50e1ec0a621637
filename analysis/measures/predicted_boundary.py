"""How well the curvature at the start predicts where training stops getting anywhere, rule by rule.

``boundary`` and ``runs`` are the tables of these names of the exhibit ``curvature``. Of a *pair*, a problem and an
optimizer, the median over its seeds counts.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.record.exhibits.curvature import RateRatio
from analysis.statistics.arrays import Array

__all__ = ["by_optimizer", "edge_ratios", "pairs", "within"]

KEYS = ["problem", "optimizer"]


def pairs(boundary: pd.DataFrame) -> pd.DataFrame:
    """One row a pair, in their order: the medians over seeds of predicted, critical and measured rates."""
    rates = ["predicted_lr", "critical_lr", "measured_lr", "largest_stable_lr"]
    return boundary.groupby(KEYS, sort=False, as_index=False)[rates].median()


def by_optimizer(boundary: pd.DataFrame, predictor: str) -> dict[str, RateRatio]:
    """The measured boundary over the rate in the column ``predictor``, over the problems, for each optimizer.

    Optimizers without a problem in which both are known are left out.
    """
    found = {}
    for name, of in pairs(boundary).groupby("optimizer", sort=False):
        logs = _logs(of, predictor)
        if logs.size:
            middle, low, high = (float(np.exp(of_logs(logs))) for of_logs in (np.median, np.min, np.max))
            found[str(name)] = RateRatio(middle, low, high, logs.size)
    return found


def within(boundary: pd.DataFrame, predictor: str, factor: float) -> int:
    """The pairs whose measured boundary is within ``factor`` of the rate in the column ``predictor``."""
    return int((np.abs(_logs(pairs(boundary), predictor)) <= np.log(factor)).sum())


def edge_ratios(runs: pd.DataFrame) -> dict[str, float]:
    """At the last step of the runs with the largest share of the stable rate: eigenvalue of P⁻¹H over limit / lr.

    The median over problems for each optimizer; near 1 a run trains at the edge of stability. Optimizers without a
    preconditioner of their own are left out.
    """
    last = runs[(runs["share"] == runs["share"].max()) & np.isfinite(runs["edge"].astype(float))]
    last = last[last["step"] == last.groupby(KEYS)["step"].transform("max")]
    each = last.groupby(KEYS, sort=False, as_index=False)["edge"].median()
    return {str(name): float(value) for name, value in each.groupby("optimizer", sort=False)["edge"].median().items()}


def _logs(each: pd.DataFrame, predictor: str) -> Array:
    """Logarithms of measured over predicted, of the pairs in which both are known."""
    ratio = (each["measured_lr"] / each[predictor]).to_numpy(dtype=np.float64)
    return np.asarray(np.log(ratio[np.isfinite(ratio) & (ratio > 0)]))
