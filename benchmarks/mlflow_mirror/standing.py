"""How each cell did among those of its problem, read from a report: a cell alone, when it is mirrored, cannot know."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from analysis.record.cells import Cell

__all__ = ["linked_note", "standing_tags"]

COLUMNS: Final = ("problem", "label", "tuned", "smallest", "best", "tied", "unequal")
HEADING: Final = "\n\nIn the report: "


def standing_tags(report: Path) -> Mapping[tuple[str, str], Mapping[str, str]]:
    """The tags of every cell, by problem and label: its ``rank`` by what it was tuned to, of how many, with halves
    where losses are equal within rounding, and the ``verdict``: best, not told apart from the best, or worse.

    None of a report without results, and none of a problem whose budgets are unequal or of a cell that has no result.
    """
    with suppress(OSError, ValueError):
        table = pd.read_csv(report / "tables" / "results.csv", usecols=list(COLUMNS), keep_default_na=True)
        fair = table[table["unequal"].isna() & np.isfinite(table["tuned"])]
        shown = fair["tuned"].clip(lower=fair["smallest"])
        ranks = shown.groupby(fair["problem"]).rank()
        counts = table.groupby("problem")["label"].transform("size")
        return {
            (str(row.problem), str(row.label)): {
                "rank": f"{ranks[row.Index]:g} of {counts[row.Index]}",
                "verdict": "best" if row.best else "not told apart from the best" if row.tied else "worse",
            }
            for row in fair.itertuples()
        }
    return {}


def linked_note(note: str, cell: Cell, experiment: str, report: str) -> str:
    """The ``note`` of a cell with a link to the run ``report``, in place of one to an earlier one.

    The link is to MLflow's own page: a file that MLflow serves by itself is downloaded, so that no link can go to a
    section. Without the type of workflow it opens among the pages for language models.
    """
    where = f"#/experiments/{experiment}/runs/{report}/artifacts/report/index.html?workflowType=machine_learning"
    return f"{note.partition(HEADING)[0]}{HEADING}[the section on {cell.problem}]({where})."
