"""A title says what was found, and nothing that the tests of the report do not say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis.figures.style import drawing, new_figure, png
from analysis.figures.titles import budget_finding, finding_of, ranks_finding, titled, transfer_finding
from analysis.measures.budget import budget_results
from analysis.measures.ranking import Ranking
from analysis.measures.transfer import RobustSetting
from analysis.pages.problem_section import picture_of
from analysis.problem_results import ProblemResults
from analysis.record.cells import Cell, Record
from analysis.statistics.bootstrap import Estimate

Edit = Callable[..., Cell]


def ends(loss: float) -> dict[str, Any]:
    """The tables of a cell whose tuned run ends at ``loss``, half-way after four steps."""

    def runs(frame: pd.DataFrame) -> pd.DataFrame:
        tuned = frame["setting"] == "tuned"
        final = frame["final_loss"].mask(tuned, loss)
        return frame.assign(status=frame["status"].mask(tuned, "finished"), final_loss=final, best_loss=final)

    return {"runs": runs}


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ((1e-3, 4e-3, 1e-1), "sgd ends lowest; the next is 4 times as high"),
        ((1e-30, 1e-31, 1e-1), "sgd and momentum reach the floor within rounding"),
        ((1e-30, 1e-3, 1e-1), "sgd ends lowest"),  # a ratio to rounding means nothing
        ((1e-3, 1.001e-3, 1e-1), "sgd ends lowest, not told apart from momentum"),
        ((1e-3, 1.001e-3, 1.002e-3), "Nobody is told apart from the lowest, sgd"),
    ],
)
def test_the_title_of_the_outcome_names_who_ends_lowest_and_who_is_tied(
    edited_cell: Edit, losses: tuple[float, ...], said: str
) -> None:
    names = ("sgd", "momentum", "rmsprop")
    cells = [edited_cell(0, name, **ends(loss)) for name, loss in zip(names, losses, strict=True)]
    assert finding_of(ProblemResults.of(cells), "outcome") == said


def test_nobody_is_named_in_a_title_where_budgets_are_unequal(edited_cell: Edit) -> None:
    cells = (edited_cell(1, "sgd"), edited_cell(1, "momentum", {"protocol": {"trials": 99}}))
    assert finding_of(ProblemResults.of(cells), "outcome") == ""


def test_the_title_of_convergence_says_who_is_half_way_first(edited_cell: Edit) -> None:
    def curve(*losses: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
        made = np.interp(np.arange(0, 41, 4), [0, 20, 40], losses)
        return lambda frame: frame.assign(loss=np.where(frame["setting"] == "tuned", made[frame["step"] // 4], 10.5))

    cells = [
        edited_cell(0, "sgd", curves=curve(10.5, 1e-4, 1e-4)),
        edited_cell(0, "momentum", curves=curve(10.5, 10.5, 1e-4)),
        edited_cell(0, "rmsprop", curves=curve(10.5, 10.0, 9.0)),
    ]
    said = finding_of(ProblemResults.of(cells), "convergence")
    assert said == "sgd is half-way to the best result after 20 of 40 steps, rmsprop never"
    assert finding_of(ProblemResults.of(cells[:2]), "convergence").endswith("after 20 of 40 steps, momentum after 40")


def test_the_titles_of_maps_and_curves_name_the_most_and_the_least_forgiving(record: Record) -> None:
    results = ProblemResults.of(record.of_problem("ellipse"))
    rates = {cell.label: cell.rates.near_best_decades for cell in results.cells if cell.rates}
    said = finding_of(results, "sensitivity")
    assert said.startswith(f"{max(rates, key=lambda label: rates[label])} forgives ")
    area = {one.label: one.area.value for one in results.stability if one.second}
    most, least = max(area, key=lambda label: area[label]), min(area, key=lambda label: area[label])
    assert finding_of(results, "landscape") == (
        f"{most} ends no higher than it began on {area[most]:.0%} of its map, {least} on {area[least]:.0%}"
    )


def test_the_title_of_what_tuning_buys_compares_few_trials_with_many(record: Record) -> None:
    found = budget_results(ProblemResults.of(record.of_problem("noisy")).cells)
    few = max(found, key=lambda one: one.win[0]).label
    assert budget_finding(found).startswith(f"{few} is most likely lowest after 1 trial")
    assert budget_finding(found[:1]) == ""


def test_ranks_that_are_not_told_apart_have_no_winner_in_their_title() -> None:
    ranks = tuple(Estimate(rank, rank, rank, 5) for rank in (1.0, 2.0, 3.0))
    found = Ranking(("a", "b", "c"), ranks, 0.01, 1.5, (), 6)
    assert ranks_finding(found) == "a ranks significantly before c"
    assert ranks_finding(replace(found, p_value=0.3)) == "6 problems cannot separate these 3"
    assert ranks_finding(replace(found, critical=5.0)) == "6 problems cannot separate these 3"


def test_a_setting_that_loses_most_of_the_progress_somewhere_does_not_work() -> None:
    def setting(cost: float) -> RobustSetting:
        regrets = {"p": Estimate(0.1, 0.1, 0.1, 2), "q": Estimate(cost, cost, cost, 2)}
        return RobustSetting("adam", {"lr": 0.1}, regrets)

    said = "No single setting works: the safest, of adam, gives away 87% of the progress on q"
    assert transfer_finding([setting(0.9), setting(0.87)]) == said
    assert transfer_finding([setting(0.2)]).startswith("One setting serves all: ")


def figure_with(finding: str) -> Figure:
    with drawing():
        figure = new_figure(6, 3)
        figure.subplots().plot([0, 1])
    return titled(figure, "ellipse", "outcome", finding)


def test_what_is_plotted_stands_below_the_finding_and_touches_nothing() -> None:
    figure = figure_with("somebody ends lowest")
    assert png(figure)
    (below,) = [text for text in figure.texts if text is not figure._suptitle]
    assert below.get_text() == "ellipse: outcome on the test seeds"
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    box, axes = below.get_window_extent(renderer), figure.axes[0].get_tightbbox(renderer)
    assert axes is not None
    assert box.y0 >= axes.y1
    assert picture_of("ellipse", "outcome", figure).finding == "somebody ends lowest"
    assert picture_of("ellipse", "outcome", figure_with("")).finding == ""
