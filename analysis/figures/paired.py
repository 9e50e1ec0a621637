"""The part of the convergence figure that holds every optimizer against the lowest one. Drawing only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analysis.figures.style import INK, Look, put_title, set_limits
from analysis.measures.measure import Measure
from analysis.measures.paired_curves import Against, PairedCurve
from analysis.statistics.arrays import Array

__all__ = ["LEVEL_LINE", "LEVEL_WITH", "draw_paired"]

LEVEL_WITH: Final = "level with the lowest"
LEVEL_LINE: Final[dict[str, Any]] = {"color": INK, "lw": 1.1, "ls": "-", "zorder": 1.8}
SIDES: Final = {"tuned": "Tuned", "default": "Default"}
ROOM: Final = 0.3
"""Share of the height of the lines by which their intervals may lie outside of them and still be in the frame."""

LEAST: Final = 0.05
"""Decades (share of the start) that a frame holds at least on either side of what is level."""

MOST: Final = 30.0
"""Decades: what lies further apart, or has diverged, leaves the frame."""

FAINT: Final = 0.16


def draw_paired(
    panels: Mapping[str, Axes], paired: Mapping[str, Against], measure: Measure, looks: Mapping[str, Look]
) -> set[str]:
    """Draw into the ``panels`` by setting how much higher each optimizer lies than the lowest one, over the steps.

    A logarithmic measure is drawn as ratio, any other as difference; the shaded interval is left out on exact problems
    and of grey lines. The words of the signs that stand there.
    """
    limits = _limits([curve for side in paired.values() for curve in side.curves.values()], measure)
    ends = tuple(10.0**end if measure.log else end for end in limits)
    for setting, axes in panels.items():
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
        set_limits(axes, "y", *ends, log=measure.log)
        axes.axhline(1.0 if measure.log else 0.0, **LEVEL_LINE)
        against = paired.get(setting)
        if against is None:
            continue
        for label, curve in against.curves.items():
            _draw(axes, curve, measure, looks[label], shaded=not (against.exact or looks[label].grey))
        put_title(axes, f"{SIDES[setting]}, against {against.best} ({against.n_text})")
    first = next(iter(panels.values()))
    first.set_ylabel(("times as high" if measure.log else f"{measure.name} above it") + " (lower is better)")
    return {LEVEL_WITH}


def _draw(axes: Axes, curve: PairedCurve, measure: Measure, look: Look, *, shaded: bool) -> None:
    value, low, high = (_shown(part, measure) for part in (curve.change, curve.low, curve.high))
    if shaded:
        axes.fill_between(curve.steps, low, high, color=look.color, alpha=FAINT, lw=0)
    style: dict[str, Any] = {"color": look.color, "zorder": look.layer}
    if look.grey:
        axes.plot(curve.steps, value, lw=0.7, alpha=0.7, **style)
        return
    every = max(1, curve.steps.size // 8)
    axes.plot(curve.steps, value, ls=look.line, marker=look.marker, ms=4, markevery=every, **style)


def _shown(change: Array, measure: Measure) -> Array:
    """``change`` as the axis has it: a ratio where the measure is logarithmic."""
    return np.asarray(10.0 ** np.clip(change, -2 * MOST, 2 * MOST) if measure.log else change)


def _limits(curves: list[PairedCurve], measure: Measure) -> tuple[float, float]:
    """The ends of the axis, in the unit of the curves: all finite lines, and of their intervals what lies near."""
    held = MOST if measure.log else np.inf
    lines = np.concatenate([curve.change for curve in curves])
    lines = lines[np.isfinite(lines) & (np.abs(lines) <= held)]
    least = LEAST if measure.log else LEAST * (abs(measure.start) or 1.0)  # a start at zero has no share
    low, high = min(float(lines.min(initial=0.0)), -least), max(float(lines.max(initial=0.0)), least)
    room = ROOM * (high - low)
    ends = np.concatenate([part for curve in curves for part in (curve.low, curve.high)])
    ends = ends[np.isfinite(ends)]
    low, high = max(float(ends.min(initial=low)), low - room), min(float(ends.max(initial=high)), high + room)
    return low - 0.04 * (high - low), high + 0.04 * (high - low)
