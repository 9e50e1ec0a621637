"""What a cell came to: its settings on the test seeds, its landscape and its curves, each computed once and kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from analysis.measures.convergence import SETTINGS, Convergence, curve_matrix, diverged_runs, measure_of
from analysis.measures.landscape_grid import Grid, grid_of
from analysis.measures.lr_sensitivity import Landscape, RateCurve, landscape_from, rate_curve
from analysis.measures.measure import Measure, steps_to_target
from analysis.record.cell_info import CellInfo
from analysis.record.cells import Cell
from analysis.record.outcome import Outcome
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import Estimate, band, bootstrap_median, median
from analysis.words import hyperparameter_text, interval_text

__all__ = ["CellResult", "SettingResult", "cell_results", "final_values", "table_rows"]


@dataclass(frozen=True, eq=False)
class SettingResult:
    """One setting of a cell, tuned or default, on the test seeds.

    ``values`` ``[S]`` are the measure after the last step by rising seed, inf where the run diverged; ``estimate`` is
    their median with its 90% bootstrap interval, inf where half of the seeds diverged. ``steps`` is the median number
    of steps to the problem's target: inf where half of the seeds do not reach it, NaN where there is no target.
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
        """Number of test seeds whose run diverged."""
        return int(np.isinf(self.values).sum())


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
        """The winner's hyperparameters that were searched, as text; empty where nothing won."""
        if self.info.winner is None:
            return ""
        return hyperparameter_text(self.cell, self.info.optimizer.searched_of(self.info.winner.hyperparameters))

    @property
    def tuned_at(self) -> str:
        """The winner's hyperparameters or, where there are none, why."""
        return self.hyperparameters or ("none: every trial diverged" if self.info.protocol.trials else "not tuned")

    @property
    def at_edge(self) -> tuple[str, ...]:
        """Names of the winner's hyperparameters that lie at the edge of their range."""
        return () if self.info.winner is None else self.info.winner.at_edge

    @cached_property
    def settings(self) -> Mapping[str, SettingResult]:
        """The results of the settings that were run on the test seeds, by name."""
        ends = {setting: final_values(self.cell, setting, self.measure) for setting in SETTINGS}
        return {
            setting: SettingResult(setting, values, bootstrap_median(values), self._steps(setting))
            for setting, values in ends.items()
            if values.size
        }

    @property
    def tuned(self) -> SettingResult | None:
        """The result of the winner; None where it was not run."""
        return self.settings.get("tuned")

    @property
    def default(self) -> SettingResult | None:
        """The result of the default setting; None where it was not run."""
        return self.settings.get("default")

    @cached_property
    def curves(self) -> Mapping[str, tuple[Array, Array]]:
        """The steps ``[E]`` and losses ``[S, E]`` of the settings that were run, by name."""
        found = {setting: curve_matrix(self.cell.curves, setting) for setting in SETTINGS}
        return {setting: (steps, losses) for setting, (steps, losses) in found.items() if losses.size}

    @cached_property
    def convergence(self) -> Mapping[str, Convergence]:
        """How the measure falls under the settings that were run, by name."""
        return {
            setting: Convergence(setting, "loss", steps, band(self.measure(losses)), diverged_runs(self.cell, setting))
            for setting, (steps, losses) in self.curves.items()
        }

    @cached_property
    def grid(self) -> Grid | None:
        """The landscape with its seeds apart; None where the suite asked for none."""
        return grid_of(self.cell, self.measure)

    @cached_property
    def landscape(self) -> Landscape | None:
        """What is typical of the landscape over its seeds; None where the suite asked for none."""
        return None if self.grid is None else landscape_from(self.grid)

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
        smallest, exact = self.measure.smallest, self.exact
        return interval_text(
            found.estimate, found.diverged, smallest=smallest, exact=exact, interval=interval, lost=lost
        )

    def _steps(self, setting: str) -> float:
        """The median number of steps to the problem's target; NaN where there is no target."""
        target = self.info.problem.target
        return np.nan if target is None else float(median(steps_to_target(*self.curves[setting], target)))

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
    """The measure ``[S]`` after the last step on every test seed, ``inf`` where it diverged; none if not run."""
    runs = cell.runs[cell.runs["setting"] == setting].sort_values("seed")
    return measure(runs["final_loss"].where(runs["status"] != Outcome.DIVERGED.word).to_numpy(dtype=np.float64))


def table_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as mappings, in its order."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
