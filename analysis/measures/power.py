"""How many studies and seeds a claim takes: the power of the test by which optimizers are told apart.

The test is `analysis.measures.paired_tests.study_difference`: Student's, of a variance in parts, that among the studies
of either side and that over the test seeds, which both share. What they are is taken from a record; the parts shrink as
studies and seeds are added, each in proportion. Effects are in decades where a measure is logarithmic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

import numpy as np
import pandas as pd

from analysis.measures.paired_tests import FEWEST_STUDIES, Side
from analysis.measures.results import CellResult
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import ALPHA

__all__ = [
    "POWER",
    "Spread",
    "detectable",
    "effect_of",
    "plan_frame",
    "power_of",
    "seeds_for",
    "spread_of",
    "steps_worth",
    "studies_for",
    "worth_in_steps",
]

POWER: Final = 0.8
"""The chance with which an effect that is there is to be found."""
MOST: Final = 1000
"""Studies, and seeds, beyond which nobody goes."""


@dataclass(frozen=True)
class Spread:
    """How results vary on a problem: the standard deviation ``among`` studies (the root of the mean square of its
    optimizers), and the variance ``over_seeds`` of the difference of two optimizers, at ``studies`` a side and
    ``seeds`` test seeds.
    """

    among: float
    over_seeds: float
    studies: int
    seeds: int


def spread_of(cells: Sequence[CellResult]) -> Spread | None:
    """That of the tuned results of the ``cells`` of a problem; None of fewer than two with two studies each."""
    found = [cell.tuned.values for cell in cells if cell.tuned is not None and len(cell.tuned.values) > 1]
    if len(found) < 2:
        return None
    sides = [Side.of(values, cells[0].measure) for values in found]
    among = math.sqrt(float(np.mean([side.levels.var(ddof=1) for side in sides])))
    seeds = min(side.seeds for side in sides)
    over = [float((b.resampled - a.resampled).var()) for a, b in combinations(sides, 2)] if seeds > 1 else [0.0]
    return Spread(among, float(np.mean(over)), min(side.levels.size for side in sides), seeds)


def power_of(effect: float, spread: Spread, alpha: float = ALPHA) -> float:
    """The chance that a difference ``effect`` is claimed at level ``alpha``, whichever its sign."""
    if spread.studies < FEWEST_STUDIES:
        return 0.0
    part = spread.among**2 / spread.studies
    variance = 2 * part + spread.over_seeds
    if variance <= 0:
        return 1.0 if effect else 0.0
    from scipy.special import nctdtr, stdtrit  # what scipy.stats asks, without its checks, in a tenth of the time

    denominator = 2 * part**2 / (spread.studies - 1)
    if spread.seeds > 1:
        denominator += spread.over_seeds**2 / (spread.seeds - 1)
    freedom, away = variance**2 / denominator, abs(effect) / math.sqrt(variance)
    critical = float(stdtrit(freedom, 1 - alpha / 2))
    above, below = 1 - nctdtr(freedom, away, critical), nctdtr(freedom, away, -critical)
    return float(np.nan_to_num(above, nan=1.0) + np.nan_to_num(below))


def detectable(spread: Spread, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest difference that is found with the chance ``power``; inf with too few studies, 0 without a spread."""
    if spread.studies < FEWEST_STUDIES:
        return math.inf
    scale = math.sqrt(2 * spread.among**2 / spread.studies + spread.over_seeds)
    if scale == 0:
        return 0.0
    from scipy.optimize import brentq

    high = scale
    while power_of(high, spread, alpha) < power:
        high *= 2
    return float(brentq(lambda effect: power_of(effect, spread, alpha) - power, 0.0, high, rtol=1e-6))


def studies_for(effect: float, spread: Spread, alpha: float = ALPHA, power: float = POWER) -> int | None:
    """The fewest studies a side that find ``effect`` with the seeds there are; None where `MOST` do not."""
    return _fewest(FEWEST_STUDIES, lambda count: power_of(effect, replace(spread, studies=count), alpha) >= power)


def seeds_for(effect: float, spread: Spread, alpha: float = ALPHA, power: float = POWER) -> int | None:
    """The fewest test seeds that find ``effect`` with the studies there are; None where `MOST` do not: seeds do
    nothing about the luck of studies.
    """

    def enough(count: int) -> bool:
        over = spread.over_seeds * spread.seeds / count
        return power_of(effect, replace(spread, seeds=count, over_seeds=over), alpha) >= power

    return _fewest(2, enough)


def _fewest(low: int, enough: Callable[[int], bool]) -> int | None:
    """The smallest count from ``low`` to `MOST` that is ``enough``, as all larger ones are."""
    if not enough(MOST):
        return None
    high = MOST
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


def steps_worth(cells: Sequence[CellResult], effect: float) -> float:
    """How many steps earlier the best tuned optimizer was higher than it ends by ``effect``: what the difference is
    worth in training time. NaN where nothing was tuned, inf where it was never so high.
    """
    ended = {cell: cell.tuned.value for cell in cells if cell.tuned is not None and "tuned" in cell.convergence}
    if not ended:
        return math.nan
    best = min(ended, key=lambda cell: ended[cell])
    curve, measure = best.convergence["tuned"], best.measure
    values = measure.shown(np.minimum(np.nan_to_num(curve.band.median, nan=np.inf), measure.start))
    return worth_in_steps(
        np.asarray(curve.steps, dtype=np.float64), np.log10(values) if measure.log else values, effect
    )


def worth_in_steps(steps: Array, levels: Array, effect: float) -> float:
    """How many steps before its end a curve of ``levels`` ``[E]`` at ``steps`` ``[E]`` was last higher than it ends by
    ``effect``, on straight lines between evaluations; inf where it was never so high.
    """
    higher = np.flatnonzero(levels >= levels[-1] + effect)
    if not higher.size:
        return math.inf
    at = int(higher[-1])
    if at == steps.size - 1:
        return 0.0
    share = (levels[at] - levels[-1] - effect) / (levels[at] - levels[at + 1])  # on the way to the next evaluation
    return float(steps[-1] - steps[at] - share * (steps[at + 1] - steps[at]))


def effect_of(cells: Sequence[CellResult], share: float) -> float:
    """A result that is lower by ``share`` as a difference: decades, or that share of the way from the start."""
    measure = cells[0].measure
    if measure.log:
        return -math.log10(1 - share)
    ended = [cell.tuned.value for cell in cells if cell.tuned is not None and math.isfinite(cell.tuned.value)]
    return share * (measure.start - min(ended, default=measure.start))


def plan_frame(problems: Iterable[Sequence[CellResult]], share: float, power: float = POWER) -> pd.DataFrame:
    """One row for each of ``problems`` (its cells) with several optimizers and studies: what it takes to claim a result
    that is lower by ``share``.

    Columns: ``problem``, ``studies`` and ``seeds`` there are, ``unit`` of the differences, ``among_studies`` (their
    standard deviation), ``effect`` asked for, ``power`` for it now, ``detectable`` (smallest difference found with the
    chance ``power``), ``studies_needed`` and ``seeds_needed`` (each alone; missing: no number of them is enough),
    ``worth_steps`` (of the effect, in steps of the best optimizer) and ``sufficed``. The level is that of all pairs of
    the problem, by Bonferroni's bound of Holm's method.
    """
    rows = []
    for cells in problems:
        spread = spread_of(cells)
        if spread is None:
            continue
        tuned = sum(cell.tuned is not None for cell in cells)
        alpha, effect = ALPHA / math.comb(tuned, 2), effect_of(cells, share)
        rows.append(
            {
                "problem": cells[0].problem,
                "studies": spread.studies,
                "seeds": spread.seeds,
                "unit": "decades" if cells[0].measure.log else cells[0].measure.name,
                "among_studies": spread.among,
                "effect": effect,
                "power": power_of(effect, spread, alpha),
                "detectable": detectable(spread, alpha, power),
                "studies_needed": studies_for(effect, spread, alpha, power),
                "seeds_needed": seeds_for(effect, spread, alpha, power),
                "worth_steps": steps_worth(cells, effect),
            }
        )
    frame = pd.DataFrame(rows)
    if rows:
        frame["sufficed"] = frame["power"] >= power
        for name in ("studies_needed", "seeds_needed"):
            frame[name] = frame[name].astype("Int64")
    return frame
