"""Whether the order of the optimizers hangs on the schedule: the same optimizers under two, problem by problem."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from analysis.measures.comparable import unequal_budgets
from analysis.measures.results import CellResult
from analysis.statistics.arrays import Array

__all__ = ["ScheduleOrder", "schedule_order_frame", "schedule_orders"]


@dataclass(frozen=True)
class ScheduleOrder:
    """The ``optimizers`` under schedules ``a`` and ``b``, on the ``problems`` that all met under both.

    ``ranks_a`` and ``ranks_b`` ``[A]`` are their mean ranks by the tuned result; ``tau`` is Kendall's of the two (1:
    the same order, 0: no more alike than chance, NaN where all are tied). ``other_best`` are the problems on which
    another optimizer is best. ``ratio`` ``[Q, A]`` says how many times as high each ends under b as under a, NaN where
    the measure has no ratios or a side diverged.
    """

    a: str
    b: str
    optimizers: tuple[str, ...]
    problems: tuple[str, ...]
    ranks_a: Array
    ranks_b: Array
    tau: float
    other_best: tuple[str, ...]
    ratio: Array


def schedule_orders(cells: Iterable[CellResult]) -> list[ScheduleOrder]:
    """The order under every schedule beside that under the first one; empty where there is only one, or one optimizer.

    Problems whose budgets differ between the schedules, or that an optimizer did not meet under both, are left out.
    """
    found: dict[str, dict[str, dict[str, CellResult]]] = {}
    for cell in cells:
        found.setdefault(cell.cell.schedule, {}).setdefault(cell.problem, {})[cell.cell.optimizer] = cell
    first, *others = found or [""]
    orders = (_order(first, other, found[first], found[other]) for other in others)
    return [order for order in orders if order is not None]


def schedule_order_frame(orders: Sequence[ScheduleOrder]) -> pd.DataFrame:
    """One row an order and optimizer: its mean ranks under both schedules, and the median ratio of its results."""
    rows = [
        {
            "a": order.a,
            "b": order.b,
            "optimizer": name,
            "rank_a": order.ranks_a[place],
            "rank_b": order.ranks_b[place],
            "ratio": _median(order.ratio[:, place]),
            "tau": order.tau,
            "other_best": len(order.other_best),
            "problems": len(order.problems),
        }
        for order in orders
        for place, name in enumerate(order.optimizers)
    ]
    return pd.DataFrame(rows)


def _order(
    a: str, b: str, left: dict[str, dict[str, CellResult]], right: dict[str, dict[str, CellResult]]
) -> ScheduleOrder | None:
    names = tuple(dict.fromkeys(name for side in (left, right) for held in side.values() for name in held))
    problems = tuple(problem for problem in left if _comparable(names, left[problem], right.get(problem, {})))
    if len(names) < 2 or not problems:
        return None
    values = np.array([[_values(side[problem], names) for problem in problems] for side in (left, right)])  # [2, Q, A]
    smallest = np.array([next(iter(left[problem].values())).measure.smallest for problem in problems])[:, None]
    shown = np.maximum(values, smallest)
    from scipy.stats import kendalltau, rankdata

    ranks = rankdata(shown, axis=-1)
    best = ranks == ranks.min(axis=-1, keepdims=True)
    changed = tuple(problem for problem, shared in zip(problems, (best[0] & best[1]).any(axis=-1)) if not shared)
    means = ranks.mean(axis=1)
    tied = any((row == row[0]).all() for row in means)
    tau = np.nan if tied else float(kendalltau(means[0], means[1]).statistic)
    positive = np.isfinite(shown).all(axis=0) & (smallest > 0)
    ratio = np.divide(shown[1], shown[0], out=np.full(shown[0].shape, np.nan), where=positive)
    return ScheduleOrder(a, b, names, problems, means[0], means[1], tau, changed, ratio)


def _comparable(names: Sequence[str], left: dict[str, CellResult], right: dict[str, CellResult]) -> bool:
    cells = [side.get(name) for side in (left, right) for name in names]
    met = [cell for cell in cells if cell is not None and cell.info.protocol.studies]
    same = all(one.info.problem.fingerprint == other.info.problem.fingerprint for one, other in pairwise(met))
    return len(met) == len(cells) and same and not unequal_budgets([cell.cell for cell in met])


def _values(cells: dict[str, CellResult], names: Sequence[str]) -> list[float]:
    return [np.inf if (tuned := cells[name].tuned) is None else tuned.value for name in names]


def _median(ratios: Array) -> float:
    known = ratios[np.isfinite(ratios)]
    return float(np.median(known)) if known.size else np.nan
