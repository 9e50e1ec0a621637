"""The figures of lines: outcome over the test seeds, convergence, learning-rate sensitivity. Drawing only.

Every function takes data that another module computed and returns a `matplotlib.figure.Figure` outside of pyplot, so
that it works in any thread or process. Save them with `analysis.style.png` and `svg`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.axes import number
from analysis.convergence import Convergence
from analysis.metrics import Array, Measure
from analysis.sensitivity import RateCurve
from analysis.statistics import LEVEL, Estimate
from analysis.style import GREY, INK, Look, drawing, log_axis, new_figure

__all__ = ["convergence_figure", "draw_curves", "draw_rates", "frame_limits", "outcome_figure", "sensitivity_figure"]

Lines = Mapping[str, Convergence]
Rates = Mapping[str, RateCurve]
TITLES = {"tuned": "Tuned", "default": "Default setting"}


def convergence_figure(
    panels: Mapping[str, Lines], measure: Measure, looks: Mapping[str, Look], metrics: Mapping[str, Mapping[str, Lines]]
) -> Figure:
    """Draw ``panels`` (setting -> label -> curve) side by side; every one of ``metrics`` (name -> panels) adds a row."""
    rows = 1 + len(metrics)
    with drawing():
        figure = new_figure(9, 3.1 * rows + 0.5)
        grid = figure.subplots(rows, len(panels), sharex=True, sharey="row", squeeze=False)
        bands = [line.band for lines in panels.values() for line in lines.values()]
        limits = frame_limits(np.concatenate([measure.shown(band.median) for band in bands]), measure)
        for axes, (setting, lines) in zip(grid[0], panels.items(), strict=True):
            draw_curves(axes, lines, measure, looks, limits)
            axes.set_title(f"{TITLES[setting]}{_n_text(lines)}")
        grid[0][0].set_ylabel(measure.label)
        for row, (name, sides) in zip(grid[1:], metrics.items(), strict=True):
            for axes, lines in zip(row, sides.values(), strict=True):
                _metric_panel(axes, lines, looks)
            row[0].set_ylabel(name.replace("_", " "))
        for axes in grid[-1]:
            axes.set_xlabel("steps (updates)")
        _legend(figure, grid[0])
    return figure


def draw_curves(
    axes: Axes, lines: Lines, measure: Measure, looks: Mapping[str, Look], limits: tuple[float, float]
) -> None:
    """Draw median lines with bands; a cross marks where the typical run is lost to divergence."""
    low, high = limits
    if measure.log:
        log_axis(axes, "y", low, high)
    else:
        axes.set_ylim(low, high)
    axes.axhline(measure.start, color=GREY, lw=0.9, ls=(0, (4, 3)), zorder=1)
    for label, line in lines.items():
        look, band = looks[label], line.band
        middle = measure.shown(band.median)
        if band.n > 1:
            top = np.where(np.isfinite(band.high), measure.shown(band.high), high * 10)
            shown = np.isfinite(middle)
            axes.fill_between(line.steps, measure.shown(band.low), top, where=shown, color=look.color, alpha=0.16, lw=0)
        every = max(1, line.steps.size // 8)
        axes.plot(
            *(line.steps, np.where(np.isfinite(middle), middle, np.nan)),
            **{"color": look.color, "ls": look.line, "label": label, "marker": look.marker, "markevery": every},
            ms=4,
        )
        _lost(axes, line.steps, middle, look, high)


def _lost(axes: Axes, steps: Array, middle: Array, look: Look, top: float) -> None:
    """Mark the last point before the median diverges, or where it leaves the frame at the ``top``."""
    gone = ~np.isfinite(middle) | (middle > top)
    if gone.any():
        at = max(int(np.argmax(gone)) - 1, 0)
        axes.plot(
            steps[at], min(middle[at], top), marker="X", ms=8, color=look.color, mec="white", clip_on=False, zorder=5
        )


def _metric_panel(axes: Axes, lines: Lines, looks: Mapping[str, Look]) -> None:
    for label, line in lines.items():
        look = looks[label]
        if line.band.n > 1:
            axes.fill_between(line.steps, line.band.low, line.band.high, color=look.color, alpha=0.16, lw=0)
        every = max(1, line.steps.size // 8)
        axes.plot(
            line.steps, line.band.median, color=look.color, ls=look.line, marker=look.marker, ms=4, markevery=every
        )


def frame_limits(values: Array, measure: Measure) -> tuple[float, float]:
    """Return the limits of an axis that shows ``values`` and the start, with a margin, and no more than 30 starts."""
    finite = values[np.isfinite(values)]
    if not measure.log:
        span = max(measure.start - float(finite.min(initial=measure.start)), abs(measure.start) * 0.1, 1e-12)
        return measure.start - 1.1 * span, measure.start + 0.3 * span
    ceiling = 30 * max(measure.start, measure.smallest)
    low = float(finite.min(initial=measure.start))
    high = min(float(finite.max(initial=measure.start)), ceiling)
    margin = (high / low) ** 0.05
    return low / max(margin, 1.15), high * max(margin, 1.15)


def outcome_figure(
    tuned: Mapping[str, tuple[Array, Estimate]],
    default: Mapping[str, tuple[Array, Estimate]],
    measure: Measure,
    looks: Mapping[str, Look],
) -> Figure:
    """Draw every test seed's final measure as a dot, its median and interval as a bar: tuned filled, default hollow."""
    labels = list(dict.fromkeys([*tuned, *default]))
    with drawing():
        figure = new_figure(9, 0.5 * len(labels) + 1.25)
        axes = figure.subplots()
        values = [v for side in (tuned, default) for v, _ in side.values()]
        low, high = frame_limits(measure.shown(np.concatenate(values)), measure)
        if measure.log:
            log_axis(axes, "x", low, high)
        else:
            axes.set_xlim(low, high)
        for row, label in enumerate(labels):
            for side, offset, filled in ((tuned, -0.17, True), (default, 0.17, False)):
                if label in side:
                    _outcome(axes, row + offset, *side[label], measure, looks[label].color, high, filled=filled)
        axes.axvline(measure.start, color=GREY, lw=0.9, ls=(0, (4, 3)))
        axes.text(measure.start, -0.62, "start ", ha="right", va="bottom", color=GREY, fontsize=8)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.5, -0.65)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"{measure.label} after the last step")
        axes.plot([], [], "o", color=INK, ms=6, label="tuned, median")
        axes.plot([], [], "o", color=INK, mfc="white", ms=6, label="default, median")
        axes.plot([], [], "|", color=INK, ms=8, label="one test seed")
        axes.plot([], [], "X", color=INK, ms=7, label="diverged")
        figure.legend(loc="outside lower center", ncols=4, handletextpad=0.4)
    return figure


def _outcome(
    axes: Axes, y: float, values: Array, estimate: Estimate, measure: Measure, color: str, top: float, *, filled: bool
) -> None:
    held = measure.shown(values)
    alive = held[np.isfinite(held) & (held <= top)]
    if estimate.n > 1:
        axes.plot(alive, np.full(alive.size, y), "|", color=color, ms=8, alpha=0.55, mew=1)
        ends = np.minimum(measure.shown(np.array([estimate.low, estimate.high])), top)
        axes.plot(ends, [y, y], color=color, lw=2.6, alpha=0.9, solid_capstyle="butt")
    middle = float(measure.shown(estimate.value))
    if np.isfinite(middle) and middle <= top:
        axes.plot(middle, y, "o", color=color, mfc=color if filled else "white", ms=6.5, mew=1.6, zorder=4)
    lost = int((~np.isfinite(values)).sum())
    if lost or middle > top:
        axes.plot(top, y, "X", color=color, ms=7.5, mec="white", clip_on=False, zorder=5)
        text = f"{lost} of {estimate.n}" if lost and estimate.n > 1 else "" if lost else number(middle)
        axes.annotate(
            text, (top, y), (7, 0), textcoords="offset points", va="center", fontsize=8, annotation_clip=False
        )


def sensitivity_figure(panels: Mapping[str, Rates], looks: Mapping[str, Look]) -> Figure:
    """Draw ``panels`` (title -> label -> curve): the measure by learning rate, and where each optimizer diverges."""
    curves = [curve for rates in panels.values() for curve in rates.values()]
    measure = curves[0].measure
    with drawing():
        figure = new_figure(9, 3.7)
        grid = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        limits = frame_limits(np.concatenate([measure.shown(curve.value) for curve in curves]), measure)
        for axes, (title, rates) in zip(grid, panels.items(), strict=True):
            draw_rates(axes, rates, looks, limits)
            axes.set_title(title)
            axes.set_xlabel("learning rate")
        grid[0].set_ylabel(f"median {measure.label} after the last step")
        _legend(figure, grid)
    return figure


def draw_rates(axes: Axes, rates: Rates, looks: Mapping[str, Look], limits: tuple[float, float]) -> None:
    """Draw curves over the learning rate; unstable parts are thin and dotted, a cross at the top marks their begin."""
    low, high = limits
    measure = next(iter(rates.values())).measure
    every = np.concatenate([curve.rates for curve in rates.values()])
    log_axis(axes, "x", float(every.min()) / 1.25, float(every.max()) * 1.25)
    if measure.log:
        log_axis(axes, "y", low, high)
    else:
        axes.set_ylim(low, high)
    axes.axhline(measure.start, color=GREY, lw=0.9, ls=(0, (4, 3)), zorder=1)
    for label, curve in rates.items():
        look = looks[label]
        value = np.where(np.isfinite(curve.value), measure.shown(curve.value), np.nan)
        axes.plot(curve.rates, np.where(curve.stable, value, np.nan), color=look.color, ls=look.line, label=label)
        axes.plot(curve.rates, value, color=look.color, ls=":", lw=0.9)
        if curve.best is not None:
            axes.plot(
                curve.rates[curve.best], value[curve.best], look.marker, color=look.color, ms=7, mec="white", zorder=4
            )
        if curve.first_unstable is not None:
            axes.plot(curve.first_unstable, high, "X", color=look.color, ms=8, mec="white", clip_on=False, zorder=5)


def _legend(figure: Figure, grid: Sequence[Axes]) -> None:
    """Put one legend below all panels, with the signs they share."""
    handles = {text: handle for axes in grid for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    (start,) = grid[0].plot([], [], color=GREY, lw=0.9, ls=(0, (4, 3)))
    (lost,) = grid[0].plot([], [], "X", color=INK, ms=7, mec="white", ls="none")
    handles |= {"start": start, "diverges": lost}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=7, handlelength=2.6)


def _n_text(lines: Lines) -> str:
    n = max((line.band.n for line in lines.values()), default=0)
    return f" (n = {n} seeds; band: middle {LEVEL:.0%})" if n > 1 else " (one run)"
