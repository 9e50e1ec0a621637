"""Reads a record and says what it means: measures, statistics, figures and the report. Knows no other folder of ours.

Names are loaded on first use, so that ``from analysis import Record`` does not start matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.budget import BudgetCurve, budget_curve, budget_table
    from analysis.compare import Comparison
    from analysis.convergence import Convergence, measure_of
    from analysis.figures import cell_figure, overview_figure, problem_figures
    from analysis.metrics import Measure, gap, log_gap, steps_to_target
    from analysis.pairs import improvement_matrix, paired_table
    from analysis.pooling import Pool, PoolingError, pool
    from analysis.profiles import Profile, expected_running_time, running_time_table
    from analysis.ranking import Ranking, ranking_table
    from analysis.recommendation import Recommendation, recommend, recommendations
    from analysis.report import write_report
    from analysis.results import results_table, results_text
    from analysis.sensitivity import Landscape, RateCurve, landscape_of, rate_curve
    from analysis.stability import Stability, stability_table
    from analysis.statistics import Band, Estimate, band, bootstrap_mean, bootstrap_median
    from analysis.tables import Cell, Record, RecordError
    from analysis.transfer import RobustSetting, Transfer, common_grid, robust_setting

__all__ = [
    "Band",
    "BudgetCurve",
    "Cell",
    "Comparison",
    "Convergence",
    "Estimate",
    "Landscape",
    "Measure",
    "Pool",
    "PoolingError",
    "Profile",
    "Ranking",
    "RateCurve",
    "Recommendation",
    "Record",
    "RecordError",
    "RobustSetting",
    "Stability",
    "Transfer",
    "band",
    "bootstrap_mean",
    "bootstrap_median",
    "budget_curve",
    "budget_table",
    "cell_figure",
    "common_grid",
    "expected_running_time",
    "gap",
    "improvement_matrix",
    "landscape_of",
    "log_gap",
    "measure_of",
    "overview_figure",
    "paired_table",
    "pool",
    "problem_figures",
    "ranking_table",
    "rate_curve",
    "recommend",
    "recommendations",
    "results_table",
    "results_text",
    "robust_setting",
    "running_time_table",
    "stability_table",
    "steps_to_target",
    "write_report",
]

_HOMES = {
    "budget": ("BudgetCurve", "budget_curve", "budget_table"),
    "compare": ("Comparison",),
    "convergence": ("Convergence", "measure_of"),
    "figures": ("cell_figure", "overview_figure", "problem_figures"),
    "metrics": ("Measure", "gap", "log_gap", "steps_to_target"),
    "pairs": ("improvement_matrix", "paired_table"),
    "pooling": ("Pool", "PoolingError", "pool"),
    "profiles": ("Profile", "expected_running_time", "running_time_table"),
    "ranking": ("Ranking", "ranking_table"),
    "recommendation": ("Recommendation", "recommend", "recommendations"),
    "report": ("write_report",),
    "results": ("results_table", "results_text"),
    "sensitivity": ("Landscape", "RateCurve", "landscape_of", "rate_curve"),
    "stability": ("Stability", "stability_table"),
    "statistics": ("Band", "Estimate", "band", "bootstrap_mean", "bootstrap_median"),
    "tables": ("Cell", "Record", "RecordError"),
    "transfer": ("RobustSetting", "Transfer", "common_grid", "robust_setting"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(import_module(f"analysis.{_HOME[name]}"), name)
