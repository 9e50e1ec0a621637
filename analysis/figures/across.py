"""The figures over budgets: what tuning buys, and samplers replayed. Drawing only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from analysis.figures.lines import START, frame_limits, legend_columns, legend_height, measure_axis, named
from analysis.figures.style import GREY, INK, LINES, Look, drawing, new_figure, panel_grid, put_title, wrapped
from analysis.measures.budget import BudgetCurve, BudgetResult, ReplayCurve
from analysis.measures.measure import Measure
from analysis.statistics.arrays import Integers

__all__ = ["budget_figure", "replay_figure"]

SAMPLERS: Final = {"tpe": "#0072B2", "cmaes": "#D55E00", "qmc": "#009E73", "gp": "#CC79A7", "random": "#E69F00"}
Looks = Mapping[str, Look]


def budget_figure(found: Sequence[BudgetResult], measure: Measure, looks: Looks) -> Figure:
    """Draw what tuning buys on a problem: the expected outcome after k random trials, and who wins at each budget."""
    with drawing():
        figure = new_figure(9, 3.4 + legend_height(named([one.label for one in found], looks)))
        left, right = figure.subplots(1, 2)
        _budget_axis(left, [one.curve for one in found], measure)
        for one in found:
            look, curve = looks[one.label], one.curve
            style: dict[str, Any] = {
                "color": look.color,
                "ls": look.line,
                "marker": look.marker,
                "ms": 4.5,
                "zorder": look.layer,
            }
            for axes, value, low, high in (
                (left, curve.expected, curve.low, curve.high),
                (right, one.win, one.win_low, one.win_high),
            ):
                if look.grey:
                    axes.plot(curve.budgets, value, color=look.color, lw=0.7, zorder=look.layer)
                    continue
                axes.fill_between(curve.budgets, low, high, color=look.color, alpha=0.16, lw=0)
                axes.plot(curve.budgets, value, **style)
        right.set_ylim(0, 1)
        right.yaxis.set_major_formatter(PercentFormatter(1))
        put_title(left, "Expected outcome of random search")
        put_title(right, "Probability of the lowest outcome")
        for axes in (left, right):
            _trials_axis(axes, np.concatenate([one.curve.budgets for one in found]))
        handles = named({one.label: _handle(looks[one.label]) for one in found}, looks)
        _legend(figure, {**handles, "start": Line2D([], [], **START)})
    return figure


def replay_figure(panels: Mapping[str, tuple[BudgetCurve, Sequence[ReplayCurve]]], measure: Measure) -> Figure:
    """Draw one panel an optimizer: random search exactly, and the replayed samplers.

    ``panels`` are ``{label: (curve of random search, curves of samplers)}``.
    """
    with drawing():
        figure, grid = panel_grid(len(panels), width=3.0, height=2.4, extra=(0.3, 0.7))
        every: list[BudgetCurve | ReplayCurve] = [exact for exact, _ in panels.values()]
        every += [curve for _, replays in panels.values() for curve in replays]
        for axes, (label, (exact, replays)) in zip(grid, panels.items(), strict=True):
            _budget_axis(axes, every, measure)
            axes.fill_between(exact.budgets, exact.low, exact.high, color=INK, alpha=0.13, lw=0)
            axes.plot(exact.budgets, exact.expected, color=INK, lw=1.3)
            for curve in replays:
                style = _sampler_style(curve.sampler)
                axes.fill_between(curve.budgets, curve.low, curve.high, color=style["color"], alpha=0.15, lw=0)
                axes.plot(curve.budgets, curve.expected, **style)
            put_title(axes, wrapped(label, 29))
            _trials_axis(axes, exact.budgets)
        names = dict.fromkeys(curve.sampler for _, replays in panels.values() for curve in replays)
        lines = {name: Line2D([], [], **_sampler_style(name)) for name in names}
        _legend(figure, {"random, exact": Line2D([], [], color=INK, lw=1.3), **lines})
    return figure


def _sampler_style(name: str) -> dict[str, Any]:
    """The colour and line style of a sampler."""
    place = [*SAMPLERS].index(name) if name in SAMPLERS else len(SAMPLERS)
    return {"color": SAMPLERS.get(name, GREY), "ls": LINES[place % len(LINES)]}


def _budget_axis(axes: Axes, curves: Sequence[BudgetCurve | ReplayCurve], measure: Measure) -> None:
    limits = frame_limits(
        np.concatenate([[curve.expected, curve.low, curve.high] for curve in curves], axis=1), measure
    )
    measure_axis(axes, measure, limits)
    axes.set_ylabel(f"{measure.label} after k trials")


def _trials_axis(axes: Axes, budgets: Integers) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator([int(k) for k in np.unique(budgets)]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(budgets.min(), budgets.max())
    axes.set_xlabel("k, the number of trials")


def _handle(look: Look) -> Line2D:
    return Line2D([], [], color=look.color, ls=look.line, marker=look.marker, ms=4.5)


def _legend(figure: Figure, handles: Mapping[str, Line2D]) -> None:
    columns = legend_columns(handles)
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns, handlelength=2.6)
