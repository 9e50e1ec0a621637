"""The title of every panel says what it finds, from the numbers; a colour of an optimizer means no other thing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.text import Text

from analysis.answers.panels import WIDTH, look_of
from analysis.answers.part import NAMES
from analysis.chapter.gamma_one import run_panel
from analysis.chapter.landscapes import landscapes_part
from analysis.chapter.numbers import numbers_part
from analysis.chapter.page import PARTS
from analysis.chapter.schedules import KINDS
from analysis.chapter.variants import MODES
from analysis.figures.style import drawing
from analysis.record.cells import Record
from analysis.record.exhibits import Exhibit

Make = Callable[..., Exhibit[Any]]


def titles(part: Any) -> dict[str, str]:
    return {name: text for plate in part.plates for name, text in plate.finds.items()}


def changed(made: Exhibit[Any], table: str, **columns: Any) -> Exhibit[Any]:
    """The exhibit with ``columns`` of one of its tables changed."""
    file = Path(made.path) / f"{table}.parquet"
    pd.read_parquet(file).assign(**columns).to_parquet(file)
    return Exhibit.load(made.path)


@pytest.mark.parametrize("name", PARTS)
def test_every_panel_has_a_title_that_no_other_panel_beside_it_has(exhibit: Make, name: str) -> None:
    for plate in PARTS[name](exhibit(name)).plates:
        assert set(plate.finds) == set(plate.panels) == set(plate.says) & set(plate.panels)
        assert len(set(plate.finds.values())) == len(plate.finds)
        for panel_name, figure in plate.panels.items():
            assert figure.axes[0].get_title(loc="left") not in ("", plate.finds[panel_name])


def test_titles_follow_the_numbers_when_these_change(exhibit: Make) -> None:
    made = exhibit("memory")
    assert titles(PARTS["memory"](made))["weights"] == "At γ = 0.9 a weight halves in 6.6 steps"
    half = changed(made, "windows", half_life=3.0)
    assert titles(PARTS["memory"](half))["weights"] == "At γ = 0.9 a weight halves in 3 steps"


def test_rmsprops_two_cycle_is_a_title_only_where_runs_repeat(exhibit: Make) -> None:
    made = exhibit("stall")
    assert titles(PARTS["stall"](made))["cycles"].startswith("RMSProp ends in a two-cycle: ")
    never = changed(made, "cycles", cycling=False)
    assert titles(PARTS["stall"](never))["cycles"].startswith("No setting repeats to rounding by step ")


def test_a_rule_whose_runs_all_diverge_has_a_title_without_a_number(exhibit: Make) -> None:
    made = exhibit("gamma-schedules")
    sensitivity = made.table("sensitivity")
    lost = changed(made, "sensitivity", gap=sensitivity["gap"].where(sensitivity["rule"] != "plain"))
    assert titles(PARTS["gamma-schedules"](lost))["plain"] == "As in the book, every run diverges"
    every = titles(PARTS["gamma-schedules"](changed(lost, "sensitivity", gap=float("inf"))))
    assert every["corrected"] == "Bias-corrected, every run diverges"


def test_a_problem_on_which_no_schedule_of_gamma_finishes_says_so(exhibit: Make) -> None:
    made = exhibit("gamma-schedules")
    found = titles(PARTS["gamma-schedules"](changed(made, "schedules", gap=float("inf"), median=float("inf"))))
    assert found["schedules-airfoil"] == "Every γ schedule on airfoil diverges"


def test_many_runs_are_shown_in_two_panels_as_high_as_each_other_on_one_axis(exhibit: Make) -> None:
    made = exhibit("numbers")
    table = made.table("numbers")
    one = table[(table["kind"] == "distribution") & (table["quantity"] == "loss")].iloc[:1]
    many = pd.concat([one.assign(run=f"run-{k}", title=f"run {k}", low=0.2 - 0.01 * k) for k in range(18)])
    pd.concat([table, many], ignore_index=True).to_parquet(Path(made.path) / "numbers.parquet")
    panels = dict(numbers_part(Exhibit.load(made.path)).plates[0].panels)
    first, second = panels["regression"], panels["regression-more"]
    assert abs(first.get_size_inches()[1] - second.get_size_inches()[1]) < 0.4
    assert first.axes[0].get_xlim() == second.axes[0].get_xlim()


def test_colours_of_what_is_no_optimizer_are_no_optimizers() -> None:
    owned = {look_of(name).color for name in NAMES}
    used = {color for color, _ in KINDS.values()} | {color for color, *_ in MODES.values()}
    assert not owned & used


def test_the_word_at_a_run_that_diverges_high_up_stays_within_its_panel() -> None:
    rows = [
        {"optimizer": name, "source": "measured", "lr": 0.4, "gamma": 1.0, "step": step, "loss": loss}
        for name, losses in (("rmsprop-graves", [10.0, 1e5]), ("sc-rmsprop", [10.0, 5.0, 2.0]))
        for step, loss in enumerate(losses)
    ]
    with drawing():
        figure = run_panel(pd.DataFrame(rows), "γ = 1")
        figure.draw_without_rendering()
        axes = figure.axes[0]
        word, title = (
            next(text for text in axes.findobj(Text) if begin in text.get_text()) for begin in ("diverges", "γ = 1")
        )
        assert word.get_window_extent().y1 < title.get_window_extent().y0 - 4


def test_the_colour_scale_of_the_maps_fits_a_phone_and_their_axes_are_named_as_the_book_names_them(
    chapter_record: Path,
) -> None:
    part = landscapes_part(Record.load(chapter_record))
    assert part is not None
    plate = part.plates[0]
    assert plate.scale is not None
    assert plate.scale.get_size_inches()[0] == WIDTH
    axes = next(figure.axes[0] for name, figure in plate.panels.items() if name.endswith("rmsprop"))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("learning rate η", "γ")
