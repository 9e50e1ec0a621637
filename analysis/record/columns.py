"""The columns of every table of a record, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import pandas as pd

from analysis.record.errors import RecordError

if TYPE_CHECKING:
    pass

__all__ = ["COLUMNS", "SCHEMA_VERSION", "check_columns"]

SCHEMA_VERSION: Final = 3


COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "trials": {
        "study": "number of the study, from 0",
        "trial": "number of the trial within its study, from 0, in the order asked; trial 0 is the defaults where they "
        "lie in the searched ranges",
        "block": "number of the block the trial was asked in; -1 for a trial another process told a shared study",
        "state": "complete | diverged (told inf) | pruned",
        "objective": "what the sampler was told, lower is better; inf where diverged, NaN where pruned; "
        "a second one is objective_2",
        "seeds": "number of tuning seeds",
        "diverged": "number of tuning seeds that diverged",
    },
    "runs": {
        "setting": "trial | tuned | default: a tuning trial, or a study's winner / the defaults on fresh test seeds",
        "study": "number of the study; missing for 'default'",
        "trial": "number of the trial; missing for 'tuned' and 'default'",
        "seed": "seed of data order, noise and start",
        "status": "finished | diverged | pruned",
        "stopped_at": "updates made while the loss was valid; all of them where finished",
        "start_loss": "loss at step 0",
        "final_loss": "loss after the last step; NaN unless finished",
        "best_loss": "lowest loss at an evaluation",
    },
    "curves": {
        "setting": "as in runs",
        "study": "as in runs",
        "trial": "as in runs",
        "seed": "as in runs",
        "step": "updates made before this evaluation; 0 is the start",
        "loss": "full-data loss; NaN after divergence (further metrics of the problem follow as own columns)",
    },
    "landscape": {
        "seed": "as in runs",
        "status": "as in runs",
        "stopped_at": "as in runs",
        "start_loss": "as in runs",
        "final_loss": "as in runs",
        "best_loss": "as in runs",
    },
    "paths": {
        "setting": "tuned | default",
        "study": "as in runs",
        "seed": "as in runs",
        "step": "as in curves",
        "x1": "first parameter",
        "x2": "second parameter",
    },
    "surface": {"x1": "first parameter", "x2": "second parameter", "loss": "loss there"},
    "replays": {
        "sampler": "name of the sampler that was replayed over the landscape",
        "repeat": "number of the search, from 0",
        "k": "trials made so far, from 1",
        "best": "measure of the point kept by then, on the held-out landscape seed; inf where it diverged",
    },
}
"""Required columns of each table and what they mean; hyperparameters and further metrics come on top."""


def check_columns(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` if it has every required column of ``table``; raise `RecordError` naming the missing ones."""
    missing = [column for column in COLUMNS[table] if column not in frame.columns]
    if missing:
        raise RecordError(f"{table} lacks the column(s) {', '.join(missing)}; it has {', '.join(frame.columns)}")
    return frame
