"""What usual schedules lose against the one that a search found, on test seeds that nothing was chosen on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.measures.measure import Measure
from analysis.measures.paired_tests import difference, holm
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import Estimate

__all__ = ["Regret", "regrets", "regrets_frame"]


@dataclass(frozen=True)
class Regret:
    """How much higher ``way`` ends than the reference, with its interval and the number of test seeds.

    ``change`` is the ratio of the gaps (1: level) where ``log``, else the difference of the losses (0: level);
    ``adjusted`` is its p-value corrected for the ways beside it (Holm); ``verdict`` says whether the way is better,
    worse, equal (within 1%) or undecided. ``lost`` of its ``runs`` diverged.
    """

    way: str
    change: Estimate
    log: bool
    adjusted: float
    verdict: str
    lost: int
    runs: int


def regrets(runs: pd.DataFrame, reference: str, floor: float | None, start: float) -> list[Regret]:
    """The regret of every way of ``runs`` but the ``reference``, in their order.

    ``runs`` are those of one problem and optimizer: way, study, seed and loss, every way with the same studies and
    seeds. What tuning and search find by luck is part of the interval: studies vary, and seeds are resampled, the same
    for both sides.
    """
    sides = {str(way): _by_study(of) for way, of in runs.groupby("way", sort=False)}
    lowest = float(runs["loss"].min()) if runs["loss"].notna().any() else start
    measure = Measure.of(floor, start, lowest)
    held = measure(sides[reference])
    ways = [way for way in sides if way != reference]
    found = [difference(held, measure(sides[way]), measure) for way in ways]
    adjusted = holm([each.p_value for each in found])
    return [
        Regret(
            way,
            _ratio(each.change) if measure.log else each.change,
            measure.log,
            float(p),
            each.verdict(float(p)),
            int(np.isnan(sides[way]).sum()),
            sides[way].size,
        )
        for way, each, p in zip(ways, found, adjusted, strict=True)
    ]


def regrets_frame(problem: str, optimizer: str, found: Sequence[Regret]) -> pd.DataFrame:
    """One row a way."""
    rows = [
        {
            "problem": problem,
            "optimizer": optimizer,
            "way": each.way,
            "change": each.change.value,
            "change_low": each.change.low,
            "change_high": each.change.high,
            "is_ratio": each.log,
            "adjusted": each.adjusted,
            "verdict": each.verdict,
            "test_seeds": each.change.n,
        }
        for each in found
    ]
    return pd.DataFrame(rows)


def _by_study(runs: pd.DataFrame) -> Array:
    """The losses ``[K, S]``, NaN where diverged."""
    return np.asarray(runs.pivot_table(index="study", columns="seed", values="loss", dropna=False), dtype=np.float64)


def _ratio(decades: Estimate) -> Estimate:
    """A difference of logarithms as a ratio."""
    value, low, high = (float(10.0 ** np.clip(end, -300, 300)) for end in (decades.value, decades.low, decades.high))
    return Estimate(value, low, high, decades.n)
