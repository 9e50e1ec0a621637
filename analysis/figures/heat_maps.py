"""The heat maps over learning rate and second hyperparameter. Drawing only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter

from analysis.figures.style import GREY, INK, drawing, log_ticks, panel_grid, place_ticks, put_title, tick_text, wrapped
from analysis.measures.lr_sensitivity import Landscape
from analysis.measures.measure import Measure
from analysis.statistics.arrays import Array, Mask

__all__ = [
    "DIVERGED_COLOR",
    "GAINED",
    "GAINED_COLORS",
    "WORSE_COLOR",
    "colorbar",
    "draw_landscape",
    "heat_norm",
    "landscape_figure",
    "signs",
]

GAINED: Final = ("#f2f4f6", "#cbdcea", "#8db9d8", "#3f86bb", "#14518c", "#06254d")
"""From nothing gained, the page's paper, to the best: as the maps that answer the pointer (``maps.css``)."""
GAINED_COLORS: Final[Colormap] = LinearSegmentedColormap.from_list("gained", GAINED[::-1])
"""Colours of a loss: the lowest is the darkest."""
DIVERGED_COLOR: Final = "#d5d7da"
WORSE_COLOR: Final = "#f0c3a4"
HATCH: Final = "////"
RING: Final[dict[str, Any]] = {"marker": "o", "ms": 12, "mfc": "none", "clip_on": False}
NOTHING: Final[Mapping[str, Mapping[str, float]]] = {}
DEEPEST: Final = 1e-10
"""Share of the start's gap at which colours end: more decades would leave no contrast where most of a map lies."""

Setting = Mapping[str, float]
"""Hyperparameters by name."""


def heat_norm(landscapes: Sequence[Landscape]) -> Normalize:
    """The colour scale that ``landscapes`` share: from their best value to the start; worse is one colour."""
    measure = landscapes[0].measure
    # a run that starts at its floor, or below a floor that is stated too high, has no gap that a logarithm can show
    start = max(measure.start, measure.smallest) if measure.log else measure.start
    # seeds begin at other places: the highest run that got lower may lie above the median start
    lower = [one.median[np.isfinite(one.median) & ~one.worse_than_start] for one in landscapes]
    top = max(float(median.max(initial=start)) for median in lower)
    best = min(float(measure.shown(landscape.median).min()) for landscape in landscapes)
    if measure.log:
        return LogNorm(max(min(best, start / 1.1), start * DEEPEST), top)
    return Normalize(min(best, start - 1e-12), top)


def landscape_figure(
    landscapes: Mapping[str, Landscape], tuned: Mapping[str, Setting] = NOTHING, note: str = ""
) -> Figure:
    """Draw one heat map for each optimizer with a second hyperparameter, on one shared colour scale.

    ``tuned`` are the settings that were found, by label, of those for which there are any; a ``note`` stands in the
    legend.
    """
    first = next(iter(landscapes.values()))
    norm, n = heat_norm(list(landscapes.values())), max(landscape.n for landscape in landscapes.values())
    with drawing():
        figure, panels = panel_grid(len(landscapes), width=2.85, height=2.6, extra=(1.2, 1.0))
        for axes, (label, landscape) in zip(panels, landscapes.items(), strict=True):
            draw_landscape(axes, landscape, norm, tuned.get(label))
            put_title(axes, wrapped(label, 29))
            axes.set_xlabel(landscape.x.name if landscape.x.name != "lr" else "learning rate", labelpad=1)
        colorbar(figure, panels, list(landscapes.values()), norm)
        figure.legend(
            handles=[
                *signs(n, first.measure, tuned=bool(tuned)),
                *([Line2D([], [], ls="", label=note)] if note else []),
            ],
            loc="outside lower center",
            ncols=3 if len(panels) > 1 else 2,
            handlelength=1.8,
        )
    return figure


def draw_landscape(axes: Axes, landscape: Landscape, norm: Normalize, tuned: Setting | None = None) -> QuadMesh:
    """Draw one heat map; grey where the median diverged, hatched where any seed did, a dark line around that.

    ``norm`` is the colour scale of `heat_norm`, ``tuned`` the setting that was found, if any. Raises `ValueError`
    where there is no second hyperparameter.
    """
    x, y, measure = landscape.x, landscape.y, landscape.measure
    if y is None:
        raise ValueError("a heat map needs a second hyperparameter; draw the learning-rate curve instead")
    colors = _colors()
    top = norm.vmax or 0.0
    beyond = top + abs(top) + 1.0  # any value that the scale does not hold
    shown = np.ma.masked_invalid(np.where(landscape.worse_than_start, beyond, measure.shown(landscape.median)))
    image = axes.pcolormesh(x.edges, y.edges, shown, cmap=colors, norm=norm, rasterized=True)
    unstable = np.asarray(~landscape.stable)
    if unstable.any():
        axes.contourf(*_fields(x.edges, y.edges, unstable), levels=[0.5, 1.5], colors="none", hatches=[HATCH])
        _outline(axes, x.edges, y.edges, unstable, INK)
    if landscape.best is not None:
        _outline(axes, x.edges, y.edges, landscape.near_best, "white")
        row, column = landscape.best
        _sign(axes, x.at[column], y.at[row], "*", 11)
    _mark_default(axes, landscape)
    if tuned is not None and x.name in tuned and y.name in tuned:
        _mark_tuned(axes, landscape, tuned)
    axes.grid(visible=False)
    axes.set_xlim(x.edges[0], x.edges[-1])
    axes.set_ylim(y.edges[0], y.edges[-1])
    place_ticks(axes, "x", x)
    place_ticks(axes, "y", y)
    axes.set_ylabel(y.name, labelpad=1)
    return image


def _colors() -> Colormap:
    return GAINED_COLORS.with_extremes(bad=DIVERGED_COLOR, over=WORSE_COLOR)


def _mark_tuned(axes: Axes, landscape: Landscape, tuned: Setting) -> None:
    """Ring the setting that was found: at the border of the map where it lies outside, as after a wider search."""
    x, y = landscape.x, landscape.y
    assert y is not None, "a map has a second hyperparameter"
    places = [np.clip(axis.place(tuned[axis.name]), axis.edges[0], axis.edges[-1]) for axis in (x, y)]
    if np.isfinite(places).all():
        axes.plot(*places, **RING, color="white", mew=3.2, zorder=6.4)
        axes.plot(*places, **RING, color=INK, mew=1.5, zorder=6.5)


def _mark_default(axes: Axes, landscape: Landscape) -> None:
    """Mark the default setting, or say where it is if the grid does not hold it."""
    x, y = landscape.x, landscape.y
    if y is None or math.isnan(x.default) or math.isnan(y.default):
        return
    if x.holds(x.default) and y.holds(y.default):
        _sign(axes, float(x.place(x.default)), float(y.place(y.default)), "D", 5.5)
        return
    note = f"default outside of the grid:\n{x.name} {x.text(x.default)}, {y.name} {y.text(y.default)}"
    box = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.5}
    axes.text(0.02, 0.02, note, transform=axes.transAxes, fontsize=7, bbox=box, zorder=7)


def signs(n: int, measure: Measure, *, tuned: bool) -> list[Any]:
    """The legend of heat maps of ``measure`` over ``n`` seeds, with the sign of what was ``tuned`` or without it."""
    point: dict[str, Any] = {"color": INK, "ls": "none", "mec": "white"}
    near = "within 2× of its lowest" if measure.log else "90% of its best progress"
    lost = "diverged" if n == 1 else "median diverged"
    some = [] if n == 1 else [Patch(facecolor="white", edgecolor=GREY, hatch=HATCH, label="any seed diverged")]
    return [
        Line2D([], [], marker="*", ms=11, label="lowest of the grid", **point),
        *([Line2D([], [], color=INK, ls="none", mew=1.5, label="tuned", **RING)] if tuned else []),
        Line2D([], [], marker="D", ms=6, label="default", **point),
        Patch(facecolor=GAINED[-2], edgecolor="#bbbbbb", lw=1.6, label=f"outlined: {near}"),
        Patch(facecolor=DIVERGED_COLOR, edgecolor=GREY, hatch=HATCH if n == 1 else None, label=lost),
        *some,
        Patch(facecolor=WORSE_COLOR, label="worse than the start"),
    ]


def _sign(axes: Axes, x: float, y: float, marker: str, size: float) -> None:
    axes.plot(x, y, marker, ms=size, color=INK, mec="white", mew=1.0, zorder=6, clip_on=False)


def _fields(x: Array, y: Array, mask: Mask) -> tuple[Array, Array, Array]:
    """The fields of ``mask`` ``[Y, X]`` as points so close to their borders that contours follow the borders."""
    inset = 1e-6
    xs = np.column_stack([x[:-1] + inset, x[1:] - inset]).ravel()
    ys = np.column_stack([y[:-1] + inset, y[1:] - inset]).ravel()
    return xs, ys, np.repeat(np.repeat(mask.astype(np.float64), 2, axis=0), 2, axis=1)


def _outline(axes: Axes, x: Array, y: Array, mask: Mask, color: str) -> None:
    if mask.any() and not mask.all():
        axes.contour(*_fields(x, y, mask), levels=[0.5], colors=color, linewidths=1.1)


def colorbar(
    figure: Figure, panels: Sequence[Axes], landscapes: Sequence[Landscape], norm: Normalize, into: Axes | None = None
) -> None:
    """Add the one colour bar of the heat maps ``landscapes`` beside ``panels``, or lying in the axes ``into``.

    Its ticks are readable for one decade or ten; an arrow below where any of them holds values that ``norm`` does not.
    """
    measure = landscapes[0].measure
    lowest = min(float(measure.shown(one.median).min()) for one in landscapes)
    below = bool(lowest < (norm.vmin or 0.0) * (1 - 1e-9))
    image = ScalarMappable(norm, _colors())
    place: Any = {"cax": into, "orientation": "horizontal"}
    if into is None:
        place = {"ax": list(panels), "fraction": 0.05, "pad": 0.015, "aspect": 28}
    bar = figure.colorbar(image, extend="both" if below else "max", **place)
    bar.set_label(measure.label_over(max(one.n for one in landscapes)))
    if measure.log:
        bar.long_axis.set_major_locator(log_ticks(norm.vmin or 0.0, norm.vmax or 0.0))
        bar.long_axis.set_major_formatter(FuncFormatter(tick_text))
        bar.long_axis.set_minor_formatter(NullFormatter())
