"""The figures of lines: convergence and learning-rate sensitivity. Drawing only.

Every function takes data that another module computed. ``draw_…`` fill axes, ``…_figure`` return a whole
`matplotlib.figure.Figure` outside of pyplot, so that they work in any thread or process.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.figures.paired import LEVEL_LINE, LEVEL_WITH, draw_paired
from analysis.figures.style import GREY, INK, Look, drawing, log_axis, new_figure, put_title, set_limits
from analysis.measures.convergence import Convergence
from analysis.measures.lr_sensitivity import RateCurve
from analysis.measures.measure import Measure
from analysis.measures.paired_curves import Against
from analysis.statistics.arrays import Array, Mask
from analysis.statistics.bootstrap import LEVEL, Band
from analysis.words import metric_text, number

__all__ = [
    "LOST",
    "START",
    "band_limits",
    "convergence_figure",
    "draw_curves",
    "draw_marks",
    "draw_rates",
    "frame_limits",
    "is_crowd",
    "legend_columns",
    "legend_height",
    "measure_axis",
    "n_text",
    "named",
    "sensitivity_figure",
]

Lines = Mapping[str, Convergence]
Rates = Mapping[str, RateCurve]
Marks = Mapping[str, Mapping[str, tuple[float, float]]]
"""Points (learning rate, measure) by their sign, tuned or default, and then by label."""
NO_PAIRS: Final[Mapping[str, Against]] = {}
NO_MARKS: Final[Mapping[str, Marks]] = {}

TITLES: Final = {"tuned": "Tuned", "default": "Default setting"}
START: Final[dict[str, Any]] = {"color": GREY, "lw": 0.9, "ls": (0, (4, 3)), "zorder": 1}
LOST: Final[dict[str, Any]] = {"marker": "X", "ms": 8, "mec": "white", "ls": "none", "clip_on": False, "zorder": 5}
THIN: Final[dict[str, Any]] = {"lw": 0.7, "alpha": 0.7}
MOST_GREY: Final = 8
"""Grey lines up to which each has its own line, marker and name."""

PEAK: Final[dict[str, Any]] = {"marker": "^", "ms": 6.5, "mec": "white", "ls": "none", "clip_on": False, "zorder": 5}
SIGNS: Final[Mapping[str, Mapping[str, Any]]] = {
    "start": START,
    LEVEL_WITH: LEVEL_LINE,
    "diverges": {"color": INK, **LOST},
    "leaves the frame and returns": {"color": INK, **PEAK},
    "some seeds diverge": {"color": INK, "lw": 0.8, "marker": "o", "ms": 3.2, "mfc": "white", "mew": 0.8},
    "tuned": {"color": INK, "marker": "o", "ms": 8, "mfc": "none", "mew": 1.5, "ls": "none"},
    "default": {"color": INK, "marker": "D", "ms": 5, "mfc": "white", "mew": 1.3, "ls": "none"},
}
"""What stands in figures beside lines, by its words in their legends."""


def frame_limits(values: Array, measure: Measure) -> tuple[float, float]:
    """Axis limits that hold the finite ``values`` and the start; what blows up leaves the frame at 30 starts."""
    finite = values[np.isfinite(values)]
    low = min(measure.start, float(finite.min(initial=measure.start)))
    if not measure.log:
        span = max(measure.start - low, abs(measure.start) * 0.1, 1e-12)
        return measure.start - 1.1 * span, measure.start + 0.3 * span
    ceiling = 30 * max(measure.start, measure.smallest)
    low = max(low, measure.smallest)
    high = max(min(float(finite.max(initial=measure.start)), ceiling), low)
    margin = max((high / low) ** 0.05, 1.15)
    return low / margin, high * margin


def band_limits(bands: Sequence[Band], measure: Measure) -> tuple[float, float]:
    """`frame_limits` for medians and the lower ends of their bands, down to a fifth of the lowest median."""
    medians = np.concatenate([measure.shown(band.median) for band in bands])
    lows = np.concatenate([measure.shown(band.low) for band in bands])
    return frame_limits(np.append(medians, np.maximum(lows, medians.min() / 5) if measure.log else lows), measure)


def convergence_figure(
    panels: Mapping[str, Lines],
    measure: Measure,
    looks: Mapping[str, Look],
    metrics: Mapping[str, Mapping[str, Lines]],
    paired: Mapping[str, Against] = NO_PAIRS,
) -> Figure:
    """Draw ``panels`` (setting -> label -> curve) side by side; each of ``metrics`` (name -> panels) adds a row.

    So do the ``paired`` differences by setting, where there are any: they say with intervals what overlapping bands of
    many lines do not, and those are not drawn then.
    """
    rows = 1 + bool(paired) + len(metrics)
    bands = [line.band for lines in panels.values() for line in lines.values()]
    labels = {label for lines in panels.values() for label in lines}
    shown = [replace(band, low=band.median) for band in bands] if paired else bands
    limits, thin = band_limits(shown, measure), is_crowd(looks)
    with drawing():
        figure = new_figure(9, 2.7 * rows + 0.8 + legend_height(named(labels, looks)))
        grid = figure.subplots(rows, len(panels), sharex=True, sharey="row", squeeze=False)
        for axes, (setting, lines) in zip(grid[0], panels.items(), strict=True):
            draw_curves(axes, lines, measure, looks, limits, bands=not paired)
            put_title(axes, f"{TITLES[setting]}{n_text(lines, bands=not paired)}")
        grid[0][0].set_ylabel(measure.label)
        signs = {"start", *(sign for axes in grid[0] for sign in signs_in(axes))}
        if paired:
            signs |= draw_paired(dict(zip(panels, grid[1], strict=True)), paired, measure, looks)
        for row, (name, sides) in zip(grid[1 + bool(paired) :], metrics.items(), strict=True):
            for axes, lines in zip(row, sides.values(), strict=True):
                for label, line in lines.items():
                    _line(axes, line, line.band, looks[label], label, thin=thin and looks[label].grey)
                if name.endswith("loss") and _lowest(lines) > 0:
                    axes.set_yscale("log")
                    log_axis(axes, "y", *axes.get_ylim())
            row[0].set_ylabel(metric_text(name))
        for axes in grid[-1]:
            axes.set_xlabel("steps (updates)")
        _legend(figure, grid[0], looks, signs)
    return figure


def draw_curves(
    axes: Axes,
    lines: Lines,
    measure: Measure,
    looks: Mapping[str, Look],
    limits: tuple[float, float],
    *,
    bands: bool = True,
) -> None:
    """Draw median lines, with ``bands``; a cross marks where the typical run diverges or leaves the frame for good.

    ``lines`` and ``looks`` are those of the optimizers by label; ``limits`` are the ends of the vertical axis.
    """
    measure_axis(axes, measure, limits)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    crowd = is_crowd(looks)
    for label, line in lines.items():
        band, top, thin = line.band, limits[1], crowd and looks[label].grey
        middle = measure.shown(band.median)
        high = np.where(np.isfinite(band.high), measure.shown(band.high), 10 * top)
        alive = np.where(np.isfinite(middle), middle, np.nan)
        n = band.n if bands else 1
        _line(axes, line, Band(alive, measure.shown(band.low), high, n), looks[label], label, thin=thin)
        if thin:
            continue
        seen = np.flatnonzero(middle <= top)
        last = int(seen[-1]) if seen.size else 0
        _mark_peak(axes, line.steps[:last], middle[:last], looks[label].color)
        if last < middle.size - 1:
            axes.plot(line.steps[last], min(middle[last], top), color=looks[label].color, **LOST)


def _mark_peak(axes: Axes, steps: Array, middle: Array, color: str) -> None:
    """Mark the highest point of a line that leaves the frame at the top and returns, with its value."""
    if middle.size and middle.max() > axes.get_ylim()[1]:
        at = int(middle.argmax())
        axes.plot(steps[at], axes.get_ylim()[1], color=color, **PEAK)
        axes.annotate(
            number(float(middle[at]), 2),
            (steps[at], axes.get_ylim()[1]),
            (7, -3 - 9 * sum(text.get_gid() == "peak" for text in axes.texts)),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=color,
            weight="bold",
            gid="peak",
            annotation_clip=False,
        )


def _line(axes: Axes, line: Convergence, band: Band, look: Look, label: str, *, thin: bool = False) -> None:
    """Draw ``band``, the part of ``line.band`` that its axis can show; of a ``thin`` line the middle alone."""
    if thin:
        axes.plot(line.steps, band.median, label=label, zorder=look.layer, color=look.color, **THIN)
        return
    if band.n > 1 and not look.grey:
        alive = np.isfinite(band.median)
        axes.fill_between(line.steps, band.low, band.high, where=alive, color=look.color, alpha=0.16, lw=0)
    every = max(1, line.steps.size // 8)
    style: dict[str, Any] = {"color": look.color, "ls": look.line, "marker": look.marker, "ms": 4, "markevery": every}
    axes.plot(line.steps, band.median, label=label, zorder=look.layer, **style)


def measure_axis(axes: Axes, measure: Measure, limits: tuple[float, float]) -> None:
    """Scale the vertical axis for ``measure`` and mark where every run starts."""
    set_limits(axes, "y", *limits, log=measure.log)
    axes.axhline(measure.start, **START)


def sensitivity_figure(
    panels: Mapping[str, Rates], looks: Mapping[str, Look], marks: Mapping[str, Marks] = NO_MARKS
) -> Figure:
    """Draw ``panels`` (title -> label -> curve): the measure by learning rate, and where each optimizer diverges.

    ``marks`` are measured settings beside the curves, those of each panel by its title.
    """
    curves = [curve for rates in panels.values() for curve in rates.values()]
    labels = {label for rates in panels.values() for label in rates}
    measure = curves[0].measure
    points = [point[1] for shown in marks.values() for side in shown.values() for point in side.values()]
    limits = frame_limits(
        np.concatenate([*(measure.shown(curve.value) for curve in curves), measure.shown(np.array(points))]), measure
    )
    with drawing():
        figure = new_figure(9, 3.7 + legend_height(named(labels, looks)))
        grid = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (title, rates) in zip(grid, panels.items(), strict=True):
            draw_rates(axes, rates, looks, limits)
            draw_marks(axes, marks.get(title, {}), measure, looks)
            put_title(axes, title, pad=9)
            axes.set_xlabel("learning rate")
        everyone = np.concatenate([curve.rates for curve in curves])
        grid[0].set_xlim(float(everyone.min()) / 1.25, float(everyone.max()) * 1.25)
        n = max(curve.n for curve in curves)
        grid[0].set_ylabel(f"{measure.label} after the last step" + (f"\nmedian of {n} seeds" if n > 1 else ""))
        unstable = any((~curve.stable & np.isfinite(curve.value)).any() for curve in curves)
        seeds = {"some seeds diverge"} if unstable else set()
        marked = {sign for shown in marks.values() for sign, side in shown.items() if side}
        _legend(figure, grid, looks, {"start", *seeds, *marked, *(sign for axes in grid for sign in signs_in(axes))})
    return figure


def draw_rates(axes: Axes, rates: Rates, looks: Mapping[str, Look], limits: tuple[float, float]) -> None:
    """Draw curves over the learning rate; unstable parts are thin and hollow, a cross at the top marks each start."""
    measure = next(iter(rates.values())).measure
    every = np.concatenate([curve.rates for curve in rates.values()])
    log_axis(axes, "x", float(every.min()) / 1.25, float(every.max()) * 1.25)
    measure_axis(axes, measure, limits)
    crowd = is_crowd(looks)
    for label, curve in rates.items():
        look = looks[label]
        value = np.where(np.isfinite(curve.value), measure.shown(curve.value), np.nan)
        style: dict[str, Any] = {"color": look.color, "zorder": look.layer}
        if crowd and look.grey:
            axes.plot(curve.rates, value, label=label, **style, **THIN)
            continue
        axes.plot(curve.rates, np.where(curve.stable, value, np.nan), ls=look.line, label=label, **style)
        rest = np.where(_beside(~curve.stable), value, np.nan)
        if np.isfinite(rest).any():
            axes.plot(curve.rates, rest, ls="-", lw=0.8, **style)
            hollow = np.where(curve.stable, np.nan, value)
            axes.plot(curve.rates, hollow, "o", ms=3.2, mfc="white", mew=0.8, **style)
        if curve.best is not None:
            place = curve.rates[curve.best], value[curve.best]
            axes.plot(*place, marker=look.marker, color=look.color, ms=7, mec="white", zorder=4)
        if curve.first_unstable is not None:
            axes.plot(curve.first_unstable, limits[1], color=look.color, **LOST)


def _beside(mask: Mask) -> Mask:
    """``mask`` ``[X]`` and the neighbours of what it holds: what a line needs to reach it."""
    wide = mask.copy()
    wide[1:] |= mask[:-1]
    wide[:-1] |= mask[1:]
    return wide


def draw_marks(axes: Axes, marks: Marks, measure: Measure, looks: Mapping[str, Look]) -> None:
    """Draw measured settings over the learning rate: rings are tuned, hollow diamonds the default.

    What lies above the frame or diverged stands at its top.
    """
    (left, right), top, crowd = axes.get_xlim(), axes.get_ylim()[1], is_crowd(looks)
    for sign, side in marks.items():
        for label, (rate, value) in side.items():
            if crowd and looks[label].grey:
                continue
            shown = min(float(measure.shown(value)), top)
            style = {**SIGNS[sign], "color": looks[label].color, "clip_on": False, "zorder": 4.5}
            axes.plot(min(max(rate, left), right), shown, **style)


def _legend(figure: Figure, grid: Sequence[Axes], looks: Mapping[str, Look], signs: Collection[str] = ()) -> None:
    """Put one legend below all panels, with those of the ``signs`` they share that there are."""
    found = [axes.get_legend_handles_labels() for axes in grid]
    handles = named({text: handle for side in found for handle, text in zip(*side, strict=True)}, looks)
    handles |= {sign: Line2D([], [], **SIGNS[sign]) for sign in SIGNS if sign in signs}
    columns = legend_columns(handles)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns, handlelength=2.6)


def is_crowd(looks: Mapping[str, Look]) -> bool:
    """Whether there are more grey lines than a legend can tell apart: they are drawn thin, and counted."""
    return sum(look.grey for look in looks.values()) > MOST_GREY


def named(labels: Iterable[str] | Mapping[str, Any], looks: Mapping[str, Look]) -> dict[str, Any]:
    """The handles of a legend by their words (None of ``labels`` without): those of a crowd of grey lines are one."""
    handles = dict(labels) if isinstance(labels, Mapping) else dict.fromkeys(labels)
    grey = [label for label in handles if label in looks and looks[label].grey]
    if len(grey) <= MOST_GREY:
        return handles
    others = {f"{len(grey)} others": Line2D([], [], color=GREY, **THIN)}
    return {**{label: handle for label, handle in handles.items() if label not in grey}, **others}


def legend_columns(labels: Iterable[str]) -> int:
    """How many labels fit beside each other: 122 letters fit the width, a handle takes the room of nine."""
    return min(7, max(1, int(122 / (max(map(len, labels)) + 9))))


def legend_height(labels: Collection[str]) -> float:
    """The height in inches of the legend of ``labels`` and of two signs."""
    return 0.18 * math.ceil((len(labels) + 2) / legend_columns(["diverges", *labels]))


def signs_in(axes: Axes) -> set[str]:
    """Which of the signs of divergence and of leaving the frame stand in ``axes``, in the words of the legend."""
    markers = {line.get_marker() for line in axes.lines if line.get_linestyle() == "None" and not line.get_clip_on()}
    return {sign for sign in ("diverges", "leaves the frame and returns") if SIGNS[sign]["marker"] in markers}


def _lowest(lines: Lines) -> float:
    return min((float(np.nanmin(line.band.low, initial=np.inf)) for line in lines.values()), default=0.0)


def n_text(lines: Lines, *, bands: bool = True) -> str:
    """The part of a title that says over how many studies and seeds ``lines`` go, and what their ``bands`` are."""
    widest = max(lines.values(), key=lambda line: line.band.n, default=None)
    if widest is None or widest.band.n == 1:
        return " (one run)"
    seeds = f"{widest.seeds} seed{'s' if widest.seeds > 1 else ''}"
    n = f"n = {seeds}" if widest.studies == 1 else f"{widest.studies} studies"
    n += "" if widest.studies == 1 or widest.seeds == 1 else f" × {seeds}"
    return f" ({n}; band: {band_text(widest.band.n)})" if bands else f" ({n})"


def band_text(n: int) -> str:
    """Which of ``n`` runs lie in a band: of a few, no order statistic leaves any out."""
    return "all of them" if n * (1 - LEVEL) / 2 < 1 else f"middle {LEVEL:.0%}"
