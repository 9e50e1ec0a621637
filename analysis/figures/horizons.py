"""The figure of what landscapes said after fewer steps: lowest points, and their learning rates. Drawing only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from analysis.figures.lines import START, frame_limits, is_crowd, legend_height, named
from analysis.figures.style import Look, drawing, log_axis, new_figure, put_title, set_limits
from analysis.measures.horizons import Horizon
from analysis.measures.measure import Measure

__all__ = ["horizons_figure"]


def horizons_figure(found: Mapping[str, Sequence[Horizon]], measure: Measure, looks: Mapping[str, Look]) -> Figure:
    """Draw the horizons of every label: the measure at the best point, and the learning rate of that point."""
    values = np.array([one.value for each in found.values() for one in each])
    thin = is_crowd(looks)
    with drawing():
        figure = new_figure(9, 3.4 + legend_height(named(set(found), looks)))
        left, right = figure.subplots(1, 2)
        for label, each in found.items():
            look, steps = looks[label], [one.step for one in each]
            line = {"color": look.color, "ls": look.line, "lw": 0.8 if thin and look.grey else 1.6}
            sign = {"marker": look.marker, "ms": 4}
            left.plot(steps, _finite(measure.shown([one.value for one in each])), label=label, **line, **sign)
            right.plot(steps, _finite([one.rate for one in each]), **line, **sign)
            right.plot(steps, _finite([one.diverges_from for one in each]), **{**line, "alpha": 0.35, "lw": 0.9})
        left.axhline(float(measure.shown(measure.start)), label="start", **START)
        set_limits(left, "y", *frame_limits(measure.shown(values), measure), log=measure.log)
        rates = np.array([each for one in found.values() for h in one for each in (h.rate, h.diverges_from)])
        rates = rates[np.isfinite(rates)]
        if rates.size:
            log_axis(right, "y", float(rates.min()) / 1.5, float(rates.max()) * 1.5)
        for axes, title in ((left, "Lowest point of the grid"), (right, "Its learning rate; faint: diverging from")):
            axes.set_xscale("log")
            axes.set_xlabel("steps")
            put_title(axes, title)
        left.set_ylabel(measure.label)
        right.set_ylabel("learning rate")
        figure.legend(loc="outside lower center", ncols=6)
    return figure


def _finite(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """``values`` with gaps where a line is to be broken."""
    array = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(array), array, np.nan)
