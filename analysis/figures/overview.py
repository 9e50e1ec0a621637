"""The overview of a record: how far every optimizer comes on every problem, and its picture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from analysis.figures.style import drawing, new_figure, wrapped
from analysis.measures.landscape_grid import regret
from analysis.measures.measure import Measure
from analysis.problem_results import ProblemResults, results_of
from analysis.record.cells import Cell
from analysis.statistics.arrays import Array, Mask
from analysis.words import number

__all__ = ["Ratios", "overview_figure", "ratios_figure", "share_colors", "worse_than_best"]

SHARE_COLORS: Final = ("#fbfaf6", "#cfe0ea", "#7fadc8", "#37749f", "#123a5e")
BEST_RING: Final = "#e08214"
MOST_HIGH_ROWS: Final = 30
"""Rows up to which a matrix has room to spare."""


@dataclass(frozen=True)
class Ratios:
    """Tuned medians beside the best of their problem: ``values`` ``[problems, labels]`` are how many times worse.

    A value is inf where the median diverged, and NaN where nothing was run or ratios make no sense: of losses that are
    not positive, of unequal budgets, and to a best that is rounding. ``shares`` ``[problems, labels]`` of the best's
    progress have no such gaps (NaN: not run, unequal budgets, nobody made progress); ``tied`` are those that are not
    told apart from the best.
    """

    problems: tuple[str, ...]
    labels: tuple[str, ...]
    values: Array
    shares: Array
    tied: Mask

    @property
    def empty(self) -> bool:
        """Whether there is nothing to compare."""
        return bool(np.isnan(self.values).all() and np.isnan(self.shares).all())

    @property
    def texts(self) -> npt.NDArray[np.object_]:
        """What a field says ``[problems, labels]``: a ratio or, where that makes no sense, a share of the progress."""
        pairs = zip(self.values.ravel().tolist(), self.shares.ravel().tolist(), strict=True)
        found = np.empty(self.values.size, dtype=object)
        found[:] = [_field_text(ratio, share) for ratio, share in pairs]
        return found.reshape(self.values.shape)


def worse_than_best(results: Iterable[ProblemResults]) -> Ratios:
    """The tuned medians of problems beside the best of each; raises `ValueError` where two cells share a label."""
    found = list(results)
    labels = tuple(dict.fromkeys(cell.label for one in found for cell in one.cells))
    values, shares = (np.full((len(found), len(labels)), np.nan) for _ in range(2))
    tied = np.zeros(values.shape, dtype=np.bool_)
    for row, one in enumerate(found):
        own = [cell.label for cell in one.cells]
        if len(set(own)) < len(own):
            raise ValueError(f"two results of one optimizer on {one.problem.name}: {own}")
        if one.unequal:
            continue
        ended = {labels.index(cell.label): cell.tuned.value for cell in one.cells if cell.tuned}
        places, best = [*ended], min(ended.values(), default=np.inf)
        ends = np.array([*ended.values()])
        if np.isfinite(best):
            shares[row, places] = 1 - regret(one.measure, ends, best)
            tied[row, [labels.index(cell.label) for cell in one.tied]] = True
        if one.measure.smallest > 0:
            values[row, places] = _ratios(one.measure, ends, best)
    return Ratios(tuple(one.problem.name for one in found), labels, values, shares, tied)


def _ratios(measure: Measure, ends: Array, best: float) -> Array:
    """How many times as high as ``best`` each of ``ends`` is; NaN of what is no rounding to a best that is."""
    if not np.isfinite(best):
        return np.full(ends.shape, np.inf)
    ratio = np.maximum(ends, measure.smallest) / max(best, measure.smallest)
    return np.where(np.isfinite(ratio) & (ratio > 1) & (best < measure.smallest), np.nan, ratio)


def overview_figure(cells: Iterable[Cell]) -> Figure:
    """Draw the cells of a record as a matrix: how many times worse than its problem's best each tuned one ends."""
    return ratios_figure(worse_than_best(results_of(cells).values()))


def ratios_figure(ratios: Ratios) -> Figure:
    """Draw how far each tuned optimizer comes on each problem, as a matrix: darker is closer to the problem's best.

    The best are ringed, those that are not told apart from it have a dot.
    """
    down, across, texts = ratios.problems, ratios.labels, ratios.texts
    share, best, tied = np.where(np.isinf(ratios.values), 0.0, ratios.shares), ratios.values == 1, ratios.tied
    best |= ~np.isfinite(ratios.values) & (ratios.shares == 1)
    if len(down) < len(across):  # the longer side runs down the page
        down, across, texts, share, best, tied = across, down, texts.T, share.T, best.T, tied.T
    rows, columns = ([wrapped(name, 36) for name in names] for names in (down, across))
    beside, longest = (max(len(line) for name in names for line in name.split("\n")) for names in (rows, columns))
    high = 0.42 if len(rows) <= MOST_HIGH_ROWS else 0.24
    with drawing():
        below = 0.05 * longest if longest > 12 else 0.0
        figure = new_figure(
            max(4.5, 0.95 * len(columns) + 2.0 + 0.075 * max(beside, 14)), high * len(rows) + 1.25 + below
        )
        axes = figure.subplots()
        _draw_shares(axes, share, texts)
        for row, column in np.argwhere(best):
            place = (column + 0.08, row + 0.08)
            axes.add_patch(Rectangle(place, 0.84, 0.84, fill=False, ec=BEST_RING, lw=2.0))
        for row, column in np.argwhere(tied & ~best):
            axes.plot(column + 0.1, row + 0.2, "o", ms=4, color=BEST_RING, mec="white", mew=0.6)
        turned: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if below else {}
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns, **turned)
        axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
        axes.set(xlabel="", ylabel="")
        axes.tick_params(length=0)
        title = "Tuned results beside each problem's best"
        figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    return figure


def _draw_shares(axes: Axes, share: Array, texts: npt.NDArray[np.object_]) -> None:
    """Draw a matrix with its ``texts`` and a colour bar."""
    import seaborn as sns

    scale: dict[str, Any] = {"vmin": 0, "vmax": 1, "cmap": share_colors(), "linewidths": 1.5}
    bar = {"label": "share of the best progress", "format": PercentFormatter(1), "shrink": min(1.0, 4 / len(share))}
    sns.heatmap(share, ax=axes, annot=texts, fmt="", xticklabels=False, yticklabels=False, cbar_kws=bar, **scale)


def share_colors() -> Colormap:
    """Paper where nothing is gained, dark where all of the best progress is made."""
    return LinearSegmentedColormap.from_list("share", SHARE_COLORS).with_extremes(bad="#f2f2f2")


def _field_text(ratio: float, share: float) -> str:
    """A ratio with the digits that tell it from 1, else a share."""
    if np.isinf(ratio):
        return "lost"
    if np.isnan(ratio):
        return "" if np.isnan(share) else f"{share:.0%}"
    if ratio > 1e6:
        return ">1e6×"
    return "1×" if ratio == 1 else f"{ratio:.2f}×" if ratio < 9.995 else f"{number(ratio, 2)}×"
