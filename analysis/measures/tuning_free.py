"""What it costs not to tune: a method's result against the best point of a reference's landscape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from analysis.measures.measure import Measure
from analysis.measures.paired_tests import paired_change
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import Estimate, median_interval
from analysis.statistics.shares import share_of

__all__ = ["NEAR", "Judged", "judged", "shares_of"]

NEAR: Final = 2.0
"""A regret up to which a method counts as near the optimum."""


@dataclass(frozen=True)
class Judged:
    """A method on one problem: its ``regret``, how many times the optimum's gap (or loss) is left, and how many of its
    ``runs`` ``diverged`` or ended ``above`` their start.
    """

    regret: Estimate
    diverged: int
    above: int
    runs: int


def judged(optimum: Array, runs: Array, measure: Measure, *, exact: bool = False) -> Judged:
    """The ``runs`` ``[S]`` of a method against those of the ``optimum`` ``[S]`` on the same seeds, as the measure.

    The regret is the median ratio seed by seed, with the interval of a median; below 1 the method is better. Where the
    measure is not logarithmic it is how many times as far the optimum has come down from the start: inf where the
    method has not come down.
    """
    change = paired_change(optimum, runs, measure, exact=exact)
    diverged, above = int(np.isinf(runs).sum()), int((np.isfinite(runs) & (runs > measure.start)).sum())
    if measure.log:
        ends = 10.0 ** np.array([change.value, change.low, change.high])
    else:
        way = measure.start - float(np.median(optimum))
        left = way - np.array([change.value, change.low, change.high])
        ends = np.divide(way, left, out=np.full(3, np.inf), where=left > 0)
    value, low, high = map(float, ends)
    return Judged(Estimate(value, low, high, change.n), diverged, above, runs.size)


def shares_of(regrets: pd.DataFrame) -> pd.DataFrame:
    """A row for each ``method`` of ``regrets``, a row a problem with the columns ``regret`` and ``diverged``.

    Columns: ``problems``; ``diverged`` (problems on which a run diverged), ``diverged_share`` with ``_low`` and
    ``_high``; ``near`` (problems with a regret up to `NEAR`) likewise; ``regret``, the median over problems, with
    ``regret_low`` and ``regret_high``.
    """
    rows = []
    for method, of in regrets.groupby("method", sort=False):
        n, middle = len(of), median_interval(of["regret"].to_numpy(dtype=np.float64))
        row: dict[str, object] = {"method": method, "problems": n}
        for name, count in (("diverged", (of["diverged"] > 0).sum()), ("near", (of["regret"] <= NEAR).sum())):
            share = share_of(int(count), n)
            row |= {
                name: int(count),
                f"{name}_share": share.value,
                f"{name}_low": share.low,
                f"{name}_high": share.high,
            }
        rows.append({**row, "regret": middle.value, "regret_low": middle.low, "regret_high": middle.high})
    return pd.DataFrame(rows)
