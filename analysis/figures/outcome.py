"""The figure of outcomes: where every test run ended. Drawing only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.lines import LOST, START, frame_limits, is_crowd
from analysis.figures.style import GREY, INK, Look, drawing, new_figure, set_limits, wrapped
from analysis.measures.measure import Measure
from analysis.measures.results import SettingResult
from analysis.words import number

__all__ = ["outcome_figure"]

Outcomes = Mapping[str, SettingResult]

ROUNDED: Final[dict[str, Any]] = {"marker": "<", "ls": "none", "ms": 7, "mew": 1.4, "clip_on": False, "zorder": 4}
BELOW_ROUNDING: Final = "#eef1f4"
MOST_ROWS: Final = 40
"""Rows of a figure that is still looked at; of more, the lowest."""

MOST_HIGH: Final = 20
"""Rows up to which there is room to spare."""


def outcome_figure(tuned: Outcomes, default: Outcomes, measure: Measure, looks: Mapping[str, Look]) -> Figure:
    """Draw every test run's final measure as a tick, its median and interval above: tuned filled, default hollow."""
    labels = [label for label in looks if label in tuned or label in default]
    hidden = max(0, len(labels) - MOST_ROWS)
    if is_crowd(looks):
        found = {**default, **tuned}
        labels = sorted(labels, key=lambda label: (label not in tuned, found[label].value))[:MOST_ROWS]
        tuned, default = ({key: side[key] for key in labels if key in side} for side in (tuned, default))
    pitch = 0.5 if len(labels) <= MOST_HIGH else 0.3
    every = np.concatenate([result.values.ravel() for side in (tuned, default) for result in side.values()])
    low, high = frame_limits(measure.shown(every), measure)
    with drawing():
        figure = new_figure(9, pitch * len(labels) + 1.6)
        axes = figure.subplots()
        set_limits(axes, "x", low, high, log=measure.log)
        for row, label in enumerate(labels):
            for side, offset, filled in ((tuned, -0.17, True), (default, 0.17, False)):
                if label in side:
                    _outcome(axes, row + offset, side[label], measure, looks[label].color, filled=filled)
        rounded = bool(measure.log and (every < measure.smallest).any())
        if rounded:
            axes.axvspan(low, measure.smallest, color=BELOW_ROUNDING, lw=0, zorder=0)
        axes.axvline(measure.start, **START)
        axes.text(measure.start, -0.62, "start ", ha="right", va="bottom", color=GREY, fontsize=8)
        axes.set_yticks(range(len(labels)), [wrapped(label, 36) for label in labels])
        axes.set_ylim(len(labels) - 0.5, -0.65)
        axes.grid(visible=False, axis="y")
        more = f"\n{hidden} more end higher: tables/results.csv" if hidden else ""
        axes.set_xlabel(f"{measure.label} after the last step{more}")
        seeds = any(result.runs > 1 for side in (tuned, default) for result in side.values())
        beyond = bool((measure.shown(every) > high).any())
        figure.legend(
            handles=_outcome_signs(seeds=seeds, beyond=beyond, rounded=rounded),
            loc="outside lower center",
            ncols=5,
            handletextpad=0.4,
        )
    return figure


def _outcome_signs(*, seeds: bool, beyond: bool, rounded: bool) -> list[Line2D]:
    """The legend of the outcome figure: of several ``seeds``, with runs ``beyond`` the frame or ``rounded`` away."""
    dot: dict[str, Any] = {"marker": "o", "ls": "none", "color": INK, "ms": 6}
    over_seeds = [
        Line2D([], [], marker="|", ls="none", color=INK, ms=8, label="one test run"),
        Line2D([], [], color=INK, lw=2.6, label="interval of the median"),
    ]
    return [
        Line2D([], [], label="tuned, median" if seeds else "tuned", **dot),
        Line2D([], [], label="default, median" if seeds else "default", mfc="white", **dot),
        *(over_seeds if seeds else []),
        *([Line2D([], [], color=INK, label="diverged or beyond the frame", **LOST)] if beyond else []),
        *([Line2D([], [], color=INK, label="below rounding", **ROUNDED)] if rounded else []),
    ]


def _outcome(axes: Axes, y: float, result: SettingResult, measure: Measure, color: str, *, filled: bool) -> None:
    """Draw one setting's runs, interval and median; those beyond the frame share one cross at its border."""
    values, estimate = result.values.ravel(), result.estimate
    top = axes.get_xlim()[1]
    held, middle = measure.shown(values), float(measure.shown(estimate.value))
    if result.runs > 1:
        inside = held[held <= top]
        axes.plot(inside, np.full(inside.size, y), "|", color=color, ms=8, alpha=0.55, mew=1)
        ends = np.minimum(measure.shown(np.array([estimate.low, estimate.high])), top)
        axes.plot(ends, [y, y], color=color, lw=2.6, alpha=0.9, solid_capstyle="butt")
    if estimate.value < measure.smallest and measure.log:
        axes.plot(measure.smallest, y, color=color, mfc=color if filled else "white", **ROUNDED)
    elif middle <= top:
        axes.plot(middle, y, "o", color=color, mfc=color if filled else "white", ms=6.5, mew=1.6, zorder=4)
    beyond = int((held > top).sum())
    if beyond:
        axes.plot(top, y, color=color, **LOST)
        lost = np.isinf(values).any()
        text = number(middle) if not lost and middle > top else f"{beyond} of {estimate.n}" if estimate.n > 1 else ""
        axes.annotate(
            text, (top, y), (7, 0), textcoords="offset points", va="center", fontsize=8, annotation_clip=False
        )
