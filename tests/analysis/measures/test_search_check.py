"""Search and landscape answer one question; where their answers differ the report says so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis.measures.results import CellResult
from analysis.measures.search_check import search_check
from analysis.pages.sentences import problem_reading
from analysis.problem_results import ProblemResults
from analysis.record.cells import Cell
from analysis.statistics.bootstrap import Estimate
from analysis.words import estimate_text


def beside_grid(cell: Cell, times: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """A change of runs: the tuned one ends ``times`` as high as the lowest of the grid."""
    landscape = CellResult.alone(cell).landscape
    assert landscape is not None

    def runs(frame: pd.DataFrame) -> pd.DataFrame:
        tuned, loss = frame["setting"] == "tuned", times * landscape.best_value
        final = frame["final_loss"].mask(tuned, loss)
        best = frame["best_loss"].where(~tuned, np.minimum(loss, frame["best_loss"]))
        return frame.assign(status=frame["status"].mask(tuned, "finished"), final_loss=final, best_loss=best)

    return runs


@pytest.mark.parametrize(("times", "missed", "finer"), [(1.0, 0, 0), (1.9, 0, 0), (30.0, 1, 0), (1 / 30, 0, 1)])
def test_a_reading_says_where_search_and_grid_differ_by_more_than_twice(
    edited_cell: Callable[..., Cell], times: float, missed: int, finer: int
) -> None:
    cell = edited_cell(0, "momentum", runs=beside_grid(edited_cell(0, "momentum"), times))
    check = search_check(CellResult.alone(cell))
    assert check is not None
    assert check.ratio == pytest.approx(times)
    assert (check.missed, check.finer) == (bool(missed), bool(finer))
    said = problem_reading(ProblemResults.of([cell]))
    assert sum("missed what the grid holds for momentum (30 times lower: lr " in each for each in said) == missed
    assert sum("12 trials a study are few" in each for each in said) == missed
    assert sum("lower than any point of the grid for momentum (30 times lower)" in each for each in said) == finer


def test_a_search_over_more_than_the_grid_spans_says_what_it_varies_too(edited_cell: Callable[..., Cell]) -> None:
    plain = edited_cell(0, "sgd")
    wider = {"optimizer": {"searched": ["lr", "eps"]}}
    cell = edited_cell(0, "sgd", wider, runs=beside_grid(plain, 1e-3))
    assert any("the search varies eps too" in each for each in problem_reading(ProblemResults.of([cell])))


def test_rounding_around_zero_is_written_as_zero() -> None:
    assert estimate_text(Estimate(0.966, 1.36e-16, 1.47, 5)) == "0.966 [0, 1.47]"
    assert estimate_text(Estimate(2e-12, 1e-12, 3e-12, 5)) == "2e-12 [1e-12, 3e-12]"
