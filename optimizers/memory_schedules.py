"""Schedules of a memory: of gamma, a momentum or a beta. A memory of m averages over about 1 / (1 - m) steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from optimizers.rule import Value
from optimizers.schedule import Schedule, between, check_knots, even_knots, progress

__all__ = [
    "BiasCorrection",
    "CappedAverage",
    "GammaCosine",
    "GammaKnots",
    "GammaLinear",
    "OneMinusGammaOverT",
    "OneMinusInverse",
    "OneMinusPower",
]


class MemorySchedule(Schedule):
    """A schedule that moves a memory inside [0, 1]."""

    kind = "memory"


@dataclass(frozen=True)
class OneMinusInverse(MemorySchedule):
    """1 - 1/t whatever the base value: the plain mean of all steps, nothing forgotten (averaged Adagrad)."""

    def __call__(self, value: Value, t: int, steps: int) -> Value:  # noqa: ARG002
        return 1 - 1 / t


@dataclass(frozen=True)
class OneMinusGammaOverT(MemorySchedule):
    """1 - value/t: forgets the more slowly the longer it runs; plain mean at value 1 (Mukkamala and Hein 2017)."""

    def __call__(self, value: Value, t: int, steps: int) -> Value:  # noqa: ARG002
        return 1 - value / t


@dataclass(frozen=True)
class OneMinusPower(MemorySchedule):
    """1 - t^-c whatever the base value: from sign descent (c = 0) to the plain mean (c = 1); Adafactor takes 0.8."""

    c: float = 0.8

    def __post_init__(self) -> None:
        if not 0 <= self.c <= 1:
            raise ValueError(f"a schedule needs 0 <= c <= 1, got {self.c}")

    def __call__(self, value: Value, t: int, steps: int) -> Value:  # noqa: ARG002
        return float(1 - t**-self.c)


@dataclass(frozen=True)
class CappedAverage(MemorySchedule):
    """min(value, 1 - 1/t): a plain mean first, forgetting once it is long enough; no bias from a start at zero."""

    def __call__(self, value: Value, t: int, steps: int) -> Value:  # noqa: ARG002
        cap = 1 - 1 / t
        return value.clamp(max=cap) if isinstance(value, Tensor) else min(value, cap)


@dataclass(frozen=True)
class BiasCorrection(MemorySchedule):
    """value (1 - value^(t-1)) / (1 - value^t): Adam's bias correction, written as a memory; 1 - 1/t at value 1."""

    def __call__(self, value: Value, t: int, steps: int) -> Value:  # noqa: ARG002
        return 1 - 1 / geometric_sum(value, t)


@dataclass(frozen=True)
class GammaLinear(MemorySchedule):
    """From the base value on a straight line to ``final`` at the end of the run."""

    final: float = 0.99

    def __post_init__(self) -> None:
        _require_memory(self.final)

    def __call__(self, value: Value, t: int, steps: int) -> Value:
        share = progress(t, steps)
        return value * (1 - share) + self.final * share


@dataclass(frozen=True)
class GammaCosine(MemorySchedule):
    """From the base value on half a cosine to ``final`` at the end of the run."""

    final: float = 0.99

    def __post_init__(self) -> None:
        _require_memory(self.final)

    def __call__(self, value: Value, t: int, steps: int) -> Value:
        share = (1 - math.cos(math.pi * progress(t, steps))) / 2
        return value * (1 - share) + self.final * share


@dataclass(frozen=True)
class GammaKnots(MemorySchedule):
    """``values`` joined by straight lines, whatever the base value: any shape, as a search finds it.

    ``at`` are the shares of the run at which they stand, rising from 0 to 1; evenly apart where there are none.
    """

    values: Sequence[float] = (0.9, 0.99)
    at: Sequence[float] = ()

    def __post_init__(self) -> None:
        if not all(0 <= value <= 1 for value in self.values):
            raise ValueError(f"a schedule of a memory needs values in [0, 1], got {self.values}")
        check_knots(self._knots, len(self.values))

    def __call__(self, value: Value, t: int, steps: int) -> Value:  # noqa: ARG002
        place, share = between(self._knots, progress(t, steps))
        return self.values[place] * (1 - share) + self.values[place + 1] * share

    @property
    def _knots(self) -> Sequence[float]:
        return self.at or even_knots(len(self.values))


def geometric_sum(value: Value, count: int) -> Value:
    """1 + value + … + value^(count-1), by doubling.

    Exact at value 0 and 1, and made of sums and products alone, which round alike for floats and tensors.
    """
    total: Value = value * 0 + 1
    power = value
    for bit in f"{count:b}"[1:]:
        total = total * (1 + power)
        power = power * power
        if bit == "1":
            total = total * value + 1
            power = power * value
    return total


def _require_memory(final: float) -> None:
    if not 0 <= final <= 1:
        raise ValueError(f"a schedule of a memory needs final in [0, 1], got {final}")
