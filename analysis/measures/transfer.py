"""What a setting is worth on another problem: transfer matrices, and the setting with the least worst-case regret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.measures.axis import Axis
from analysis.measures.comparable import PoolingError, check_instances
from analysis.measures.landscape_grid import Grid, over_seeds, progress
from analysis.measures.measure import Measure
from analysis.measures.recommendation import best_point
from analysis.measures.results import CellResult
from analysis.record.cells import Cell
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import Estimate, median
from analysis.words import named_first

__all__ = [
    "CommonGrid",
    "RobustSetting",
    "Transfer",
    "TuningGain",
    "common_grid",
    "robust_setting",
    "suite_setting",
    "transfer",
    "tuning_gain",
]


@dataclass(frozen=True)
class CommonGrid:
    """One optimizer's landscapes on the points they share: the progress ``[S, Y, X]`` on each problem."""

    label: str
    x: Axis
    y: Axis | None
    progress: Mapping[str, Array]

    @classmethod
    def of(cls, cells: Sequence[CellResult]) -> CommonGrid:
        """The landscapes of one optimizer, one cell a problem, on the points they share.

        The points are those of the coarsest grid that lie within all others; on a finer or shifted grid progress is
        interpolated, linearly along the axes' scales. (Progress is bounded: a diverged corner counts as none.) Raises
        `PoolingError` where there are fewer than two landscapes, or they have no axes or no range in common.
        """
        check_instances([result.cell for result in cells])
        held = {result.problem: result.grid for result in cells if result.grid is not None}
        labels = {result.label for result in cells}
        if len(labels) != 1 or len(held) < 2:
            raise PoolingError(
                f"transfer needs one optimizer on two mapped problems or more, got {sorted(labels)}: {list(held)}"
            )
        label = labels.pop()
        axes = {(_kind(grid.x), _kind(grid.y)) for grid in held.values()}
        if len(axes) != 1:
            raise PoolingError(f"the landscapes of {label} have different axes: {sorted(map(str, axes))}")
        coarse = min(held.values(), key=lambda grid: grid.values[0].size)
        x = _shared(coarse.x, [grid.x for grid in held.values()], label)
        y = None if coarse.y is None else _shared(coarse.y, [grid.y for grid in held.values() if grid.y], label)
        return cls(label, x, y, {problem: _resampled(grid, x, y) for problem, grid in held.items()})

    def setting(self, point: tuple[int, int]) -> dict[str, float]:
        """The hyperparameters of a point ``(y, x)``."""
        found = {self.x.name: float(self.x.values[point[1]])}
        return found if self.y is None else {**found, self.y.name: float(self.y.values[point[0]])}

    def most(self, problem: str) -> float:
        """The most median progress that any point makes on a problem."""
        return float(median(self.progress[problem]).max())

    def regrets(self, problem: str, goal: float | None = None) -> Array:
        """The median regret ``[Y, X]`` of every point on a problem: the missing share of ``goal`` (default: `most`)."""
        return _regrets(self.progress[problem], goal)

    def best(self, problem: str) -> tuple[int, int]:
        """The point with the most progress on a problem, of equals the middle one."""
        regrets = self.regrets(problem)
        return best_point(regrets, np.ones(regrets.shape, dtype=np.bool_)) or (0, 0)

    def regret(self, problem: str, point: tuple[int, int], goal: float | None = None) -> Estimate:
        """The regret of one point on a problem with its interval over the seeds, which a given ``goal`` has not."""
        return over_seeds(lambda made: float(_regrets(made, goal)[point]), self.progress[problem])


@dataclass(frozen=True)
class Transfer:
    """``regret[a, b]`` on problem b of the best setting of problem a, with the ends of its interval over the seeds.

    The diagonal is 0 by construction.
    """

    label: str
    problems: tuple[str, ...]
    regret: Array
    low: Array
    high: Array

    @property
    def elsewhere(self) -> Array:
        """The regrets of every ordered pair of two different problems, row by row."""
        return np.asarray(self.regret[~np.eye(len(self.problems), dtype=np.bool_)])


@dataclass(frozen=True)
class RobustSetting:
    """The one setting of an optimizer whose worst regret over all problems is least."""

    label: str
    setting: Mapping[str, float]
    regrets: Mapping[str, Estimate]

    @property
    def worst(self) -> str:
        """The problem it costs most on."""
        return max(self.regrets, key=lambda problem: self.regrets[problem].value)

    @property
    def mean(self) -> float:
        """The mean regret over the problems."""
        return float(np.mean([regret.value for regret in self.regrets.values()]))

    def to_dict(self) -> dict[str, Any]:
        """The setting as JSON values."""
        regrets = {name: {"value": r.value, "low": r.low, "high": r.high, "n": r.n} for name, r in self.regrets.items()}
        worst = self.regrets[self.worst].value
        return {
            "label": self.label,
            "setting": dict(self.setting),
            "worst": self.worst,
            "worst_regret": worst,
            "regrets": regrets,
        }


@dataclass(frozen=True)
class TuningGain:
    """What tuning for every problem brings an optimizer over one setting for all: the mean score over problems of the
    best point of each, ``each``, of the one best point of all, ``one``, and their difference ``gain``.

    Scores are shares of progress, from 0 at the start to 1 at the most that the optimizer makes; ``gain`` is the
    hyperparameter sensitivity Φ of Adkins, Bowling and White 2024 (arXiv 2412.07165) on such scores: theirs are
    percentiles among the runs of all algorithms. 0: one setting is best everywhere.
    """

    label: str
    each: float
    one: float
    gain: Estimate
    problems: int


def common_grid(cells: Sequence[Cell], measures: Mapping[str, Measure] | None = None) -> CommonGrid:
    """`CommonGrid.of` one optimizer's cells, one a problem; raises as it does.

    ``measures`` are those of the problems, by name; by default each is the cell's own.
    """
    if measures is None:
        return CommonGrid.of([CellResult.alone(cell) for cell in cells])
    return CommonGrid.of([CellResult(cell, measures[cell.problem]) for cell in cells])


def transfer(grid: CommonGrid) -> Transfer:
    """The regret of every problem's best setting on every problem."""
    problems = tuple(grid.progress)
    found = [[grid.regret(b, grid.best(a)) for b in problems] for a in problems]
    value, low, high = (
        np.array([[getattr(r, part) for r in row] for row in found]) for part in ("value", "low", "high")
    )
    np.fill_diagonal(low, 0.0)
    np.fill_diagonal(high, 0.0)
    return Transfer(grid.label, problems, value, low, high)


def robust_setting(grid: CommonGrid, goals: Mapping[str, float] | None = None) -> RobustSetting:
    """The setting with the least worst regret; among equals the one with the least mean regret.

    ``goals`` are the progress on each problem that regret counts from; by default the optimizer's own best.
    """
    goal = {} if goals is None else goals
    regrets = np.stack([grid.regrets(name, goal.get(name)) for name in grid.progress])
    worst = regrets.max(axis=0)
    point = best_point(regrets.mean(axis=0), np.asarray(worst <= worst.min() + 1e-12)) or (0, 0)
    found = {name: grid.regret(name, point, goal.get(name)) for name in grid.progress}
    return RobustSetting(grid.label, grid.setting(point), found)


def tuning_gain(grid: CommonGrid) -> TuningGain:
    """What tuning for every problem brings over the setting of highest mean score; seeds are resampled together.

    Where problems were mapped on different numbers of seeds, the first ones count that all have.
    """
    fewest = min(len(made) for made in grid.progress.values())
    made = np.stack([made[:fewest] for made in grid.progress.values()], axis=1)  # [S, problem, Y, X]
    scores = _scores(made)
    each, one = float(scores.max(axis=(1, 2)).mean()), float(scores.mean(axis=0).max())
    return TuningGain(grid.label, each, one, over_seeds(_gain, made), len(grid.progress))


def _scores(made: Array) -> Array:
    """The median progress over seeds ``[problem, Y, X]`` as a share of the most on each problem; 0 without any."""
    typical = median(made)
    most = typical.max(axis=(1, 2), keepdims=True)
    return np.where(most > 0, np.clip(typical / np.where(most > 0, most, 1.0), 0.0, 1.0), 0.0)


def _gain(made: Array) -> float:
    scores = _scores(made)
    return float(scores.max(axis=(1, 2)).mean() - scores.mean(axis=0).max())


def suite_setting(grids: Sequence[CommonGrid]) -> RobustSetting:
    """The setting, of any optimizer, with the least worst regret against the best of all optimizers.

    Raises `PoolingError` where the optimizers were mapped on different problems.
    """
    problems = set(grids[0].progress)
    apart = [grid.label for grid in grids if set(grid.progress) != problems]
    if apart:
        raise PoolingError(f"{named_first(apart)} met other problems than {grids[0].label}")
    goals = {name: max(grid.most(name) for grid in grids) for name in problems}
    found = [robust_setting(grid, goals) for grid in grids]
    return min(found, key=lambda setting: (setting.regrets[setting.worst].value, setting.mean))


def _regrets(made: Array, goal: float | None = None) -> Array:
    """The share ``[Y, X]`` of ``goal`` (default: the most) that the median of progress ``[S, Y, X]`` lacks.

    0 everywhere if there is no progress to be made.
    """
    typical = median(made)
    best = float(typical.max()) if goal is None else goal
    return np.zeros(typical.shape) if best <= 0 else np.clip(1 - typical / best, 0.0, 1.0)


def _kind(axis: Axis | None) -> tuple[str, str] | None:
    return None if axis is None else (axis.name, axis.scale)


def _shared(axis: Axis, others: Sequence[Axis], label: str) -> Axis:
    """``axis`` with those of its values that lie within all ``others``, up to rounding."""
    low, high = max(float(other.at[0]) for other in others), min(float(other.at[-1]) for other in others)
    slack = 1e-9 * (1 + abs(high - low))
    kept = axis.values[(axis.at >= low - slack) & (axis.at <= high + slack)]
    if not kept.size:
        raise PoolingError(f"the landscapes of {label} have no value of {axis.name} in common")
    return Axis(axis.name, axis.scale, axis.default, kept)


def _resampled(grid: Grid, x: Axis, y: Axis | None) -> Array:
    """The progress ``[S, Y, X]`` of ``grid`` at the points of ``x`` and ``y``."""
    made = progress(grid.measure, grid.values) @ _weights(grid.x.at, x.at).T
    return made if y is None or grid.y is None else np.asarray(_weights(grid.y.at, y.at) @ made)


def _weights(at: Array, wanted: Array) -> Array:
    """The matrix ``[W, N]`` that interpolates linearly from coordinates ``at`` ``[N]`` to ``wanted`` ``[W]``."""
    return np.stack([np.interp(wanted, at, unit) for unit in np.eye(at.size)], axis=1)
