"""Figures for a paper: fitted to the width of a column or of the page, in letters of that size, with text as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.style import THEME, drawing, pdf, png, svg, wrapped
from analysis.record.errors import RecordError

__all__ = ["INCHES", "PAPER_DPI", "PaperForm", "Width", "fitted", "paper_style", "saved", "style_of"]

Width = Literal["column", "page"]
PaperForm = Literal["pdf", "svg", "png"]

INCHES: Final[Mapping[Width, float]] = {"column": 3.25, "page": 6.75}
"""The widths of a column and of the text of a page of two columns."""

PAPER_DPI: Final = 300
SCALE: Final[Mapping[Width, float]] = {"column": 0.78, "page": 0.84}
"""Letters, lines and ticks beside those of the report: 7 points and 7.6 points of its 9."""

SIDE_BY_SIDE: Final[Mapping[str, int]] = {"landscape": 2, "trajectory": 2, "replay": 2, "transfer-matrix": 2}
"""Panels beside each other in a column, of the figures that have a panel an optimizer; of the others one."""

LOWEST_SCALE: Final = 0.62
"""Share of its height below which a panel is not lowered, however narrow it is."""

TALLEST: Final = 8.0
"""Inches that leave room for a caption on a page."""

LETTER: Final = 0.53
"""Width of a letter in a legend, in sizes of its font; a handle and what is around it take `HANDLE` of these."""

HANDLE: Final = 3.7

AIR: Final = 3.0
"""Pixels between the labels of ticks."""

LARGEST_PART: Final = 0.6
"""Share of the width of a panel that its matrix fills at most, beside its labels."""

MARGIN: Final = 0.3
"""Inches of a title over a matrix, and of what stands below all of them."""

SMALLEST_FIELD: Final = 0.22
"""Inches of a field that holds a number."""

SCALED: Final = ("size", "linewidth", "markersize", ".width", ".pad")


def paper_style(width: Width) -> dict[str, Any]:
    """matplotlib's settings for a figure of ``width``: the theme in smaller letters; text that is text in PDF (letters
    embedded as TrueType, which publishers ask for) and in SVG.
    """
    scaled = {
        name: value * SCALE[width]
        for name, value in THEME.items()
        if isinstance(value, float | int) and not isinstance(value, bool) and name.endswith(SCALED)
    }
    return {**scaled, "pdf.fonttype": 42, "svg.fonttype": "none"}


def style_of(file: str | Path) -> dict[str, Any]:
    """The settings in a style ``file`` of matplotlib's, or those of a style that it knows by name.

    Raises `RecordError` where there is no such file or style, or it holds no setting.
    """
    from matplotlib import style

    if str(file) in style.library:
        known: Any = style.library[str(file)]
        return dict(known)
    path = Path(file)
    if not path.is_file():
        raise RecordError(f"{file} is no style: name a file of matplotlib settings (.mplstyle), or a style it knows")
    try:
        found: Any = mpl.rc_params_from_file(path, use_default_template=False)
    except (OSError, ValueError) as error:
        raise RecordError(f"{file} cannot be read as a style of matplotlib's: {error}") from error
    if not found:
        raise RecordError(f"{file} holds no setting of matplotlib's; a line of one reads `axes.labelsize: 8`")
    return dict(found)


def fitted(figure: Figure, name: str, width: Width) -> Figure:
    """The ``figure`` called ``name`` in ``width``, not yet laid out: without the title, which a caption says, its
    panels below each other where they do not fit beside each other.
    """
    figure.suptitle("")
    for text in [text for text in figure.texts if text.get_text() and text.get_position()[1] > 0.6]:
        text.remove()  # what stands below a title
    panels = [axes for axes in figure.axes if axes.get_subplotspec() is not None]
    grid = panels[0].get_gridspec()
    assert grid is not None, "every panel stands in a grid"
    columns = min(grid.ncols, SIDE_BY_SIDE.get(name, 1)) if width == "column" else grid.ncols
    rows = grid.nrows if columns == grid.ncols else math.ceil(len(panels) / columns)
    inches, (old_width, old_height) = INCHES[width], figure.get_size_inches()
    scale = LOWEST_SCALE if rows > 2 else (inches / columns) / (old_width / grid.ncols)
    with drawing():
        if columns < grid.ncols:
            # what belongs together stands together: all of the tuned setting, then all of the default
            order = [panels[place :: grid.ncols] for place in range(grid.ncols)] if columns == 1 else [panels]
            _arrange(figure, [axes for part in order for axes in part], rows, columns)
        old_legend, new_legend = _relegend(figure, old_width * 72, inches * 72) if figure.legends else (0, 0)
        height = min(1.0, max(LOWEST_SCALE, scale)) * (old_height - 0.2 * old_legend) * rows / grid.nrows
        if panels[0].images:  # fields are squares, below each panel stand the names of its columns
            height = min(height, rows * (LARGEST_PART * inches / columns + _longest_name(panels[0]) + MARGIN) + MARGIN)
        figure.set_size_inches(inches, min(height + 0.15 * new_legend, TALLEST))
        for axes in panels:
            _shorten_texts(axes, inches / columns)
        figure.draw_without_rendering()
        for axes in panels:
            _thin_labels(axes)
    return figure


def saved(figure: Figure, form: PaperForm) -> bytes:
    """The ``figure`` as a file of ``form``; PNG with 300 dots an inch."""
    if form == "png":
        return png(figure, PAPER_DPI)
    return pdf(figure) if form == "pdf" else svg(figure)


def _arrange(figure: Figure, panels: Sequence[Axes], rows: int, columns: int) -> None:
    """Place ``panels`` anew in ``rows`` and ``columns``: where they share an axis its labels stand at the border."""
    below = next((axes.get_xlabel() for axes in panels if axes.get_xlabel()), "")
    first = {axes: _leftmost(axes, panels) for axes in panels}
    beside = {axes: first[axes].get_ylabel() for axes in panels}
    ticks = panels[0].get_yticks(), [text.get_text() for text in panels[0].get_yticklabels()]
    outer = any(not any(text.get_text() for text in axes.get_yticklabels()) for axes in panels)
    grid = figure.add_gridspec(rows, columns)
    for place, axes in enumerate(panels):
        axes.set_subplotspec(grid[divmod(place, columns)])
        left, bottom = place % columns == 0, place + columns >= len(panels)
        if len(axes.get_shared_y_axes().get_siblings(axes)) > 1:
            axes.tick_params(axis="y", labelleft=left)
            axes.set_ylabel(beside[axes] if left else "")
        elif outer:  # matrices of the same rows and columns
            axes.set_yticks(ticks[0], ticks[1] if left else [""] * len(ticks[0]))
        if len(axes.get_shared_x_axes().get_siblings(axes)) > 1:
            axes.tick_params(axis="x", labelbottom=bottom)
            axes.set_xlabel(below if bottom else "")


def _longest_name(axes: Axes) -> float:
    """Inches of the longest name of a column."""
    texts = axes.get_xticklabels()
    letters = max(len(line) for text in texts for line in text.get_text().split("\n"))
    return 0.9 * LETTER * letters * float(texts[0].get_fontsize()) / 72


def _leftmost(axes: Axes, panels: Sequence[Axes]) -> Axes:
    """The panel at the left of the row of ``axes``."""
    spec = axes.get_subplotspec()
    assert spec is not None, "a panel stands in a grid"
    return next(one for one in panels if (own := one.get_subplotspec()) and own.rowspan == spec.rowspan)


def _relegend(figure: Figure, before: float, now: float) -> tuple[int, int]:
    """Make the legend of a figure that was ``before`` points wide anew for one that is ``now``; its lines in both."""
    old = figure.legends[0]
    labels = [text.get_text() for text in old.get_texts()]
    size = float(old.get_texts()[0].get_fontsize())
    letters = size * (LETTER * max(map(len, labels)) + HANDLE)
    columns, columns_before = (min(len(labels), max(1, int(points / letters))) for points in (now, before))
    handles = [handle for handle in old.legend_handles if handle is not None]
    old.remove()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, fontsize=size, handlelength=2.0, columnspacing=1.2
    )
    return math.ceil(len(labels) / columns_before), math.ceil(len(labels) / columns)


def _shorten_texts(axes: Axes, inches: float) -> None:
    """Break what is written over and in a panel of ``inches`` so that it fits, and take away the numbers of fields that
    are smaller than they.
    """
    title = axes.get_title(loc="left")
    if (broken := wrapped(title, int(14.5 * (inches - 0.5)))) != title and "\n" not in title:
        axes.set_title(broken, loc="left")
    for text in list(axes.texts):
        if text.get_transform() == axes.transAxes:
            text.set_text("\n".join(wrapped(line, int(inches * 10)) for line in text.get_text().split("\n")))
            text.set_in_layout(False)
        elif axes.images and inches * LARGEST_PART / axes.images[0].get_size()[1] < SMALLEST_FIELD:
            text.remove()


def _thin_labels(axes: Axes) -> None:
    """Turn the names below ``axes`` where they touch, and leave out every second number."""
    for _ in range(3):
        labels = [text for text in axes.get_xticklabels() if text.get_text() and text.get_visible()]
        boxes = [text.get_window_extent() for text in labels]
        ends = zip(sorted(box.x1 for box in boxes), sorted(box.x0 for box in boxes)[1:], strict=False)
        if len(labels) < 3 or labels[0].get_rotation() or all(left + AIR < right for left, right in ends):
            return
        if any(text.get_text()[0].isalpha() for text in labels):
            axes.set_xticks(axes.get_xticks(), [text.get_text() for text in axes.get_xticklabels()])
            for text in axes.get_xticklabels():
                text.set(rotation=30, ha="right", rotation_mode="anchor")
            return
        kept, limits = labels[::2], axes.get_xlim()
        axes.set_xticks([text.get_position()[0] for text in kept], [text.get_text() for text in kept])
        axes.set_xlim(limits)  # ticks beyond them would widen the frame
