"""Pieces that the chapter's panels share: an empty panel, words at the ends of lines, theory over measurement."""

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
from matplotlib.ticker import MaxNLocator

from analysis.figures.style import INK, Look, drawing, log_axis, looks_of, luminance, new_figure
from analysis.statistics.arrays import Array

__all__ = [
    "THEORY",
    "WIDTH",
    "EndLabel",
    "floored",
    "label_ends",
    "letter_title",
    "look_of",
    "matrix",
    "panel",
    "readable",
    "span",
    "write",
]

WIDTH: Final = 4.9
"""Inches of a panel: two fit beside each other on a desktop, one fills a phone without zooming."""

THEORY: Final[dict[str, Any]] = {"color": INK, "lw": 1.1, "ls": (0, (4, 2)), "zorder": 5}
"""Theory is a dashed dark line over the measurement."""


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


def letter_title(figure: Figure, letter: str) -> None:
    """Put ``letter`` before the title of a panel, for captions to name it by."""
    axes = figure.axes[0]
    with drawing():
        axes.set_title(f"({letter}) {axes.get_title(loc='left')}")


def label_ends(axes: Axes, labels: Sequence[EndLabel], size: float = 8.5) -> None:
    """Write each label right of the axes at the height of its line's end, moved apart where they would touch.

    A line that ends nowhere (NaN) has its word at the top. Call when the limits of the axes are final.
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
    for label, at in zip(labels, placed, strict=True):
        axes.annotate(
            label.text,
            (1.0, float(at)),
            (5, 0),
            xycoords="axes fraction",
            textcoords="offset points",
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


def write(axes: Axes, x: str, y: str, title: str) -> None:
    """Name the axes and the panel; steps are whole numbers."""
    if x == "step" and axes.get_xscale() == "linear":
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title)
