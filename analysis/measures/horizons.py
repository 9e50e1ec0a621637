"""What a landscape says after fewer steps than were made: the best setting, who leads, and where divergence begins.

A run does not know how long it will go on, as long as no schedule tells it: after t steps it is where a run of t steps
ends. Under a schedule it is where the beginning of the longer run is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from analysis.measures.lr_sensitivity import Landscape, rate_curve
from analysis.measures.measure import Measure

__all__ = ["AHEAD", "Horizon", "Lead", "horizon_of", "leads"]

AHEAD: Final = 0.01
"""By how much lower than the leader another is that takes the lead: relative, of a measure that is not logarithmic in
parts of the way from the start."""


@dataclass(frozen=True)
class Horizon:
    """A landscape after ``step`` steps: the ``value`` of its best point, at the learning rate ``rate`` and ``second``.

    ``fails_from`` is the lowest rate above the best one whose typical run has ended above its start, ``diverges_from``
    that at which a seed has diverged, each with the second hyperparameter best for the rate: inf where the grid holds
    none. All are NaN where every point has diverged; ``second`` is where there is one knob. ``diverged`` is the share
    of grid points where a seed has.
    """

    step: int
    value: float
    rate: float
    second: float
    fails_from: float
    diverges_from: float
    diverged: float


def horizon_of(step: int, landscape: Landscape) -> Horizon:
    """What ``landscape`` says, that was reached after ``step`` steps."""
    best, curve, lost = landscape.best, rate_curve(landscape), float((landscape.diverged > 0).mean())
    if best is None or curve is None:
        return Horizon(step, math.inf, math.nan, math.nan, math.nan, math.nan, lost)
    row, column = best
    rate = float(landscape.x.values[column])
    second = math.nan if landscape.y is None else float(landscape.y.values[row])
    fails = curve.factor_to_failure
    start = math.nan if curve.best is None else float(curve.rates[curve.best])
    return Horizon(
        step,
        landscape.best_value,
        rate,
        second,
        math.inf if fails is None else fails * start,
        math.inf if curve.first_unstable is None else curve.first_unstable,
        lost,
    )


@dataclass(frozen=True)
class Lead:
    """That the landscape of ``label`` has the lowest point at the horizons from ``first`` to ``last``, in steps."""

    label: str
    first: int
    last: int


def leads(found: Mapping[str, Sequence[Horizon]], measure: Measure) -> list[Lead]:
    """Who leads at the horizons that all have, by label: the lead passes to who is lower by more than `AHEAD`.

    None leads before anyone is below the start. Empty where there are fewer than two optimizers.
    """
    if len(found) < 2:
        return []
    values = {label: {one.step: one.value for one in each} for label, each in found.items()}
    steps = sorted(set.intersection(*(set(each) for each in values.values())))
    leading = list[Lead]()
    for step in steps:
        now = {label: each[step] for label, each in values.items()}
        lowest = min(now, key=lambda label: now[label])
        if not now[lowest] < measure.start:
            continue
        if leading and not _ahead(now[lowest], now[leading[-1].label], measure):
            lowest = leading[-1].label
        if leading and leading[-1].label == lowest:
            leading[-1] = Lead(lowest, leading[-1].first, step)
        else:
            leading.append(Lead(lowest, step, step))
    return leading


def _ahead(value: float, other: float, measure: Measure) -> bool:
    """Whether ``value`` is lower than ``other`` by more than `AHEAD`."""
    if math.isinf(other):
        return math.isfinite(value)
    if measure.log:
        return bool(float(measure.shown(value)) < (1 - AHEAD) * float(measure.shown(other)))
    return other - value > AHEAD * abs(measure.start - value)
