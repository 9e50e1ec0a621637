"""The results table: one row a cell, its tuned and its default setting on the test seeds, and its plain text."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.axes import number, value_text
from analysis.convergence import SETTINGS, curve_matrix, measure_of
from analysis.differences import not_worse
from analysis.gate import unequal_budgets
from analysis.metrics import Array, Measure, steps_to_target
from analysis.statistics import ALPHA, bootstrap_median, median
from analysis.tables import DIVERGED, Cell, Record

__all__ = [
    "cell_label",
    "estimate_text",
    "final_values",
    "held_text",
    "hyperparameter_text",
    "interval_text",
    "results_table",
    "results_text",
    "setting_text",
    "table_rows",
]

MIN_SETTING: Final = 16
"""Columns that hold one hyperparameter of the text table."""


def cell_label(cell: Cell) -> str:
    """Return the name of a cell within its problem: its optimizer, and its schedule where that is not constant."""
    return cell.optimizer if cell.schedule == "constant" else f"{cell.optimizer} · {cell.schedule}"


def hyperparameter_text(cell: Cell, values: Mapping[str, float]) -> str:
    """Return hyperparameters as "lr 0.12, gamma 0.93", each with the digits that its scale needs."""
    scales = {h["name"]: h["scale"] for h in cell.info["optimizer"]["hyperparameters"]}
    return ", ".join(f"{name} {value_text(value, scales.get(name, 'linear'))}" for name, value in values.items())


def final_values(cell: Cell, setting: str, measure: Measure) -> Array:
    """Return the measure ``[S]`` after the last step on every test seed, ``inf`` where it diverged; none if not run."""
    runs = cell.runs[cell.runs["setting"] == setting].sort_values("seed")
    return measure(runs["final_loss"].where(runs["status"] != DIVERGED).to_numpy(dtype=np.float64))


def results_table(record: Record) -> pd.DataFrame:
    """Return one row a cell, in the suite's order.

    Columns: ``problem``, ``optimizer``, ``schedule``, ``label`` (optimizer and schedule), ``hyperparameters`` (the
    winner's that were searched, as text), ``trials`` (of the tuning; 0: none was asked for), ``at_edge`` (names at the
    edge of their range, as text), ``best`` (lowest tuned median of its problem; equal within rounding are all best),
    ``tied`` (not significantly worse than the best, by `analysis.differences.not_worse`), ``unequal`` (why the budgets
    of its problem are unequal, in which case nobody is best; empty where they are equal), ``measure`` (gap or loss),
    ``smallest`` (rounding of the measure), ``start``, ``exact`` (deterministic problem: one run says all); and for each
    setting, tuned and default, the median after the last step, the ends ``_low`` and ``_high`` of its 90% bootstrap
    interval, the numbers ``_diverged`` of ``_n`` test seeds, and ``_steps``, the median number of steps to the
    problem's target (inf: not reached by half of the seeds; NaN: no target). A median is inf where half of the seeds
    diverged and NaN where the setting was not run.
    """
    rows = [row for problem in record.problems for row in _problem_rows(record.of_problem(problem))]
    return pd.DataFrame(rows)


def table_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a results table as mappings, in its order."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _problem_rows(cells: tuple[Cell, ...]) -> Iterator[dict[str, Any]]:
    measure = measure_of(cells)
    unequal = unequal_budgets(cells)
    rows = [{**_row(cell, measure), "unequal": unequal} for cell in cells]
    finite = {place: row["tuned"] for place, row in enumerate(rows) if math.isfinite(row["tuned"])}
    if finite and not unequal:
        lowest = max(min(finite.values()), measure.smallest)
        best = [place for place, value in finite.items() if max(value, measure.smallest) <= lowest]
        others = [place for place in finite if place not in best]
        ends = {place: final_values(cells[place], "tuned", measure) for place in finite}
        against = [ends[place] for place in others]
        close = not_worse(ends[best[0]], against, measure, exact=rows[0]["exact"])
        for place in best:
            rows[place]["best"] = True
        for place, tied in zip(others, close, strict=True):
            rows[place]["tied"] = tied
    yield from rows


def _row(cell: Cell, measure: Measure) -> dict[str, Any]:
    winner = cell.info["winner"]
    row: dict[str, Any] = {
        "problem": cell.problem,
        "optimizer": cell.optimizer,
        "schedule": cell.schedule,
        "label": cell_label(cell),
        "hyperparameters": ""
        if winner is None
        else hyperparameter_text(cell, _searched(cell, winner["hyperparameters"])),
        "trials": int(cell.info["protocol"]["trials"]),
        "at_edge": "" if winner is None else ", ".join(winner["at_edge"]),
        "best": False,
        "tied": False,
        "measure": measure.name,
        "smallest": measure.smallest,
        "start": measure.start,
        "exact": bool(cell.info["problem"]["deterministic"]),
    }
    for setting in SETTINGS:
        row |= {f"{setting}{key}": value for key, value in _summary(cell, setting, measure).items()}
    return row


def _searched(cell: Cell, values: Mapping[str, float]) -> dict[str, float]:
    """Return those of ``values`` that the tuning chose; what it held fixed stands in the protocol."""
    return {name: values[name] for name in cell.info["optimizer"]["searched"] if name in values}


def _summary(cell: Cell, setting: str, measure: Measure) -> dict[str, float]:
    values = final_values(cell, setting, measure)
    if values.size == 0:
        return {"": math.nan, "_low": math.nan, "_high": math.nan, "_n": 0, "_diverged": 0, "_steps": math.nan}
    estimate = bootstrap_median(values)
    target = cell.info["problem"]["target"]
    steps = math.nan
    if target is not None:
        steps = float(median(steps_to_target(*curve_matrix(cell.curves, setting), target)))
    return {
        "": estimate.value,
        "_low": estimate.low,
        "_high": estimate.high,
        "_n": estimate.n,
        "_diverged": int(np.isinf(values).sum()),
        "_steps": steps,
    }


def interval_text(row: Mapping[str, Any], setting: str, *, interval: bool = True, lost: bool = True) -> str:
    """Return a row's median of ``setting`` with its interval and, where ``lost``, the number of diverged seeds."""
    value, n, diverged = row[setting], row[f"{setting}_n"], row[f"{setting}_diverged"]
    if n == 0:
        return "not run"
    counts = f"{'all' if diverged == n > 1 else f'{diverged} of {n}'} diverged"
    if math.isinf(value):
        return counts if n > 1 else "diverged"
    text = held_text(value, row["smallest"])
    if row["exact"]:
        text += " exact" if interval else ""
    elif interval and n > 1:
        text += f" [{', '.join(held_text(row[f'{setting}_{end}'], row['smallest']) for end in ('low', 'high'))}]"
    return f"{text} ({counts})" if diverged and lost else text


def setting_text(row: Mapping[str, Any]) -> str:
    """Return the tuned hyperparameters of a row or, where there are none, why."""
    return row["hyperparameters"] or ("none: every trial diverged" if row["trials"] else "not tuned")


def estimate_text(row: Mapping[str, Any], name: str, form: Callable[[float], str] = number) -> str:
    """Return the value ``name`` of a row with the interval beside it (``_low``, ``_high``), if it has one."""
    value, low, high = form(row[name]), form(row[f"{name}_low"]), form(row[f"{name}_high"])
    if math.isnan(row[name]):
        return "–"
    return value if value == low == high else f"{value} [{low}, {high}]"


def held_text(value: float, smallest: float) -> str:
    """Return a measure as text; what lies below ``smallest``, its rounding, is given as that bound."""
    return f"<{number(smallest, 1)}" if value < smallest else number(value)


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
