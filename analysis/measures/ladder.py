"""What one ingredient of an optimizer is worth: the rule with it against the rule without, both tuned alike.

The difference is that of `analysis.measures.paired_tests`, study by study, for all optimizers are tried at the same
points on the same seeds; what it is worth in steps is read off the convergence of the lower of the two: so many steps
earlier it was where the other one ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from analysis.measures.measure import Measure
from analysis.measures.paired_tests import Difference, Side, difference, holm, study_difference
from analysis.measures.power import worth_in_steps
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import typical

__all__ = ["ENOUGH", "Climbed", "Tuned", "Verdict", "climb"]

ENOUGH: Final = 0.1
"""Share of all steps: an ingredient that can be worth no more, either way, adds nothing; else nobody knows."""


class Verdict(StrEnum):
    """What an ingredient does to what tuning finds."""

    HELPS = "helps"
    HURTS = "hurts"
    NOTHING = "adds nothing"
    UNDECIDED = "undecided"
    SOLVED = "both solve it"
    """All that is left of the gap, with and without it, is rounding: the problem says nothing of it."""


@dataclass(frozen=True, eq=False)
class Tuned:
    """What K studies of an optimizer found, on S test seeds: the measure ``runs [K, S, E]`` at ``steps [E]``, inf from
    where a run diverged on.
    """

    steps: Array
    runs: Array

    @property
    def ends(self) -> Array:
        """The measure after the last step ``[K, S]``."""
        return self.runs[..., -1]

    def levels(self, measure: Measure) -> Array:
        """The typical run ``[E]``, in decades where the measure is logarithmic, never above the start."""
        held = measure.shown(np.minimum(typical(self.runs), measure.start))
        return np.asarray(np.log10(held) if measure.log else held)


@dataclass(frozen=True)
class Climbed:
    """What a step of the ladder changed: the ``difference`` (positive: it ends higher) with its ``p_holm``, the verdict
    and how many ``steps`` it saves, between ``steps_low`` and ``steps_high`` (negative: it costs them).

    None of these is more than all steps: what is worth more is not known.
    """

    difference: Difference
    p_holm: float
    verdict: Verdict
    steps: float
    steps_low: float
    steps_high: float

    @property
    def at_most(self) -> float:
        """The most steps that it may save or cost."""
        return max(abs(self.steps_low), abs(self.steps_high))


def climb(
    pairs: Sequence[tuple[Tuned, Tuned]], measure: Measure, *, exact: bool = False, enough: float = ENOUGH
) -> list[Climbed]:
    """The verdict on each of ``pairs``, (without, with) an ingredient, of one problem; p-values are Holm's for all.

    ``exact`` says that the problem is deterministic, where one study a side has no luck. Raises `ValueError` where the
    sides of a pair differ in their number of studies.
    """
    found = [_apart(before.ends, after.ends, measure, exact=exact) for before, after in pairs]
    adjusted = holm([each.p_value for each in found])
    return [
        _climbed(before, after, each, float(p), measure, enough)
        for (before, after), each, p in zip(pairs, found, adjusted, strict=True)
    ]


def _apart(before: Array, after: Array, measure: Measure, *, exact: bool) -> Difference:
    """How much higher ``after`` ends than ``before``, both ``[K, S]``."""
    if len(before) == len(after) == 1:
        return difference(before, after, measure, exact=exact)
    return study_difference(Side.of(before, measure), Side.of(after, measure), measure, paired=True)


def _climbed(before: Tuned, after: Tuned, found: Difference, p_holm: float, measure: Measure, enough: float) -> Climbed:
    total, change = float(before.steps[-1]), found.change

    def saved(effect: float) -> float:
        if effect == 0:
            return 0.0
        lower = after if change.value < 0 else before
        worth = min(worth_in_steps(lower.steps, lower.levels(measure), abs(effect)), total)
        return -math.copysign(worth, effect)

    steps, low, high = saved(change.value), saved(change.high), saved(change.low)
    told = found.verdict(p_holm)
    if all(float(typical(each.ends)) <= measure.smallest for each in (before, after)):
        verdict = Verdict.SOLVED
    elif told in ("better", "worse"):
        verdict = Verdict.HELPS if told == "better" else Verdict.HURTS
    else:
        verdict = Verdict.NOTHING if max(abs(low), abs(high)) <= enough * total else Verdict.UNDECIDED
    return Climbed(found, p_holm, verdict, steps, low, high)
