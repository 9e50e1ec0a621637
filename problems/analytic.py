"""Functions given by a formula, from a fixed start, with exact value, gradient and minimum.

The formulas live in `problems.chapter`, `classic`, `scalable`, `bbob` and `more_garbow_hillstrom`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from itertools import cycle, islice
from typing import Any

import torch
from torch import Tensor

from problems.noise import blocks
from problems.problem import Batch, Facts, Problem, ProblemSpec

__all__ = [
    "Analytic",
    "Frame",
    "NoisyAnalytic",
    "Point",
    "at_least",
    "from_any_start",
    "kinked_sqrt",
    "listed",
    "repeated",
]

Point = Sequence[float]
Frame = tuple[tuple[float, float], tuple[float, float]]

LARGEST_DIM = 1_000_000  # whose lanes of one configuration and ten seeds still fit a laptop
START = "Sequence[float] | None"  # the annotation of a parameter that is a start
SOLVED = 1e-3  # the share of the gap at the start that may be left of a solved problem (Moré and Wild 2009, their tau)


@dataclass(frozen=True, eq=False)
class _Formula(Problem):
    """What an `Analytic` problem consists of."""

    function: Callable[[Tensor], Tensor]
    point: Tensor
    """The start ``[P]``."""
    box: Tensor | None
    """The lower and the upper bounds ``[2, P]``, or None."""
    parameters: Mapping[str, Any]
    stated: Facts
    share_is_target: bool
    """Whether the target is a share of the gap at the start, and moves with it."""

    @property
    def facts(self) -> Facts:
        return self.stated


@dataclass(frozen=True, eq=False, init=False)
class Analytic(_Formula):
    """A function given by a formula, from a fixed start; trained in double precision.

    ``function`` maps ``[..., P]`` to ``[...]``; ``parameters`` are what it was built with. Where no ``target`` is
    given, a problem of known minimum counts as solved when a thousandth of the gap at the start is left (Moré and Wild
    2009). A ``frame`` is kept for two variables only; a ``box`` holds x inside after every update.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        start: Point,
        *,
        minimum: float | None,
        minimisers: Sequence[Point] = (),
        sharpness: float | None = None,
        steps: int,
        target: float | None = None,
        tags: Sequence[str] = (),
        frame: Frame | None = None,
        box: Frame | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        point = torch.tensor(start, dtype=torch.float64)
        share_is_target = target is None and minimum is not None
        if target is None and minimum is not None:
            target = _solved(function, point, minimum)
        facts = Facts(
            dim=len(point),
            minimum=minimum,
            minimisers=minimisers,
            sharpness=sharpness,
            target=target,
            steps=steps,
            tags=frozenset({"deterministic", *tags}),
            dtype=torch.float64,
            frame=frame if len(point) == 2 else None,
        )
        bounds = None if box is None else torch.tensor(box, dtype=torch.float64).T
        super().__init__(function, point, bounds, dict(parameters or {}), facts, share_is_target)

    def starting_at(self, start: Point) -> Analytic:
        """The same function from ``start [P]``: another instance, whose target and frame move along.

        Raises ``ValueError`` for a start of another length, that is not finite or outside the box, and where the loss
        is not finite.
        """
        at = tuple(map(float, start))
        if len(at) != self.dim:
            raise ValueError(f"a start has one number a parameter, {self.dim} here, got {len(at)}: {at}")
        if not all(map(math.isfinite, at)):
            raise ValueError(f"a start is finite, got {at}")
        point = torch.tensor(at, dtype=torch.float64)
        if torch.equal(point, self.point):
            return self
        if self.box is not None and not bool(((self.box[0] <= point) & (point <= self.box[1])).all()):
            low, high = (tuple(bound.tolist()) for bound in self.box)
            raise ValueError(f"a start is inside the box from {low} to {high}, got {at}")
        if not math.isfinite(float(self.function(point))):
            raise ValueError(f"the loss is not finite at the start {at}")
        facts = self.stated
        if self.share_is_target and facts.minimum is not None:
            facts = replace(facts, target=_solved(self.function, point, facts.minimum))
        if facts.frame is not None:
            x1, x2 = (_holding(span, value) for span, value in zip(facts.frame, at, strict=True))
            facts = replace(facts, frame=(x1, x2))
        moved = copy(self)
        for name, value in {"point": point, "parameters": {**self.parameters, "start": at}, "stated": facts}.items():
            object.__setattr__(moved, name, value)
        return moved

    def start(self, seeds: Sequence[int]) -> Tensor:
        return self.point.expand(len(seeds), -1).clone()

    def loss(self, x: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002 - no data
        return self.function(x)

    def project_(self, x: Tensor) -> None:
        """Back into the box, where there is one."""
        if self.box is not None:
            x.clamp_(*self.box.to(x))

    def definition(self) -> Mapping[str, Any]:
        return {"function": self.function.__name__, **self.parameters}


@dataclass(frozen=True, eq=False)
class NoisyAnalytic(Problem):
    """A function whose every gradient entry carries independent N(0, sigma²) noise; evaluated without it.

    The noise is a random linear term of the training loss. Raises ``ValueError`` for a negative sigma.
    """

    clean: Analytic
    sigma: float

    def __post_init__(self) -> None:
        if self.sigma < 0:
            raise ValueError(f"gradient noise needs sigma >= 0, got {self.sigma}")

    @cached_property
    def facts(self) -> Facts:
        tags = (self.clean.tags - {"deterministic"}) | {"stochastic"}
        return replace(self.clean.facts, tags=tags, deterministic=False)

    def start(self, seeds: Sequence[int]) -> Tensor:
        return self.clean.start(seeds)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        clean = self.clean.loss(x, None)
        return clean + (x * batch).sum(-1) if isinstance(batch, Tensor) else clean

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        for noise in blocks(seeds, steps, "gradient noise", lambda g, count: g.standard_normal((count, self.dim))):
            yield self.sigma * noise

    def project_(self, x: Tensor) -> None:
        self.clean.project_(x)

    def definition(self) -> Mapping[str, Any]:
        return {**self.clean.definition(), "sigma": float(self.sigma)}

    def starting_at(self, start: Point) -> NoisyAnalytic:
        """The same function and noise from ``start``; see `Analytic.starting_at`."""
        return replace(self, clean=self.clean.starting_at(start))


def from_any_start(build: Callable[..., Analytic | NoisyAnalytic]) -> Callable[..., Analytic | NoisyAnalytic]:
    """``build`` with one more parameter, ``start``: a point ``[P]`` instead of the usual one (None)."""

    @wraps(build)
    def built(*args: Any, start: Sequence[float] | None = None, **parameters: Any) -> Analytic | NoisyAnalytic:
        problem = build(*args, **parameters)
        return problem if start is None else problem.starting_at(start)

    signature = inspect.signature(build)
    extra = inspect.Parameter("start", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=START)
    every = [*signature.parameters.values(), extra]
    built.__signature__ = signature.replace(parameters=every)  # type: ignore[attr-defined]  # what `inspect` reads
    return built


def _solved(function: Callable[[Tensor], Tensor], point: Tensor, minimum: float) -> float:
    """The loss at which a run from ``point`` counts as solved."""
    return minimum + SOLVED * (float(function(point)) - minimum)


def _holding(span: tuple[float, float], value: float) -> tuple[float, float]:
    """``span``, made as wide as it takes to show ``value`` off its border."""
    low, high = span
    margin = 0.05 * (max(high, value) - min(low, value))
    return (low if value > low else value - margin, high if value < high else value + margin)


def listed(
    function: Callable[[Tensor], Tensor],
    start: Point,
    minimum: float | None,
    *minimisers: Point,
    source: str,
    **facts: Any,
) -> ProblemSpec:
    """The registry's entry of a function without parameters: named after it, described by its docstring's first line.

    ``facts`` are further arguments of `Analytic`.
    """

    @from_any_start
    def build() -> Analytic:
        return Analytic(function, start, minimum=minimum, minimisers=minimisers, **facts)

    description = (function.__doc__ or "").partition("\n")[0].rstrip(".")
    if description[:1].isascii():  # a word, not a formula that begins with a Greek capital
        description = description[:1].lower() + description[1:]
    return ProblemSpec(function.__name__.replace("_", "-"), build, description, source)


def repeated(pattern: Point, dim: int) -> tuple[float, ...]:
    """A point ``[dim]`` that repeats ``pattern``."""
    return tuple(islice(cycle(pattern), dim))


def at_least(low: int, dim: int, name: str) -> int:
    """``dim`` itself; raises ``ValueError`` where it is below ``low`` or above `LARGEST_DIM`."""
    if not low <= dim <= LARGEST_DIM:
        raise ValueError(f"{name} needs {low} <= dim <= {LARGEST_DIM}, got {dim}")
    return dim


def kinked_sqrt(v: Tensor) -> Tensor:
    """The square root, whose gradient at 0 counts as 0 instead of NaN."""
    positive = v > 0
    return torch.where(positive, v, 1.0).sqrt() * positive
