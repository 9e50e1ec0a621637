"""The figure of trajectories on contours, for problems in the plane. Drawing only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.style import INK, Look, drawing, panel_grid, wrapped
from analysis.measures.trajectory import Path2D, Surface
from analysis.statistics.arrays import Array

__all__ = ["trajectory_figure"]

DEFAULT_COLOR: Final = "#6b6b6b"
CONTOUR_COLOR: Final = "#9db2c7"
MOST_MARKERS: Final = 60
"""Steps up to which a path shows each of them."""


def trajectory_figure(
    surface: Surface,
    levels: Array,
    minima: Sequence[tuple[float, float]],
    paths: Mapping[str, Sequence[Path2D]],
    looks: Mapping[str, Look],
) -> Figure:
    """Draw one panel an optimizer: its tuned and its default path over the contours of the measure.

    ``levels`` are the contours' values, ``minima`` the known points (x1, x2) of lowest loss, ``paths`` and ``looks``
    those of the optimizers by label.
    """
    with drawing():
        figure, panels = panel_grid(len(paths), width=2.95, height=2.3, extra=(0.3, 0.9), share=True)
        for axes, (label, both) in zip(panels, paths.items(), strict=True):
            if levels.size:
                axes.contour(surface.x1, surface.x2, surface.value, levels=levels, colors=CONTOUR_COLOR, linewidths=0.8)
            axes.set_xlim(surface.x1[0], surface.x1[-1])
            axes.set_ylim(surface.x2[0], surface.x2[-1])
            axes.grid(visible=False)
            for path in both:
                _draw_path(axes, path, looks[label])
            axes.plot(*zip(*minima, strict=True), "*", color=INK, mec="white", ms=11, ls="none", zorder=6)
            axes.set_title(wrapped(label, 29))
            axes.set_xlabel("x₁", labelpad=1)
            axes.set_ylabel("x₂", labelpad=1)
            axes.label_outer()
        figure.legend(handles=_signs(), loc="outside lower center", ncols=5)
    return figure


def _draw_path(axes: Axes, path: Path2D, look: Look) -> None:
    """Draw one path, its start, and its end or, where it does not end in the frame, what became of it."""
    tuned = path.setting == "tuned"
    color, marker = (look.color, "o") if tuned else (DEFAULT_COLOR, "s")
    style: dict[str, Any] = {"lw": 1.5, "zorder": 4} if tuned else {"ls": (0, (3, 1.5)), "lw": 1.2, "zorder": 3}
    if path.steps.size <= MOST_MARKERS:
        style |= {"marker": marker, "ms": 2.8, "mew": 0}
    axes.plot(*path.points.T, color=color, **style)
    axes.plot(*path.points[0], "o", color="white", mec=INK, ms=6.5, mew=1.3, zorder=5)
    if path.ends_inside:
        axes.plot(*path.points[-1], marker, color=color, mec="white", ms=6, zorder=5)
    if path.left_at is not None:
        fate = "and returns" if path.ends_inside else "for good"
        text = f"{path.setting} leaves the frame at step {path.left_at} {fate}"
        y, align = (0.97, "top") if tuned else (0.03, "bottom")
        box = {"facecolor": "white", "alpha": 0.9, "edgecolor": "none", "pad": 1}
        axes.text(
            0.98, y, text, transform=axes.transAxes, ha="right", va=align, fontsize=7, color=color, bbox=box, zorder=7
        )


def _signs() -> list[Line2D]:
    return [
        Line2D([], [], marker="o", color="white", mec=INK, mew=1.3, ls="none", ms=6.5, label="start"),
        Line2D([], [], marker="*", color=INK, ls="none", ms=11, label="minimum"),
        Line2D([], [], color=INK, marker="o", ms=5, mec="white", label="tuned, with its end"),
        Line2D(
            [], [], color=DEFAULT_COLOR, marker="s", ms=5, mec="white", ls=(0, (3, 1.5)), label="default, with its end"
        ),
    ]
