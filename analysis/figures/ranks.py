"""The critical-difference diagram of mean ranks. Drawing only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from analysis.figures.style import GREY, INK, Look, drawing, new_figure, wrapped
from analysis.measures.ranking import Ranking
from analysis.statistics.bootstrap import ALPHA
from analysis.words import number

__all__ = ["ranks_figure"]

MOST_RANKED: Final = 40
"""Names in a diagram of ranks: of more, the best."""

ROW: Final = 0.27
CLOSE: Final = 0.2
"""Inches from name to name, and where there are more than `FEW` at a side."""

FEW: Final = 10

BAR: Final = 0.15
"""Inches from bar to bar."""

NAME: Final = 32
"""Letters of a line of a name."""

OUT: Final = 0.035
"""Share of the axis by which leader lines pass its ends."""


def ranks_figure(ranking: Ranking, looks: Mapping[str, Look]) -> Figure:
    """Draw the critical-difference diagram of Demšar (2006): mean ranks on an axis at the top, the better half named at
    the left and the other at the right; a bar joins ranks that are not told apart.

    ``looks`` are those of the optimizers by label, here as in every figure.
    """
    order = sorted(range(len(ranking.labels)), key=lambda i: ranking.ranks[i].value)[:MOST_RANKED]
    ranks = {ranking.labels[i]: ranking.ranks[i].value for i in order}
    names, half = list(ranks), math.ceil(len(ranks) / 2)
    bars = [[ranks[label] for label in group if label in ranks] for group in ranking.groups]
    bars = [bar for bar in bars if bar]
    lines = 1 + max(wrapped(name, NAME).count("\n") for name in names)
    row, under = (ROW if half <= FEW else CLOSE) * max(1.0, 0.6 * lines), BAR * len(bars) + 0.1
    depth = under + row * half
    with drawing():
        figure = new_figure(7.5, depth + 1.3)
        axes = figure.subplots()
        axes.set_xlim(1, len(names))
        axes.set_ylim(depth, -0.42)
        _axis_on_top(axes, ranking, len(ranking.labels) - len(names))
        for place, bar in enumerate(bars):
            y = 0.13 + BAR * place
            axes.plot([bar[0], bar[-1]], [y, y], color=INK, lw=3, solid_capstyle="butt", zorder=3, gid="bar")
        for side, some in (("left", names[:half]), ("right", names[half:][::-1])):
            _name(axes, side, some, ranks, looks, under + row / 2, row)
    return figure


def _axis_on_top(axes: Axes, ranking: Ranking, hidden: int) -> None:
    """The axis of ranks at the top, and above it the critical difference as a ruler that begins at rank 1."""
    count = axes.get_xlim()[1]
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.spines["top"].set(visible=True, position=("data", 0), color=INK)
    axes.xaxis.set_major_locator(FixedLocator(range(1, int(count) + 1, 1 + int(count) // 12)))
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", direction="out", pad=1)
    axes.set_yticks([])
    axes.grid(visible=False)
    more = f"; {hidden} more rank lower: tables/ranking.csv" if hidden else ""
    axes.set_xlabel(f"mean rank over {ranking.problems} problems (1 is best{more})")
    if np.isfinite(ranking.critical):
        end = min(1 + ranking.critical, count)
        axes.plot([1, end], [-0.38, -0.38], color=INK, lw=1.2, clip_on=False, gid="critical")
        for x in (1, end):
            axes.plot([x, x], [-0.41, -0.35], color=INK, lw=1.2, clip_on=False)
        text = f"critical difference {number(ranking.critical)} (Nemenyi, {ALPHA:.0%})"
        axes.annotate(text, (1, -0.38), (0, 3), textcoords="offset points", va="bottom", fontsize=7.5)


def _name(
    axes: Axes,
    side: str,
    names: Sequence[str],
    ranks: Mapping[str, float],
    looks: Mapping[str, Look],
    first: float,
    row: float,
) -> None:
    """Write ``names`` at a ``side``, the outermost rank first, each with its rank and a line that leads to it."""
    ends = axes.get_xlim()
    reach = OUT * (ends[1] - ends[0])
    x = ends[0] - reach if side == "left" else ends[1] + reach
    away = -4 if side == "left" else 4
    for place, label in enumerate(names):
        look, y, rank = looks[label], first + row * place, ranks[label]
        color = GREY if look.grey else look.color
        axes.plot([rank, rank, x], [0, y, y], color=color, lw=1.3, clip_on=False, zorder=2, gid="leader")
        axes.plot(rank, 0, look.marker, color=color, ms=6, mec="white", clip_on=False, zorder=4)
        axes.annotate(
            f"{wrapped(label, NAME)}  {number(rank, 3)}"
            if side == "left"
            else f"{number(rank, 3)}  {wrapped(label, NAME)}",
            (x, y),
            (away, 0),
            textcoords="offset points",
            ha="right" if side == "left" else "left",
            va="center",
            gid="name",
            annotation_clip=False,
        )
