"""Any figure of a report alone, by its name, fitted to a paper."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from analysis.figures.paper import INCHES, style_of
from analysis.pages.catalogue import FIGURES, figure_of, paper_figure, problems_with
from analysis.record.cells import Record
from analysis.record.errors import RecordError


def test_every_figure_says_of_which_problems_it_is(record: Record) -> None:
    found = {name: list(problems_with(record, name)) for name in FIGURES}
    everywhere = ["ellipse", "noisy", "classes"]
    assert found == {**dict.fromkeys(FIGURES, everywhere), "trajectory": ["ellipse"], "replay": []}


def test_what_needs_landscapes_is_of_no_record_without_them(record: Record) -> None:
    cells = tuple(replace(cell) for cell in record)
    for cell in cells:
        cell.__dict__["landscape_rows"] = 0
    bare = replace(record, cells=cells)
    assert [name for name in FIGURES if not problems_with(bare, name)] == [
        *("sensitivity", "landscape", "horizons", "budget", "replay"),
        *("transfer", "transfer-matrix"),
    ]


@pytest.mark.parametrize("name", ["outcome", "trajectory", pytest.param("ranks", marks=pytest.mark.slow)])
def test_a_figure_is_had_by_its_name(name: str, record: Record) -> None:
    problem = None if FIGURES[name].across else "ellipse"
    assert isinstance(figure_of(record, name, problem), Figure)


def test_the_problem_may_be_left_out_where_only_one_has_such_a_figure(record: Record) -> None:
    assert figure_of(record, "trajectory").get_suptitle() == figure_of(record, "trajectory", "ellipse").get_suptitle()


@pytest.mark.parametrize(
    ("name", "problem", "said"),
    [
        ("landscap", None, "unknown figure 'landscap', did you mean 'landscape'.; there are outcome, convergence"),
        ("landscape", None, "landscape is of one problem; say of which, of ellipse, noisy and classes"),
        ("landscape", "elipse", "has no problem 'elipse'; it has ellipse, noisy and classes"),
        ("trajectory", "noisy", "noisy has no trajectory; ellipse has one"),
        ("replay", None, "no problem of .* has a figure replay: what it shows was not recorded"),
        ("ranks", "noisy", "ranks is across all problems, not of noisy"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(name: str, problem: str | None, said: str, record: Record) -> None:
    with pytest.raises(RecordError, match=said):
        figure_of(record, name, problem)


def test_a_figure_for_a_paper_is_as_wide_as_its_column_and_holds_text_as_text(record: Record) -> None:
    drawn = paper_figure(record, "outcome", "noisy")
    assert drawn.figure.get_figwidth() == INCHES["column"] == 3.25
    assert drawn.figure.get_suptitle() == ""
    assert "(noisy). Where each run ended" in drawn.caption
    drawn.figure.draw_without_rendering()
    sizes = [text.get_fontsize() for axes in drawn.figure.axes for text in axes.get_xticklabels()]
    assert all(6 <= size <= 7.5 for size in sizes)
    vector = drawn.saved("svg").decode()
    assert re.search(r"<text[^>]*>rmsprop</text>", vector)
    assert b"/FontFile2" in drawn.saved("pdf"), "TrueType, as publishers ask for"
    picture = Image.open(io.BytesIO(drawn.saved("png")))
    assert abs(picture.width - 3.25 * 300) <= 1
    assert round(picture.info["dpi"][0]) == 300


def test_panels_stand_below_each_other_in_a_column_and_beside_each_other_on_a_page(record: Record) -> None:
    narrow, wide = (paper_figure(record, "convergence", "ellipse", width=width) for width in ("column", "page"))
    column, page = narrow.figure, wide.figure
    rows = [[axes.get_subplotspec().rowspan.start for axes in figure.axes] for figure in (column, page)]
    assert rows == [[0, 2, 1, 3], [0, 0, 1, 1]]  # the difference to the lowest stands under each side
    assert [bool(axes.get_xlabel()) for axes in column.axes] == [False, False, False, True]
    assert all(axes.get_ylabel() for axes in column.axes)
    assert page.get_figwidth() == 6.75
    assert "The upper side shows" in narrow.caption
    assert "The left side shows" in wide.caption


def test_in_a_column_all_that_is_of_the_tuned_setting_stands_above_what_is_of_the_default(record: Record) -> None:
    figure = paper_figure(record, "convergence", "classes").figure
    rows = {axes.get_subplotspec().rowspan.start: axes for axes in figure.axes}
    said = [(rows[row].get_title(loc="left").split(" ")[0], rows[row].get_ylabel()) for row in range(6)]
    apart = "times as high (lower is better)"
    assert said == [
        *(("Tuned", "loss"), ("Tuned,", apart), ("", "accuracy")),
        *(("Default", "loss"), ("Default,", apart), ("", "accuracy")),
    ]


def test_a_style_of_the_users_is_on_top_of_ours_and_gone_afterwards(record: Record, tmp_path: Path) -> None:
    (tmp_path / "mine.mplstyle").write_text("xtick.labelsize: 11\naxes.facecolor: eeeeff\n")
    drawn = paper_figure(record, "outcome", "noisy", style=style_of(tmp_path / "mine.mplstyle"))
    assert {text.get_fontsize() for text in drawn.figure.axes[0].get_xticklabels()} == {11.0}
    plain = paper_figure(record, "outcome", "noisy").figure.axes[0]
    assert drawn.figure.axes[0].get_facecolor() != plain.get_facecolor()


@pytest.mark.parametrize(
    ("content", "said"), [(None, "is no style"), ("", "holds no setting"), (b"\xff\xfe\x00", "cannot be read")]
)
def test_a_style_that_is_none_is_said(content: str | bytes | None, said: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.mplstyle"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RecordError, match=said):
        style_of(file)


@pytest.mark.slow
@pytest.mark.parametrize("width", ["column", "page"])
@pytest.mark.parametrize("name", [name for name in FIGURES if name != "replay"])
def test_every_figure_fits_both_widths(name: str, width: str, record: Record) -> None:
    drawn = paper_figure(record, name, None if FIGURES[name].across else "ellipse", width=width)
    assert drawn.saved("pdf").startswith(b"%PDF")
    assert drawn.figure.get_figwidth() == INCHES[width]
    assert drawn.figure.get_figheight() <= 8
