"""Tidy frames of several cells: one row an observation, with the columns that say which cell it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.record.cell_info import CellInfo
from analysis.record.columns import TABLES
from analysis.record.tables import read_table

__all__ = ["KEYS", "tidy"]

KEYS: Final[Mapping[str, str]] = {
    "problem": "name of the problem",
    "optimizer": "name of the optimizer",
    "schedule": "schedule of the learning rate",
    "label": "the optimizer, and its schedule where that is not constant: the name in figures",
}
"""Columns that a tidy frame has before those of its table; their values are categories in the suite's order."""

LOSSES: Final[Mapping[str, str]] = {"curves": "loss", "runs": "final_loss", "landscape": "final_loss"}
"""Which loss of a table the column ``gap`` is of."""


def tidy(cells: Sequence[tuple[Path, CellInfo]], table: str) -> pd.DataFrame:
    """The ``table`` of all ``cells`` (their folders and what they say) as one frame, in the suite's order.

    The columns are `KEYS`, those of `analysis.record.columns.TABLES`, hyperparameters and further metrics (NaN in the
    cells that have none of them), and ``gap``: the loss above the problem's stated minimum, NaN where none is stated.
    Words are categories, so that a million rows cost megabytes.
    """
    names = [(info.problem.name, info.optimizer.name, info.schedule, info.label) for _, info in cells]
    kinds = [list(dict.fromkeys(values)) for values in zip(*names, strict=True)]
    parts = []
    for (folder, info), own in zip(cells, names, strict=True):
        frame = read_table(folder, table)
        if not frame.empty:
            parts.append(_with_keys(frame, info, dict(zip(KEYS, zip(own, kinds, strict=True), strict=True)), table))
    if not parts:
        return pd.DataFrame(columns=[*KEYS, *TABLES[table].columns, *(["gap"] if table in LOSSES else [])])
    return pd.concat(parts, ignore_index=True)


def _with_keys(
    frame: pd.DataFrame, info: CellInfo, keys: Mapping[str, tuple[str, Sequence[str]]], table: str
) -> pd.DataFrame:
    """The ``frame`` of one cell with its ``keys``: each a value and the values of all cells."""
    columns: dict[str, Any] = {
        name: pd.Categorical.from_codes(np.full(len(frame), known.index(value)), list(known))
        for name, (value, known) in keys.items()
    }
    for name in frame.columns:
        words = TABLES[table].columns[name].words if name in TABLES[table].columns else ()
        columns[str(name)] = pd.Categorical(frame[name], list(words)) if words else frame[name].to_numpy()
    if table in LOSSES:
        minimum = info.problem.minimum
        columns["gap"] = frame[LOSSES[table]].to_numpy() - (np.nan if minimum is None else float(minimum))
    return pd.DataFrame(columns)
