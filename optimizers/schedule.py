"""Schedules: how a hyperparameter changes over a run. Pure functions of the base value and the step. Read this first.

A schedule is called with the base value (a float, or a float64 tensor with one value a lane), the step ``t`` = 1, 2, …
and the number of steps of the run. Whatever depends on ``t`` alone is computed as a Python float, and the base value
meets it in single elementary operations, so that a lane's value equals the value alone to the bit.

Two conventions hold for all of them. The `progress` of step t is (t - 1) / steps: the first step is taken at the start
of a decay, whose end would be reached after the last; for `torch.optim.lr_scheduler` step t belongs to epoch t - 1.
A *duration* below 1 is a share of the run, otherwise a number of steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal

from optimizers.rule import Hyperparameter, Value

__all__ = ["Constant", "Schedule", "between", "check_knots", "duration", "even_knots", "progress"]


class Schedule(ABC):
    """How one hyperparameter changes over a run. Subclasses are frozen dataclasses whose fields are its parameters.

    ``kind`` says what it is for: "lr" scales the base value, "memory" moves the decay of an average or of a momentum.
    """

    kind: ClassVar[Literal["any", "lr", "memory"]]

    @abstractmethod
    def __call__(self, value: Value, t: int, steps: int) -> Value:
        """The value at step ``t`` (from 1) of ``steps``, from the base ``value``; never writes ``value``.

        A schedule that does not depend on the base value returns a float.
        """

    def fits(self, knob: Hyperparameter) -> bool:
        """Whether this schedule is meant for ``knob``: memory schedules for memories, lr schedules for the others."""
        return self.kind == "any" or (self.kind == "memory") == knob.is_memory


@dataclass(frozen=True)
class Constant(Schedule):
    """The base value throughout."""

    kind = "any"

    def __call__(self, value: Value, t: int, steps: int) -> Value:  # noqa: ARG002
        return value


def progress(t: int, steps: int) -> float:
    """The share of the run that is over when step ``t`` begins, at most 1."""
    return min(1.0, (t - 1) / steps)


def duration(length: float, steps: int) -> int:
    """A duration as a whole number of steps: a share of the run below 1, otherwise steps."""
    return round(length * steps) if length < 1 else int(length)


def even_knots(count: int) -> tuple[float, ...]:
    """``count`` shares of a run, evenly from 0 to 1."""
    return tuple(place / max(1, count - 1) for place in range(count))


def between(knots: Sequence[float], share: float) -> tuple[int, float]:
    """Where ``share`` lies among rising ``knots``: the number of the knot before it, and how far it is to the next one,
    in [0, 1].
    """
    place = next((place for place in range(len(knots) - 1) if share <= knots[place + 1]), len(knots) - 2)
    return place, (share - knots[place]) / (knots[place + 1] - knots[place])


def check_knots(knots: Sequence[float], count: int | None = None) -> None:
    """Raise ``ValueError`` unless ``knots`` rise from 0 to 1, and are as many as the ``count`` of values at them."""
    rise = all(low < high for low, high in pairwise(knots))
    if len(knots) < 2 or knots[0] != 0 or knots[-1] != 1 or not rise:
        raise ValueError(f"knots of a schedule are two or more shares of the run, rising from 0 to 1, got {knots!r}")
    if count not in (None, len(knots)):
        raise ValueError(f"a schedule needs a value at every knot, got {count} at {len(knots)}")
