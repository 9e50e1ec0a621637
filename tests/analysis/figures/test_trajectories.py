"""A trajectory is shown whole, with its direction, its steps and its end; its title says who goes the longest way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from analysis.figures.problem import problem_figure
from analysis.figures.style import looks_of
from analysis.figures.titles import finding_of, replay_finding
from analysis.measures.budget import BudgetCurve, ReplayCurve
from analysis.measures.trajectory import Extent, Path2D, Surface, extents
from analysis.problem_results import ProblemResults
from analysis.record.cells import Cell, Record

SURFACE = Surface(np.array([-4.0, 2.0]), np.array([-1.0, 1.0]), np.ones((2, 2)))


def path(*points: tuple[float, float], left_at: int | None = None) -> Path2D:
    return Path2D("tuned", np.arange(float(len(points))), np.array(points), left_at, ends_inside=True)


@pytest.mark.parametrize(
    ("furthest", "x1"),
    [
        (1.0, Extent(-4.0, 2.0, None)),  # inside: the frame of the record
        (5.0, Extent(-4.0, 5.0 + 0.04 * 9, None)),  # a little outside: wider
        (1e4, Extent(-4.0, 1.6e4, 4.0)),  # far outside: logarithmic beyond the frame
    ],
)
def test_an_axis_holds_the_whole_path(furthest: float, x1: Extent) -> None:
    found = extents(SURFACE, [path((-3, 0), (furthest, 0.5), (0, 0))])
    assert found == (x1, Extent(-1.0, 1.0, None))


def test_the_way_is_counted_in_straight_lines_and_steps_are_numbered_evenly() -> None:
    assert path((0, 0), (3, 0), (3, 4)).detour == pytest.approx(7 / 5)
    assert path((0, 0), (1, 0), (0, 0)).detour == np.inf
    long = path(*((float(k), 0.0) for k in range(21)), left_at=3)
    assert long.steps[long.numbered].tolist() == [3, 5, 10, 15]


def far(paths: pd.DataFrame) -> pd.DataFrame:
    return paths.assign(x1=paths["x1"].where(paths["step"] != 1, 500.0))


def panel(results: ProblemResults) -> Axes:
    figure = problem_figure(results, looks_of([cell.label for cell in results.cells]), "trajectory")
    assert figure is not None
    return figure.axes[0]


def test_no_point_of_a_path_lies_outside_its_panel_and_ends_are_drawn_last(edited_cell: Callable[..., Cell]) -> None:
    for cell in (edited_cell(0, "sgd", paths=far), edited_cell(0, "sgd")):
        results = ProblemResults.of([cell])
        axes = panel(results)
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for one in results.paths["sgd"]:
            assert ((one.points >= (left, bottom)) & (one.points <= (right, top))).all()
        ends = [line for line in axes.lines if line.get_gid() == "end"]
        last = [one.points[-1].tolist() for one in results.paths["sgd"]]
        assert [[line.get_xdata()[0], line.get_ydata()[0]] for line in ends] == last
        assert min(line.get_zorder() for line in ends) > max(
            line.get_zorder() for line in axes.lines if line not in ends
        )
        assert axes.get_xscale() == ("symlog" if cell.paths is not None and right > 100 else "linear")


def test_a_path_has_arrows_and_numbers(record: Record) -> None:
    axes = panel(ProblemResults.of(record.of_problem("ellipse")[:1]))
    assert [text.get_text() for text in axes.texts if text.get_gid() == "step"]
    assert any(getattr(text, "arrow_patch", None) is not None for text in axes.texts)


def test_the_title_of_trajectories_says_who_goes_the_longest_way(record: Record) -> None:
    results = ProblemResults.of(record.of_problem("ellipse"))
    ways = {label: both[0].detour for label, both in results.paths.items()}
    least, most = min(ways, key=lambda label: ways[label]), max(ways, key=lambda label: ways[label])
    said = finding_of(results, "trajectory")
    assert said.startswith(f"{least} goes ")
    assert f", {most} " in said
    assert finding_of(ProblemResults.of(record.of_problem("noisy")), "trajectory") == ""


def test_the_title_of_replays_counts_where_a_sampler_lies_below_random_search() -> None:
    budgets = np.array([1, 8])
    ones = np.ones(2)
    exact = BudgetCurve(budgets, ones, 0.9 * ones, 1.1 * ones, ones, ones, ones, 1, 10)

    def replay(name: str, high: float) -> ReplayCurve:
        return ReplayCurve(name, budgets, high * ones, high * ones, high * ones, 9)

    panels = {"a": (exact, [replay("tpe", 0.5), replay("qmc", 1.0)]), "b": (exact, [replay("tpe", 1.0)])}
    assert replay_finding(panels) == "After 8 trials tpe lies below random search for 1 of 2 optimizers, qmc for 0 of 1"
    assert replay_finding({"b": panels["b"]}) == "After 8 trials no sampler lies below random search"
    assert replay_finding({}) == ""
