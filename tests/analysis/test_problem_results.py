"""Results of a problem are typed values: computed once, cheap to send, and the source of every table."""

from __future__ import annotations

import pickle
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import (
    Record,
    budget_table,
    overview_figure,
    paired_table,
    pool,
    recommendations,
    results_table,
    results_text,
    stability_table,
)
from analysis.figures.style import Drawn
from analysis.measures.budget import budget_frame, budget_results
from analysis.measures.convergence import SETTINGS, curve_matrix, measure_of
from analysis.measures.landscape_grid import grid_of
from analysis.measures.pooling import Pool
from analysis.measures.results import CellResult, cell_results, final_values
from analysis.measures.stability import stability_frame
from analysis.pages import problem_section
from analysis.pages.csv_tables import convergence_table, sensitivity_table
from analysis.pages.report import write_report
from analysis.problem_results import ProblemResults, results_frame, results_of
from analysis.record.cells import Cell
from analysis.record.errors import RecordError

COMPUTED = ("settings", "curves", "convergence", "grid", "landscape", "rates", "rates_held")


def counted(monkeypatch: pytest.MonkeyPatch, function: Any, key: Callable[..., Hashable]) -> Counter[Hashable]:
    """Count the calls of ``function`` by every module of ours, whatever name it goes by there."""
    calls: Counter[Hashable] = Counter()

    def counting(*arguments: Any, **named: Any) -> Any:
        calls[key(*arguments)] += 1
        return function(*arguments, **named)

    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "analysis" and getattr(module, function.__name__, None) is function:
            monkeypatch.setattr(module, function.__name__, counting)
    return calls


def test_a_report_computes_the_measure_once_a_problem_and_all_else_once_a_cell(
    record_folder: Path, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analysis.pages import across_section

    assert across_section  # loaded, so that its calls are counted
    measures = counted(monkeypatch, measure_of, lambda cells: cells[0].problem)
    grids = counted(monkeypatch, grid_of, lambda cell, _: cell.name)
    finals = counted(monkeypatch, final_values, lambda cell, setting, _: (cell.name, setting))
    curves = counted(monkeypatch, curve_matrix, lambda cell, setting, quantity="loss": (setting, quantity))
    monkeypatch.setattr(
        problem_section, "drawn_as", lambda *_, **__: Drawn({"png": b""}, 1, 1)
    )  # drawing it is another matter
    folder = shutil.copytree(record_folder, tmp_path / "record")
    write_report(folder)
    cells = [cell.name for cell in record]
    assert measures == Counter(record.problems)
    assert grids == Counter(cells)
    assert {setting: curves[setting, "loss"] for setting in SETTINGS} == dict.fromkeys(SETTINGS, len(cells))
    assert finals == Counter((name, setting) for name in cells for setting in SETTINGS)


def test_what_a_result_has_computed_is_kept(record: Record) -> None:
    (result, *_) = results_of(record)["noisy"].cells
    assert not set(COMPUTED) & set(vars(result))
    for name in COMPUTED:
        assert getattr(result, name) is getattr(result, name)
    assert set(COMPUTED) <= set(vars(result))


def test_results_are_sent_without_what_was_computed_and_come_to_the_same(record: Record) -> None:
    results = ProblemResults.of(record.of_problem("noisy"))
    assert results.stability
    assert results.recommendations
    sent = pickle.dumps(results)
    assert len(sent) < 20_000
    received = pickle.loads(sent)
    assert set(vars(received)) == {"cells"}
    assert [set(vars(cell)) for cell in received.cells] == [{"cell", "measure"}] * 3
    assert [set(vars(cell.cell)) for cell in received.cells] == [{"path", "info"}] * 3
    pd.testing.assert_frame_equal(results_frame([received]), results_frame([results]))


def test_a_result_holds_the_values_of_the_test_seeds_and_their_estimate(record: Record) -> None:
    (cell, *_) = record.of_problem("noisy")
    result = CellResult.alone(cell)
    runs = cell.runs[cell.runs["setting"] == "tuned"].sort_values("seed")
    assert result.tuned is not None
    np.testing.assert_allclose(result.tuned.values, [runs["final_loss"] - 0.25])
    assert (result.tuned.n, result.tuned.diverged) == (5, 0)
    assert result.tuned.estimate.low <= result.tuned.value <= result.tuned.estimate.high
    assert tuple(result.settings) == SETTINGS
    assert result.rates is not None
    assert result.rates.measure is result.measure


def test_the_results_table_is_made_of_typed_values(record: Record) -> None:
    results = results_of(record)
    table = results_frame(results.values())
    pd.testing.assert_frame_equal(table, results_table(record))
    found = [(one, cell) for one in results.values() for cell in one.cells]
    for (one, cell), row in zip(found, table.to_dict("records"), strict=True):
        assert cell.tuned is not None
        assert cell.default is not None
        assert (row["label"], row["tuned"], row["default"]) == (cell.label, cell.tuned.value, cell.default.value)
        assert (row["tuned_low"], row["tuned_high"]) == (cell.tuned.estimate.low, cell.tuned.estimate.high)
        assert (row["tuned_n"], row["tuned_diverged"]) == (cell.tuned.n, cell.tuned.diverged)
        assert (row["best"], row["tied"], row["unequal"]) == (cell in one.best, cell in one.tied, "")


def test_the_csv_tables_of_a_problem_are_those_of_its_typed_values(record: Record) -> None:
    results = ProblemResults.of(record.of_problem("noisy"))
    lines = [cell.convergence[setting] for cell in results.cells for setting in SETTINGS]
    table = convergence_table(results.cells)
    np.testing.assert_array_equal(table["median"], np.concatenate([line.band.median for line in lines]))
    rates = [cell.rates for cell in results.cells]
    widths = [curve.near_best_decades for curve in rates if curve is not None]
    np.testing.assert_array_equal(sensitivity_table(results.cells)["near_best_decades"], widths)
    areas = [one.area.value for one in results.stability]
    np.testing.assert_array_equal(stability_frame(results.stability)["stable_area"], areas)
    budget = budget_results(results.cells, (1, 8))
    np.testing.assert_array_equal(budget_frame(budget)["win"], np.concatenate([one.win for one in budget]))


def test_what_users_call_takes_cells_and_says_the_same_as_the_typed_values(record: Record) -> None:
    results = results_of(record)
    cells = record.of_problem("noisy")
    assert recommendations(record) == [one for found in results.values() for one in found.recommendations]
    pd.testing.assert_frame_equal(budget_table(cells, (1,)), budget_frame(budget_results(cell_results(cells), (1,))))
    stable = [one for found in results.values() for one in found.stability]
    pd.testing.assert_frame_equal(stability_table(record.cells), stability_frame(stable))
    typed = Pool.of(cell for found in results.values() for cell in found.cells)
    pd.testing.assert_frame_equal(paired_table(pool(record)), paired_table(typed))
    assert results_text(record).count("noisy (gap to the floor") == 1
    assert len(overview_figure(record).axes[0].texts) == 9


def test_two_instances_of_one_problem_have_no_results(record: Record, edited_cell: Callable[..., Cell]) -> None:
    other = edited_cell(1, "sgd", {"problem": {"fingerprint": "f-other"}})
    with pytest.raises(RecordError, match="one problem instance was expected"):
        results_of([record.of_problem("noisy")[1], other])
