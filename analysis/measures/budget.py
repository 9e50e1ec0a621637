"""What a tuning budget buys: the outcome of k trials, exactly for random search, as replayed for other samplers.

A search that drew diverging points only has found nothing: its outcome is inf, which quantiles and win probabilities
take as it is. For the expected outcome it stays at the start, as does one that ends above it: the untrained
parameters remain at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from analysis.measures.comparable import check_budgets, check_instances
from analysis.measures.landscape_grid import progress
from analysis.measures.measure import Measure
from analysis.measures.random_search import (
    Ordered,
    SearchTable,
    blocks,
    expected_progress,
    search_table,
)
from analysis.measures.results import CellResult, cell_results
from analysis.measures.thinned import thinned
from analysis.measures.wins import win_probability
from analysis.record.cells import Cell
from analysis.statistics.arrays import Array, Integers
from analysis.statistics.bootstrap import LEVEL, SEED, bootstrap_weights, interval, resampled_means
from analysis.statistics.resamples import GRID

__all__ = [
    "BUDGETS",
    "BudgetCurve",
    "BudgetResult",
    "ReplayCurve",
    "budget_curve",
    "budget_frame",
    "budget_results",
    "budget_table",
    "replay_curves",
]

BUDGETS: Final = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class BudgetCurve:
    """The outcome of a search after ``budgets`` ``[K]`` trials, in the measure's own unit.

    ``expected`` is the mean over searches (of progress: the geometric mean of gaps) with the ends ``low`` and ``high``
    of its interval over seeds and points. ``median``, ``lucky`` and ``unlucky`` are the middle and the ends of the
    central 90% of searches; inf: that search has found nothing.
    """

    budgets: Integers
    expected: Array
    low: Array
    high: Array
    median: Array
    lucky: Array
    unlucky: Array
    turns: int
    points: int


@dataclass(frozen=True)
class BudgetResult:
    """What tuning buys by one optimizer on a problem: its `BudgetCurve`, and the chance that it ends lowest.

    ``win`` ``[K]`` is that probability after each of the curve's budgets, with the ends of its interval.
    """

    problem: str
    label: str
    curve: BudgetCurve
    win: Array
    win_low: Array
    win_high: Array


@dataclass(frozen=True)
class ReplayCurve:
    """The outcome ``[K]`` of a ``sampler``'s ``n`` replayed searches after ``budgets`` ``[K]`` trials, their mean.

    ``low`` and ``high`` are the ends of its interval over the searches.
    """

    sampler: str
    budgets: Integers
    expected: Array
    low: Array
    high: Array
    n: int


def budget_curve(table: SearchTable, budgets: Sequence[int] = BUDGETS) -> BudgetCurve:
    """The exact outcome of random search over ``table`` after ``budgets`` draws ``[K]`` (with replacement).

    The interval resamples the held-out seeds and the points: the points were one grid of many, and the kept one is
    rare.
    """
    measure, (turns, points) = table.measure, table.objective.shape
    rng = np.random.default_rng(SEED)
    (drawn_from,) = thinned([table])
    made, resampled = progress(measure, drawn_from.reported), np.zeros((GRID, len(budgets)))
    weights = bootstrap_weights(turns, GRID, rng) / max(turns - 1, 1)
    ordered = [Ordered.of(objective) for objective in drawn_from.objective]
    for some in blocks(GRID, 8 * made.shape[1]):  # drawn one after another, so blocks change no draw
        counts = drawn_from.resampled(some.stop - some.start, rng)
        for turn, share in enumerate(weights[some].T):
            drawn = share > 0
            if drawn.any():
                means = ordered[turn].mean(made[turn], budgets, counts[drawn])
                resampled[some][drawn] += share[drawn, None] * means
    worst, best = interval(resampled)
    levels = ((1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2)
    lucky, middle, unlucky = _reached(table, budgets, levels)
    expected = _from_progress(measure, expected_progress(table, budgets))
    low, high = _from_progress(measure, best), _from_progress(measure, worst)
    return BudgetCurve(np.array(budgets), expected, low, high, middle, lucky, unlucky, turns, points)


def budget_table(cells: Sequence[Cell], budgets: Sequence[int] = BUDGETS) -> pd.DataFrame:
    """`budget_frame` of one problem's cells; raises as `budget_results` does."""
    check_instances(cells)  # before the measure, which two instances do not share
    return budget_frame(budget_results(cell_results(cells), budgets))


def budget_results(cells: Sequence[CellResult], budgets: Sequence[int] = BUDGETS) -> list[BudgetResult]:
    """What tuning buys by each optimizer of one problem; empty where there is no landscape.

    Raises `PoolingError` where the cells are of different instances, or their landscapes of different seeds or steps.
    """
    check_instances([result.cell for result in cells])
    check_budgets([result.cell for result in cells if result.cell.landscape_rows], ("steps", "landscape_seeds"))
    searches = {result.label: search_table(result.grid) for result in cells if result.grid is not None}
    if not searches:
        return []
    wins = win_probability(searches, budgets)
    problem = cells[0].problem
    return [
        BudgetResult(problem, label, budget_curve(table, budgets), *wins[label]) for label, table in searches.items()
    ]


def budget_frame(found: Sequence[BudgetResult]) -> pd.DataFrame:
    """Budget curves as rows: one a label and budget; empty where there is none."""
    parts = []
    for one in found:
        curve = one.curve
        columns = {name: getattr(curve, name) for name in ("expected", "low", "high", "median", "lucky", "unlucky")}
        won = {"win": one.win, "win_low": one.win_low, "win_high": one.win_high}
        keys = {"problem": one.problem, "label": one.label, "budget": curve.budgets}
        parts.append(pd.DataFrame({**keys, **columns, **won, "points": curve.points, "n": curve.turns}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def replay_curves(replays: pd.DataFrame, measure: Measure) -> list[ReplayCurve]:
    """The mean outcome of replayed searches, a sampler each, with its bootstrap interval.

    ``replays`` has a row a ``sampler``, ``repeat`` and budget ``k`` with the measure ``best`` of the point kept by then
    (inf: none). As for random search, the mean is of progress.
    """
    found = []
    for sampler, group in replays.groupby("sampler", sort=False):
        wide = group.set_index(["repeat", "k"])["best"].unstack().sort_index(axis=1)  # noqa: PD010  (raises on a doubled row)
        made = progress(measure, wide.to_numpy(dtype=np.float64))
        n = made.shape[0]
        resampled = resampled_means(made, bootstrap_weights(n, GRID, np.random.default_rng(SEED)))
        worst, best = interval(resampled)
        expected, low, high = (_from_progress(measure, values) for values in (made.mean(axis=0), best, worst))
        found.append(ReplayCurve(str(sampler), wide.columns.to_numpy(dtype=np.int64), expected, low, high, n))
    return found


def _from_progress(measure: Measure, made: Array) -> Array:
    """The measure that has made a given progress: the inverse of `progress`."""
    return np.asarray(measure.start * 10.0**-made if measure.log else measure.start - made)


def _reached(table: SearchTable, budgets: Sequence[int], levels: Sequence[float]) -> list[Array]:
    """The quantiles ``[K]`` at ``levels`` of what searches of ``budgets`` draws report."""
    values, turns = table.reported.ravel(), [Ordered.of(row) for row in table.objective]
    order = np.argsort(values, kind="stable")
    parts = []
    for some in blocks(len(budgets), values.size):
        mixed = np.concatenate([turn.of_points(budgets[some]) / len(turns) for turn in turns], axis=1)
        parts.append(_quantiles(values[order], mixed[:, order], levels))
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _quantiles(values: Array, chance: Array, levels: Sequence[float]) -> list[Array]:
    """The quantiles ``[K]`` at ``levels`` of rising outcomes ``values`` ``[N]`` with probabilities ``[K, N]``."""
    reached = np.cumsum(chance, axis=1)
    places = [[np.searchsorted(row, level - 1e-12) for row in reached] for level in levels]
    return [values[np.minimum(place, values.size - 1)] for place in places]
