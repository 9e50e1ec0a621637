"""What to set, how far it may be off, and what it costs to leave the defaults: per cell, and one setting for a suite.

"Within 10%" means within 10% of the best *progress* (see `analysis.measures.landscape_grid`): of four decades of gap,
no more than 0.4 are missing. It compares across problems, and does not shrink to a point where the best gap is next to
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from analysis.measures.convergence import curve_matrix
from analysis.measures.landscape_grid import Grid, regret
from analysis.measures.measure import Measure
from analysis.measures.results import CellResult, SettingResult, cell_results
from analysis.record.cells import Cell
from analysis.statistics.arrays import Array, Mask
from analysis.words import held_text, hyperparameter_text, number, value_text

__all__ = ["WITHIN", "Recommendation", "best_point", "recommend", "recommendation_of", "recommendations"]

WITHIN: Final = 0.1

Range = tuple[float, float]
Source = Literal["tuned", "landscape"]


@dataclass(frozen=True)
class Recommendation:
    """A setting for one optimizer on one problem.

    ``setting`` is the winner of the best study, which the tuning seeds chose (``source`` "tuned", its own ``value`` the
    median over ``seeds`` test seeds), where the landscape confirms it: its grid point is stable, and that or the tested
    winner is ``within`` of the best progress. Else it is the landscape's best stable point ("landscape", the median
    over its seeds).

    ``ranges`` say how far each hyperparameter may move alone and stay so; empty without a landscape.
    ``factor_to_instability`` is how many times the learning rate may grow before a seed diverges or ends above its
    start; None where no rate of the grid does. ``default_regret`` is the share of the setting's progress that the
    defaults give away, ``default_ratio`` how many times as high they end (None where they diverge or the measure is not
    logarithmic). ``metrics`` are the medians at the end of the problem's further metrics, as held-out accuracy, where
    they were measured of the setting: of a tuned one none of whose runs diverged. Of test seeds they select nothing.
    """

    problem: str
    label: str
    source: Source
    setting: Mapping[str, float]
    measure: str
    value: float
    seeds: int
    within: float
    ranges: Mapping[str, Range]
    factor_to_instability: float | None
    default_regret: float
    default_ratio: float | None
    metrics: Mapping[str, float]
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """The recommendation as JSON values."""
        return {**asdict(self), "ranges": {name: list(ends) for name, ends in self.ranges.items()}}


def recommend(cell: Cell, measure: Measure, within: float = WITHIN) -> Recommendation | None:
    """The recommendation of ``cell`` by the ``measure`` of its problem; None where no setting made progress.

    ``within`` is the share of the best progress that a good setting may lack.
    """
    return recommendation_of(CellResult(cell, measure), within)


def recommendations(cells: Iterable[Cell], within: float = WITHIN) -> list[Recommendation]:
    """The recommendation of every cell that has one, problem by problem.

    Raises `RecordError` where a problem has two instances.
    """
    results = cell_results(cells)
    problems = list(dict.fromkeys(result.problem for result in results))
    ordered = sorted(results, key=lambda result: problems.index(result.problem))
    return [found for result in ordered if (found := recommendation_of(result, within)) is not None]


def recommendation_of(result: CellResult, within: float = WITHIN) -> Recommendation | None:
    """The recommendation of a cell; None where no setting of it made progress.

    Of a cell whose studies were judged by held-out data it is what they found: a landscape knows the training loss.
    """
    tuned, measure = result.best_tuned, result.measure
    grid = None if result.judged_by else _slice(result)
    anchor = None if grid is None else _anchor(result, grid, within)
    source: Source
    if tuned is not None and (grid is None or anchor == _winner_point(result, grid)):
        source, setting, value, seeds = "tuned", _winner(result), tuned.value, tuned.n
    elif grid is not None and anchor is not None:
        setting = {**result.info.defaults, **grid.settings(*anchor)}
        source, value, seeds = "landscape", float(grid.median[anchor]), grid.n
    else:
        return None
    if not value < measure.start:
        return None
    default = _default(result, grid, fresh=source == "tuned")
    found = Recommendation(
        problem=result.problem,
        label=result.label,
        source=source,
        setting=setting,
        measure=measure.name,
        value=value,
        seeds=seeds,
        within=within,
        ranges={} if grid is None or anchor is None else _ranges(grid, anchor, setting, within),
        factor_to_instability=None if grid is None or anchor is None else _factor(grid, anchor, setting),
        default_regret=float(regret(measure, default, value)),
        default_ratio=float(measure.ratio(default, value)) if measure.log and math.isfinite(default) else None,
        metrics=_metrics(result) if source == "tuned" else {},
        sentence="",
    )
    return replace(found, sentence=_sentence(result, found, default, mapped=grid is not None))


def best_point(value: Array, allowed: Mask) -> tuple[int, int] | None:
    """The index ``(y, x)`` of the lowest ``value`` ``[Y, X]`` that is ``allowed``; of equals the middle one."""
    held = np.where(allowed, value, np.inf)
    if not np.isfinite(held).any():
        return None
    ties = np.argwhere(held <= held.min())
    row, column = ties[int(np.argmin(np.abs(ties - ties.mean(axis=0)).sum(axis=1)))]
    return int(row), int(column)


def _metrics(result: CellResult) -> dict[str, float]:
    """The medians of the problem's further metrics at the end of the best study's runs, where there are any."""
    best = result.info.best_study
    assert best is not None, "a tuned setting is that of a study"
    ends = {metric: curve_matrix(result.cell, "tuned", metric)[1] for metric in result.info.problem.metrics}
    own = {metric: runs[best.study, :, -1] for metric, runs in ends.items() if runs.size}
    return {metric: float(np.median(values)) for metric, values in own.items() if np.isfinite(values).all()}


def _slice(result: CellResult) -> Grid | None:
    """The cell's grid where it spans all that was searched; a slice says nothing about a winner beside it."""
    grid = result.grid
    if grid is None or not set(result.info.optimizer.searched) <= set(grid.settings(0, 0)):
        return None
    return grid


def _winner(result: CellResult) -> dict[str, float]:
    winner = result.info.winner
    return {} if winner is None else dict(winner.hyperparameters)


def _winner_point(result: CellResult, grid: Grid) -> tuple[int, int] | None:
    return grid.nearest(_winner(result))


def _anchor(result: CellResult, grid: Grid, within: float) -> tuple[int, int] | None:
    """The grid point of the recommended setting: the winner's if it is good, else the best one."""
    winner, good = _winner_point(result, grid), _good(grid, within)
    if winner is not None and (
        good[winner] or (_always_stable(grid)[winner] and _kept(grid, result.best_tuned, within))
    ):
        return winner
    return best_point(grid.measure.shown(grid.median), _always_stable(grid))


def _always_stable(grid: Grid) -> Mask:
    return np.asarray(grid.stable.all(axis=0))


def _good(grid: Grid, within: float) -> Mask:
    """``[Y, X]``: the stable points within the share ``within`` of the best progress of a stable point."""
    stable, typical = _always_stable(grid), grid.median
    best = float(np.where(stable, typical, np.inf).min())
    return np.asarray(stable & (regret(grid.measure, typical, best) <= within) & (typical < grid.measure.start))


def _kept(grid: Grid, tuned: SettingResult | None, within: float) -> bool:
    """Whether the winner itself, on its test seeds, is good enough: a valley may be narrow."""
    best = float(np.where(_always_stable(grid), grid.median, np.inf).min())
    return tuned is not None and float(regret(grid.measure, tuned.value, best)) <= within


def _ranges(grid: Grid, anchor: tuple[int, int], setting: Mapping[str, float], within: float) -> dict[str, Range]:
    """The grid's unbroken good runs through ``anchor``, along each axis; the setting lies in them too."""
    good, (row, column) = _good(grid, within), anchor
    if not good[anchor]:
        return {name: (setting[name], setting[name]) for name in grid.settings(*anchor)}
    runs = {grid.x.name: _unbroken(grid.x.values, good[row], column)}
    if grid.y is not None:
        runs[grid.y.name] = _unbroken(grid.y.values, good[:, column], row)
    return {name: (min(low, setting[name]), max(high, setting[name])) for name, (low, high) in runs.items()}


def _unbroken(values: Array, good: Mask, at: int) -> Range:
    """The ends of the unbroken run of good values around index ``at``."""
    low = high = at
    while low > 0 and good[low - 1]:
        low -= 1
    while high < good.size - 1 and good[high + 1]:
        high += 1
    return float(values[low]), float(values[high])


def _factor(grid: Grid, anchor: tuple[int, int], setting: Mapping[str, float]) -> float | None:
    row, column = anchor
    unstable = np.flatnonzero(~_always_stable(grid)[row, column:])
    return None if not unstable.size else float(grid.x.values[column + unstable[0]]) / setting[grid.x.name]


def _default(result: CellResult, grid: Grid | None, *, fresh: bool) -> float:
    """How the defaults end: on the test seeds as the winner does, else at the grid point next to them."""
    point = None if grid is None or fresh else grid.nearest(result.info.defaults)
    if grid is not None and point is not None:
        return float(grid.median[point])
    assert result.default is not None, "every cell tests its defaults"
    return result.default.value


_SEEDS: Final[Mapping[Source, str]] = {"tuned": "test seeds", "landscape": "landscape seeds, which chose it"}


def _sentence(result: CellResult, found: Recommendation, default: float, *, mapped: bool) -> str:
    searched = {name: value for name, value in found.setting.items() if name in result.info.optimizer.searched}
    seeds = "" if found.seeds == 1 else f" over {found.seeds} {_SEEDS[found.source]}"
    typical = found.measure if found.seeds == 1 else f"median {found.measure}"
    parts = [
        f"{found.label} on {found.problem}: {hyperparameter_text(result.cell, searched)} "
        f"({typical} {held_text(found.value, result.measure.smallest)}{seeds})."
    ]
    if found.ranges:
        parts.append(_range_text(result, found))
    if found.factor_to_instability is not None:
        parts.append(f"At {number(found.factor_to_instability, 2)} times this learning rate runs turn unstable.")
    elif mapped:
        parts.append("No higher learning rate of the grid turns unstable.")
    if result.judged_by:
        return " ".join([*parts, _chosen_text(result, found)])
    cost = "The defaults diverge." if math.isinf(default) else _default_text(found, result.measure, default)
    return " ".join([*parts, cost])


def _chosen_text(result: CellResult, found: Recommendation) -> str:
    """By what the setting was chosen, which is not what it is measured by; against that the defaults say nothing."""
    held = found.metrics.get("heldout_loss")
    ends = "" if held is None else f", which ends at {number(held)} on the test seeds"
    return f"It was chosen by the {result.judged_by}{ends}."


def _range_text(result: CellResult, found: Recommendation) -> str:
    scale = result.info.optimizer.scale
    ends = {name: [value_text(end, scale(name)) for end in held] for name, held in found.ranges.items()}
    wide = [f"{name} from {low} to {high}" for name, (low, high) in ends.items() if low != high]
    exact = [name for name, (low, high) in ends.items() if low == high]
    parts = [f"{' or '.join(wide)}, moved alone, keeps {1 - found.within:.0%} of the best progress"] if wide else []
    parts += [f"{' and '.join(exact)} must be right to a step of the grid"] if exact else []
    text = "; ".join(parts)
    return f"{text}."


def _default_text(found: Recommendation, measure: Measure, default: float) -> str:
    lost, behind = found.default_regret, float(regret(measure, found.value, default))
    if behind >= 0.005:
        return (
            f"The defaults do better: this setting lacks {behind:.0%} of their progress. Keep them, or search longer."
        )
    if lost < 0.005:
        return "The defaults do as well."
    if lost > 0.995:
        return "The defaults get nowhere."
    ratio = found.default_ratio
    end = "" if ratio is None else f" ({number(ratio, 2)} times the {found.measure})"
    return f"Staying at the defaults gives away {lost:.0%} of its progress{end}."
