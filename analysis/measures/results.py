"""The results table: one row a cell, its tuned and its default setting on the test seeds, and its plain text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from analysis.measures.comparable import unequal_budgets
from analysis.measures.convergence import SETTINGS, curve_matrix, measure_of
from analysis.measures.measure import Measure, steps_to_target
from analysis.measures.paired_tests import not_worse
from analysis.record.cells import Cell, Record
from analysis.record.outcome import Outcome
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import bootstrap_median, median
from analysis.words import hyperparameter_text

__all__ = ["cell_label", "final_values", "results_table", "table_rows"]


def cell_label(cell: Cell) -> str:
    """Return the name of a cell within its problem: its optimizer, and its schedule where that is not constant."""
    return cell.info.label


def final_values(cell: Cell, setting: str, measure: Measure) -> Array:
    """Return the measure ``[S]`` after the last step on every test seed, ``inf`` where it diverged; none if not run."""
    runs = cell.runs[cell.runs["setting"] == setting].sort_values("seed")
    return measure(runs["final_loss"].where(runs["status"] != Outcome.DIVERGED.word).to_numpy(dtype=np.float64))


def results_table(record: Record) -> pd.DataFrame:
    """Return one row a cell, in the suite's order.

    Columns: ``problem``, ``optimizer``, ``schedule``, ``label`` (optimizer and schedule), ``hyperparameters`` (the
    winner's that were searched, as text), ``trials`` (of the tuning; 0: none was asked for), ``at_edge`` (names at the
    edge of their range, as text), ``best`` (lowest tuned median of its problem; equal within rounding are all best),
    ``tied`` (not significantly worse than the best, by `analysis.measures.paired_tests.not_worse`), ``unequal`` (why
    the budgets of its problem are unequal, in which case nobody is best; empty where they are equal), ``measure`` (gap
    or loss), ``smallest`` (rounding of the measure), ``start``, ``exact`` (deterministic problem: one run says all);
    and for each setting, tuned and default, the median after the last step, the ends ``_low`` and ``_high`` of its 90%
    bootstrap interval, the numbers ``_diverged`` of ``_n`` test seeds, and ``_steps``, the median number of steps to
    the problem's target (inf: not reached by half of the seeds; NaN: no target). A median is inf where half of the
    seeds diverged and NaN where the setting was not run.
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
    winner = cell.info.winner
    row: dict[str, Any] = {
        "problem": cell.problem,
        "optimizer": cell.optimizer,
        "schedule": cell.schedule,
        "label": cell_label(cell),
        "hyperparameters": ""
        if winner is None
        else hyperparameter_text(cell, cell.info.optimizer.searched_of(winner.hyperparameters)),
        "trials": cell.info.protocol.trials,
        "at_edge": "" if winner is None else ", ".join(winner.at_edge),
        "best": False,
        "tied": False,
        "measure": measure.name,
        "smallest": measure.smallest,
        "start": measure.start,
        "exact": cell.info.problem.deterministic,
    }
    for setting in SETTINGS:
        row |= {f"{setting}{key}": value for key, value in _summary(cell, setting, measure).items()}
    return row


def _summary(cell: Cell, setting: str, measure: Measure) -> dict[str, float]:
    values = final_values(cell, setting, measure)
    if values.size == 0:
        return {"": math.nan, "_low": math.nan, "_high": math.nan, "_n": 0, "_diverged": 0, "_steps": math.nan}
    estimate = bootstrap_median(values)
    target = cell.info.problem.target
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
