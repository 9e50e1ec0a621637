"""The results of a problem: its cells under one measure, who is best, and what its landscapes say; computed once."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from analysis.measures.comparable import unequal_budgets
from analysis.measures.convergence import SETTINGS, beaten_floor, measure_of
from analysis.measures.horizons import Lead, leads
from analysis.measures.measure import Measure
from analysis.measures.paired_curves import Against, against_lowest
from analysis.measures.paired_tests import not_worse
from analysis.measures.recommendation import Recommendation, recommendation_of
from analysis.measures.results import CellResult, SettingResult, cell_results
from analysis.measures.search_check import SearchCheck, search_check
from analysis.measures.stability import Stability, stability
from analysis.measures.trajectory import Path2D, Surface, path_of, surface_of
from analysis.record.cell_info import ProblemInfo
from analysis.record.cells import Cell
from analysis.words import number

__all__ = ["ProblemResults", "results_frame", "results_of", "results_table"]


@dataclass(frozen=True, eq=False)
class ProblemResults:
    """The results of a problem's cells, in the suite's order. What is computed is computed on first use, and kept."""

    cells: tuple[CellResult, ...]

    @classmethod
    def of(cls, cells: Iterable[Cell]) -> ProblemResults:
        """The results of the cells of one problem; raises `RecordError` where they are of several."""
        measure = measure_of(found := tuple(cells))
        return cls(tuple(CellResult(cell, measure) for cell in found))

    @property
    def problem(self) -> ProblemInfo:
        return self.cells[0].info.problem

    @property
    def measure(self) -> Measure:
        """What all cells are judged by."""
        return self.cells[0].measure

    @property
    def exact(self) -> bool:
        """Whether one run of a setting says all: the problem is deterministic."""
        return self.problem.deterministic

    @property
    def studies(self) -> int:
        """The fewest studies that any cell was tuned by; 0 where one was not tuned."""
        return min(len(cell.info.studies) for cell in self.cells)

    @property
    def searched(self) -> bool:
        """Whether anything was tuned."""
        return any(cell.info.protocol.trials for cell in self.cells)

    @property
    def seeds(self) -> int:
        """The most test seeds that any setting was run on; 0 where none was."""
        return max((found.n for cell in self.cells for found in cell.settings.values()), default=0)

    @property
    def stops_early(self) -> bool:
        """Whether studies of the problem judged runs by their lowest held-out loss."""
        return any(cell.stops_early for cell in self.cells)

    @property
    def judged_by(self) -> str:
        """The loss on held-out data by which studies of the problem judged runs, in words; nothing where by none."""
        return next((cell.judged_by for cell in self.cells if cell.judged_by), "")

    @cached_property
    def unequal(self) -> str:
        """Why the budgets are unequal, in which case no cell is best; empty where they are equal."""
        return unequal_budgets([cell.cell for cell in self.cells])

    @cached_property
    def beaten(self) -> str:
        """What is wrong with the stated minimum, where losses fell below it; then the measure is the loss."""
        lowest = beaten_floor(cell.cell for cell in self.cells)
        if lowest is None or self.problem.minimum is None:
            return ""
        stated, reached = number(self.problem.minimum, 4), number(lowest, 4)
        return (
            f"The minimum stated of {self.problem.name}, {stated}, is too high: a loss of {reached} was reached, so "
            "that losses are compared and not gaps; state the lowest loss there can be, or none"
        )

    @cached_property
    def best(self) -> tuple[CellResult, ...]:
        """The cells with the lowest tuned median; those equal within rounding are all best."""
        ended = self._ended
        if not ended or self.unequal:
            return ()
        smallest = self.measure.smallest
        lowest = max(min(found.value for found in ended.values()), smallest)
        return tuple(cell for cell, found in ended.items() if max(found.value, smallest) <= lowest)

    @property
    def by_result(self) -> tuple[CellResult, ...]:
        """The cells, the lowest tuned median first; those that were not tuned, or lost, come last in their order."""
        ended = self._ended
        return tuple(sorted(self.cells, key=lambda cell: ended[cell].value if cell in ended else math.inf))

    @cached_property
    def tied(self) -> tuple[CellResult, ...]:
        """The cells not significantly worse than the best, by `analysis.measures.paired_tests.not_worse`."""
        if not self.best:
            return ()
        ended = self._ended
        others = [cell for cell in ended if cell not in self.best]
        against = [ended[cell].values for cell in others]
        close = not_worse(ended[self.best[0]].values, against, self.measure, exact=self.exact)
        return tuple(cell for cell, tied in zip(others, close, strict=True) if tied)

    @property
    def undecided(self) -> bool:
        """Whether there are several optimizers, and nobody is told apart from the best."""
        return len(self.cells) > 1 and len(self.best) + len(self.tied) == len(self.cells)

    def against(self, setting: str, labels: Collection[str] | None = None) -> Against | None:
        """The optimizers (those of ``labels``, where any are named) against the lowest one over the steps; None where
        budgets are unequal, or nobody else was run under ``setting``.
        """
        key = (setting, None if labels is None else frozenset(labels))
        if key not in self._compared:
            self._compared[key] = None if self.unequal else against_lowest(self.cells, setting, labels)
        return self._compared[key]

    @cached_property
    def stability(self) -> tuple[Stability, ...]:
        """What the landscapes say, of every cell that has one."""
        return tuple(found for cell in self.cells if (found := stability(cell)) is not None)

    @cached_property
    def recommendations(self) -> tuple[Recommendation, ...]:
        """What to set, of every cell of which a setting made progress."""
        return tuple(found for cell in self.cells if (found := recommendation_of(cell)) is not None)

    @cached_property
    def searches(self) -> tuple[SearchCheck, ...]:
        """Search beside landscape, of every cell that has both."""
        return tuple(found for cell in self.cells if (found := search_check(cell)) is not None)

    @cached_property
    def leads(self) -> tuple[Lead, ...]:
        """Whose landscape has the lowest point at which horizons; empty where they were not kept, or budgets differ."""
        found = {cell.label: cell.horizons for cell in self.cells if cell.horizons}
        return () if self.unequal else tuple(leads(found, self.measure))

    @cached_property
    def surface(self) -> Surface | None:
        """The measure over the plane; None where the problem is not one of the plane."""
        return next((s for cell in self.cells if (s := surface_of(cell.cell, self.measure)) is not None), None)

    @cached_property
    def paths(self) -> Mapping[str, list[Path2D]]:
        """The tuned and the default path of every optimizer that has any, by label; empty without a `surface`."""
        if self.surface is None:
            return {}
        found = {
            cell.label: [path_of(cell.cell, setting, self.surface, cell.typical_study) for setting in SETTINGS]
            for cell in self.cells
        }
        return {label: [path for path in both if path is not None] for label, both in found.items() if any(both)}

    @cached_property
    def _compared(self) -> dict[tuple[str, frozenset[str] | None], Against | None]:
        """What `against` has found."""
        return {}

    @property
    def _ended(self) -> dict[CellResult, SettingResult]:
        """The tuned results with a finite median."""
        return {cell: found for cell in self.cells if (found := cell.tuned) and math.isfinite(found.value)}

    def __getstate__(self) -> dict[str, Any]:
        """What is sent to another process: not what was computed."""
        return {"cells": self.cells}


def results_of(cells: Iterable[Cell]) -> Mapping[str, ProblemResults]:
    """The results of a record, or of any cells, by problem, in their order.

    Raises `RecordError` where one problem name stands for two instances.
    """
    groups: dict[str, list[CellResult]] = {}
    for result in cell_results(cells):
        groups.setdefault(result.problem, []).append(result)
    return {problem: ProblemResults(tuple(group)) for problem, group in groups.items()}


def results_table(cells: Iterable[Cell]) -> pd.DataFrame:
    """One row a cell of a record, in the suite's order: the columns of `results_frame`."""
    return results_frame(results_of(cells).values())


def results_frame(results: Iterable[ProblemResults]) -> pd.DataFrame:
    """One row a cell.

    Columns: ``problem``, ``optimizer``, ``schedule``, ``label`` (optimizer and schedule), ``hyperparameters`` (the
    searched values of the study in the middle, as text), ``studies`` and ``trials`` (of the tuning, of each study; 0:
    none was asked for), ``at_edge`` (names at the edge of their range, as text), ``best`` (lowest tuned median of its
    problem; equal within rounding are all best), ``tied`` (not significantly worse than the best, by
    `analysis.measures.paired_tests.not_worse`), ``unequal`` (why the budgets of its problem are unequal, in which case
    no cell is best; empty where they are equal), ``measure`` (gap or loss), ``smallest`` (rounding of the measure),
    ``start``, ``exact`` (deterministic problem: one run of a setting says all); and for each setting, tuned and
    default, the median after the last step (tuned: over studies of the medians over seeds), the ends ``_low`` and
    ``_high`` of its interval, the number ``_diverged`` of runs that diverged on ``_n`` test seeds, and ``_steps``, the
    median number of steps to the problem's target (inf: not reached by half of the runs; NaN: no target). A median is
    inf where half of the runs diverged and NaN where the setting was not run. ``best_study`` is the median of the study
    that the tuning seeds put first.
    """
    return pd.DataFrame([_row(found, cell) for found in results for cell in found.cells])


def _row(found: ProblemResults, cell: CellResult) -> dict[str, object]:
    row: dict[str, object] = {
        "problem": cell.problem,
        "optimizer": cell.cell.optimizer,
        "schedule": cell.cell.schedule,
        "label": cell.label,
        "hyperparameters": cell.hyperparameters,
        "studies": cell.info.protocol.studies,
        "trials": cell.info.protocol.trials,
        "at_edge": ", ".join(cell.at_edge),
        "best": cell in found.best,
        "tied": cell in found.tied,
        "measure": cell.measure.name,
        "smallest": cell.measure.smallest,
        "start": cell.measure.start,
        "exact": cell.exact,
    }
    for setting in SETTINGS:
        row |= _setting_columns(setting, cell.settings.get(setting))
    best = math.nan if cell.best_tuned is None else cell.best_tuned.value
    return {**row, "best_study": best, "unequal": found.unequal}


def _setting_columns(setting: str, found: SettingResult | None) -> dict[str, float]:
    if found is None:
        shown, counts, steps = (math.nan, math.nan, math.nan), (0, 0), math.nan
    else:
        estimate = found.estimate
        shown, counts, steps = (estimate.value, estimate.low, estimate.high), (found.n, found.diverged), found.steps
    names = ("", "_low", "_high", "_n", "_diverged", "_steps")
    return {f"{setting}{name}": value for name, value in zip(names, (*shown, *counts, steps), strict=True)}
