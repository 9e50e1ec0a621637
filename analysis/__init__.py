"""Reads a record and says what it means: measures, statistics, figures and the report. Knows no other folder of ours.

Names are loaded on first use, so that ``from analysis import Record`` does not start matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.convergence import Convergence, measure_of
    from analysis.figures import cell_figure, overview_figure, problem_figures
    from analysis.metrics import Measure, auc_log_gap, gap, log_gap, steps_to_target
    from analysis.report import write_report
    from analysis.results import results_table, results_text
    from analysis.sensitivity import Landscape, RateCurve, landscape_of, rate_curve
    from analysis.statistics import Band, Estimate, band, bootstrap_mean, bootstrap_median
    from analysis.tables import Cell, Record, RecordError

__all__ = [
    "Band",
    "Cell",
    "Convergence",
    "Estimate",
    "Landscape",
    "Measure",
    "RateCurve",
    "Record",
    "RecordError",
    "auc_log_gap",
    "band",
    "bootstrap_mean",
    "bootstrap_median",
    "cell_figure",
    "gap",
    "landscape_of",
    "log_gap",
    "measure_of",
    "overview_figure",
    "problem_figures",
    "rate_curve",
    "results_table",
    "results_text",
    "steps_to_target",
    "write_report",
]

_HOMES = {
    "convergence": ("Convergence", "measure_of"),
    "figures": ("cell_figure", "overview_figure", "problem_figures"),
    "metrics": ("Measure", "auc_log_gap", "gap", "log_gap", "steps_to_target"),
    "report": ("write_report",),
    "results": ("results_table", "results_text"),
    "sensitivity": ("Landscape", "RateCurve", "landscape_of", "rate_curve"),
    "statistics": ("Band", "Estimate", "band", "bootstrap_mean", "bootstrap_median"),
    "tables": ("Cell", "Record", "RecordError"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(import_module(f"analysis.{_HOME[name]}"), name)
