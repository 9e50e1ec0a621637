"""Pieces that the panels of answers share: an empty panel, words at the ends of lines, theory over measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import offset_copy

from analysis.figures.style import INK, Look, log_axis, looks_of, luminance, new_figure
from analysis.statistics.arrays import Array

__all__ = [
    "BOOK",
    "THEORY",
    "WIDTH",
    "EndLabel",
    "floored",
    "label_ends",
    "look_of",
    "matrix",
    "panel",
    "readable",
    "sequential",
    "span",
    "write",
]

WIDTH: Final = 4.9
"""Inches of a panel: two fit beside each other on a desktop, one fills a phone without zooming."""

BOOK: Final = "#c00000"
"""The colour of what the book says."""

SOFT: Final = "#5b6570"
"""The grey of subtitles, as the page's."""

THEORY: Final[dict[str, Any]] = {"color": INK, "lw": 1.1, "ls": (0, (4, 2)), "zorder": 5}
"""Theory is a dashed dark line over the measurement."""


LED: Final = 0.02
"""Share of the height by which a word may be moved before a line leads to it."""


@dataclass(frozen=True)
class EndLabel:
    """A word for the line that ends at (``x``, ``y``)."""

    x: float
    y: float
    text: str
    color: str


def panel(height: float = 3.3, width: float = WIDTH) -> tuple[Figure, Axes]:
    """An empty panel of ``width`` x ``height`` inches; call within `style.drawing`."""
    figure = new_figure(width, height)
    figure.set_dpi(300)  # letters are hinted to whole pixels: at 100 dpi they measure too narrow for the layout
    return figure, figure.subplots()


def look_of(optimizer: str) -> Look:
    """The look of an optimizer, as in every report."""
    return looks_of([optimizer])[optimizer]


def readable(color: str) -> str:
    """``color`` darkened until words in it stand out from white as 4.5 to 1, which WCAG 2 asks of text."""
    rgb = np.array(mpl.colors.to_rgb(color))
    while 1.05 / (luminance(rgb) + 0.05) < 4.5:
        rgb = 0.96 * rgb
    return mpl.colors.to_hex((float(rgb[0]), float(rgb[1]), float(rgb[2])))


def sequential(count: int) -> list[str]:
    """Colours from dark to light, one for each of ``count`` values that have an order, or are no optimizers."""
    lightest = min(0.75, 0.3 + 0.12 * count)  # few are far enough apart without the pale end
    return [mpl.colors.to_hex(color) for color in mpl.colormaps["viridis"](np.linspace(0, lightest, count))]


def label_ends(axes: Axes, labels: Sequence[EndLabel], size: float = 8.5) -> None:
    """Write each label right of the axes at the height of its line's end, moved apart where they would touch.

    A word that is moved is led to its line. A line that ends nowhere (NaN) has its word at the top. Call when the
    limits of the axes are final.
    """
    if not labels:
        return
    figure = axes.figure
    assert figure is not None, "axes stand in a figure"
    low, high = axes.get_ylim()
    forward = axes.yaxis.get_transform().transform
    bottom, top = (float(forward([end])[0]) for end in (low, high))
    wanted = np.array(
        [
            (float(forward([np.clip(np.nan_to_num(label.y, nan=high), low, high)])[0]) - bottom) / (top - bottom)
            for label in labels
        ]
    )
    inches = float(figure.get_figure(root=True).get_size_inches()[1])
    lines = np.array([label.text.count("\n") + 1.2 for label in labels])
    placed = _apart(wanted, lines * size / 72 / (0.78 * inches))
    beside = offset_copy(axes.transAxes, figure.get_figure(root=True), x=9, y=0, units="points")
    for label, end, at in zip(labels, np.clip(wanted, 0, 1), placed, strict=True):
        if abs(at - end) > LED:
            lead = ConnectionPatch(
                (1.0, float(end)),
                (1.0, float(at)),
                axes.transAxes,
                beside,
                color=label.color,
                lw=0.8,
                shrinkB=1,
                clip_on=False,
            )
            lead.set_in_layout(False)
            axes.add_artist(lead)
        axes.annotate(
            label.text,
            (1.0, float(at)),
            (1.0, float(at)),
            xycoords="axes fraction",
            textcoords=beside,
            va="center",
            fontsize=size,
            color=readable(label.color),
            fontweight="bold",
            annotation_clip=False,
        )


def _apart(wanted: Array, heights: Array) -> Array:
    """``wanted`` ``[N]`` moved as little as keeps words of ``heights`` apart, within [0, 1] if they fit."""
    order = np.argsort(wanted, kind="stable")
    at = wanted[order].copy()
    least = (heights[order][1:] + heights[order][:-1]) / 2
    for _ in range(200):
        gaps = least - np.diff(at)
        if not (gaps > 1e-9).any():
            break
        push = np.maximum(gaps, 0) / 2
        at[:-1] -= push
        at[1:] += push
        at = np.clip(at, 0.0, 1.0)
    placed = np.empty_like(at)
    placed[order] = at
    return placed


def floored(values: npt.ArrayLike, smallest: float) -> Array:
    """``values`` as a logarithmic axis can show them: nothing below ``smallest``; missing ones stay missing."""
    return np.maximum(np.asarray(values, dtype=np.float64), smallest)


def span(axes: Axes, which: str, values: npt.ArrayLike, *, most: float = np.inf, margin: float = 1.25) -> None:
    """Make the axis ``which``, "x" or "y", logarithmic over the positive finite ``values`` up to ``most``.

    ``margin`` is the factor left free on both sides. Where there are none, all having diverged, it is left as it is.
    """
    array = np.asarray(values, dtype=np.float64)
    array = array[np.isfinite(array) & (array > 0)]
    if not array.size:
        return
    low, high = float(array.min()), min(float(array.max()), most)
    log_axis(axes, which, low / margin, max(high, low) * margin)


def matrix(table: pd.DataFrame, rows: str, columns: str, values: str) -> tuple[Array, Array, Array]:
    """``table`` as (values of ``columns`` ``[X]``, of ``rows`` ``[Y]``, matrix ``[Y, X]``), both rising."""
    wide = table.pivot_table(index=rows, columns=columns, values=values, dropna=False)
    return (
        wide.columns.to_numpy(dtype=np.float64),
        wide.index.to_numpy(dtype=np.float64),
        wide.to_numpy(dtype=np.float64),
    )


def write(axes: Axes, x: str, y: str, shows: str) -> None:
    """Name the axes and, in grey, what the panel shows: what it finds is its title on the page."""
    if x == "step" and axes.get_xscale() == "linear":
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(shows, color=SOFT, fontweight="normal", fontsize=9)
