"""The numbers behind the figures as flat tables, for the CSV files of a report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.measures.convergence import SETTINGS, convergence, measure_of
from analysis.measures.lr_sensitivity import landscape_of, rate_curve
from analysis.measures.results import cell_label
from analysis.record.cells import Cell

__all__ = ["convergence_table", "sensitivity_table"]


def convergence_table(cells: tuple[Cell, ...]) -> pd.DataFrame:
    """Return the lines of the convergence figure: one row a label, setting and step, with median, low, high and n."""
    measure, parts = measure_of(cells), []
    for cell in cells:
        for setting in SETTINGS:
            line = convergence(cell, setting, measure)
            if line is not None:
                columns = {"step": line.steps.astype(int), "median": line.band.median}
                frame = pd.DataFrame({**columns, "low": line.band.low, "high": line.band.high})
                parts.append(_keyed(frame, cell, setting=setting, measure=measure.name, n=line.band.n))
    return _joined(parts)


def sensitivity_table(cells: tuple[Cell, ...]) -> pd.DataFrame:
    """Return one row a landscape: its best point, the learning rates near it and the factor to divergence."""
    measure, parts = measure_of(cells), []
    for cell in cells:
        landscape = landscape_of(cell, measure)
        curve = None if landscape is None else rate_curve(landscape)
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
            "factor_to_divergence": curve.factor_to_divergence or (np.inf if found else np.nan),
            "near_best_share": float(landscape.near_best.mean()),
            "diverged_share": float(landscape.diverged.mean()),
            "worse_than_start_share": float(landscape.worse_than_start.mean()),
            "n": landscape.n,
        }
        parts.append(_keyed(pd.DataFrame([values]), cell))
    return _joined(parts)


def _keyed(frame: pd.DataFrame, cell: Cell, **columns: str | int) -> pd.DataFrame:
    keys: dict[str, str | int] = {"problem": cell.problem, "label": cell_label(cell), **columns}
    for place, (name, value) in enumerate(keys.items()):
        frame.insert(place, name, value)
    return frame


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
