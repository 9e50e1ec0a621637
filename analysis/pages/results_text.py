"""The results table as aligned plain text, for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pandas as pd

from analysis.measures.results import table_rows
from analysis.statistics.bootstrap import ALPHA
from analysis.words import interval_text, number, setting_text

__all__ = ["MIN_SETTING", "results_text"]

MIN_SETTING: Final = 16
"""Columns that hold one hyperparameter of the text table."""


def results_text(table: pd.DataFrame, width: int = 100) -> str:
    """Return ``table`` as aligned plain text of at most ``width`` columns, grouped by problem, the best marked ``*``
    and those that are not told apart from it ``~``.

    Hyperparameters are wrapped where the width is short.
    """
    header = ("", "optimizer", "tuned", "default", "tuned at")
    lines: dict[str, list[tuple[str, ...]]] = {}
    for row in table_rows(table):
        mark = "*" if row["best"] else "~" if row["tied"] else ""
        cells = (mark, row["label"], interval_text(row, "tuned"), interval_text(row, "default"))
        lines.setdefault(_title(row), []).append((*cells, _marked(setting_text(row), row["at_edge"].split(", "))))
    every = [header, *(line for group in lines.values() for line in group)]
    wide = [max(len(line[i]) for line in every) for i in range(4)]
    out = [_fit(header, wide, width)]
    for title, group in lines.items():
        out += ["", title[:width], *(_fit(line, wide, width) for line in group)]
    unequal = [f"No best where {reason}." for reason in table["unequal"].unique() if reason]
    return "\n".join([*out, "", *(textwrap.fill(note, width) for note in (*unequal, *_footnotes(table)))])


def _marked(hyperparameters: str, at_edge: list[str]) -> str:
    """Return the text of a setting with a "!" behind every value whose name is among ``at_edge``."""
    return ", ".join(part + "!" * (part.split(" ")[0] in at_edge) for part in hyperparameters.split(", "))


def _title(row: Mapping[str, Any]) -> str:
    return (
        f"{row['problem']} ({'gap to the floor' if row['measure'] == 'gap' else 'loss'}, start {number(row['start'])})"
    )


def _fit(line: tuple[str, ...], wide: list[int], width: int) -> str:
    """Return ``line`` with its last part wrapped between hyperparameters: in its column or, if narrow, below.

    Where names are so long that the numbers would not fit, the numbers stand below their name.
    """
    columns = [f"{part.ljust(size)}  " for part, size in zip(line[:4], wide, strict=True)]
    below = sum(wide) + 8 > width
    start = " " * 5 + "".join(columns[2:]) if below else "".join(columns)
    beside = width - len(start) >= MIN_SETTING
    indent = len(start) if beside else 5
    parts = [part.replace(" ", "\xa0") for part in line[4].split(", ")]  # a name stays with its value
    setting = textwrap.wrap(", ".join(parts), width - indent) or [""]
    rows = [start + setting.pop(0) if beside else start, *(" " * indent + more for more in setting)]
    rows = ["".join(columns[:2]), *rows] if below else rows
    return "\n".join(row.replace("\xa0", " ").rstrip()[:width] for row in rows)


def _footnotes(table: pd.DataFrame) -> Iterator[str]:
    tied = f" ~ not told apart from it: paired tests, Holm's correction, {ALPHA:.0%}." if table["tied"].any() else ""
    if table["best"].any():
        yield f"* lowest median of its problem.{tied}"
    runs = table.loc[~table["exact"], ["tuned_n", "default_n"]].max(axis=1)
    seeds = sorted({int(n) for n in runs} - {0})
    if seeds == [1]:
        yield "Values of one fresh test seed, without an interval."
    elif seeds:
        yield f"Median [90% interval] over {' or '.join(map(str, seeds))} fresh test seeds."
    if (table["at_edge"] != "").any():
        yield "! = at the edge of its search range."
