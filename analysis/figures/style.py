"""How figures look: seaborn's theme, one colour-blind safe look an optimizer, and saving them the same to the byte.

An optimizer's colour is its own (`analysis.figures.families`); what is no optimizer has Okabe and Ito's (2008) without
the yellow, which is too pale in print. Line styles and markers differ as well, so that no figure depends on colour
alone.
"""

from __future__ import annotations

import io
import math
import re
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator, ScalarFormatter

from analysis.figures.families import FAMILIES, color_of, family_of, place_of
from analysis.figures.inline import inline_svg
from analysis.figures.small import data_uri, small_png, small_svg, webp_uri
from analysis.figures.theme import SEABORN
from analysis.measures.axis import Axis
from analysis.words import number

__all__ = [
    "GREY",
    "INK",
    "LARGEST_SHAPES",
    "LINES",
    "PALETTE",
    "THEME",
    "Drawn",
    "Form",
    "Look",
    "among",
    "drawing",
    "drawn_as",
    "log_axis",
    "log_ticks",
    "looks_in_order",
    "looks_of",
    "luminance",
    "new_figure",
    "panel_grid",
    "pdf",
    "place_ticks",
    "png",
    "put_title",
    "set_limits",
    "styled",
    "svg",
    "tick_text",
    "wrapped",
]

PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES: Final[tuple[Any, ...]] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (7, 1.5, 1.5, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS: Final = "os^DvP"
INK: Final = "#222222"
GREY: Final = "#8a8a8a"
PNG_DPI: Final = 150

Form = Literal["png", "svg", "pdf"]
"""What a figure may be drawn as."""

LARGEST_SVG: Final = 120_000
"""Bytes of SVG above which a page holds a figure as a picture all the same: many lines make it slow."""

LARGEST_SHAPES: Final = 60_000
"""Letters of a figure's shapes above which a page holds it as a picture where that is shorter."""

BEHIND: Final = 1.5
"""The layer of grey lines."""

FRONT: Final = 2.5
"""The layer of lines in focus."""

GREYS: Final = ("#6f6f6f", "#a8a8a8", "#575757", "#919191", "#bababa", "#636363", "#9d9d9d")
"""Of the optimizers that one is held against: as many as there are colours, neighbours far apart."""

THEME: Final[Any] = {
    **SEABORN,
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.7,
    "hatch.linewidth": 0.6,
    "hatch.color": "#9a9a9a",
    "svg.fonttype": "none",
    "svg.hashsalt": "stepscape",
    "path.simplify": True,
}

_DRAWING = threading.RLock()
_STYLE: Final[Any] = {}


@dataclass(frozen=True)
class Look:
    """The colour, line style and marker of one optimizer in every figure of a report.

    Lines of a higher ``layer`` (matplotlib's zorder) are drawn over the others; those of `BEHIND` are grey.
    """

    color: str
    line: Any
    marker: str
    layer: float = 2.0

    @property
    def grey(self) -> bool:
        """Whether it is one of those that others are held against."""
        return self.layer == BEHIND


def looks_of(labels: Sequence[str], focus: Collection[str] = ()) -> dict[str, Look]:
    """One look for each label, an optimizer with or without its schedule; 210 labels all differ in at least one of
    colour, line style and marker.

    The colour is the optimizer's (`analysis.figures.families`), whatever the others are. Where ``focus`` names some of
    them, those are coloured and in front, and the others are grey.
    """
    names = list(dict.fromkeys(labels))
    looks: dict[str, Look] = {}
    for label in names:
        looks[label] = _free_look(label, looks)
    return among(looks, focus)


def among(looks: Mapping[str, Look], chosen: Collection[str]) -> dict[str, Look]:
    """``looks`` where those ``chosen`` are in front and the others grey; all as they are where none is chosen."""
    if not any(label in chosen for label in looks):
        return dict(looks)
    return {
        label: replace(look, layer=FRONT)
        if label in chosen
        else Look(GREYS[i % len(GREYS)], LINES[i % len(LINES)], MARKERS[i % len(MARKERS)], BEHIND)
        for i, (label, look) in enumerate(looks.items())
    }


def looks_in_order(labels: Sequence[str]) -> dict[str, Look]:
    """Looks by place, for what is no optimizer: schedules, settings."""
    return {
        label: Look(PALETTE[i % len(PALETTE)], LINES[i % len(LINES)], MARKERS[i % len(MARKERS)])
        for i, label in enumerate(dict.fromkeys(labels))
    }


def _free_look(label: str, taken: Mapping[str, Look]) -> Look:
    """The look of ``label`` beside those ``taken``: line and marker of its own where they are free, else the least
    used.
    """
    optimizer, *schedule = label.split(" · ", 1)
    color, family, place = color_of(optimizer), FAMILIES.index(family_of(optimizer)), place_of(optimizer)
    lines, marks = range(len(LINES)), range(len(MARKERS))
    if place is not None and not schedule:
        own = Look(color, LINES[(family + place) % len(LINES)], MARKERS[(family + place) % len(MARKERS)])
        if own not in taken.values():
            return own
    used = Counter(str(look.line) for look in taken.values())
    marked = Counter(look.marker for look in taken.values())
    free = [Look(color, LINES[i], MARKERS[j]) for i in lines for j in marks]
    free = [look for look in free if look not in taken.values()] or free
    return min(free, key=lambda look: (used[str(look.line)], marked[look.marker]))


@contextmanager
def drawing() -> Iterator[None]:
    """Apply the theme, and nothing of the user's matplotlibrc, while figures are drawn or saved.

    One thread at a time, for matplotlib's settings are global.
    """
    with _DRAWING, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**THEME, **_STYLE})
        yield


@contextmanager
def styled(settings: Mapping[str, Any]) -> Iterator[None]:
    """Draw and save with ``settings`` of matplotlib's on top of the theme, as a paper or its user wants them.

    One thread at a time.
    """
    with _DRAWING:
        before = dict(_STYLE)
        _STYLE.update(settings)
        try:
            yield
        finally:
            _STYLE.clear()
            _STYLE.update(before)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of ``width`` x ``height`` inches, free of pyplot's state; call within `drawing`."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def panel_grid(
    count: int, *, width: float, height: float, extra: tuple[float, float], share: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels of ``width`` x ``height`` inches, at most three a row.

    ``extra`` are inches (width, height) for what is around them; ``share`` gives all the same axes. A single panel is
    larger, so that a legend below it has room.
    """
    columns = min(count, 2 if count in {2, 4} else 3)
    rows = math.ceil(count / columns)
    if count == 1:
        width, height = 1.6 * width, 1.3 * height
    figure = new_figure(width * columns + extra[0], height * rows + extra[1])
    grid = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share)
    panels: list[Axes] = list(grid.flat)
    for spare in panels[count:]:
        spare.remove()
    return figure, panels[:count]


def png(figure: Figure, dpi: int = PNG_DPI) -> bytes:
    """The figure as PNG; the first save lays it out, later ones keep that layout."""
    with drawing():
        _lay_out(figure)
        figure.set_dpi(dpi)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        return small_png(np.asarray(canvas.buffer_rgba()), dpi)  # type: ignore[no-untyped-call]


def svg(figure: Figure) -> bytes:
    """The figure as SVG without a date, so that equal figures are equal files."""
    return small_svg(_saved(figure, "svg", Date=None).decode()).encode()


def pdf(figure: Figure) -> bytes:
    """The figure as PDF without a date, so that equal figures are equal files."""
    return _saved(figure, "pdf", CreationDate=None)


def _saved(figure: Figure, form: Form, **metadata: None) -> bytes:
    with drawing():
        _lay_out(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=form, metadata=metadata)
    return buffer.getvalue()


def _lay_out(figure: Figure) -> None:
    """Place what is in the figure, once: letters are measured as the picture has them.

    Half of a figure's time goes into it, most of that into finding room beside the ticks for the labels of axes, which
    those without one need not look for.
    """
    engine = figure.get_layout_engine()
    if engine is not None:
        figure.set_dpi(PNG_DPI)
        for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
            if not axis.get_label_text():
                axis.set_label_coords(0.5, 0.5)
        engine.execute(figure)
        figure.set_layout_engine(None)  # "none" would leave a placeholder, for which each save draws twice


@dataclass(frozen=True)
class Drawn:
    """A figure as a page and its folder hold it: the ``files`` by their ending, its size in CSS pixels, and what the
    page shows of it: its ``shapes`` (`inline_svg`), or where these are many and longer, a ``picture`` as a data URI.
    """

    files: Mapping[str, bytes]
    width: int
    height: int
    shapes: str = ""
    picture: str = ""

    @property
    def uri(self) -> str:
        """The data URI of a file, for a page: of the SVG where there is one that is not too large, else of the PNG."""
        vector = self.files.get("svg")
        if vector is not None and len(vector) <= LARGEST_SVG:
            return data_uri(vector)
        return webp_uri(self.files["png"])

    def save(self, stem: Path) -> None:
        """Write the files under the name ``stem``."""
        for form, content in self.files.items():
            stem.with_name(f"{stem.name}.{form}").write_bytes(content)


def drawn_as(figure: Figure, forms: Collection[Form], *, inline: bool = False) -> Drawn:
    """``figure`` as files of all ``forms`` and, if ``inline``, as part of a page; file and page share one drawing."""
    vector = _saved(figure, "svg", Date=None).decode() if inline or "svg" in forms else ""
    shapes, picture = inline_svg(vector) if inline else "", ""
    files: dict[str, bytes] = {
        form: small_svg(vector).encode() if form == "svg" else png(figure) if form == "png" else pdf(figure)
        for form in forms
    }
    if len(shapes) > LARGEST_SHAPES:
        picture = webp_uri(files.get("png") or png(figure))
        shapes, picture = (shapes, "") if len(shapes) <= len(picture) else ("", picture)
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Drawn(files, width, height, shapes, picture)


def put_title(axes: Axes, text: str, pad: float | None = None) -> None:
    """Write the title ``text`` over ``axes`` whose ticks are set.

    A layout moves titles out of the way of what ticks may have at the top, an offset, for which it goes over all ticks
    in each pass; where they cannot have one it is told to leave the title.
    """
    offset = isinstance(axes.yaxis.get_major_formatter(), ScalarFormatter)
    axes.set_title(text, pad=pad, y=None if offset else 1.0)


def luminance(color: npt.ArrayLike) -> float:
    """The relative luminance of a colour ``[3]`` from 0 to 1, as WCAG 2 defines it."""
    rgb = np.asarray(color, dtype=np.float64)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def log_axis(axes: Axes, which: str, low: float, high: float) -> None:
    """Make the axis ``which``, "x" or "y", logarithmic from ``low`` to ``high``, with readable ticks."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)  # first: lines of one value have no limits
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis.set_major_locator(log_ticks(low, high))
    axis.set_major_formatter(FuncFormatter(tick_text))
    axis.set_minor_formatter(NullFormatter())
    if high / low > 1e4:
        axis.set_minor_locator(NullLocator())


def set_limits(axes: Axes, which: str, low: float, high: float, *, log: bool) -> None:
    """Let the axis ``which``, "x" or "y", go from ``low`` to ``high``, logarithmic or linear."""
    if log:
        log_axis(axes, which, low, high)
    else:
        (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)


def log_ticks(low: float, high: float) -> LogLocator:
    """Ticks at 1, 2 and 5 in every decade where there are few decades, else at no more than eight decades."""
    few = high / low < 10**2.5
    return LogLocator(base=10, subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=20 if few else 8)


def tick_text(value: float, _position: int | None = None) -> str:
    """The label of a tick; short, so that neighbours do not touch."""
    return number(value, 3, smallest=1e-3)


def wrapped(label: str, width: int) -> str:
    """``label`` in lines of at most ``width`` letters: schedules make some names longer than a figure."""
    lines = [""]
    for part in re.findall(r"[^ (,-]*[ (,-]?", label):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.rstrip() for line in lines)


def place_ticks(axes: Axes, which: str, axis: Axis) -> None:
    """Label the axis ``which``, "x" or "y", as the hyperparameter ``axis``, in the coordinates of `Axis.place`."""
    places, labels = axis.ticks
    (axes.set_xticks if which == "x" else axes.set_yticks)(places, labels)
