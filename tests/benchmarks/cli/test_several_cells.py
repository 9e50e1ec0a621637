"""`stepscape tune` and `landscape` take several problems and optimizers."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.cli.single_cell import single_cell_suite
from benchmarks.errors import SuiteError
from benchmarks.naming.call_syntax import split_outside_brackets


def options(problem: str, optimizer: str, **other: Any) -> dict[str, Any]:
    usual = {"search": (), "fix": (), "schedule": "constant", "plugins": (), "steps": None}
    return {"problem": problem, "optimizer": optimizer, **usual, **other}


def test_every_problem_is_run_with_every_optimizer() -> None:
    suite = single_cell_suite("tune", {}, options("rosenbrock(start=(-1, 2)), ellipse", "sgd,rmsprop"))
    assert suite.problems == ["rosenbrock(start=(-1, 2))", "ellipse"]
    assert [cell.optimizer for cell in suite.cells()] == ["sgd", "rmsprop"] * 2


def test_a_range_is_that_of_every_optimizer() -> None:
    suite = single_cell_suite("tune", {}, options("ellipse", "sgd,rmsprop", search=("lr=0.001:1",)))
    assert {tuple(cell.searching.search["lr"]) for cell in suite.cells()} == {(0.001, 1.0)}


def test_other_cells_are_a_suite_of_another_name() -> None:
    names = {single_cell_suite("tune", {}, options("ellipse", text)).name for text in ("sgd", "sgd,adam", "sgd,nag")}
    assert len(names) == 3


def test_no_name_at_all_is_refused() -> None:
    with pytest.raises(SuiteError, match="problems"):
        single_cell_suite("tune", {}, options(",", "sgd"))


def test_commas_and_blanks_inside_brackets_and_quotes_separate_nothing() -> None:
    assert split_outside_brackets("a(b=(1, 2)), c(d='),'),e", ",") == ["a(b=(1, 2))", "c(d='),')", "e"]
