"""The figures of transfer: what an optimizer's settings give away elsewhere, as distributions and as matrices.

Drawing only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from analysis.figures.heat_maps import GAINED_COLORS
from analysis.figures.style import GREY, INK, Look, drawing, luminance, new_figure, panel_grid, put_title, wrapped
from analysis.measures.transfer import Transfer
from analysis.statistics.bootstrap import median

__all__ = ["matrices_shown", "transfer_figure", "transfer_matrix_figure"]

PAGE: Final = 10.6
"""Inches that a page shows without shrinking its letters."""

MOST_ROWS: Final = 40
"""Optimizers of a figure that is still looked at; of more, those that give away least."""

MOST_MATRICES: Final = 6
"""Matrices of a figure: of more optimizers, those that give away least."""

MOST_ANNOTATED: Final = 9
"""Problems up to which every field of a transfer matrix holds its number."""

DARK: Final = 0.35
"""Relative luminance of a field below which white letters read best."""

NAME: Final = 24
"""Letters of a line of a name."""


def transfer_figure(transfers: Sequence[Transfer], looks: Mapping[str, Look]) -> Figure:
    """Draw for each optimizer the shares of progress that the best setting of one problem gives away on another: every
    ordered pair of problems a dot, over the box of the middle half with its median, the least in the median first.
    """
    import seaborn as sns

    shares = {one.label: one.elsewhere for one in transfers}
    labels = sorted(shares, key=lambda label: float(median(shares[label])))
    hidden = len(labels) - MOST_ROWS
    labels = labels[:MOST_ROWS]
    frame = pd.DataFrame([(label, share) for label in labels for share in shares[label]], columns=["label", "share"])
    colors = {label: GREY if looks[label].grey else looks[label].color for label in labels}
    names = [wrapped(label, NAME) for label in labels]
    pitch = 0.36 if len(labels) <= MOST_ROWS / 2 else 0.26
    with drawing():
        figure = new_figure(9, pitch * len(labels) + 1.7)
        axes = figure.subplots()
        order = {"x": "share", "y": "label", "hue": "label", "order": labels, "hue_order": labels, "legend": False}
        sns.boxplot(frame, ax=axes, palette=colors, fliersize=0, width=0.62, whis=0, fill=False, linewidth=1.2, **order)
        few = len(shares[labels[0]]) <= 90
        size, alpha = (3.6, 0.65) if few else (2.2, 0.35)
        sns.stripplot(frame, ax=axes, palette=colors, jitter=False, size=size, alpha=alpha, **order)
        axes.set_yticks(range(len(labels)), names)
        axes.set_ylabel("")
        axes.set_xlim(-0.02, 1.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.grid(visible=False, axis="y")
        more = f"; {hidden} more give away more: tables/transfer.csv" if hidden > 0 else ""
        axes.set_xlabel(f"share of the progress given away elsewhere\n(lower is better{more})")
        count = len(shares[labels[0]])
        signs = [
            Line2D([], [], color=INK, marker="o", ls="none", ms=4, label=f"one pair of problems, of {count}"),
            Patch(facecolor="white", edgecolor=INK, label="middle half and median"),
        ]
        figure.legend(handles=signs, loc="outside lower center", ncols=2)
    return figure


def matrices_shown(transfers: Sequence[Transfer]) -> list[Transfer]:
    """Those whose matrices are drawn: all, or of many those that give away least in the median, in their order."""
    if len(transfers) <= MOST_MATRICES:
        return list(transfers)
    ranked = sorted(transfers, key=lambda one: float(median(one.elsewhere)))[:MOST_MATRICES]
    return [one for one in transfers if one in ranked]


def transfer_matrix_figure(transfers: Sequence[Transfer]) -> Figure:
    """Draw one matrix an optimizer: the regret on the column's problem of the setting that is best on the row's.

    Every panel names its columns.
    """
    titles = [wrapped(one.label, 29) for one in transfers]
    names = [wrapped(problem, NAME) for problem in transfers[0].problems]
    letters = max(len(line) for name in names for line in name.split("\n"))
    count = len(transfers)
    columns = min(count, 2 if count in {2, 4} else 3)
    beside = 0.07 * letters + 0.2
    side = max(1.6, (PAGE - 0.9 - beside) / columns - 0.15)
    side = min(side, 0.45 * len(names) + 0.6)
    with drawing():
        above = 0.07 * letters + 0.1 + 0.15 * (1 + max(title.count("\n") for title in titles))
        figure, panels = panel_grid(count, width=side + 0.15, height=side + above, extra=(beside + 0.9, 0.7))
        for place, (axes, one) in enumerate(zip(panels, transfers, strict=True)):
            _matrix(axes, one, names)
            put_title(axes, titles[place])
            if place % columns:
                axes.set_yticklabels([])
        bar = figure.colorbar(panels[0].images[0], ax=panels, fraction=0.03, pad=0.02, aspect=18, shrink=0.5)
        bar.set_label("share of the progress given away")
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1))
        figure.supylabel("best setting on …", fontsize=9)
        figure.supxlabel("… used on", fontsize=9)
    return figure


def _matrix(axes: Axes, transfer: Transfer, names: Sequence[str]) -> None:
    """Draw one matrix; each field holds its percentage where there are few.

    Not by seaborn's heat map, which draws the whole figure for each of its panels to see whether labels touch.
    """
    count = len(transfer.problems)
    axes.imshow(transfer.regret, vmin=0, vmax=1, cmap=GAINED_COLORS, aspect="equal")
    if count <= MOST_ANNOTATED:
        for (row, column), regret in np.ndenumerate(transfer.regret):
            color = "white" if luminance(GAINED_COLORS(regret)[:3]) < DARK else INK
            axes.text(column, row, f"{100 * regret:.0f}", ha="center", va="center", fontsize=7.5, color=color)
    axes.set_xticks(range(count), names, rotation=90)
    axes.set_yticks(range(count), names)
    axes.set_xticks(np.arange(0.5, count - 1), minor=True)
    axes.set_yticks(np.arange(0.5, count - 1), minor=True)
    axes.grid(visible=False)
    axes.grid(visible=True, which="minor", color="white", lw=0.8)
    axes.set_axisbelow(False)
    axes.tick_params(which="both", length=0)
