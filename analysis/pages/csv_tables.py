"""The numbers behind the figures as flat tables, for the CSV files of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from analysis.measures.results import CellResult

__all__ = ["convergence_table", "costs_table", "horizons_table", "metrics_table", "sensitivity_table"]


def convergence_table(cells: Sequence[CellResult]) -> pd.DataFrame:
    """The lines of the convergence figure: one row a label, setting and step, with median, low, high and n."""
    parts = []
    for cell in cells:
        for setting, line in cell.convergence.items():
            columns = {"step": line.steps.astype(int), "median": line.band.median}
            frame = pd.DataFrame({**columns, "low": line.band.low, "high": line.band.high})
            parts.append(
                _keyed(frame, cell, setting=setting, measure=cell.measure.name, n=line.seeds, studies=line.studies)
            )
    return _joined(parts)


def metrics_table(cells: Sequence[CellResult]) -> pd.DataFrame:
    """The problem's further metrics, as held-out accuracy: one row a label, setting, metric and step.

    Median, low, high and n, NaN from where a run diverged on; empty where the problem has no further metric.
    """
    parts = []
    for cell in cells:
        for metric, lines in cell.metrics.items():
            for setting, line in lines.items():
                columns = {"step": line.steps.astype(int), "median": line.band.median}
                frame = pd.DataFrame({**columns, "low": line.band.low, "high": line.band.high})
                parts.append(_keyed(frame, cell, setting=setting, metric=metric, n=line.band.n))
    return _joined(parts)


def costs_table(cells: Sequence[CellResult]) -> pd.DataFrame:
    """What a step of one run alone costs: one row a label, with the time it takes to the problem's target, tuned and by
    default (inf: not reached by half of the runs; NaN: no target, or not run).
    """
    parts = []
    for cell in cells:
        cost = cell.info.cost
        values = {
            "step_seconds": cost.seconds,
            "optimizer_share": cost.optimizer_share,
            "state_bytes": cost.state_bytes,
            "tuned_seconds_to_target": cell.seconds_to_target("tuned"),
            "default_seconds_to_target": cell.seconds_to_target("default"),
            "device": cell.info.device,
            "dtype": cell.info.dtype,
        }
        parts.append(_keyed(pd.DataFrame([values]), cell))
    return _joined(parts)


def sensitivity_table(cells: Sequence[CellResult]) -> pd.DataFrame:
    """One row a landscape: its best point, the rates near it, how much a rate matters and the factor to divergence."""
    parts = []
    for cell in cells:
        landscape, curve = cell.landscape, cell.rates
        if landscape is None or curve is None:
            continue
        row, column = landscape.best or (0, 0)
        low, high = curve.near_best or (np.nan, np.nan)
        found = landscape.best is not None
        values = {
            "best_lr": landscape.x.values[column] if found else np.nan,
            "second": "" if landscape.y is None else landscape.y.name,
            "best_second": landscape.y.values[row] if found and landscape.y is not None else np.nan,
            "best": landscape.best_value,
            "near_best_lr_low": low,
            "near_best_lr_high": high,
            "near_best_decades": curve.near_best_decades,
            "lr_sensitivity": curve.lr_sensitivity,
            "lr_sensitivity_share": curve.lr_sensitivity_share,
            "factor_to_divergence": curve.factor_to_divergence or (np.inf if found else np.nan),
            "near_best_share": float(landscape.near_best.mean()),
            "diverged_share": float(landscape.diverged.mean()),
            "worse_than_start_share": float(landscape.worse_than_start.mean()),
            "n": landscape.n,
        }
        parts.append(_keyed(pd.DataFrame([values]), cell))
    return _joined(parts)


def horizons_table(cells: Sequence[CellResult]) -> pd.DataFrame:
    """One row a landscape and horizon: its best setting after so many steps, and where runs fail and diverge."""
    parts = []
    for cell in cells:
        if cell.horizons and cell.landscape is not None:
            frame = pd.DataFrame([asdict(one) for one in cell.horizons])
            name = "" if cell.landscape.y is None else cell.landscape.y.name
            frame.insert(3, "second_name", name)
            parts.append(_keyed(frame, cell, measure=cell.measure.name, n=cell.landscape.n))
    return _joined(parts)


def _keyed(frame: pd.DataFrame, cell: CellResult, **columns: str | int) -> pd.DataFrame:
    keys: dict[str, str | int] = {"problem": cell.problem, "label": cell.label, **columns}
    for place, (name, value) in enumerate(keys.items()):
        frame.insert(place, name, value)
    return frame


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
