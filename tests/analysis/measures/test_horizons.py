"""What landscapes say after fewer steps: who leads, and where divergence begins."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.measures.horizons import Horizon, Lead, leads
from analysis.measures.measure import Measure
from analysis.pages.csv_tables import horizons_table
from analysis.problem_results import ProblemResults
from analysis.record.cells import Record

GAP = Measure.of(0.0, 10.0, 0.0)


def after(*values: float) -> list[Horizon]:
    return [Horizon(10**place, value, 0.1, math.nan, 1.0, 2.0, 0.5) for place, value in enumerate(values)]


def test_the_lead_passes_to_who_is_clearly_lower() -> None:
    found = leads({"fast": after(5.0, 1.0, 0.9, 0.9), "far": after(9.0, 2.0, 0.899, 0.1)}, GAP)
    assert found == [Lead("fast", 1, 100), Lead("far", 1000, 1000)]


def test_nobody_leads_before_anyone_is_below_the_start_and_nobody_alone() -> None:
    found = leads({"one": after(10.0, math.inf, 3.0), "two": after(11.0, 12.0, 4.0)}, GAP)
    assert found == [Lead("one", 100, 100)]
    assert leads({"one": after(1.0)}, GAP) == []


def test_only_horizons_that_all_have_are_compared() -> None:
    assert leads({"one": after(1.0, 1.0, 1.0), "two": after(2.0, 0.5)}, GAP) == [Lead("one", 1, 1), Lead("two", 10, 10)]


def test_the_best_rate_and_the_boundary_of_gradient_descent_are_those_of_the_closed_form(record: Record) -> None:
    cells = record.of_problem("ellipse")
    (cell,) = (cell for cell in ProblemResults.of(cells).cells if cell.label == "sgd")
    scales, start = np.array([0.2, 4.0]), np.array([-5.0, -2.0])
    rates = np.unique(cell.cell.landscape["lr"])
    limit = rates[rates > 2 / scales.max()].min()
    for one in cell.horizons:
        factors = np.abs(1 - np.outer(rates, scales)) ** one.step
        losses = (0.5 * scales * (factors * start) ** 2).sum(-1)
        assert one.rate == pytest.approx(rates[losses.argmin()])
        assert one.value == pytest.approx(losses.min(), rel=0.003)
        assert one.fails_from == pytest.approx(
            rates[rates > one.rate][losses[rates > one.rate] > losses_at_start()].min()
        )
        assert one.fails_from >= limit * (1 - 1e-9) or one.fails_from > 2 / scales.max()
    assert cell.horizons[-1].fails_from == pytest.approx(limit)
    ends = [one.diverges_from for one in cell.horizons]
    assert ends == sorted(ends, reverse=True), "the longer they run, the smaller the rates that are found to diverge"
    assert cell.horizons[-1].rate < 2 / scales.max()


def losses_at_start() -> float:
    return 0.5 * (0.2 * 25 + 4.0 * 4)


def test_the_table_has_a_row_for_each_landscape_and_horizon(record: Record) -> None:
    table = horizons_table(ProblemResults.of(record.of_problem("noisy")).cells)
    assert table["step"].tolist() == 3 * [1, 3, 10, 22, 40]
    assert table["second_name"].unique().tolist() == ["", "momentum", "gamma"]
    last = table[table["step"] == 40].set_index("label")
    for cell in ProblemResults.of(record.of_problem("noisy")).cells:
        assert cell.landscape is not None
        assert last.loc[cell.label, "value"] == cell.landscape.best_value
