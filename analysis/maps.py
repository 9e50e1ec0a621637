"""The figures of areas: heat maps over learning rate and memory, and trajectories on contours. Drawing only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter

from analysis.axes import number
from analysis.metrics import Array, Measure
from analysis.sensitivity import Landscape
from analysis.style import GREY, INK, Look, drawing, log_ticks, new_figure, place_ticks
from analysis.trajectory import Path2D, Surface

__all__ = ["colorbar", "draw_landscape", "heat_norm", "landscape_figure", "trajectory_figure"]

DIVERGED_COLOR = "#dedede"
WORSE_COLOR = "#f4c9b0"


def heat_norm(landscapes: Sequence[Landscape]) -> Normalize:
    """Return the colour scale that ``landscapes`` share: from their best value to the start (worse is one colour).

    It spans ten decades at most, for more would leave no contrast where most of a map lies.
    """
    measure = landscapes[0].measure
    best = min(float(measure.shown(landscape.median).min()) for landscape in landscapes)
    best = min(best, measure.start) if math.isfinite(best) else measure.start
    if measure.log:
        return LogNorm(max(min(best, measure.start / 1.1), measure.start * 1e-10), measure.start)
    return Normalize(min(best, measure.start - 1e-12), measure.start)


def landscape_figure(landscapes: Mapping[str, Landscape]) -> Figure:
    """Draw one heat map a two-knob optimizer, on one shared colour scale."""
    columns = min(3, len(landscapes))
    rows = math.ceil(len(landscapes) / columns)
    with drawing():
        figure = new_figure(2.9 * columns + 1.3, 2.75 * rows + 0.55)
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
        norm = heat_norm(list(landscapes.values()))
        panels = list(grid.flat)
        for axes, (label, landscape) in zip(panels, landscapes.items(), strict=False):
            image = draw_landscape(axes, landscape, norm)
            axes.set_title(label)
        for axes in panels[len(landscapes) :]:
            axes.set_axis_off()
        for column in range(columns):
            below = [row for row in range(rows) if row * columns + column < len(landscapes)][-1]
            axes = grid[below][column]
            axes.set_xlabel("learning rate")
            axes.tick_params(labelbottom=True)
        measure = next(iter(landscapes.values())).measure
        n = max(landscape.n for landscape in landscapes.values())
        colorbar(figure, image, panels, f"{'median ' if n > 1 else ''}{measure.label}", measure)
        figure.legend(handles=map_signs(n), loc="outside lower center", ncols=3, handlelength=1.8)
    return figure


def draw_landscape(axes: Axes, landscape: Landscape, norm: Normalize) -> Any:
    """Draw one heat map; grey and hatched where a seed diverged, a line along the last stable learning rate."""
    x, y, measure = landscape.x, landscape.y, landscape.measure
    if y is None:
        raise ValueError("a heat map needs a second hyperparameter; draw the learning-rate curve instead")
    colors = mpl.colormaps["viridis"].with_extremes(bad=DIVERGED_COLOR, over=WORSE_COLOR)
    lost = landscape.diverged >= 0.5
    shown = np.ma.masked_where(lost | ~np.isfinite(landscape.median), measure.shown(landscape.median))
    image = axes.pcolormesh(x.edges, y.edges, shown, cmap=colors, norm=norm, rasterized=True)
    unstable = ~landscape.stable
    if unstable.any():
        axes.contourf(*_padded(x.edges, y.edges, unstable), levels=[0.5, 1.5], colors="none", hatches=["////"])
        _outline(axes, x.edges, y.edges, unstable, INK, 1.1)
    if landscape.best is not None:
        _outline(axes, x.edges, y.edges, landscape.near_best, "white", 1.0)
        row, column = landscape.best
        _sign(axes, x.at[column], y.at[row], "*", 11)
    if x.holds(x.default) and y.holds(y.default):
        _sign(axes, float(x.place(x.default)), float(y.place(y.default)), "D", 5.5)
    else:
        note = f"default ({x.text(x.default)}, {y.text(y.default)})\noutside of the grid"
        box = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5}
        axes.text(0.02, 0.02, note, transform=axes.transAxes, fontsize=7, bbox=box)
    axes.grid(visible=False)
    axes.set_xlim(x.edges[0], x.edges[-1])
    axes.set_ylim(y.edges[0], y.edges[-1])
    place_ticks(axes, "x", x)
    place_ticks(axes, "y", y)
    axes.set_ylabel(y.name, labelpad=1)
    return image


def map_signs(n: int) -> list[Any]:
    """Return the legend of a heat map over ``n`` seeds."""
    style = {"color": INK, "ls": "none", "mec": "white"}
    grey = Patch(facecolor=DIVERGED_COLOR, edgecolor=GREY, hatch="////" if n == 1 else None)
    grey.set_label("diverged" if n == 1 else "half of the seeds diverged, or more")
    some = [] if n == 1 else [Patch(facecolor="white", edgecolor=GREY, hatch="////", label="any seed diverged")]
    return [
        Line2D([], [], marker="*", ms=11, label="best", **style),
        Line2D([], [], marker="D", ms=6, label="default", **style),
        Patch(facecolor="#453781", edgecolor="#bbbbbb", lw=1.6, label="outlined: within 2× of the best"),
        grey,
        *some,
        Patch(facecolor=WORSE_COLOR, label="worse than the start"),
    ]


def _sign(axes: Axes, x: float, y: float, marker: str, size: float) -> None:
    axes.plot(x, y, marker, ms=size, color=INK, mec="white", mew=1.0, zorder=6, clip_on=False)


def _padded(x: Array, y: Array, mask: Any) -> tuple[Array, Array, Array]:
    """Return a mask ``[Y, X]`` of cells as points dense enough that its contour follows the cells' borders."""
    inset = 1e-6
    xs = np.column_stack([x[:-1] + inset, x[1:] - inset]).ravel()
    ys = np.column_stack([y[:-1] + inset, y[1:] - inset]).ravel()
    return xs, ys, np.repeat(np.repeat(mask.astype(np.float64), 2, axis=0), 2, axis=1)


def _outline(axes: Axes, x: Array, y: Array, mask: Any, color: str, width: float) -> None:
    if mask.any() and not mask.all():
        axes.contour(*_padded(x, y, mask), levels=[0.5], colors=color, linewidths=width)


def colorbar(figure: Figure, image: Any, panels: Sequence[Axes], label: str, measure: Measure) -> None:
    """Add the colour bar of heat maps beside ``panels``, its ticks readable for one decade or thirty."""
    bar = figure.colorbar(image, ax=list(panels), extend=_extend(image), fraction=0.05, pad=0.015, aspect=28)
    bar.set_label(label)
    if measure.log:
        bar.ax.yaxis.set_major_locator(log_ticks(image.norm.vmin, image.norm.vmax))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 2)))
        bar.ax.yaxis.set_minor_formatter(NullFormatter())


def _extend(image: Any) -> str:
    """Return which ends of the colour scale have values beyond them."""
    low, high = float(image.get_array().min()), image.norm.vmin
    return "both" if low < high else "max"


def trajectory_figure(
    surface: Surface,
    levels: Array,
    paths: Mapping[str, Sequence[Path2D]],
    lowest: tuple[float, float],
    looks: Mapping[str, Look],
) -> Figure:
    """Draw one panel an optimizer: its tuned and its default path over the contours of the measure."""
    columns = min(3, len(paths))
    rows = math.ceil(len(paths) / columns)
    with drawing():
        figure = new_figure(2.9 * columns + 0.4, 2.35 * rows + 0.7)
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, (label, both) in zip(grid.flat, paths.items(), strict=False):
            _contours(axes, surface, levels)
            for path in both:
                _path(axes, path, looks[label])
            axes.plot(*lowest, "*", color=INK, mec="white", ms=11, zorder=6)
            axes.set_title(label)
        for axes in grid.flat[len(paths) :]:
            axes.set_axis_off()
        for axes in grid[:, 0]:
            axes.set_ylabel("x2", labelpad=1)
        for column in range(columns):
            below = [row for row in range(rows) if row * columns + column < len(paths)][-1]
            grid[below][column].set_xlabel("x1")
            grid[below][column].tick_params(labelbottom=True)
        figure.legend(handles=_path_signs(), loc="outside lower center", ncols=5)
    return figure


def _contours(axes: Axes, surface: Surface, levels: Array) -> None:
    axes.contour(surface.x1, surface.x2, surface.value, levels=levels, colors="#9db2c7", linewidths=0.8)
    axes.set_xlim(surface.x1[0], surface.x1[-1])
    axes.set_ylim(surface.x2[0], surface.x2[-1])
    axes.grid(visible=False)


def _path(axes: Axes, path: Path2D, look: Look) -> None:
    tuned = path.setting == "tuned"
    color = look.color if tuned else "#6b6b6b"
    x, y = path.points.T
    style = {"ls": "-", "lw": 1.5} if tuned else {"ls": (0, (3, 1.5)), "lw": 1.1}
    axes.plot(x, y, color=color, marker="o" if tuned else "s", ms=2.6, mew=0, zorder=4 if tuned else 3, **style)
    axes.plot(x[0], y[0], "o", color="white", mec=INK, ms=6.5, mew=1.3, zorder=5)
    if path.left_at is None:
        axes.plot(x[-1], y[-1], "o" if tuned else "s", color=color, mec="white", ms=6, zorder=5)
    else:
        where = (0.98, 0.97) if tuned else (0.98, 0.03)
        axes.text(
            *where,
            f"{path.setting} leaves the frame at step {path.left_at}",
            **{"transform": axes.transAxes, "ha": "right", "va": "top" if tuned else "bottom", "fontsize": 7.5},
            color=color,
            bbox={"facecolor": "white", "alpha": 0.9, "edgecolor": "none", "pad": 1},
            zorder=7,
        )


def _path_signs() -> list[Line2D]:
    return [
        Line2D([], [], marker="o", color="white", mec=INK, mew=1.3, ls="none", ms=6.5, label="start"),
        Line2D([], [], marker="*", color=INK, ls="none", ms=11, label="lowest point"),
        Line2D([], [], color=INK, marker="o", ms=3.5, label="tuned (one marker a step)"),
        Line2D([], [], color="#6b6b6b", marker="s", ms=3.5, ls=(0, (3, 1.5)), label="default"),
    ]
