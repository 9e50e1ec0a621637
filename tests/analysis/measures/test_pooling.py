"""What may be aggregated, and the sentence that refuses the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.measures.pooling import Pool, PoolingError, check_instances, met_all, pool
from analysis.measures.results import cell_results
from analysis.record.cell_info import CellInfo
from analysis.record.cells import Cell, Record


def changed(cell: Cell, **changes: Any) -> Cell:
    """The cell with other entries in its ``cell.json``; a mapping changes only what it names."""
    info = cell.info.to_json()
    for key, value in changes.items():
        info[key] = {**info[key], **value} if isinstance(value, dict) else value
    return replace(cell, info=CellInfo.from_json(info))


def test_a_full_suite_is_pooled_in_its_own_order(record: Record) -> None:
    found = pool(record.cells)
    assert found.problems == ("ellipse", "noisy", "classes")
    assert found.labels == ("sgd", "momentum", "rmsprop")
    assert found.finals("noisy").shape == (3, 1, 5)
    assert [cell.problem for cell in found.of_problem("classes")] == ["classes"] * 3


def test_one_name_for_two_instances_is_refused_and_both_are_named(record: Record) -> None:
    cells = [*record.cells]
    cells[4] = changed(cells[4], problem={"fingerprint": "f-other"})
    with pytest.raises(PoolingError, match=r"noisy stands for 2 different.*f-noisy.*noisy--momentum.*f-other"):
        pool(cells)


def test_one_instance_under_two_names_would_be_counted_twice(record: Record) -> None:
    twin = changed(record.cells[0], problem={"name": "ellipse-again"})
    with pytest.raises(PoolingError, match="ellipse and ellipse-again are one and the same instance"):
        check_instances([*record.cells, twin])


def test_unequal_problem_sets_are_refused_with_what_is_missing(record: Record) -> None:
    with pytest.raises(PoolingError, match="missing: rmsprop on classes"):
        pool(record.cells[:-1])


def test_who_missed_a_problem_is_left_out_by_name_and_the_others_are_pooled(record: Record) -> None:
    complete, left_out = met_all(cell_results(record.cells[:-1]))
    assert left_out == "rmsprop is left out across problems, of 3: not met with every problem."
    assert Pool.of(complete).labels == ("sgd", "momentum")
    every = cell_results(record.cells)
    assert met_all(every)[0] is every


def test_where_fewer_than_two_met_every_problem_nobody_is_left_out(record: Record) -> None:
    cells = cell_results([*record.cells[:1], *record.cells[3:5]])  # sgd met both, momentum one
    found, left_out = met_all(cells)
    assert found is cells
    assert left_out == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trials", 99),
        ("steps", 41),
        ("test_seeds", [1, 2]),
        ("tuning_seeds", [7]),
        ("objective", "best"),
        ("aggregate", "mean"),
        ("pruner", "halving"),
    ],
)
def test_unequal_budgets_are_refused_and_the_odd_one_out_is_named(record: Record, field: str, value: object) -> None:
    cells = [*record.cells]
    cells[5] = changed(cells[5], protocol={field: value})
    with pytest.raises(PoolingError, match=f"noisy are unequal: {field.replace('_', ' ')} is .*noisy--rmsprop has"):
        pool(cells)


def test_budgets_may_differ_between_problems(record: Record) -> None:
    cells = [changed(cell, protocol={"trials": 7}) if cell.problem == "noisy" else cell for cell in record.cells]
    assert pool(cells).problems == record.problems


def test_two_results_of_the_same_cell_are_refused(record: Record) -> None:
    with pytest.raises(PoolingError, match="two results of sgd on ellipse"):
        pool([*record.cells, record.cells[0]])


def test_nothing_cannot_be_pooled() -> None:
    with pytest.raises(PoolingError, match="no cell"):
        pool([])


def test_a_contender_that_found_nothing_counts_as_diverged_on_every_seed(
    record: Record, edited_cell: Callable[..., Cell]
) -> None:
    lost = edited_cell(1, "sgd", runs=lambda frame: frame[frame["setting"] != "tuned"])
    cells = [lost if cell.name == "noisy--sgd" else cell for cell in record.cells]
    finals = pool(cells).finals("noisy")
    assert np.isinf(finals[0]).all()
    assert np.isfinite(finals[2]).all()


def test_a_setting_nobody_was_run_under_is_refused(record: Record) -> None:
    with pytest.raises(PoolingError, match="no contender on ellipse was run under the imagined setting"):
        pool(record.cells).finals("ellipse", "imagined")
