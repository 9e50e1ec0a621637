"""Measures of a run, as pure functions of shaped arrays: gap to the floor, steps to a target, area under the log gap.

Losses come as ``[..., E]`` (evaluations last). A missing loss (NaN) is a diverged run; every measure here turns it into
``inf``, the worst there is, so that medians and ranks over seeds stay defined and no divergence is averaged away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.statistics.arrays import Array

__all__ = ["Measure", "gap", "is_beaten", "log_gap", "resolution", "steps_to_target"]


ROUNDING = 2.0**-22
"""Two units in the last place of a single-precision loss, relative: losses are computed in single precision."""

CANCELLED = 2.0**-20
"""How far rounding may carry a loss below its floor, in parts of the larger of start and floor: terms of that size may
cancel in single precision."""

DEPTH = 1e-16
"""Gaps below this share of the start's gap count as solved: it is where double precision would end as well."""


def gap(loss: npt.ArrayLike, floor: float) -> Array:
    """``loss - floor``, same shape; ``inf`` where the loss is missing. Slightly negative by rounding only."""
    difference = np.asarray(loss, dtype=np.float64) - floor
    return np.where(np.isnan(difference), np.inf, difference)


def resolution(floor: float, start_gap: float) -> float:
    """The smallest gap told from zero: the rounding of a loss near ``floor``, or `DEPTH` of the start's gap.

    Where both are zero, as of a run that starts at a minimum of zero, it is `DEPTH`: no figure shows 300 decades.
    """
    return max(ROUNDING * abs(floor), DEPTH * start_gap) or DEPTH


def is_beaten(floor: float, start_loss: float, lowest_loss: float) -> bool:
    """Whether a loss fell below the ``floor`` by more than rounding, so that the floor is stated too high."""
    return bool(lowest_loss < floor - CANCELLED * max(abs(floor), abs(start_loss)))


def log_gap(gaps: npt.ArrayLike, smallest: float) -> Array:
    """log10 of ``gaps``, same shape; anything below ``smallest`` (zero, rounding) counts as ``smallest``."""
    if not smallest > 0:
        raise ValueError(f"the smallest gap must be positive, got {smallest}")
    return np.log10(np.maximum(np.asarray(gaps, dtype=np.float64), smallest))


def steps_to_target(steps: npt.ArrayLike, loss: npt.ArrayLike, target: float) -> Array:
    """The first step ``[...]`` whose loss ``[..., E]`` is at or below ``target``.

    It is ``inf`` where none is (censored). ``steps`` is ``[E]``; the answer is as fine as the evaluations are.
    """
    reached = np.asarray(loss, dtype=np.float64) <= target
    first = np.asarray(steps, dtype=np.float64)[np.argmax(reached, axis=-1)]
    return np.where(reached.any(axis=-1), first, np.inf)


@dataclass(frozen=True)
class Measure:
    """What a problem is judged by: the gap to its floor or, where no floor is known, the loss itself. Lower is better.

    ``start`` is the measure before the first step; values below ``smallest`` are rounding (-inf: none are, losses may
    be negative); ``log`` says whether a logarithmic scale fits (always for gaps; for losses where all are positive).
    """

    floor: float | None
    start: float
    smallest: float
    log: bool

    @classmethod
    def of(cls, floor: float | None, start_loss: float, lowest_loss: float) -> Measure:
        """The measure of a problem from its floor, its loss at the start and the lowest loss of any run."""
        if floor is not None:
            start = float(gap(start_loss, floor))
            return cls(floor, start, resolution(floor, start), log=True)
        positive = lowest_loss > 0 and start_loss > 0
        return cls(None, float(start_loss), DEPTH * start_loss if positive else -np.inf, log=positive)

    @property
    def name(self) -> str:
        """The word for a table: gap or loss."""
        return "loss" if self.floor is None else "gap"

    @property
    def label(self) -> str:
        """The words for an axis."""
        return "loss" if self.floor is None else "gap to the floor"

    def label_over(self, n: int) -> str:
        """`label` for the median of ``n`` seeds."""
        return f"{self.label}, median of {n} seeds" if n > 1 else self.label

    def __call__(self, loss: npt.ArrayLike) -> Array:
        """The measure of every loss, same shape; ``inf`` where the loss is missing."""
        return gap(loss, 0.0 if self.floor is None else self.floor)

    def shown(self, values: npt.ArrayLike) -> Array:
        """``values`` as a logarithmic axis can show them: nothing below `smallest`. Unchanged if linear."""
        array = np.asarray(values, dtype=np.float64)
        return np.maximum(array, self.smallest) if self.log else array

    def near(self, best: float) -> float:
        """The largest value that counts as near ``best``: twice it, or a tenth of the way to a linear start."""
        return 2.0 * max(best, self.smallest) if self.log else best + 0.1 * abs(self.start - best)

    def ratio(self, value: Any, best: float) -> Array:
        """How many times worse than ``best`` a value is, both held to what rounding shows; needs ``log``."""
        return np.asarray(self.shown(value) / self.shown(best), dtype=np.float64)
