"""Should γ change? On each problem, the best way of changing γ against the best constant γ, paired seed by seed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.measures.measure import Measure
from analysis.measures.paired_tests import difference, holm
from analysis.statistics.bootstrap import Estimate

__all__ = ["Contest", "contests", "contests_frame"]


@dataclass(frozen=True)
class Contest:
    """How the way of changing γ that the tuning seeds choose ends against the constant γ that they choose.

    ``changing`` and ``constant`` are (schedule, rule). ``ratio`` is the median over test seeds of the ratio of their
    gaps, below 1 where changing γ ends lower, with its interval and the number of seeds. ``p_value`` is that of
    Wilcoxon's signed-rank test, ``adjusted`` the same for being one of several problems (Holm); both are NaN where the
    runs do not depend on the seed, so that the result is exact. ``verdict`` is of changing γ: better, worse, equal
    (within 1%) or undecided.
    """

    problem: str
    changing: tuple[str, str]
    constant: tuple[str, str]
    ratio: Estimate
    p_value: float
    adjusted: float
    verdict: str


def contests(runs: pd.DataFrame, floors: Mapping[str, float]) -> list[Contest]:
    """The contest of every problem of ``floors``, in their order.

    ``runs`` is the table of that name of ``gamma-schedules``: either side is the way of lowest mean loss on the tuning
    seeds (a diverged run makes it infinite), tested on the test seeds. Left out are problems where a side is missing or
    both lost every test seed, and those whose gaps have no ratio, for some loss lies below the floor's 0.
    """
    found = []
    for problem, floor in floors.items():
        of = runs[runs["problem"] == problem]
        sides = of["schedule"].str.startswith("gamma="), of["schedule"] == "constant"
        if not all((of.loc[side, "part"] == "test").any() for side in sides):
            continue
        (changing, ours), (constant, theirs) = (_chosen(of[side]) for side in sides)
        pairs = pd.concat([theirs, ours], axis=1, join="inner")
        if pairs.isna().all(axis=None):
            continue
        measure = Measure.of(floor, float(of["loss"].max()), float(of["loss"].min()))
        a, b = measure(pairs.T)[:, None]
        if min(a.min(), b.min()) < -measure.smallest:
            continue
        exact = bool((a == a[0, 0]).all() and (b == b[0, 0]).all())
        found.append((problem, changing, constant, difference(a, b, measure, exact=exact)))
    adjusted = holm([each.p_value for *_, each in found])
    return [
        Contest(problem, changing, constant, _ratio(each.change), each.p_value, float(p), each.verdict(float(p)))
        for (problem, changing, constant, each), p in zip(found, adjusted, strict=True)
    ]


def contests_frame(found: list[Contest]) -> pd.DataFrame:
    """One row a contest."""
    rows = [
        {
            "problem": each.problem,
            "changing_schedule": each.changing[0],
            "constant_rule": each.constant[1],
            "ratio": each.ratio.value,
            "ratio_low": each.ratio.low,
            "ratio_high": each.ratio.high,
            "seeds": each.ratio.n,
            "p_value": each.p_value,
            "adjusted": each.adjusted,
            "verdict": each.verdict,
        }
        for each in found
    ]
    return pd.DataFrame(rows)


def _chosen(runs: pd.DataFrame) -> tuple[tuple[str, str], pd.Series]:
    """The (schedule, rule) of lowest mean on the tuning seeds, and its losses on the test seeds, by seed."""
    tuning = runs[runs["part"] == "tuning"]
    settings = [tuning[key] for key in ("schedule", "rule", "lr", "gamma")]
    means = tuning["loss"].fillna(np.inf).groupby(settings, dropna=False).mean()
    schedule, rule, *_ = means.index[int(means.argmin())]
    test = runs[(runs["part"] == "test") & (runs["schedule"] == schedule) & (runs["rule"] == rule)]
    return (str(schedule), str(rule)), test.set_index("seed")["loss"]


def _ratio(decades: Estimate) -> Estimate:
    """A difference of logarithms as a ratio."""
    value, low, high = (math.inf if end > 300 else 10.0**end for end in (decades.value, decades.low, decades.high))
    return Estimate(value, low, high, decades.n)
