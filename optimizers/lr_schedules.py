"""Schedules of the learning rate: the base value times a factor that depends on the step alone."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from optimizers.rule import Value
from optimizers.schedule import Constant, Schedule, between, check_knots, duration, even_knots, progress

__all__ = [
    "Cosine",
    "Exponential",
    "Inverse",
    "InverseSqrt",
    "Knots",
    "Linear",
    "MultiStep",
    "OneCycle",
    "Polynomial",
    "Step",
    "Warmup",
    "WarmupStableDecay",
]


class Scaled(Schedule):
    """The base value times `scale`."""

    kind = "lr"

    @abstractmethod
    def scale(self, t: int, steps: int) -> float:
        """What the base value is multiplied by at step ``t`` of ``steps``."""

    def __call__(self, value: Value, t: int, steps: int) -> Value:
        return value * self.scale(t, steps)


@dataclass(frozen=True)
class InverseSqrt(Scaled):
    """value / √(1 + rate (t - 1)): value / √t at rate 1, the theory's choice for convex losses."""

    rate: float = 1.0

    def __post_init__(self) -> None:
        _require(self.rate >= 0, "rate >= 0", self.rate)

    def scale(self, t: int, steps: int) -> float:  # noqa: ARG002
        return 1 / math.sqrt(1 + self.rate * (t - 1))


@dataclass(frozen=True)
class Inverse(Scaled):
    """value / (1 + rate (t - 1)): value / t at rate 1, the theory's choice for strongly convex losses."""

    rate: float = 1.0

    def __post_init__(self) -> None:
        _require(self.rate >= 0, "rate >= 0", self.rate)

    def scale(self, t: int, steps: int) -> float:  # noqa: ARG002
        return 1 / (1 + self.rate * (t - 1))


@dataclass(frozen=True)
class Step(Scaled):
    """Multiplied by ``factor`` after every duration ``every``."""

    every: float = 0.25
    factor: float = 0.5

    def __post_init__(self) -> None:
        _require(self.every > 0, "every > 0", self.every)
        _require(self.factor >= 0, "factor >= 0", self.factor)

    def scale(self, t: int, steps: int) -> float:
        return self.factor ** ((t - 1) // max(1, duration(self.every, steps)))


@dataclass(frozen=True)
class MultiStep(Scaled):
    """Multiplied by ``factor`` at every milestone, a duration from the start."""

    milestones: Sequence[float] = (0.5, 0.75)
    factor: float = 0.1

    def __post_init__(self) -> None:
        _require(all(milestone > 0 for milestone in self.milestones), "milestones > 0", self.milestones)
        _require(self.factor >= 0, "factor >= 0", self.factor)

    def scale(self, t: int, steps: int) -> float:
        return self.factor ** sum(t > duration(milestone, steps) for milestone in self.milestones)


@dataclass(frozen=True)
class Exponential(Scaled):
    """Falls by the same factor each step, to ``final`` times the base value at the end of the run."""

    final: float = 0.01

    def __post_init__(self) -> None:
        _require(self.final > 0, "final > 0", self.final)

    def scale(self, t: int, steps: int) -> float:
        return float(self.final ** progress(t, steps))


@dataclass(frozen=True)
class Linear(Scaled):
    """Falls on a straight line to ``final`` times the base value at the end of the run."""

    final: float = 0.0

    def __post_init__(self) -> None:
        _require(self.final >= 0, "final >= 0", self.final)

    def scale(self, t: int, steps: int) -> float:
        return 1 + (self.final - 1) * progress(t, steps)


@dataclass(frozen=True)
class Polynomial(Scaled):
    """Falls as (1 - progress)^power to ``final`` times the base value at the end of the run."""

    power: float = 2.0
    final: float = 0.0

    def __post_init__(self) -> None:
        _require(self.power > 0, "power > 0", self.power)
        _require(self.final >= 0, "final >= 0", self.final)

    def scale(self, t: int, steps: int) -> float:
        return float(self.final + (1 - self.final) * (1 - progress(t, steps)) ** self.power)


@dataclass(frozen=True)
class Cosine(Scaled):
    """Falls on half a cosine to ``final`` times the base value at the end of the run (Loshchilov and Hutter 2017)."""

    final: float = 0.0

    def __post_init__(self) -> None:
        _require(self.final >= 0, "final >= 0", self.final)

    def scale(self, t: int, steps: int) -> float:
        return _half_cosine(1.0, self.final, progress(t, steps))


@dataclass(frozen=True)
class OneCycle(Scaled):
    """Rises on half a cosine from ``start`` to 1 times the base value, then falls on another to ``final`` (Smith 2018).

    ``rise`` is the share of the run before the peak; the last step is taken at ``final``. The defaults are torch's.
    """

    rise: float = 0.3
    start: float = 0.04
    final: float = 4e-6

    def __post_init__(self) -> None:
        _require(0 < self.rise < 1, "0 < rise < 1", self.rise)
        _require(self.start >= 0 and self.final >= 0, "start >= 0 and final >= 0", (self.start, self.final))

    def scale(self, t: int, steps: int) -> float:
        peak, last, now = max(0.0, self.rise * steps - 1), steps - 1, min(t, steps) - 1
        if now < peak:
            return _half_cosine(self.start, 1.0, now / peak)
        return _half_cosine(1.0, self.final, (now - peak) / (last - peak)) if last > peak else 1.0


@dataclass(frozen=True)
class Knots(Scaled):
    """The base value times ``factors``, joined by straight lines: any shape, as a search finds it.

    ``at`` are the shares of the run at which they stand, rising from 0 to 1; evenly apart where there are none.
    """

    factors: Sequence[float] = (0.1, 1.0, 0.5, 0.0)
    at: Sequence[float] = ()

    def __post_init__(self) -> None:
        _require(all(factor >= 0 for factor in self.factors), "factors >= 0", self.factors)
        check_knots(self._knots, len(self.factors))

    def scale(self, t: int, steps: int) -> float:
        place, share = between(self._knots, progress(t, steps))
        return self.factors[place] * (1 - share) + self.factors[place + 1] * share

    @property
    def _knots(self) -> Sequence[float]:
        return self.at or even_knots(len(self.factors))


@dataclass(frozen=True)
class Warmup(Schedule):
    """Rises on a straight line to the base value over the duration ``length``; then the schedule ``then``."""

    then: Schedule = field(default_factory=Constant)
    length: float = 0.1

    kind = "lr"

    def __post_init__(self) -> None:
        _require(self.length > 0, "length > 0", self.length)
        _require(self.then.kind != "memory", "then to be a schedule of lr", self.then)

    def __call__(self, value: Value, t: int, steps: int) -> Value:
        rising = duration(self.length, steps)
        return value * (t / rising) if t <= rising else self.then(value, t - rising, max(1, steps - rising))


@dataclass(frozen=True)
class WarmupStableDecay(Scaled):
    """Rises over ``warmup``, stays, and falls to ``final`` times the base value over ``decay`` at the end.

    Hu et al. (2024). The fall is "linear" or "sqrt": 1 - √p for the share p of the decay that is over.
    """

    warmup: float = 0.05
    decay: float = 0.2
    final: float = 0.0
    shape: Literal["linear", "sqrt"] = "linear"

    def __post_init__(self) -> None:
        _require(self.warmup >= 0 and self.decay >= 0, "warmup >= 0 and decay >= 0", (self.warmup, self.decay))
        _require(self.final >= 0, "final >= 0", self.final)
        shares = self.warmup < 1 and self.decay < 1
        _require(not shares or self.warmup + self.decay <= 1, "warmup + decay <= 1", (self.warmup, self.decay))
        _require(self.shape in ("linear", "sqrt"), "shape 'linear' or 'sqrt'", self.shape)

    def scale(self, t: int, steps: int) -> float:
        rising, falling = duration(self.warmup, steps), duration(self.decay, steps)
        if t <= rising:
            return t / rising
        over = max(0, min(t - 1, steps) - (steps - falling))
        if over == 0:
            return 1.0
        share = over / falling
        return 1 + (self.final - 1) * (math.sqrt(share) if self.shape == "sqrt" else share)


def _half_cosine(high: float, low: float, share: float) -> float:
    return low + (high - low) * (1 + math.cos(math.pi * share)) / 2


def _require(holds: bool, what: str, got: object) -> None:
    if not holds:
        raise ValueError(f"a schedule needs {what}, got {got!r}")
