"""One optimizer against the lowest over the steps: what the tests of the report say at the end, at every step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis.figures.problem import problem_figure
from analysis.figures.style import looks_of
from analysis.measures.paired_curves import MOST, against_lowest, paired_frame
from analysis.measures.pairs import paired_table
from analysis.measures.pooling import Pool
from analysis.problem_results import ProblemResults
from analysis.record.cells import Cell, Record

Edit = Callable[..., Cell]


@pytest.fixture(scope="module")
def noisy(record: Record) -> ProblemResults:
    return ProblemResults.of(record.of_problem("noisy"))


def test_the_last_point_of_a_paired_curve_is_what_the_table_of_pairs_says(noisy: ProblemResults) -> None:
    found = noisy.against("tuned")
    assert found is not None
    assert found.best == noisy.best[0].label
    assert set(found.curves) == {cell.label for cell in noisy.cells} - {found.best}
    table = paired_table(Pool.of(list(noisy.cells)))
    for label, curve in found.curves.items():
        (row,) = [row for _, row in table.iterrows() if {row["a"], row["b"]} == {label, found.best}]
        sign = 1 if row["b"] == label else -1
        ends = sorted((sign * row["low"], sign * row["high"]))
        np.testing.assert_allclose([curve.change[-1], curve.low[-1], curve.high[-1]], [sign * row["change"], *ends])


def test_of_one_study_differences_are_those_of_the_same_seeds(noisy: ProblemResults) -> None:
    found = noisy.against("default")
    assert found is not None
    assert found.n_text == f"{found.seeds} seeds"
    curves = {cell.label: cell.measure.shown(cell.measure(cell.curves["default"][1])) for cell in noisy.cells}
    for label, curve in found.curves.items():
        apart = np.log10(curves[label][0] / curves[found.best][0])
        np.testing.assert_allclose(curve.change, np.median(apart, axis=0), atol=1e-12)
        assert (curve.low <= curve.change).all()
        assert (curve.change <= curve.high).all()


def test_many_evaluations_are_looked_at_evenly_and_at_their_end(edited_cell: Edit) -> None:
    def long(curves: pd.DataFrame) -> pd.DataFrame:
        own = [curves.assign(step=curves["step"] + k * (1 + curves["step"].max())) for k in range(20)]
        return pd.concat(own, ignore_index=True)

    results = ProblemResults.of([edited_cell(0, name, curves=long) for name in ("sgd", "momentum")])
    found = against_lowest(results.cells, "default")
    assert found is not None
    (curve,) = found.curves.values()
    assert curve.steps.size == MOST < results.cells[0].curves["default"][0].size
    assert curve.steps[-1] == results.cells[0].curves["default"][0][-1]


def test_bands_give_way_to_paired_intervals_and_exact_problems_have_lines_alone(record: Record) -> None:
    for problem, shaded in (("noisy", True), ("ellipse", False)):
        results = ProblemResults.of(record.of_problem(problem))
        figure = problem_figure(results, looks_of([cell.label for cell in results.cells]), "convergence")
        assert figure is not None
        lines, paired = figure.axes[0], figure.axes[2]
        assert not lines.collections
        assert len(paired.collections) == shaded * (len(results.cells) - 1)
        assert paired.get_title("left").startswith(f"Tuned, against {results.best[0].label}")
        assert "lower is better" in paired.get_ylabel()


def test_one_optimizer_alone_keeps_its_band_and_unequal_budgets_are_not_compared(edited_cell: Edit) -> None:
    alone = ProblemResults.of([edited_cell(1, "sgd")])
    figure = problem_figure(alone, looks_of(["sgd"]), "convergence")
    assert figure is not None
    assert len(figure.axes) == 2
    assert figure.axes[0].collections
    unequal = ProblemResults.of([edited_cell(1, "sgd"), edited_cell(1, "momentum", {"protocol": {"trials": 99}})])
    assert unequal.against("tuned") is None


def test_every_point_of_a_paired_curve_is_a_row(noisy: ProblemResults) -> None:
    found = noisy.against("tuned")
    assert found is not None
    frame = paired_frame("noisy", {"tuned": found})
    (first, *_) = found.curves
    assert frame.query("label == @first")["change"].tolist() == found.curves[first].change.tolist()
    assert paired_frame("noisy", {}).empty
