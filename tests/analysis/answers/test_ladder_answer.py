"""What the page says of a ladder, from a table made by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.answers.ladder import ladder_reading, steps_panel
from analysis.figures.style import drawing
from analysis.record.exhibits.ladder import LadderFacts

FACTS = LadderFacts(("bowl",), {"bowl": "gap"}, {"bowl": 300}, {"bowl": ("muon",)}, ("bowl",), "qmc", 5, 16, 2, 0.1)


def row(ingredient: str, before: str, after: str, verdict: str, saved: float, at_most: float, way: str = "added"):
    change = -saved / 100
    return {
        "problem": "bowl",
        "way": way,
        "ingredient": ingredient,
        "before": before,
        "after": after,
        "verdict": verdict,
        "change": change,
        "low": change - 0.1,
        "high": change + 0.1,
        "unit": "decades",
        "p_holm": 0.01,
        "saved": saved,
        "saved_low": saved - 5,
        "saved_high": saved + 5,
        "at_most": at_most,
        "steps": 300,
    }


INGREDIENTS = pd.DataFrame(
    [
        row("momentum", "sgd", "momentum", "helps", 177.3, 182),
        row("a scale for each coordinate", "sgd", "adagrad", "helps", 200, 205),
        row("forgetting", "adagrad", "rmsprop", "hurts", -40, 45),
        row("weight decay", "adam", "adamw", "adds nothing", 1, 6.2),
        row("caution", "adamw", "adamw-cautious", "both solve it", 0, 300),
        row("a mean of the path", "sgd", "schedule-free-sgd", "undecided", 50, 120, way="alone"),
    ]
)


def test_every_verdict_is_told_with_what_it_is_worth_in_steps_the_largest_first() -> None:
    added, alone, *_ = ladder_reading(INGREDIENTS, FACTS)
    assert added == (
        "On bowl, a scale for each coordinate (sgd → adagrad, saves 200 of 300 steps) and momentum (sgd → momentum, "
        "saves 177 of 300 steps) help; forgetting (adagrad → rmsprop, costs 40 of 300 steps) hurts; weight decay "
        "(adam → adamw) adds nothing (at most 6 steps); the problem is solved to rounding with and without caution "
        "(adamw → adamw-cautious)."
    )
    assert alone.startswith("On bowl, alone, a mean of the path (sgd → schedule-free-sgd) is undecided")


def test_what_is_not_to_be_read_out_of_it_is_said() -> None:
    *_, zero, matrices = ladder_reading(INGREDIENTS, FACTS)
    assert zero == "Weight decay pulls to 0, where the minimum of bowl lies: its help there is none elsewhere."
    assert matrices == "Muon needs matrices and is left out on bowl."


@pytest.mark.slow
def test_a_panel_draws_told_ingredients_full_and_others_hollow() -> None:
    with drawing():
        axes = steps_panel(INGREDIENTS).axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [dot.get_markerfacecolor() == "white" for dot in dots] == [False, False, False, True, True, True]
    assert [text.get_text() for text in axes.texts][:4] == [
        "helps: −177 steps",
        "helps: −200 steps",
        "hurts: +40 steps",
        "adds nothing (≤ 6 steps)",
    ]
