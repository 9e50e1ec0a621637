"""The order of optimizers under two schedules, from records made by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from analysis.measures.results import CellResult, cell_results
from analysis.measures.schedule_order import schedule_order_frame, schedule_orders
from analysis.record.cells import Cell, Record


@pytest.fixture
def both(record: Record, tmp_path: Path) -> list[Cell]:
    """The toy record under a constant rate, and under "lr=linear" with sgd and rmsprop having changed places."""
    swapped = {"sgd": "rmsprop", "rmsprop": "sgd", "momentum": "momentum"}
    cells = list(record)
    for cell in record:
        folder = shutil.copytree(cell.path, tmp_path / f"{cell.problem}--{swapped[cell.optimizer]}--linear")
        content = json.loads((folder / "cell.json").read_text(encoding="utf-8"))
        content["schedule"], content["optimizer"]["name"] = "lr=linear", swapped[cell.optimizer]
        (folder / "cell.json").write_text(json.dumps(content), encoding="utf-8")
        cells.append(Cell.load(folder))
    return cells


def medians(record: Record) -> np.ndarray:
    """The tuned medians ``[Q, A]`` of the toy record."""
    values = [CellResult.alone(cell).tuned.value for cell in record]  # type: ignore[union-attr]
    return np.array(values).reshape(3, 3)


def test_ranks_and_tau_are_those_of_the_tuned_results_under_both_schedules(record: Record, both: list[Cell]) -> None:
    (found,) = schedule_orders(cell_results(both))
    assert (found.a, found.b, found.optimizers) == ("constant", "lr=linear", ("sgd", "momentum", "rmsprop"))
    assert found.problems == ("ellipse", "noisy", "classes")
    ranks = scipy.stats.rankdata(medians(record), axis=1)
    np.testing.assert_allclose(found.ranks_a, ranks.mean(axis=0))
    np.testing.assert_allclose(found.ranks_b, ranks[:, [2, 1, 0]].mean(axis=0))
    expected = scipy.stats.kendalltau(found.ranks_a, found.ranks_b).statistic
    assert found.tau == pytest.approx(expected)


def test_problems_whose_best_optimizer_is_another_are_named(record: Record, both: list[Cell]) -> None:
    (found,) = schedule_orders(cell_results(both))
    best = medians(record).argmin(axis=1)
    expected = tuple(problem for problem, at in zip(record.problems, best, strict=True) if at != 1)
    assert found.other_best == expected
    assert expected


def test_ratios_say_how_many_times_as_high_each_ends(record: Record, both: list[Cell]) -> None:
    (found,) = schedule_orders(cell_results(both))
    values = np.maximum(medians(record), [[CellResult.alone(record.cells[0]).measure.smallest], [0], [0]])
    np.testing.assert_allclose(found.ratio, values[:, [2, 1, 0]] / values)
    table = schedule_order_frame([found])
    assert list(table["optimizer"]) == ["sgd", "momentum", "rmsprop"]
    assert list(table["ratio"]) == pytest.approx(list(np.median(found.ratio, axis=0)))


def test_one_schedule_one_optimizer_or_other_budgets_have_no_order(record: Record, both: list[Cell]) -> None:
    assert schedule_orders(cell_results(record)) == []
    assert schedule_orders(cell_results([cell for cell in both if cell.optimizer == "sgd"])) == []
    file = both[-1].path / "cell.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["protocol"]["steps"] = 99
    file.write_text(json.dumps(content), encoding="utf-8")
    (found,) = schedule_orders(cell_results([*both[:-1], Cell.load(file.parent)]))
    assert found.problems == ("ellipse", "noisy")
