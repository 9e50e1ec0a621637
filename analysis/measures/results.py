"""What a cell came to: its settings on the test seeds, its landscape and its curves, each computed once and kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.measures.convergence import SETTINGS, Convergence, by_study, curve_matrix, measure_of, metric_curves
from analysis.measures.horizons import Horizon, horizon_of
from analysis.measures.landscape_grid import Grid, grid_of, grids_before
from analysis.measures.lr_sensitivity import Landscape, RateCurve, landscape_from, rate_curve
from analysis.measures.measure import Measure, steps_to_target
from analysis.record.cell_info import CellInfo, WinnerInfo
from analysis.record.cells import Cell
from analysis.record.errors import RecordError
from analysis.record.outcome import Outcome
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import Estimate, estimate_of_studies, median, typical
from analysis.words import hyperparameter_text, interval_text

__all__ = ["CellResult", "SettingResult", "cell_results", "final_values", "table_rows"]

HELDOUT: Final = {
    "heldout_loss": "held-out loss at the end",
    "heldout_best": "held-out loss at its lowest evaluation, as early stopping takes it",
}
"""The objectives that judge runs by data they were not trained on, in words."""


@dataclass(frozen=True, eq=False)
class SettingResult:
    """One setting of a cell, tuned or default, on the test seeds.

    ``values`` ``[K, S]`` are the measure after the last step of what each of K studies found (the default: K is 1), by
    rising seed, inf where the run diverged or a study found nothing; ``estimate`` is the median over studies of their
    medians, what a user gets who tunes once, with its interval (`analysis.statistics.bootstrap.estimate_of_studies`),
    inf where half of the studies lost half of their seeds. ``steps`` is the number of steps to the problem's target in
    the same median: inf where it is not reached, NaN where there is no target.
    """

    setting: str
    values: Array
    estimate: Estimate
    steps: float

    @property
    def value(self) -> float:
        """The median."""
        return self.estimate.value

    @property
    def n(self) -> int:
        """Number of test seeds."""
        return self.estimate.n

    @property
    def diverged(self) -> int:
        """Number of test runs that diverged."""
        return int(np.isinf(self.values).sum())

    @property
    def studies(self) -> int:
        """Number of studies; 1 for the default."""
        return len(self.values)

    @property
    def runs(self) -> int:
        """Number of test runs: studies times seeds."""
        return self.values.size


@dataclass(frozen=True, eq=False)
class CellResult:
    """A cell judged by the ``measure`` of its problem. What is computed of it is computed on first use, and kept."""

    cell: Cell
    measure: Measure

    @classmethod
    def alone(cls, cell: Cell) -> CellResult:
        """The result of a cell that is compared with no other: the measure is its own."""
        return cls(cell, measure_of((cell,)))

    @property
    def info(self) -> CellInfo:
        return self.cell.info

    @property
    def problem(self) -> str:
        return self.cell.problem

    @property
    def label(self) -> str:
        return self.cell.label

    @property
    def exact(self) -> bool:
        """Whether one run says all: the problem is deterministic."""
        return self.info.problem.deterministic

    @property
    def hyperparameters(self) -> str:
        """The hyperparameters of `typical_winner` that were searched, as text; empty where nothing won."""
        if self.typical_winner is None:
            return ""
        return hyperparameter_text(self.cell, self.info.optimizer.searched_of(self.typical_winner.hyperparameters))

    @property
    def tuned_setting(self) -> Mapping[str, float]:
        """All hyperparameters of `typical_winner`, by name; empty where nothing won."""
        return {} if self.typical_winner is None else self.typical_winner.hyperparameters

    @property
    def tuned_at(self) -> str:
        """The hyperparameters of `typical_winner` or, where there are none, why."""
        return self.hyperparameters or ("none: every trial diverged" if self.info.protocol.trials else "not tuned")

    @property
    def at_edge(self) -> tuple[str, ...]:
        """Names of hyperparameters that lie at the edge of their range, of `typical_winner`."""
        return () if self.typical_winner is None else self.typical_winner.at_edge

    @property
    def typical_study(self) -> int | None:
        """The number of the study in the middle: the one whose median makes the result; None where nothing won.

        Of an even number it is the lower of the two in the middle; where that found nothing, the best study.
        """
        best = self.info.best_study
        if best is None or self.tuned is None:
            return None
        order = np.argsort(median(self.tuned.values.T), kind="stable")
        middle = int(order[(order.size - 1) // 2])
        return middle if self.info.studies[middle].winner is not None else best.study

    @property
    def typical_winner(self) -> WinnerInfo | None:
        """What the study in the middle found; None where nothing won."""
        return None if self.typical_study is None else self.info.studies[self.typical_study].winner

    @cached_property
    def best_tuned(self) -> SettingResult | None:
        """The result of the best study alone, which the tuning seeds chose; None where nothing won."""
        best = self.info.best_study
        if best is None or self.tuned is None:
            return None
        return self._setting("tuned", self.tuned.values[best.study : best.study + 1], best.study)

    @cached_property
    def settings(self) -> Mapping[str, SettingResult]:
        """The results of the settings that were run on the test seeds, by name."""
        ends = {setting: final_values(self.cell, setting, self.measure) for setting in SETTINGS}
        return {setting: self._setting(setting, values) for setting, values in ends.items() if values.size}

    @property
    def tuned(self) -> SettingResult | None:
        """The result of the winner; None where it was not run."""
        return self.settings.get("tuned")

    @property
    def default_is_lower(self) -> bool:
        """Whether the defaults end lower than what tuning found, by more than 1%, on the test seeds."""
        tuned, default = self.tuned, self.default
        if tuned is None or default is None or not np.isfinite(default.value):
            return False
        apart = float(np.subtract(*self.measure.shown([tuned.value, default.value])))
        return apart > 0.01 * abs(float(self.measure.shown(default.value)))

    @property
    def default(self) -> SettingResult | None:
        """The result of the default setting; None where it was not run."""
        return self.settings.get("default")

    def seconds_to_target(self, setting: str) -> float:
        """The time that one run alone takes to the problem's target: steps to it times what a step costs; inf where it
        is not reached, NaN where there is no target or the setting was not run.
        """
        found = self.settings.get(setting)
        return math.nan if found is None else found.steps * self.info.cost.seconds

    @cached_property
    def curves(self) -> Mapping[str, tuple[Array, Array]]:
        """The steps ``[E]`` and losses ``[K, S, E]`` of the settings that were run, by name."""
        found = {setting: curve_matrix(self.cell, setting) for setting in SETTINGS}
        return {setting: (steps, losses) for setting, (steps, losses) in found.items() if losses.size}

    @cached_property
    def convergence(self) -> Mapping[str, Convergence]:
        """How the measure falls under the settings that were run, by name."""
        return {
            setting: Convergence.of(self.cell, setting, "loss", steps, self.measure(losses))
            for setting, (steps, losses) in self.curves.items()
        }

    @cached_property
    def metrics(self) -> Mapping[str, Mapping[str, Convergence]]:
        """How the problem's further metrics, as those on held-out data, go: by metric, then by setting that was run."""
        curves = {
            metric: {setting: metric_curves(self.cell, setting, metric) for setting in SETTINGS}
            for metric in self.info.problem.metrics
        }
        return {
            metric: {setting: curve for setting, curve in found.items() if curve is not None}
            for metric, found in curves.items()
        }

    def metric_at_end(self, metric: str, setting: str) -> float:
        """The median of a further metric after the last step; NaN where a run diverged or the setting was not run."""
        curve = self.metrics.get(metric, {}).get(setting)
        return math.nan if curve is None else float(curve.band.median[-1])

    def lowest_of_runs(self, metric: str, setting: str) -> float:
        """The median of a further metric at each run's lowest evaluation; NaN as `metric_at_end`."""
        if metric not in self.cell.curves:
            return math.nan
        values = curve_matrix(self.cell, setting, metric)[1]
        if values.size == 0 or not np.isfinite(values).all():
            return math.nan
        return float(typical(values.min(axis=-1, keepdims=True))[0])

    @property
    def judged_by(self) -> str:
        """What the studies were judged by, in words, where that is a loss on held-out data; else nothing."""
        return next((HELDOUT[name] for name in self.info.protocol.objectives if name in HELDOUT), "")

    @property
    def stops_early(self) -> bool:
        """Whether the studies judged a run by its lowest held-out loss, as early stopping takes it."""
        return "heldout_best" in self.info.protocol.objectives

    @cached_property
    def grid(self) -> Grid | None:
        """The landscape with its seeds apart; None where the suite asked for none."""
        return grid_of(self.cell, self.measure)

    @cached_property
    def landscape(self) -> Landscape | None:
        """What is typical of the landscape over its seeds; None where the suite asked for none."""
        return None if self.grid is None else landscape_from(self.grid)

    @cached_property
    def horizons(self) -> tuple[Horizon, ...]:
        """What the landscape says after so many steps, rising, the end included; none where nothing was kept before."""
        if self.landscape is None or self.last_horizon is None:
            return ()
        before = [horizon_of(step, landscape_from(grid)) for step, grid in grids_before(self.cell, self.measure)]
        return (*before, self.last_horizon) if before else ()

    @property
    def last_horizon(self) -> Horizon | None:
        """What the landscape says at its end; None where the suite asked for none."""
        return None if self.landscape is None else horizon_of(self.info.protocol.steps, self.landscape)

    @cached_property
    def rates(self) -> RateCurve | None:
        """The learning-rate curve, the second hyperparameter at its best for each rate; None without a landscape."""
        return None if self.landscape is None else rate_curve(self.landscape)

    @cached_property
    def rates_held(self) -> RateCurve | None:
        """The curve with the second hyperparameter at its default; None where the landscape does not hold that."""
        return None if self.landscape is None else rate_curve(self.landscape, held=True)

    def text(self, setting: str, *, interval: bool = True, lost: bool = True) -> str:
        """The result of ``setting`` as `analysis.words.interval_text` writes it."""
        found = self.settings.get(setting)
        if found is None:
            return "not run"
        exact = self.exact and setting == "default"  # a tuned result hangs on its studies
        return interval_text(
            found.estimate, found.diverged, found.runs, self.measure.smallest, exact=exact, interval=interval, lost=lost
        )

    def stopped_at(self, setting: str) -> Array:
        """The updates ``[K, S]`` that every test run of a setting made; NaN for a study that found nothing."""
        runs = self.cell.runs
        runs = runs[runs["setting"] == setting]
        index = pd.MultiIndex.from_arrays([runs["study"].fillna(0), runs["seed"]], names=["study", "seed"])
        return by_study(self.cell, setting, runs["stopped_at"].set_axis(index))

    def _setting(self, setting: str, values: Array, study: int | None = None) -> SettingResult:
        """The result of the runs ``values`` ``[K, S]``: of all studies, or of one ``study``."""
        target, steps = self.info.problem.target, np.nan
        if target is not None:
            if setting not in self.curves:
                raise RecordError(
                    f"{self.cell.path} has runs of its {setting} setting and no curves of them; delete this folder and "
                    "run the suite again"
                )
            at, losses = self.curves[setting]
            chosen = losses if study is None else losses[study : study + 1]
            steps = float(typical(steps_to_target(at, chosen, target)))
        return SettingResult(setting, values, estimate_of_studies(values), steps)

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process: not what was computed, which is much and is computed anew where needed."""
        return {"cell": self.cell, "measure": self.measure}


def cell_results(cells: Iterable[Cell]) -> list[CellResult]:
    """The result of every cell, by the measure that it shares with the others of its problem.

    Raises `RecordError` where one problem name stands for two instances.
    """
    found = list(cells)
    problems = dict.fromkeys(cell.problem for cell in found)
    measures = {problem: measure_of(tuple(cell for cell in found if cell.problem == problem)) for problem in problems}
    return [CellResult(cell, measures[cell.problem]) for cell in found]


def final_values(cell: Cell, setting: str, measure: Measure) -> Array:
    """The measure ``[K, S]`` after the last step of every study on every test seed, ``inf`` where the run diverged or
    the study found nothing; empty where the setting was not run.
    """
    runs = cell.runs[cell.runs["setting"] == setting]
    if runs.empty:
        return np.empty((0, 0))
    loss = runs["final_loss"].where(runs["status"] != Outcome.DIVERGED.word)
    index = pd.MultiIndex.from_arrays([runs["study"].fillna(0), runs["seed"]], names=["study", "seed"])
    return measure(by_study(cell, setting, loss.set_axis(index)))


def table_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as mappings, in its order."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
