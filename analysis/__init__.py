"""Reads a record and says what it means: measures, statistics, figures and the report. Knows no other folder of ours.

Names are loaded on first use, so that ``from analysis import Record`` does not start matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.figures.overview import overview_figure
    from analysis.figures.problem import cell_figure, problem_figures
    from analysis.measures.budget import BudgetCurve, budget_curve, budget_table
    from analysis.measures.convergence import Convergence, measure_of
    from analysis.measures.lr_sensitivity import Landscape, RateCurve, landscape_of, rate_curve
    from analysis.measures.measure import Measure, gap, log_gap, steps_to_target
    from analysis.measures.pairs import improvement_matrix, paired_table
    from analysis.measures.pooling import Pool, PoolingError, pool
    from analysis.measures.profiles import Profile, expected_running_time, running_time_table
    from analysis.measures.ranking import Ranking, ranking_table
    from analysis.measures.recommendation import Recommendation, recommend, recommendations
    from analysis.measures.results import CellResult, SettingResult
    from analysis.measures.stability import Stability, stability_table
    from analysis.measures.transfer import RobustSetting, Transfer, common_grid, robust_setting
    from analysis.pages.catalogue import figure_of, paper_figure
    from analysis.pages.compare import Comparison
    from analysis.pages.report import write_report
    from analysis.pages.results_text import results_text
    from analysis.problem_results import ProblemResults, results_of, results_table
    from analysis.record.cells import Cell, Record
    from analysis.record.errors import RecordError
    from analysis.statistics.bootstrap import Band, Estimate, band, bootstrap_mean, median_interval

__all__ = [
    "Band",
    "BudgetCurve",
    "Cell",
    "CellResult",
    "Comparison",
    "Convergence",
    "Estimate",
    "Landscape",
    "Measure",
    "Pool",
    "PoolingError",
    "ProblemResults",
    "Profile",
    "Ranking",
    "RateCurve",
    "Recommendation",
    "Record",
    "RecordError",
    "RobustSetting",
    "SettingResult",
    "Stability",
    "Transfer",
    "band",
    "bootstrap_mean",
    "median_interval",
    "budget_curve",
    "budget_table",
    "cell_figure",
    "common_grid",
    "expected_running_time",
    "figure_of",
    "gap",
    "improvement_matrix",
    "landscape_of",
    "log_gap",
    "measure_of",
    "overview_figure",
    "paired_table",
    "paper_figure",
    "pool",
    "problem_figures",
    "ranking_table",
    "rate_curve",
    "recommend",
    "recommendations",
    "results_of",
    "results_table",
    "results_text",
    "robust_setting",
    "running_time_table",
    "stability_table",
    "steps_to_target",
    "write_report",
]

_HOMES = {
    "figures.overview": ("overview_figure",),
    "figures.problem": ("cell_figure", "problem_figures"),
    "measures.budget": ("BudgetCurve", "budget_curve", "budget_table"),
    "measures.convergence": ("Convergence", "measure_of"),
    "measures.lr_sensitivity": ("Landscape", "RateCurve", "landscape_of", "rate_curve"),
    "measures.measure": ("Measure", "gap", "log_gap", "steps_to_target"),
    "measures.pairs": ("improvement_matrix", "paired_table"),
    "measures.pooling": ("Pool", "pool"),
    "measures.comparable": ("PoolingError",),
    "measures.profiles": ("Profile", "expected_running_time", "running_time_table"),
    "measures.ranking": ("Ranking", "ranking_table"),
    "measures.recommendation": ("Recommendation", "recommend", "recommendations"),
    "measures.results": ("CellResult", "SettingResult"),
    "measures.stability": ("Stability", "stability_table"),
    "measures.transfer": ("RobustSetting", "Transfer", "common_grid", "robust_setting"),
    "pages.catalogue": ("figure_of", "paper_figure"),
    "pages.compare": ("Comparison",),
    "pages.report": ("write_report",),
    "pages.results_text": ("results_text",),
    "problem_results": ("ProblemResults", "results_of", "results_table"),
    "record.cells": ("Cell", "Record"),
    "record.errors": ("RecordError",),
    "statistics.bootstrap": ("Band", "Estimate", "band", "bootstrap_mean", "median_interval"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(import_module(f"analysis.{_HOME[name]}"), name)
