"""The sentences of the page say what the tables hold, and nothing the tables do not hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest

from analysis.chapter.explorer import explorer_of
from analysis.chapter.gamma_one import gamma_one_reading
from analysis.chapter.landscapes import landscapes_part, recommendation_text, robust_choices
from analysis.chapter.memory import memory_reading
from analysis.chapter.numbers import numbers_part, numbers_reading
from analysis.chapter.page import PARTS
from analysis.chapter.panels import EndLabel, label_ends, panel
from analysis.chapter.part import count, exactly, name_of
from analysis.chapter.real_problem import real_problem_reading
from analysis.chapter.rotation import rotation_reading
from analysis.chapter.schedules import explained_text, schedules_reading
from analysis.chapter.stall import stall_reading
from analysis.chapter.variants import variants_reading
from analysis.exhibit_schemas import SCHEMAS
from analysis.exhibits import Exhibit
from analysis.recommendation import recommendations
from analysis.style import drawing
from analysis.tables import Record

Make = Callable[..., Exhibit]


def test_every_exhibit_has_a_part() -> None:
    assert set(PARTS) == set(SCHEMAS)


def test_numbers_count_what_comes_out_and_name_the_chapters_own(exhibit: Make) -> None:
    made = exhibit("numbers")
    first, own, draw, data = numbers_reading(made.table("numbers"), made.facts, made.table("data_sets"))
    assert first.startswith("Of 4 printed numbers, 2 come out to the last printed digit, 1 lie within the middle 90%")
    assert own == "RMSProp on the ellipse ends at (−0.010599, 0.000000); the book prints (−0.010599, 0.000000)."
    assert "RMSProp's 0.245 lies in [0.243" in draw
    assert "surrogate" in data


@pytest.mark.parametrize(("shift", "verdict"), [(1e-4, "On 1 of 1 run"), (0.01, "by more on rmsprop (")])
def test_with_the_real_file_the_surrogate_is_held_against_it(exhibit: Make, shift: float, verdict: str) -> None:
    made = exhibit("numbers", has_file=True, largest_shift=shift, shift_errors=1.1)
    sets = made.table("data_sets")
    both = pd.concat([sets, sets.assign(data="file", mean=sets["mean"] + shift)])
    both.to_parquet(made.path / "data_sets.parquet")
    part = numbers_part(made)
    assert verdict in part.answer[-1]
    assert [table.folded for table in part.tables][1] == "The surrogate beside the real file, 1 run"


def test_what_differs_is_shown_with_its_reason_and_all_numbers_are_folded(exhibit: Make) -> None:
    differing, every = numbers_part(exhibit("numbers")).tables
    assert [row["reason"] for row in differing.rows] == ["another <rule>"]
    assert len(every.rows) == 4
    assert every.folded
    assert not differing.folded


def test_the_half_life_of_the_book_is_refuted_with_numbers(exhibit: Make) -> None:
    window, claim, error = memory_reading(exhibit("memory").table("windows"), 3e-17)
    assert "looks back 10 steps in the mean, and a weight has halved after 6.58 steps" in window
    assert "γ⁻¹ = 1.11 steps in the book is wrong: by then 89% of a weight are left" in claim
    assert "at most 3e-17" in error


def test_the_two_cycle_stands_beside_its_theory(exhibit: Make) -> None:
    stalls, book, cycles = stall_reading(exhibit("stall"))
    assert "its sum still grows to 1.52 times itself" in stalls
    assert "at loss 0.618, RMSProp at 1.1e-5" in book
    assert "at loss 0.083997, theory 0.083997" in cycles
    assert "Of 4 settings of η and γ 4 repeat" in cycles


@pytest.mark.parametrize(("deviation", "blind"), [(0.002, True), (1e-5, False)])
def test_one_number_cannot_tell_the_programs_apart_unless_the_seeds_agree(
    exhibit: Make, deviation: float, blind: bool
) -> None:
    made = exhibit("variants")
    table = made.table("differences").assign(deviation=deviation)
    first, last = variants_reading(table, made.facts)
    assert "“four epochs, not two”: −0.0004 [−0.0005, −0.0003] in the mean; no other by more than 1e-6" in first
    assert ("cannot tell them apart" in last) == blind


def test_gamma_one_is_gradient_descent_a_thousand_times_as_fast(exhibit: Make) -> None:
    step, proof, others = gamma_one_reading(exhibit("gamma-one"))
    assert "1,000 times as fast" in step
    assert "one step ends at (395, 3198)" in step
    assert proof.count("(−0.943467, −0.000073)") == 2
    assert "3 of 3 runs follow their theory to rounding; 1 of them diverges" in others


def test_a_scale_for_each_coordinate_helps_near_the_axes_only(exhibit: Make) -> None:
    sentences = rotation_reading(exhibit("rotation"))
    assert "stops helping between 15° and 75°: there gradient descent ends 1 to 1 times as high" in sentences[0]
    assert "at so many of 7 angles, by condition number: 2 at 4 and 2 at 20" in sentences[0]
    assert sentences[2] == "Turning the problem does not change what gradient descent can reach."
    assert "0.3393 on the turned f" in sentences[3]


def test_the_schedule_of_the_lowest_loss_is_named_with_its_range_and_an_edge_is_owned_up_to(exhibit: Make) -> None:
    made = exhibit("real-problem")
    sentences = real_problem_reading(made.table("choices"), made.facts)
    assert "“cosine” ends lowest: training loss 0.10" in sentences[0]
    assert "the ranges do not overlap" in sentences[0]
    assert sentences[-1] == "The chosen η lies at the edge of the grid for constant: a wider one may do better."


@pytest.mark.parametrize(("share", "begin"), [(0.9, "Most of γ's influence"), (0.1, "Little of γ's influence")])
def test_the_missing_correction_is_blamed_as_far_as_the_numbers_go(share: float, begin: str) -> None:
    facts = {"explained": {"airfoil": share}, "explained_sensible": {"airfoil": None}}
    assert explained_text(facts).startswith(begin)
    assert f"{share:.0%} on airfoil" in explained_text(facts)


def test_problems_that_disagree_about_the_correction_are_not_summed_up() -> None:
    facts = {"explained": {"a": 0.9, "b": 0.1}, "explained_sensible": {}}
    assert explained_text(facts).startswith("The missing bias correction is part of γ's influence")


def test_a_schedule_of_gamma_wins_only_beyond_the_spread_and_lr_schedules_are_told_apart(exhibit: Make) -> None:
    text = schedules_reading(exhibit("gamma-schedules"))
    assert (
        text[1] == "Changing γ beats the best constant γ beyond the spread of the seeds on digits (“γ gamma=rising”)."
    )
    assert text[2].startswith("On airfoil no schedule of γ beats a constant one")
    assert "so many times smaller: 20 on digits" in text[3]
    assert "0.9 for n = 5 and 0.99 for n = 10 on" in text[4]


def test_the_landscapes_end_in_a_recommendation(record: Record) -> None:
    part = landscapes_part(record)
    assert part is not None
    assert "Recommendation where nothing can be tuned: " in part.answer[0]
    assert part.answer[2].startswith("What to tune first: ")
    assert sum(len(plate.table.rows) for plate in part.plates if plate.table) == len(record.cells)


def test_the_robust_choice_keeps_the_largest_least_share_of_what_any_optimizer_reaches(record: Record) -> None:
    choices = robust_choices(record.cells)
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
    assert robust_choices(cells) == []
    assert recommendation_text(cells, advice) == f"Recommendation: {best.sentence}"


def test_without_any_progress_nothing_is_recommended() -> None:
    assert recommendation_text([], []).startswith("No setting of any optimizer made progress")


def test_the_explorer_starts_with_the_run_of_the_record(exhibit: Make) -> None:
    explorer = explorer_of(exhibit("stall"))
    assert explorer is not None
    assert explorer.readout == "RMSProp after 20 steps: x = (−0.010599, 0.000000), loss 1.123e-5."
    assert explorer.path.count("L") == 20


def test_another_function_than_the_ellipse_has_no_explorer(exhibit: Make, tmp_path: Any) -> None:
    made = exhibit("stall")
    file = made.path / "trajectories.parquet"
    table = pd.read_parquet(file)
    table.assign(loss=2 * table["loss"]).to_parquet(file)
    assert explorer_of(made) is None


def test_words_at_the_ends_of_lines_do_not_touch() -> None:
    with drawing():
        figure, axes = panel()
        axes.set_ylim(0, 1)
        label_ends(axes, [EndLabel(0, y, "word", "black") for y in (0.5, 0.5, 0.51, 1.0, 7.0)])
        figure.draw_without_rendering()
        boxes = sorted((text.get_window_extent().y0, text.get_window_extent().y1) for text in axes.texts)
    assert all(below[1] <= above[0] for below, above in pairwise(boxes))


def test_numbers_are_written_as_the_book_prints_them() -> None:
    assert exactly(-0.0105987, 6) == "−0.010599"
    assert exactly(math.nan, 6) == "–"
    assert exactly(2.05e7, 6) == "2.05e7"
    assert [count(n, "run") for n in (0, 1, 1200)] == ["no run", "1 run", "1,200 runs"]
    assert name_of("my-own") == "my-own"
