"""What a figure cannot show as it is has a sign, and a sign stands in the legend only where it stands in the figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from analysis.figures.heat_maps import DIVERGED_COLOR, GAINED, GAINED_COLORS, WORSE_COLOR, landscape_figure
from analysis.figures.lines import convergence_figure, sensitivity_figure
from analysis.figures.outcome import outcome_figure
from analysis.figures.overview import worse_than_best
from analysis.figures.problem import figures_of
from analysis.figures.style import looks_of
from analysis.measures.convergence import Convergence
from analysis.measures.lr_sensitivity import Landscape
from analysis.measures.measure import Measure
from analysis.measures.results import CellResult
from analysis.pages.problem_section import picture_of
from analysis.problem_results import ProblemResults
from analysis.record.cells import Cell, Record
from analysis.statistics.bootstrap import Band

MEASURE = Measure(0.0, 1.0, 1e-16, log=True)
LOOKS = looks_of(["a", "b"])


def words(figure: Figure) -> set[str]:
    """The words of a figure's legend."""
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


@pytest.fixture
def maps(record: Record) -> list[Landscape]:
    found = [CellResult.alone(cell).landscape for cell in record.of_problem("ellipse")[1:]]
    return [replace(each, median=np.maximum(each.median, 1e-3)) for each in found if each is not None]


@pytest.mark.parametrize("deep", [0, 1])
def test_the_colour_bar_has_an_arrow_where_any_map_is_deeper_than_its_colours(maps: list[Landscape], deep: int) -> None:
    median = maps[deep].median.copy()
    median[0, 0] = 1e-25 * maps[deep].measure.start
    shown = [replace(each, median=median) if place == deep else each for place, each in enumerate(maps)]
    measure = replace(maps[0].measure, smallest=1e-300)
    figure = landscape_figure({str(i): replace(each, measure=measure) for i, each in enumerate(shown)})
    assert figure.axes[-1]._colorbar.extend == "both"  # type: ignore[attr-defined]
    assert landscape_figure(dict(zip("ab", maps, strict=True))).axes[-1]._colorbar.extend == "max"  # type: ignore[attr-defined]


def test_tuned_default_and_lowest_stand_on_every_map_and_curve(record: Record) -> None:
    results = ProblemResults.of(record.of_problem("ellipse"))
    figures = dict(figures_of(results, looks_of([cell.label for cell in results.cells])))
    assert {"lowest of the grid", "tuned", "default"} <= words(figures["landscape"])
    assert {"tuned", "default"} <= words(figures["sensitivity"])
    for axes, cell in zip(figures["landscape"].axes, results.cells[1:], strict=False):
        rings = [line for line in axes.lines if line.get_marker() == "o" and line.get_markersize() == 12]
        assert cell.landscape is not None
        lr = float(cell.landscape.x.place(cell.tuned_setting["lr"]))
        assert [float(line.get_xdata()[0]) for line in rings] == pytest.approx([lr, lr])
    rates, held = figures["sensitivity"].axes
    rings = [line for line in rates.lines if line.get_marker() == "o" and line.get_markersize() == 8]
    tuned = [
        [cell.tuned_setting["lr"], float(results.measure.shown(cell.tuned.value))]
        for cell in results.cells
        if cell.tuned
    ]
    np.testing.assert_allclose([[line.get_xdata()[0], line.get_ydata()[0]] for line in rings], tuned)
    assert [
        line.get_xdata()[0] for line in held.lines if (line.get_marker(), line.get_markersize()) == ("D", 5)
    ] == pytest.approx([0.01] * 3)


def curve(*values: float) -> Convergence:
    median = np.array(values)
    return Convergence("tuned", "loss", np.arange(median.size), Band(median, median, median, 1), 0, 1)


@pytest.mark.parametrize(
    ("values", "signs"),
    [
        ((1.0, 0.5, 0.1), set()),
        ((1.0, 5000.0, 0.1), {"leaves the frame and returns"}),
        ((1.0, 0.5, np.inf), {"diverges"}),
        ((1.0, 5000.0, 0.1, 7000.0), {"leaves the frame and returns", "diverges"}),
    ],
)
def test_a_curve_that_leaves_the_frame_says_so_and_how_high_it_was(values: tuple[float, ...], signs: set[str]) -> None:
    figure = convergence_figure({"tuned": {"a": curve(*values)}}, MEASURE, LOOKS, {})
    assert words(figure) == {"a", "start", *signs}
    peaks = [text.get_text() for text in figure.axes[0].texts]
    assert peaks == (["5,000"] if "leaves the frame and returns" in signs else [])
    caption = picture_of("ellipse", "convergence", figure).caption
    assert ("cross" in caption, "triangle" in caption) == ("diverges" in signs, "leaves the frame and returns" in signs)


def test_rates_where_some_seeds_diverge_are_hollow_and_named_only_where_there_are_some(record: Record) -> None:
    rates = CellResult.alone(record.of_problem("ellipse")[0]).rates
    assert rates is not None
    calm = replace(rates, stable=np.ones_like(rates.stable), value=np.full_like(rates.value, 0.5))
    partly = replace(calm, stable=np.arange(rates.rates.size) != 3)
    said = "some seeds diverge"
    assert said not in words(sensitivity_figure({"all": {"a": calm}}, LOOKS))
    figure = sensitivity_figure({"all": {"a": partly}}, LOOKS)
    assert said in words(figure)
    (hollow,) = [line for line in figure.axes[0].lines if line.get_markersize() == 3.2]
    assert np.flatnonzero(np.isfinite(hollow.get_ydata())).tolist() == [3]
    assert not any(line.get_linestyle() == ":" for line in figure.axes[0].lines)


Edit = Callable[..., Cell]


def ends(loss: float) -> dict[str, Any]:
    """The tables of a cell whose tuned run ends at ``loss``."""

    def runs(frame: pd.DataFrame) -> pd.DataFrame:
        tuned = frame["setting"] == "tuned"
        return frame.assign(
            status=frame["status"].mask(tuned, "finished"),
            final_loss=frame["final_loss"].mask(tuned, loss),
            best_loss=frame["best_loss"].clip(upper=loss),
        )

    return {"runs": runs}


def test_what_is_below_rounding_is_no_point_of_the_outcome_and_makes_no_ratio(edited_cell: Edit) -> None:
    cells = [edited_cell(0, "sgd", **ends(1e-30)), edited_cell(0, "momentum", **ends(1e-5))]
    results = ProblemResults.of(cells)
    tuned = {cell.label: cell.tuned for cell in results.cells if cell.tuned}
    figure = outcome_figure(tuned, {}, results.measure, looks_of([*tuned]))
    assert "below rounding" in words(figure)
    assert [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "<"] == [
        results.measure.smallest
    ]
    ratios = worse_than_best([results])
    share = float(ratios.shares[0, 1])
    assert 0.2 < share < 0.6
    assert ratios.texts.tolist() == [["1×", f"{share:.0%}"]]
    (winner,) = [said for said in _reading(results) if "ends lowest" in said]
    assert f"the next, momentum, makes {share:.0%} of its progress" in winner
    assert "million" not in " ".join(_reading(results))


def test_what_is_told_from_the_best_is_never_written_as_the_best(edited_cell: Edit) -> None:
    cells = [
        edited_cell(0, name, **ends(loss))
        for name, loss in (("sgd", 1e-3), ("momentum", 1.03e-3), ("rmsprop", 1.4567e-2))
    ]
    ratios = worse_than_best([ProblemResults.of(cells)])
    assert ratios.texts.tolist() == [["1×", "1.03×", "15×"]]


def _reading(results: ProblemResults) -> list[str]:
    from analysis.pages.sentences import problem_reading

    return problem_reading(results)


def test_the_pictures_of_maps_have_the_colours_of_the_maps_that_answer_the_pointer() -> None:
    sheet = files("analysis").joinpath("templates/maps.css").read_text(encoding="utf-8")
    light = dict(part.split(": ") for part in sheet.partition("{ ")[2].partition("; }")[0].split("; "))
    assert tuple(light["--gained"].split()) == GAINED
    assert (light["--lost"], light["--worse"]) == (DIVERGED_COLOR, WORSE_COLOR)
    assert to_hex(GAINED_COLORS(0.0)) == GAINED[-1]
