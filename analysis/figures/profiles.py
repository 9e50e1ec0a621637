"""The figure of profiles: how soon targets are reached, each line with its name at its end. Drawing only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from analysis.figures.lines import is_crowd
from analysis.figures.style import Look, drawing, log_axis, new_figure, put_title, wrapped
from analysis.measures.profiles import Profile
from analysis.statistics.arrays import Array

__all__ = ["profiles_figure", "spread"]

ACROSS: Final = {
    "performance": ("Performance profile", "times as slow as the fastest, at most", "targets reached"),
    "data": ("Data profile", "steps (expected, with restarts)", "targets reached"),
    "solved": ("Targets reached by each run", "share of the step budget", "targets of each run"),
}
APART: Final = 0.085
"""Share of the axis between the names of two lines: a line of letters even in the lowest figure for a paper."""

BESIDE: Final = (1.015, 1.06, 1.075)
"""Where a leader begins and ends, and the name begins, in widths of a panel."""

BOX: Final = {"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.0}

NAME: Final = 13
"""Letters of a line of a name."""


def profiles_figure(profiles: Sequence[Profile], looks: Mapping[str, Look]) -> Figure:
    """Draw profiles side by side: share of targets by ratio to the fastest, by steps, and by share of the budget.

    The names of lines stand at their ends; those of a crowd of grey lines are left out, and counted.
    """
    crowd = is_crowd(looks)
    named = [label for label in profiles[0].labels if not (crowd and looks[label].grey)]
    with drawing():
        figure = new_figure(10.6, max(3.3, 1.2 + 0.2 * len(named)))
        for axes, profile in zip(figure.subplots(1, len(profiles), squeeze=False)[0], profiles, strict=True):
            for i, label in enumerate(profile.labels):
                _draw(axes, profile, i, looks[label])
            title, x_label, y_label = ACROSS[profile.name]
            axes.set(xlabel=x_label, ylabel=y_label, ylim=(0, 1.02))
            axes.yaxis.set_major_formatter(PercentFormatter(1))
            put_title(axes, title)
            if profile.name == "solved":
                axes.set_xlim(0, 1)
                axes.xaxis.set_major_formatter(PercentFormatter(1))
            else:
                log_axis(axes, "x", float(profile.over[0]), float(profile.over[-1]))
            ends = {label: float(profile.value[profile.labels.index(label), -1]) for label in named}
            _name_ends(axes, ends, looks, len(profile.labels) - len(named))
    return figure


def _draw(axes: Axes, profile: Profile, i: int, look: Look) -> None:
    over, value = profile.over, profile.value[i]
    style: dict[str, Any] = {"color": look.color, "drawstyle": "steps-post", "zorder": look.layer}
    if look.grey:
        axes.plot(over, value, lw=0.7, **style)
        return
    axes.fill_between(over, profile.low[i], profile.high[i], color=look.color, alpha=0.18, lw=0, step="post")
    axes.plot(over, value, ls=look.line, marker=look.marker, ms=4, markevery=(5, 15), **style)


def spread(wanted: Array, apart: float, low: float = 0.0, high: float = 1.0) -> Array:
    """Places near those ``wanted`` ``[N]``, in their order and at least ``apart``, between ``low`` and ``high``.

    Neighbours that are too close make a group around its middle; where there is no room for all they are closer.
    """
    order = np.argsort(wanted, kind="stable")
    apart = min(apart, (high - low) / max(wanted.size - 1, 1))
    groups: list[list[float]] = []
    for value in wanted[order]:
        groups.append([float(value)])
        while len(groups) > 1 and _start(groups[-1], apart, low, high) < _end(groups[-2], apart, low, high) + apart:
            last = groups.pop()
            groups[-1] += last
    places = np.concatenate([_start(group, apart, low, high) + apart * np.arange(len(group)) for group in groups])
    found = np.empty(wanted.size)
    found[order] = places
    return found


def _start(group: Sequence[float], apart: float, low: float, high: float) -> float:
    """The lowest place of a group that stands around its mean, inside of the axis."""
    reach = apart * (len(group) - 1)
    return float(np.clip(np.mean(group) - reach / 2, low, high - reach))


def _end(group: Sequence[float], apart: float, low: float, high: float) -> float:
    return _start(group, apart, low, high) + apart * (len(group) - 1)


def _name_ends(axes: Axes, ends: Mapping[str, float], looks: Mapping[str, Look], others: int) -> None:
    """Write the names of the lines that end at ``ends`` beside them, each with a line that leads to it."""
    top = axes.get_ylim()[1]
    wanted = np.array([end / top for end in ends.values()])
    begin, stop, text = BESIDE
    for (label, _), at, y in zip(ends.items(), wanted, spread(wanted, APART), strict=True):
        look = looks[label]
        leader: dict[str, Any] = {"transform": axes.transAxes, "color": look.color, "clip_on": False}
        axes.plot([1.0, begin, stop], [at, at, y], lw=1.0, gid="leader", **leader)
        name = wrapped(label, NAME)
        axes.annotate(name, (text, y), xycoords="axes fraction", va="center", fontsize="small", gid="name")
    if others:
        axes.annotate(
            f"grey: {others} others", (0.98, 0.03), xycoords="axes fraction", ha="right", fontsize="small", bbox=BOX
        )
