"""A minimum that is stated too high is said, and makes nobody's result equal to another's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from analysis import Cell, ProblemResults, Record, results_table, results_text
from analysis.measures.convergence import beaten_floor, measure_of
from analysis.measures.measure import is_beaten
from analysis.pages.sentences import problem_reading


@pytest.fixture(scope="module")
def cells(record_folder: Path) -> list[Cell]:
    """The cells of the toy ellipse, whose floor is 0."""
    return [cell for cell in Record.load(record_folder) if cell.problem == "ellipse"]


@pytest.fixture
def raised(edited_cell: Callable[..., Cell], cells: list[Cell]) -> list[Cell]:
    """The same cells by a minimum of 1, which many of their losses are below."""
    stated: Mapping[str, Mapping[str, float]] = {"problem": {"minimum": 1.0}}
    return [edited_cell(0, cell.optimizer, dict(stated)) for cell in cells]


def test_cells_that_pass_a_minimum_stated_too_high_are_compared_by_their_losses(
    cells: list[Cell], raised: list[Cell]
) -> None:
    right, wrong = ProblemResults.of(cells), ProblemResults.of(raised)
    assert (right.measure.name, wrong.measure.name) == ("gap", "loss")
    assert [cell.label for cell in wrong.best] == [cell.label for cell in right.best]
    assert len(wrong.best) == 1
    assert measure_of(tuple(raised)).floor is None
    assert list(results_table(raised)["best"]).count(True) == 1


def test_the_terminal_and_the_report_say_that_it_is_too_high(cells: list[Cell], raised: list[Cell]) -> None:
    said = "The minimum stated of ellipse, 1, is too high: a loss of "
    assert problem_reading(ProblemResults.of(raised))[0].startswith(said)
    assert said in " ".join(results_text(raised).split())
    assert not ProblemResults.of(cells).beaten
    assert "too high" not in results_text(cells)


@pytest.mark.parametrize(
    ("floor", "start", "lowest", "beaten"),
    [
        (0.0, 1.0, 0.0, False),
        (0.0, 1.0, -1e-7, False),
        (0.0, 1.0, -1e-3, True),
        (100.0, 200.0, 99.9999, False),
        (100.0, 200.0, 99.9, True),
        (-5.0, 3.0, -5.1, True),
        (1.0, 2.0, float("nan"), False),
    ],
)
def test_rounding_beats_no_floor(floor: float, start: float, lowest: float, *, beaten: bool) -> None:
    assert is_beaten(floor, start, lowest) is beaten


def test_the_lowest_loss_is_read_from_the_runs_and_no_curve_is(
    raised: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cell, "curves", property(lambda _: pytest.fail("a curve is read")))
    lowest = min(float(cell.runs["best_loss"].min()) for cell in raised)
    assert beaten_floor(raised) == lowest
    assert measure_of(tuple(raised)).floor is None
