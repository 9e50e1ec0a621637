"""Figures draw whatever a record may hold."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import PercentFormatter
from PIL import Image

from analysis.figures.overview import Ratios, overview_figure, ratios_figure, share_colors, worse_than_best
from analysis.figures.problem import cell_figure, problem_figures
from analysis.figures.style import (
    drawing,
    looks_of,
    new_figure,
    pdf,
    png,
    put_title,
    svg,
    tick_text,
    wrapped,
)
from analysis.measures.convergence import measure_of
from analysis.measures.trajectory import contour_levels, path_of, surface_of
from analysis.problem_results import results_of
from analysis.record.cells import Cell, Record

NAMES = {"outcome", "convergence", "sensitivity", "landscape", "horizons"}


def drawn(*cells: Cell, laid_out: bool = True) -> dict[str, Figure]:
    """Every figure of the cells' problem, drawn; laying out takes most of the time and is left out on demand."""
    figures = dict(problem_figures(cells, looks_of([cell.label for cell in cells])))
    for figure in figures.values():
        if not laid_out:
            figure.set_layout_engine(None)
        figure.draw_without_rendering()
    return figures


@pytest.fixture(scope="module")
def ellipse(record: Record) -> dict[str, Figure]:
    return drawn(*record.of_problem("ellipse"))


def test_a_problem_in_the_plane_has_trajectories_and_others_have_not(
    ellipse: dict[str, Figure], record: Record
) -> None:
    assert set(ellipse) == {*NAMES, "trajectory"}
    assert set(drawn(*record.of_problem("classes"), laid_out=False)) == NAMES


def test_one_knob_optimizers_alone_have_no_heat_map(record: Record) -> None:
    assert set(drawn(record.of_problem("noisy")[0], laid_out=False)) == {
        "outcome",
        "convergence",
        "sensitivity",
        "horizons",
    }


def test_every_axis_of_a_figure_is_labelled(ellipse: dict[str, Figure]) -> None:
    for name, figure in ellipse.items():
        assert any(text.get_text().startswith("ellipse") for text in figure.texts), name
        assert any(axes.get_xlabel() for axes in figure.axes), name
        assert any(axes.get_ylabel() for axes in figure.axes) or name == "outcome"


def diverge(frame: pd.DataFrame) -> pd.DataFrame:
    """Let every run of a table diverge after its first step."""
    if "status" in frame:
        return frame.assign(status="diverged", final_loss=np.nan)
    return frame.assign(loss=frame["loss"].mask(frame["step"] > 0))


def untuned(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["setting"] != "tuned"]


def solve(frame: pd.DataFrame) -> pd.DataFrame:
    """Let every run of a table end exactly at the floor."""
    return frame.assign(**{name: 0.25 for name in ("final_loss", "loss") if name in frame})


def sink(frame: pd.DataFrame) -> pd.DataFrame:
    """Make every loss of a table negative."""
    return frame.assign(**{name: frame[name] - 10 for name in frame.filter(regex="loss$")})


def one_seed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["seed"].isin([100, 10])]


Change = Callable[[pd.DataFrame], pd.DataFrame]
BOTH, ALL = ("runs", "curves"), ("runs", "curves", "landscape")
EDITS: dict[str, tuple[dict[str, Any], dict[str, Change]]] = {
    "everything diverged": (
        {"studies": [{"study": 0, "tuning_seeds": [0, 1], "trials": 12, "widened": 0, "winner": None}]},
        dict.fromkeys(ALL, diverge),
    ),
    "no landscape": ({}, {"landscape": lambda frame: frame[:0]}),
    "no winner": (
        {"studies": [{"study": 0, "tuning_seeds": [0, 1], "trials": 12, "widened": 0, "winner": None}]},
        dict.fromkeys(BOTH, untuned),
    ),
    "gaps of zero": ({}, dict.fromkeys(ALL, solve)),
    "a default outside of the grid": ({"defaults": {"gamma": 0.99999, "lr": 100.0}}, {}),
    "negative losses": ({"problem": {"minimum": None, "start_loss": -0.5}}, dict.fromkeys(ALL, sink)),
    "one seed": ({}, dict.fromkeys(ALL, one_seed)),
}


ODDEST = ("everything diverged", "no winner", "gaps of zero", "negative losses")
"""What the quick tests draw; the slow ones draw it all."""


@pytest.mark.parametrize(
    ("optimizer", "case"),
    [
        *(pytest.param("rmsprop", case, marks=[pytest.mark.slow] * (case not in ODDEST)) for case in EDITS),
        pytest.param("sgd", "everything diverged", marks=pytest.mark.slow),
    ],
)
def test_figures_are_drawn_from_a_cell_with(optimizer: str, case: str, edited_cell: Callable[..., Cell]) -> None:
    info, tables = EDITS[case]
    cell = edited_cell(1, optimizer, info, **tables)
    assert "outcome" in drawn(cell, laid_out=False)
    cell_figure(cell).draw_without_rendering()


def test_a_setting_that_was_not_run_has_no_panel_and_its_rows_keep_their_order(
    edited_cell: Callable[..., Cell],
) -> None:
    def untuned(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["setting"] != "tuned"]

    tables = {"runs": untuned, "curves": untuned}
    alone = edited_cell(
        1,
        "sgd",
        {"studies": [{"study": 0, "tuning_seeds": [0, 1], "trials": 12, "widened": 0, "winner": None}]},
        **tables,
    )
    assert len(drawn(alone, laid_out=False)["convergence"].axes) == 1
    rows = drawn(alone, edited_cell(1, "rmsprop"), laid_out=False)["outcome"].axes[0].get_yticklabels()
    assert [row.get_text() for row in rows] == ["sgd", "rmsprop"]


def test_where_every_learning_rate_diverges_there_is_no_empty_figure(edited_cell: Callable[..., Cell]) -> None:
    assert "sensitivity" not in drawn(edited_cell(1, "rmsprop", landscape=diverge), laid_out=False)


def test_ticks_say_what_they_stand_at() -> None:
    assert [tick_text(value) for value in (7.25, 0.675, 5.0, 1000.0, 2e-5)] == ["7.25", "0.675", "5", "1,000", "2e-5"]


def test_long_names_are_broken_where_they_may_be_and_stay_in_the_figure(record: Record) -> None:
    long = ' · lr=warmup(then="cosine(final=0.05)", length=0.2)'
    lines = wrapped(f"rmsprop{long}", 29).splitlines()
    assert lines == ["rmsprop · lr=warmup(", 'then="cosine(final=0.05)",', "length=0.2)"]
    ratios = worse_than_best(results_of(record).values())
    names = {side: tuple(name + long for name in getattr(ratios, side)) for side in ("problems", "labels")}
    figure = ratios_figure(replace(ratios, **names))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        box = text.get_window_extent()
        assert min(box.x0, box.y0) >= 0, text.get_text()
        assert box.x1 <= figure.bbox.x1, text.get_text()


def test_the_signs_of_a_cells_picture_are_explained_in_it(record: Record) -> None:
    (legend,) = cell_figure(record.of_problem("ellipse")[2]).legends
    assert {"lowest of the grid", "tuned", "default", "worse than the start"} <= {
        text.get_text() for text in legend.get_texts()
    }


def test_a_cell_figure_needs_no_pyplot(record: Record) -> None:
    import matplotlib.pyplot as plt

    figure = cell_figure(record.of_problem("ellipse")[2])
    assert len(figure.axes) == 3
    assert plt.get_fignums() == []


def test_a_figure_is_the_same_to_the_byte_each_time_whatever_matplotlib_is_set_to(record: Record) -> None:
    cell = record.of_problem("noisy")[2]
    first = cell_figure(cell)
    vector, pixels, page = svg(first), png(first), pdf(first)
    with mpl.rc_context({"savefig.facecolor": "red", "axes.linewidth": 5, "text.usetex": True}):
        second = cell_figure(cell)
        assert svg(second) == vector
        assert pdf(second) == page
        assert png(second) == pixels


def ended(loss: float) -> dict[str, Change]:
    """The tables of a cell whose tuned runs end at ``loss``; inf diverged."""

    def runs(frame: pd.DataFrame) -> pd.DataFrame:
        tuned, lost = frame["setting"] == "tuned", np.isinf(loss)
        status = frame["status"].mask(tuned, "diverged" if lost else "finished")
        final = frame["final_loss"].mask(tuned, np.nan if lost else loss)
        return frame.assign(status=status, final_loss=final, best_loss=frame["best_loss"].clip(upper=final))

    return {"runs": runs}


def test_the_overview_shows_cells_that_are_missing_or_lost(record: Record, edited_cell: Callable[..., Cell]) -> None:
    cells = [edited_cell(0, "sgd", **ended(np.inf)), *record.cells[1:4], *record.cells[5:]]
    texts = [text.get_text() for text in overview_figure(cells).axes[0].texts]
    assert len(texts) == 8
    assert {"lost", "1×"} <= set(texts)


def test_cells_are_compared_with_the_best_of_their_own_problem(
    record: Record, edited_cell: Callable[..., Cell]
) -> None:
    ends = [(0, 2e-3), (0, 1e-3), (0, np.inf), *[(1, np.inf)] * 3, *[(2, -1.0)] * 3]
    names = [cell.optimizer for cell in record]
    cells = [edited_cell(toy, name, **ended(loss)) for (toy, loss), name in zip(ends, names, strict=True)]
    cells[-1] = edited_cell(2, "rmsprop", **ended(-1.0), curves=sink)  # losses below 0 have no ratios
    ratios = worse_than_best(results_of(cells).values())
    assert ratios.problems == ("ellipse", "noisy", "classes")
    np.testing.assert_allclose(ratios.values[0], [2, 1, np.inf])
    assert np.isinf(ratios.values[1]).all()
    assert np.isnan(ratios.values[2]).all()
    assert not ratios.empty


def test_a_path_that_leaves_the_frame_says_when_and_is_drawn_in_from_afar(edited_cell: Callable[..., Cell]) -> None:
    def fly(paths: pd.DataFrame) -> pd.DataFrame:
        return paths.assign(x1=paths["x1"].where(paths["step"] < 5, 7.0 * 10.0 ** (paths["step"] - 5)))

    cell = edited_cell(0, "sgd", paths=fly)
    surface = surface_of(cell, measure_of((cell,)))
    assert surface is not None
    path = path_of(cell, "tuned", surface)
    assert path is not None
    assert (path.left_at, path.ends_inside) == (5, False)
    assert np.abs(path.points).max() == pytest.approx(1000 * 12)  # the frame is 12 wide
    assert "trajectory" in drawn(cell, laid_out=False)


def test_contours_are_at_even_distances_of_the_logarithm(record: Record) -> None:
    cell = record.of_problem("ellipse")[0]
    measure = measure_of((cell,))
    surface = surface_of(cell, measure)
    assert surface is not None
    assert surface.lowest == (0, 0)
    steps = np.diff(np.log10(contour_levels(surface, measure)))
    np.testing.assert_allclose(steps, steps[0])


def test_looks_differ_in_more_than_colour() -> None:
    looks = looks_of([f"optimizer {i}" for i in range(30)])
    assert len({(look.color, str(look.line), look.marker) for look in looks.values()}) == 30
    assert len({str(look.line) for look in list(looks.values())[:5]}) == 5


def test_all_but_the_optimizers_in_focus_are_grey_and_still_told_apart() -> None:
    labels = [f"optimizer {i}" for i in range(210)]
    looks = looks_of(labels, ["optimizer 3", "optimizer 5"])
    rest = [look for label, look in looks.items() if label not in ("optimizer 3", "optimizer 5")]
    assert all(len({look.color[1:3], look.color[3:5], look.color[5:]}) == 1 for look in rest)
    assert len({(look.color, str(look.line), look.marker) for look in looks.values()}) == 210
    coloured = [looks["optimizer 3"], looks["optimizer 5"]]
    alone = looks_of(labels)
    assert [look.color for look in coloured] == [alone["optimizer 3"].color, alone["optimizer 5"].color]
    assert min(look.layer for look in coloured) > max(look.layer for look in rest)
    assert looks_of(labels, ["nobody"]) == looks_of(labels)


def test_the_overview_of_a_record_where_all_runs_diverged_is_drawn(record: Record) -> None:
    problems, labels = record.problems, ("sgd", "momentum", "rmsprop")
    assert png(
        ratios_figure(
            Ratios(problems, labels, np.full((3, 3), np.inf), np.full((3, 3), np.nan), np.zeros((3, 3), dtype=bool))
        )
    )


@pytest.mark.slow
def test_what_saves_time_in_the_layout_moves_nothing(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    def pixels() -> np.ndarray:
        figures = dict(problem_figures(record.of_problem("ellipse"), looks_of([cell.label for cell in record])))
        return np.asarray(Image.open(io.BytesIO(png(figures["landscape"]))).convert("RGB"))

    quick = pixels()
    monkeypatch.setattr("analysis.figures.heat_maps.put_title", Axes.set_title)
    monkeypatch.setattr(Axis, "set_label_coords", lambda *_: None)
    np.testing.assert_array_equal(pixels(), quick)


def test_a_title_stands_clear_of_the_offset_of_ticks() -> None:
    with drawing():
        figure = new_figure(4, 3)
        axes = figure.subplots()
        axes.plot([0, 1], [1e9, 2e9])
        put_title(axes, "a title")
    figure.draw_without_rendering()
    title = next(text for text in axes.findobj(Text) if text.get_text() == "a title")
    assert axes.yaxis.get_offset_text().get_text()
    assert not title.get_window_extent().overlaps(axes.yaxis.get_offset_text().get_window_extent())


@pytest.mark.slow
def test_the_overview_is_seaborns_heat_map(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    import seaborn as sns

    def heat_map(axes: Axes, share: np.ndarray, labels: np.ndarray) -> None:
        bar = {"label": "share of the best progress", "format": PercentFormatter(1)}
        style = {"vmin": 0, "vmax": 1, "cmap": share_colors(), "linewidths": 1.5, "cbar_kws": bar}
        sns.heatmap(share, ax=axes, annot=labels, fmt="", xticklabels=False, yticklabels=False, **style)

    ratios = worse_than_best(results_of(record).values())
    masked = np.array([[1.0], [np.inf], [np.nan]])
    ratios = replace(ratios, values=ratios.values * masked, shares=ratios.shares * np.where(masked > 0, 1, np.nan))

    def seen() -> tuple[object, ...]:
        figure = ratios_figure(ratios)
        figure.draw_without_rendering()
        axes, bar = figure.axes
        texts = [(text.get_text(), mpl.colors.to_hex(text.get_color()), text.get_position()) for text in axes.texts]
        (mesh,) = axes.collections
        spines = [spine.get_visible() for spine in axes.spines.values()]
        return texts, mesh.get_facecolors().tolist(), axes.get_xlim(), axes.get_ylim(), bar.get_ylim(), spines

    ours = seen()
    monkeypatch.setattr("analysis.figures.overview._draw_shares", heat_map)
    assert seen() == ours
