"""What the chapter's page recommends, from the landscapes of all problems."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.chapter import landscapes
from analysis.chapter.landscapes import landscapes_part, recommendation_text, robust_choices
from analysis.measures.recommendation import recommendations
from analysis.measures.results import cell_results
from analysis.record.cells import Record


def test_the_landscapes_end_in_a_recommendation(record: Record) -> None:
    part = landscapes_part(record)
    assert part is not None
    assert "Recommendation where nothing can be tuned: " in part.answer[0]
    assert part.answer[2].startswith("What to tune first: ")
    assert sum(len(plate.table.rows) for plate in part.plates if plate.table) == len(record.cells)


def test_the_robust_choice_keeps_the_largest_least_share_of_what_any_optimizer_reaches(record: Record) -> None:
    choices = robust_choices(cell_results(record))
    kept = [choice.kept.value for choice in choices]
    assert kept == sorted(kept, reverse=True)
    assert {choice.label for choice in choices} == {"sgd", "momentum", "rmsprop"}
    best = choices[0]
    assert 0 <= best.kept.low <= best.kept.value <= best.kept.high <= 1
    assert best.worst in record.problems


def test_one_problem_has_the_recommendation_of_its_best_optimizer(record: Record) -> None:
    cells = record.of_problem("ellipse")
    advice = recommendations(cells)
    best = min(advice, key=lambda one: one.value)
    assert robust_choices(cell_results(cells)) == []
    assert recommendation_text(cell_results(cells), advice) == f"Recommendation: {best.sentence}"


def test_without_any_progress_nothing_is_recommended() -> None:
    assert recommendation_text([], []).startswith("No setting of any optimizer made progress")


@pytest.mark.parametrize(("poor", "warned"), [(0.0, False), (1.01, True)])
def test_a_setting_that_keeps_little_of_the_progress_is_called_no_substitute_for_tuning(
    record: Record, monkeypatch: pytest.MonkeyPatch, poor: float, warned: bool
) -> None:
    monkeypatch.setattr(landscapes, "POOR", poor)
    text = recommendation_text(cell_results(record), recommendations(record.cells))
    assert text.endswith("That is little: tune the learning rate on each problem.") == warned


def only(record: Record, *kept: tuple[str, str]) -> Record:
    cells = tuple(cell for cell in record.cells if (cell.problem, cell.optimizer) in kept)
    return replace(record, cells=cells)


def test_one_landscape_is_compared_with_nothing_and_without_a_map_no_knob_is_named(record: Record) -> None:
    part = landscapes_part(only(record, ("ellipse", "sgd")))
    assert part is not None
    assert len(part.answer) == 1
    assert part.answer[0].startswith("Recommendation: sgd on ellipse")


def test_gaps_of_different_problems_are_not_compared(record: Record) -> None:
    first, second = record.problems[:2]
    kept = only(record, (first, "sgd"), (second, "rmsprop"))
    text = recommendation_text(cell_results(kept), recommendations(kept.cells))
    assert f"sgd on {first}: " in text
    assert f"rmsprop on {second}: " in text
