"""The columns of every table of a record, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

import pandas as pd

from analysis.record.errors import RecordError
from analysis.record.outcome import Outcome

__all__ = ["COLUMNS", "SCHEMA_VERSION", "TABLES", "Column", "Table", "check_columns"]

SCHEMA_VERSION: Final = 3


Kind = Literal["integer", "number", "word"]


@dataclass(frozen=True)
class Column:
    """A column of a table: what it means and what it may hold.

    ``kind`` is what its values are; a "word" is one of ``words``, or any text where there are none. Numbers are no less
    than ``low``. Where ``missing``, a value may be missing (NaN); where ``infinite``, a number may be infinite.
    """

    meaning: str
    kind: Kind = "number"
    words: tuple[str, ...] = ()
    missing: bool = False
    infinite: bool = False
    low: float = -math.inf


@dataclass(frozen=True)
class Table:
    """The required ``columns`` of a table by name, and those of its ``key``: no two rows have the same values there.

    An empty key is checked elsewhere: that of a landscape has its axes, and `analysis.measures.landscape_grid` looks
    for the whole grid.
    """

    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()


SETTING: Final = Column("as in runs", "word", ("trial", "tuned", "default"))
STUDY: Final = Column("as in runs", "integer", missing=True, low=0)
TRIAL: Final = Column("as in runs", "integer", missing=True, low=0)
SEED: Final = Column("as in runs", "integer", low=0)
ENDED: Final[Mapping[str, Column]] = {
    "seed": Column("seed of data order, noise and start", "integer", low=0),
    "status": Column("finished | diverged | pruned", "word", tuple(outcome.word for outcome in Outcome)),
    "stopped_at": Column("updates made while the loss was valid; all of them where finished", "integer", low=0),
    "start_loss": Column("loss at step 0"),
    "final_loss": Column("loss after the last step; NaN unless finished", missing=True, infinite=True),
    "best_loss": Column("lowest loss at an evaluation", missing=True, infinite=True),
}
"""How a run ended: the columns that runs and landscape share."""

TABLES: Final[Mapping[str, Table]] = {
    "trials": Table(
        {
            "study": Column("number of the study, from 0", "integer", low=0),
            "trial": Column(
                "number of the trial within its study, from 0, in the order asked; trial 0 is the defaults where they "
                "lie in the searched ranges",
                "integer",
                low=0,
            ),
            "block": Column(
                "number of the block the trial was asked in; -1 for a trial another process told a shared study",
                "integer",
                low=-1,
            ),
            "state": Column("complete | diverged (told inf) | pruned", "word", ("complete", "diverged", "pruned")),
            "objective": Column(
                "what the sampler was told, lower is better; inf where diverged, NaN where pruned; "
                "a second one is objective_2",
                missing=True,
                infinite=True,
            ),
            "seeds": Column("number of tuning seeds", "integer", low=0),
            "diverged": Column("number of tuning seeds that diverged", "integer", low=0),
        },
        ("study", "trial"),
    ),
    "runs": Table(
        {
            "setting": replace(
                SETTING,
                meaning="trial | tuned | default: a tuning trial, or a study's winner / the defaults on fresh test "
                "seeds",
            ),
            "study": replace(STUDY, meaning="number of the study; missing for 'default'"),
            "trial": replace(TRIAL, meaning="number of the trial; missing for 'tuned' and 'default'"),
            **ENDED,
        },
        ("setting", "study", "trial", "seed"),
    ),
    "curves": Table(
        {
            "setting": SETTING,
            "study": STUDY,
            "trial": TRIAL,
            "seed": SEED,
            "step": Column("updates made before this evaluation; 0 is the start", "integer", low=0),
            "loss": Column(
                "full-data loss; NaN after divergence (further metrics of the problem follow as own columns)",
                missing=True,
                infinite=True,
            ),
        },
        ("setting", "study", "trial", "seed", "step"),
    ),
    "landscape": Table(ENDED),
    "anytime": Table({}),
    "paths": Table(
        {
            "setting": replace(SETTING, meaning="tuned | default", words=("tuned", "default")),
            "study": STUDY,
            "seed": SEED,
            "step": Column("as in curves", "integer", low=0),
            "x1": Column("first parameter", missing=True, infinite=True),
            "x2": Column("second parameter", missing=True, infinite=True),
        },
        ("setting", "study", "seed", "step"),
    ),
    "surface": Table(
        {
            "x1": Column("first parameter"),
            "x2": Column("second parameter"),
            "loss": Column("loss there", missing=True, infinite=True),
        },
        ("x1", "x2"),
    ),
    "replays": Table(
        {
            "sampler": Column("name of the sampler that was replayed over the landscape", "word"),
            "repeat": Column("number of the search, from 0", "integer", low=0),
            "k": Column("trials made so far, from 1", "integer", low=1),
            "best": Column(
                "measure of the point kept by then, on the held-out landscape seed; inf where it diverged",
                infinite=True,
            ),
        },
        ("sampler", "repeat", "k"),
    ),
}
"""Every table of a cell: its required columns, their values and its key; hyperparameters and further metrics are
columns of numbers that come on top."""

COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    name: {column: each.meaning for column, each in table.columns.items()} for name, table in TABLES.items()
}
"""Required columns of each table and what they mean."""


def check_columns(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` if it has every required column of ``table``; raise `RecordError` naming the missing ones."""
    missing = [column for column in COLUMNS[table] if column not in frame.columns]
    if missing:
        raise RecordError(f"{table} lacks the column(s) {', '.join(missing)}; it has {', '.join(frame.columns)}")
    return frame
