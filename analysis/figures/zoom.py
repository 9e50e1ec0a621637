"""The wall picture of a zoom: every window a tile, in each the outline of the next. Drawing only."""

from __future__ import annotations

import math
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from analysis.figures.style import INK, drawing, new_figure
from analysis.measures.fractal import Level, Zoom
from analysis.statistics.arrays import Array

__all__ = ["CONVERGED", "DIVERGED", "colors_of", "zoom_figure"]

TILE: Final = 2.6  # inches
WORDS: Final = 0.5  # inches below a tile
RAISED: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

CONVERGED: Final = ("YlGnBu_r", 0.0, 0.62)
"""The colour map of converged runs, and its part: the slower, the lighter; bluer than red, whoever looks."""

DIVERGED: Final = ("YlOrBr", 0.25, 1.0)
"""That of the others, redder than blue: the slower, the darker, so that along the boundary light lies beside dark, in
grey too."""


def zoom_figure(zoom: Zoom, title: str) -> Figure:
    """Draw every level of ``zoom``, of what ``title`` names, with a legend of the two colour maps."""
    count = len(zoom.levels) + 1
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    with drawing():
        figure = new_figure(TILE * columns, (TILE + WORDS) * rows + 0.35)
        engine = figure.get_layout_engine()
        assert isinstance(engine, ConstrainedLayoutEngine), "as every figure of ours"
        engine.set(h_pad=0.04, w_pad=0.04, hspace=0.0, wspace=0.0)
        figure.suptitle(
            f"{title}: where training converges",
            fontsize=11,
            fontweight="bold",
        )
        tiles: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).flat)
        for number, (axes, level) in enumerate(zip(tiles, zoom.levels, strict=False)):
            axes.imshow(_colors(level), origin="lower", extent=(0, 1, 0, 1), interpolation="nearest")
            if number + 1 < len(zoom.levels):
                _outline(axes, level, zoom.levels[number + 1])
            axes.set_xlabel(_told(zoom, number), fontsize=6.5, loc="left", labelpad=2, linespacing=1.25)
            _bare(axes)
        _legend(tiles[len(zoom.levels)], zoom)
        for spare in tiles[count:]:
            spare.remove()
    return figure


def colors_of(which: tuple[str, float, float]) -> Colormap:
    """The part of a colour map that `CONVERGED` and `DIVERGED` are written as."""
    name, low, high = which
    return mpl.colors.ListedColormap(mpl.colormaps[name](np.linspace(low, high, 128)))


def _colors(level: Level) -> Array:
    """The colours ``[Y, X, 4]`` of a level."""
    shade = level.shade
    return np.where(level.converged[..., None], colors_of(CONVERGED)(shade), colors_of(DIVERGED)(shade))


def _outline(axes: Axes, level: Level, inner: Level) -> None:
    """Outline where the window of the level after this one lies."""
    left, below = (
        (within[0] - whole[0]) / (whole[1] - whole[0])
        for within, whole in ((inner.window.x, level.window.x), (inner.window.y, level.window.y))
    )
    side = inner.window.width / level.window.width
    for color, width in (("black", 2.4), ("white", 1.0)):
        axes.add_patch(Rectangle((left, below), side, side, fill=False, edgecolor=color, linewidth=width))


def _told(zoom: Zoom, number: int) -> str:
    """What stands below a level: how far in, its middle and width in both hyperparameters, and its dimension."""
    level = zoom.levels[number]
    parts = [f"{name} {_middle(values)}" for name, values in ((zoom.x_name, level.x), (zoom.y_name, level.y))]
    dimension = f", dimension {level.dimension:.2f}" if level.count else ", no boundary"
    return "\n".join([f"×10{str(number).translate(RAISED)}{dimension}", *parts])


def _middle(values: Array) -> str:
    """A range as text: its ends where they differ soon, else its middle with as many digits as tell what it holds."""
    low, high = float(values[0]), float(values[-1])
    if high - low > 0.01 * abs(high):
        return f"{low:.4g} … {high:.4g}"
    middle, half = (low + high) / 2, (high - low) / 2
    return f"{middle:.{max(0, math.ceil(-math.log10(half)))}f} ± {half:.1e}"


def _legend(axes: Axes, zoom: Zoom) -> None:
    """The two colour maps, and what was measured."""
    ramp = np.linspace(0, 1, 128)[None]
    parts = ((0.78, CONVERGED, "converged: quickly … slowly", ramp), (0.56, DIVERGED, "not: late … at once", 1 - ramp))
    for bottom, which, text, shades in parts:
        axes.imshow(colors_of(which)(shades), extent=(0.04, 0.96, bottom, bottom + 0.09), aspect="auto")
        axes.text(0.04, bottom - 0.02, text, fontsize=7.5, va="top", color=INK)
    found = zoom.dimension
    interval = f"\n[{found.low:.2f}, {found.high:.2f}] over {found.n} levels" if found.n > 1 else ""
    said = f"box dimension {found.value:.2f}{interval}" if found.n else "no boundary"
    axes.text(0.04, 0.98, f"{zoom.x_name} to the right, {zoom.y_name} upwards", fontsize=7.5, va="top", color=INK)
    axes.text(0.04, 0.34, said, fontsize=10, fontweight="bold", va="top", color=INK, linespacing=1.4)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_box_aspect(1)
    axes.axis("off")


def _bare(axes: Axes) -> None:
    """Leave the picture alone: no ticks, no grid, no frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
