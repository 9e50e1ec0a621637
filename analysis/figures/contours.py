"""The figure of trajectories on contours, for problems in the plane. Drawing only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis.figures.style import INK, Look, drawing, panel_grid, tick_text, wrapped
from analysis.measures.trajectory import Extent, Path2D, Surface, extents
from analysis.statistics.arrays import Array

__all__ = ["BEYOND", "trajectory_figure"]

DEFAULT_COLOR: Final = "#6b6b6b"
CONTOUR_COLOR: Final = "#9db2c7"
BEYOND: Final = "end of the contours"
BORDER: Final[dict[str, Any]] = {"color": CONTOUR_COLOR, "lw": 1.0, "ls": ":", "zorder": 1}
LINEAR_PART: Final = 1.6
"""Decades whose length the linear half of a logarithmic axis has."""

ARROWS: Final = 4
"""Arrows along a path, on its longest steps."""

SHORTEST: Final = 14.0
"""Pixels of a step that has room for an arrow."""

CLEAR: Final = 14.0
"""Pixels between two steps that are numbered."""

MOST_MARKERS: Final = 60
"""Steps up to which a path shows each of them."""


def trajectory_figure(
    surface: Surface,
    levels: Array,
    minima: Sequence[tuple[float, float]],
    paths: Mapping[str, Sequence[Path2D]],
    looks: Mapping[str, Look],
) -> Figure:
    """Draw one panel an optimizer: the whole of its tuned and its default path over the contours of the measure.

    ``levels`` are the contours' values, ``minima`` the known points (x1, x2) of lowest loss, ``paths`` and ``looks``
    those of the optimizers by label. A panel is wider than the contours, or logarithmic beyond them, where a path is.
    """
    wide = False
    with drawing():
        figure, panels = panel_grid(len(paths), width=3.05, height=2.45, extra=(0.2, 0.9))
        for axes, (label, both) in zip(panels, paths.items(), strict=True):
            if levels.size:
                axes.contour(surface.x1, surface.x2, surface.value, levels=levels, colors=CONTOUR_COLOR, linewidths=0.8)
            wide |= _frame(axes, surface, both)
            axes.grid(visible=False)
            for path in sorted(both, key=lambda path: path.setting == "tuned"):
                _draw_path(axes, path, looks[label])
            axes.plot(*zip(*minima, strict=True), "*", color=INK, mec="white", ms=11, ls="none", zorder=6)
            for path in both:
                _draw_ends(axes, path, looks[label])
            axes.set_title(wrapped(label, 29))
            axes.set_xlabel("x₁", labelpad=1)
            axes.set_ylabel("x₂", labelpad=1)
        figure.legend(handles=_signs(wide=wide), loc="outside lower center", ncols=5)
    return figure


def _frame(axes: Axes, surface: Surface, paths: Sequence[Path2D]) -> bool:
    """Set the axes so that they hold ``paths``; whether they go beyond the contours, whose border is then drawn."""
    found = extents(surface, paths)
    (left, bottom), (right, top) = surface.frame
    for extent, axis in zip(found, (axes.xaxis, axes.yaxis), strict=True):
        along_x = axis is axes.xaxis
        if extent.linear is not None:
            scale = axes.set_xscale if along_x else axes.set_yscale
            scale("symlog", linthresh=extent.linear, linscale=LINEAR_PART)
            places = _ticks(extent)
            axis.set_major_locator(FixedLocator(places))
            axis.set_major_formatter(FuncFormatter(tick_text))
            axis.set_minor_locator(NullLocator())
        (axes.set_xlim if along_x else axes.set_ylim)(extent.low, extent.high)
    wide = [(extent.low, extent.high) for extent in found] != [(left, right), (bottom, top)]
    if wide:
        axes.plot([left, right, right, left, left], [bottom, bottom, top, top, bottom], **BORDER)
    return wide


def _ticks(extent: Extent) -> list[float]:
    """0, the end of the linear part where it is shown, and powers of ten beyond it."""
    assert extent.linear is not None, "a linear axis has ticks of its own"
    first = math.ceil(math.log10(extent.linear) + 0.3)
    powers = [10.0**power for power in range(first, 1 + max(first, int(math.log10(max(-extent.low, extent.high)))))]
    powers = powers[:: 1 + len(powers) // 3]
    half = float(f"{extent.linear / 2:.1g}")
    return [place for place in (*(-p for p in powers), -half, 0.0, half, *powers) if extent.low <= place <= extent.high]


def _draw_path(axes: Axes, path: Path2D, look: Look) -> None:
    """Draw one path with arrows along it and, of the tuned one, numbers of its steps."""
    tuned = path.setting == "tuned"
    color, marker = _sign_of(path, look)
    style: dict[str, Any] = {"lw": 1.5, "zorder": 4} if tuned else {"ls": (0, (3, 1.5)), "lw": 1.2, "zorder": 3}
    if path.steps.size <= MOST_MARKERS:
        style |= {"marker": marker, "ms": 2.8, "mew": 0}
    axes.plot(*path.points.T, color=color, **style)
    if not tuned:
        return
    shown = axes.transData.transform(path.points)
    lengths = np.hypot(*np.diff(shown, axis=0).T)
    for place in np.argsort(-lengths, kind="stable")[:ARROWS]:
        if lengths[place] > SHORTEST:
            near, far = shown[place], shown[place + 1]
            begin, end = axes.transData.inverted().transform([0.45 * near + 0.55 * far, 0.4 * near + 0.6 * far])
            arrow = {"arrowstyle": "-|>", "color": color, "lw": 1.2, "mutation_scale": 10, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", tuple(end), tuple(begin), arrowprops=arrow, zorder=4.2, annotation_clip=False)
    kept: list[Array] = [shown[0], shown[-1]]
    for place in path.numbered:
        if min(float(np.hypot(*(shown[place] - other))) for other in kept) > CLEAR:
            kept.append(shown[place])
            text = axes.annotate(
                f"{path.steps[place]:.0f}",
                path.points[place],
                (4, 4),
                textcoords="offset points",
                fontsize=7,
                color=INK,
                zorder=5.5,
                gid="step",
            )
            text.set_path_effects([withStroke(linewidth=2, foreground="white")])


def _draw_ends(axes: Axes, path: Path2D, look: Look) -> None:
    """Draw the start and the end of a path, over all else."""
    color, marker = _sign_of(path, look)
    axes.plot(*path.points[0], "o", color="white", mec=INK, ms=6.5, mew=1.3, zorder=6.5)
    size = 6.5 if path.setting == "tuned" else 5.5
    axes.plot(*path.points[-1], marker, color=color, mec="white", ms=size, zorder=7, clip_on=False, gid="end")


def _sign_of(path: Path2D, look: Look) -> tuple[str, str]:
    return (look.color, "o") if path.setting == "tuned" else (DEFAULT_COLOR, "s")


def _signs(*, wide: bool) -> list[Line2D]:
    return [
        Line2D([], [], marker="o", color="white", mec=INK, mew=1.3, ls="none", ms=6.5, label="start"),
        Line2D([], [], marker="*", color=INK, ls="none", ms=11, label="minimum"),
        Line2D([], [], color=INK, marker="o", ms=5, mec="white", label="tuned, with its end"),
        Line2D(
            [], [], color=DEFAULT_COLOR, marker="s", ms=5, mec="white", ls=(0, (3, 1.5)), label="default, with its end"
        ),
        *([Line2D([], [], label=BEYOND, **BORDER)] if wide else []),
    ]
