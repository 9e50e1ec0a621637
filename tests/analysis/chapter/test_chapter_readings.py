"""The sentences of the page say what the tables hold, and nothing the tables do not hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from itertools import pairwise
from string import ascii_lowercase
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.answers.page import ANSWERS
from analysis.answers.panels import EndLabel, label_ends, panel, readable
from analysis.answers.part import count, exactly, name_of
from analysis.chapter.explorer import explorer_of
from analysis.chapter.gamma_one import gamma_one_reading
from analysis.chapter.memory import memory_reading
from analysis.chapter.numbers import numbers_part, numbers_reading
from analysis.chapter.page import PARTS
from analysis.chapter.real_problem import real_problem_reading
from analysis.chapter.rotation import alone_text, rotation_part, rotation_reading
from analysis.chapter.schedules import explained_text, schedules_part, schedules_reading
from analysis.chapter.stall import stall_reading
from analysis.chapter.variants import variants_reading
from analysis.figures.style import PALETTE, drawing
from analysis.record.exhibits import SCHEMAS, Exhibit

Make = Callable[..., Exhibit]


def test_every_exhibit_has_a_part() -> None:
    assert {*PARTS} | {*ANSWERS} == {*SCHEMAS}
    assert not {*PARTS} & {*ANSWERS}


def test_numbers_count_what_comes_out_and_name_the_chapters_own(exhibit: Make) -> None:
    made = exhibit("numbers")
    first, own, draw, data = numbers_reading(made.table("numbers"), made.facts, made.table("data_sets"))
    assert first.startswith("Of 4 printed numbers, 2 come out to the last printed digit, 1 lie within the middle 90%")
    assert own == "RMSProp on the ellipse ends at (−0.010599, 0.000000); the book prints (−0.010599, 0.000000)."
    assert "RMSProp's 0.245 lies inside the middle 90% of ours, [0.243" in draw
    assert "surrogate" in data


def test_a_draw_outside_of_the_range_is_not_said_to_lie_in_it(exhibit: Make) -> None:
    made = exhibit("numbers")
    table = made.table("numbers").replace({"verdict": {"inside": "differs"}})
    assert (
        "RMSProp's 0.245 lies outside the middle 90%" in numbers_reading(table, made.facts, made.table("data_sets"))[2]
    )


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
    assert "the window 1/(1 − γ) is 10 steps, which hold 65% of the weight" in window
    assert "a weight has halved after 6.58 steps" in window
    assert "γ⁻¹ = 1.11 steps in the book is wrong: by then 89% of a weight are left" in claim
    assert "at most 3e-17" in error


def test_the_two_cycle_stands_beside_its_theory(exhibit: Make) -> None:
    early, total, _, cycle = stall_reading(exhibit("stall"))
    assert "After 20 steps with η = 0.4 Adagrad multiplies a gradient of x₁ by 0.13" in early
    assert "loss 0.618 against 1.1e-5" in early
    assert "it still grows, by step 60 to 1.52 times its value at step 20" in total
    assert "at loss 0.083997, theory 0.083997" in cycle
    assert "Of 4 settings of η, γ and the place of ε 4 repeat" in cycle


def changed(made: Exhibit, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Exhibit:
    change(made.table(name)).to_parquet(made.path / f"{name}.parquet")
    return made


def test_a_sum_that_has_stopped_growing_is_not_said_to_grow(exhibit: Make) -> None:
    made = changed(exhibit("stall"), "states", lambda table: table.assign(s=14.4))
    assert "it levels off, at 1.52 times its value at step 20" in stall_reading(made)[1]


@pytest.mark.parametrize(
    ("path", "noise", "begin"),
    [
        (1e-19, 1e-3, "Slow is not stuck: the longer run turns the order round"),
        (1.0, 1.0, "The longer run keeps the order"),
        (1.0, 1e-3, "The longer run turns the order round in one case of two"),
    ],
)
def test_who_is_ahead_in_the_long_run_is_read_off(exhibit: Make, path: float, noise: float, begin: str) -> None:
    def late(table: pd.DataFrame, value: float) -> pd.DataFrame:
        own = (table["optimizer"] == "adagrad") & (table["step"] > 30)
        return table.assign(loss=table["loss"].mask(own, value).mask((table["optimizer"] == "rmsprop"), 0.1))

    made = changed(exhibit("stall"), "trajectories", lambda table: late(table, path))
    made = changed(made, "noise", lambda table: late(table, noise))
    assert stall_reading(made)[2].startswith(f"{begin}. At step 60")


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
    early, late, calm, book = rotation_reading(exhibit("rotation"))
    assert "1e6 times as high as RMSProp at 0° and 1 times as high at 45°" in early
    assert "RMSProp leads 10 times at 2 of 7 angles." in early
    assert late == "After 1000 steps it leads at 2 of 7 angles."
    assert calm == "Turning the problem does not change what gradient descent can reach."
    assert "0.3393 on the turned f" in book


def test_full_matrix_adagrad_is_held_against_its_diagonal_at_every_angle(exhibit: Make) -> None:
    def with_matrices(table: pd.DataFrame) -> pd.DataFrame:
        of_sgd = table[table["optimizer"] == "sgd"]
        full = of_sgd.assign(optimizer="adagrad-full", share=2e-17)
        at_axes = full.assign(optimizer="adagrad", share=of_sgd["share"].where(of_sgd["angle"] % 90 != 0, 1e-20))
        return pd.concat([table, full, at_axes])

    *_, full, _ = rotation_reading(changed(exhibit("rotation"), "losses", with_matrices))
    assert "at 7 of 7 angles and ends at 2e-17 of the start's loss at the worst" in full
    assert full.endswith("with the diagonal alone at 2, and at 0.01.")


def test_what_the_two_cycle_costs_in_the_long_run_is_counted_for_the_worst_condition_too(exhibit: Make) -> None:
    def late(table: pd.DataFrame) -> pd.DataFrame:
        share = table["share"].mask((table["optimizer"] == "rmsprop") & (table["steps"] == 1000), 0.5)
        worse = table.assign(condition=table["condition"].replace(4.0, 100.0), share=share)
        slow = (worse["condition"] == 100) & (worse["optimizer"] == "sgd") & (worse["angle"] < 40)
        return worse.assign(share=worse["share"].mask(slow, 0.9))

    made = changed(exhibit("rotation"), "losses", late)
    assert rotation_reading(made)[1] == (
        "After 1000 steps it leads at 0 of 7 angles, for a constant η keeps it in its two-cycle while descent goes on; "
        "at condition number 100, at 3."
    )
    assert [row["late"] for row in rotation_part(made).tables[0].rows] == ["0", "3"]


def test_an_even_number_of_angles_has_a_middle_too(exhibit: Make) -> None:
    made = changed(exhibit("rotation"), "losses", lambda table: table[table["angle"] != 45])
    assert "as high at 30°" in rotation_reading(made)[0]


def test_the_schedule_of_the_lowest_loss_is_named_with_its_range_and_an_edge_is_owned_up_to(exhibit: Make) -> None:
    made = exhibit("real-problem")
    sentences = real_problem_reading(made.table("choices"), made.facts)
    assert "“cosine” ends lowest: training loss 0.10" in sentences[0]
    assert "the ranges do not overlap" in sentences[0]
    assert sentences[-1] == "The chosen η lies at the edge of the grid for constant: a wider one may do better."


def shares(**explained: float) -> pd.DataFrame:
    rows = [
        {"problem": name, "over": "all", "explained": value, "explained_low": value - 0.1, "explained_high": value}
        for name, value in explained.items()
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("share", "begin"), [(0.9, "Most of γ's influence"), (0.1, "Little of γ's influence")])
def test_the_missing_correction_is_blamed_as_far_as_the_numbers_go(share: float, begin: str) -> None:
    text = explained_text(shares(airfoil=share))
    assert text.startswith(begin)
    assert f"{share:.0%} [{share - 0.1:.0%}, {share:.0%}] on airfoil" in text


def test_problems_that_disagree_about_the_correction_are_not_summed_up() -> None:
    text = explained_text(shares(a=0.9, b=0.2))
    assert text.startswith("The missing bias correction is part of γ's influence")


def test_a_schedule_of_gamma_wins_only_beyond_the_spread_and_lr_schedules_are_told_apart(exhibit: Make) -> None:
    text = schedules_reading(exhibit("gamma-schedules"))
    assert (
        text[1] == "Changing γ beats the best constant γ beyond the spread of the seeds on digits (“γ gamma=rising”)."
    )
    assert text[2].startswith("On airfoil no schedule of γ beats a constant one")
    assert "divides the gap by 20 on digits" in text[3]
    assert "0.9 for n = 5 and 0.99 for n = 10 on" in text[4]


def paired(made: Exhibit, ratio: float, seeds: int = 10) -> Exhibit:
    """The exhibit with runs in which γ that rises ends at ``ratio`` times the gap of the constant γ on digits."""
    rows = [
        {"problem": "digits", "part": part, "schedule": schedule, "rule": "plain", "lr": 0.01, "gamma": 0.9,
         "seed": first + k, "status": "finished", "loss": (1 + k) * (ratio + k / 1000 if schedule != "constant" else 1)}
        for part, first in (("tuning", 1), ("test", 1001))
        for schedule in ("constant", "gamma=rising")
        for k in range(seeds)
    ]  # fmt: skip
    return changed(made, "runs", lambda table: pd.concat([table, pd.DataFrame(rows)], ignore_index=True))


@pytest.mark.parametrize(
    ("ratio", "seeds", "answer"),
    [
        (0.5, 10, "Yes on digits (0.504 [0.502, 0.507] times the gap): "),
        (1.5, 10, "No on digits (1.5 [1.5, 1.51] times the gap): "),
        (0.5, 5, "Not decided on digits (0.502 [0.5, 0.504] times the gap): "),
    ],
)
def test_whether_gamma_should_change_is_answered_first_from_paired_test_seeds(
    exhibit: Make, ratio: float, seeds: int, answer: str
) -> None:
    made = paired(exhibit("gamma-schedules"), ratio, seeds)
    assert schedules_reading(made)[0].startswith(answer)
    assert schedules_reading(made)[0].endswith(f"paired seed by seed on {seeds} test seeds.")
    part = schedules_part(made)
    assert part.tables[0].rows[0]["changing"] == "γ gamma=rising"
    assert part.data["paired"]["seeds"].tolist() == [seeds]


def test_any_schedule_of_gamma_that_is_clearly_ahead_counts_not_only_that_of_lowest_median(exhibit: Make) -> None:
    def wider(table: pd.DataFrame) -> pd.DataFrame:
        lucky = table[(table["problem"] == "digits") & (table["schedule"] == "gamma=rising")]
        lucky = lucky.assign(schedule="gamma=lucky", title="lucky", median=0.05, high=2.0)
        return pd.concat([table, lucky], ignore_index=True)

    text = schedules_reading(changed(exhibit("gamma-schedules"), "schedules", wider))
    assert "beyond the spread of the seeds on digits (“γ gamma=rising”)" in text[1]


def test_what_the_correction_does_to_a_tuned_rule_is_said_where_both_were_tuned(exhibit: Make) -> None:
    def both(table: pd.DataFrame) -> pd.DataFrame:
        other = table[(table["problem"] == "airfoil") & (table["schedule"] == "constant")]
        return pd.concat([table, other.assign(rule="corrected", gap=2.5)], ignore_index=True)

    text = schedules_reading(changed(exhibit("gamma-schedules"), "schedules", both))
    assert text[1].endswith("the correction multiplies the gap by 2.5 on airfoil.")


def test_the_explorer_starts_with_the_run_of_the_record(exhibit: Make) -> None:
    explorer = explorer_of(exhibit("stall"))
    assert explorer is not None
    assert explorer.readout == "RMSProp after 20 steps: x = (−0.010599, 0.000000), loss 1.123e-5."
    assert explorer.path.count("L") == 20


def test_the_preset_of_exercise_2_ends_where_the_exercise_itself_does(exhibit: Make) -> None:
    explorer = explorer_of(exhibit("stall"))
    assert explorer is not None
    preset = next(json.loads(values) for text, values in explorer.presets if text.startswith("exercise 2"))
    facts = json.loads(explorer.facts)
    turn = np.exp(-1j * np.radians(preset["angle"]))

    def gradient(x: complex) -> complex:
        u = turn * x
        return preset["steep"] * complex(4 / facts["condition"] * u.real, 4 * u.imag) / turn

    x, s = complex(*facts["functions"]["ellipse"]["start"]), np.zeros(2)
    for _ in range(preset["steps"]):
        g = gradient(x)
        parts = np.array([g.real, g.imag])
        s = preset["memory"] * s + (1 - preset["memory"]) * parts**2
        x += complex(*(-preset["lr"] * parts / np.sqrt(s + facts["eps"]["rmsprop"])))
    u = turn * x
    loss = preset["steep"] * (2 / facts["condition"] * u.real**2 + 2 * u.imag**2)
    book = exhibit("rotation").table("book").set_index("problem")["loss"]
    assert loss == pytest.approx(0.1 * (x.real + x.imag) ** 2 + 2 * (x.real - x.imag) ** 2, rel=1e-12)
    assert loss == pytest.approx(book["ellipse-rotated"], abs=5e-6)  # the table by hand has five digits


def test_an_older_record_has_the_ellipse_and_the_books_rules_alone(exhibit: Make) -> None:
    explorer = explorer_of(exhibit("stall", functions=(), eps_of=()))
    assert explorer is not None
    assert list(explorer.functions) == ["ellipse"]
    assert set(explorer.names) == {"gd", "momentum", "adagrad", "rmsprop", "rmsprop-corrected"}
    assert not any("saddle" in text or "over RMSProp" in text for text, _ in explorer.presets)


def test_a_field_unlike_its_neighbours_is_explained_and_no_other() -> None:
    def best(odd: float) -> pd.DataFrame:
        rows = [
            {"rule": "best", "steps": 20, "optimizer": name, "angle": angle, "condition": condition, "share": share}
            for angle in (0.0, 25.0, 50.0)
            for condition in (4.0, 20.0)
            for name, share in (("sgd", 1e-4), ("rmsprop", odd if (angle, condition) == (25.0, 4.0) else 1e-5))
        ]
        return pd.DataFrame(rows)

    assert "condition number 4 at 25° stands alone" in alone_text(best(1e-1), 20)
    assert alone_text(best(2e-4), 20) == ""


def test_every_button_sets_every_control(exhibit: Make) -> None:
    explorer = explorer_of(exhibit("stall"))
    assert explorer is not None
    named = {frozenset(json.loads(values)) for _, values in explorer.presets}
    assert named == {frozenset({"function", "optimizer", "lr", "memory", "momentum", "steps", "angle", "steep"})}


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


@pytest.mark.parametrize("color", PALETTE)
def test_words_in_a_lines_colour_can_be_read_on_white(color: str) -> None:
    rgb = [int(readable(color)[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (luminance + 0.05) >= 4.45  # 4.5, and a hex digit


@pytest.mark.parametrize("name", PARTS)
def test_a_caption_names_every_panel_by_its_letter_or_none(exhibit: Make, name: str) -> None:
    for plate in PARTS[name](exhibit(name)).plates:
        named = re.findall(r"\(([a-z])\)", plate.caption)
        assert set(named) in (set(), set(ascii_lowercase[: len(plate.panels)]))


def test_numbers_are_written_as_the_book_prints_them() -> None:
    assert exactly(-0.0105987, 6) == "−0.010599"
    assert exactly(math.nan, 6) == "–"
    assert exactly(2.05e7, 6) == "2.05e7"
    assert [count(n, "run") for n in (0, 1, 1200)] == ["no run", "1 run", "1,200 runs"]
    assert name_of("my-own") == "my-own"
