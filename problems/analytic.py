"""Test functions of a few variables: exact value, gradient and minimum, nothing random."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from problems.problem import Batch, Problem, ProblemSpec

__all__ = ["SPECS", "Analytic", "ellipse", "ellipse_rotated", "rosenbrock"]


class Analytic(Problem):
    """A function given by a formula, from a fixed start; trained in double precision."""

    dtype = torch.float64

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        start: Sequence[float],
        *,
        minimum: float | None,
        minimisers: Sequence[Sequence[float]] = (),
        steps: int,
        target: float | None = None,
        tags: Sequence[str] = (),
        frame: tuple[tuple[float, float], tuple[float, float]] | None = None,
        definition: Mapping[str, Any] | None = None,
    ) -> None:
        self.function = function
        self.dim = len(start)
        self.minimum, self.minimisers = minimum, minimisers
        self.steps, self.target, self.frame = steps, target, frame
        self.tags = frozenset(tags)
        self._start = torch.tensor(start, dtype=torch.float64)
        self._definition = {"function": function.__name__, **(definition or {})}

    def start(self, seeds: Sequence[int]) -> Tensor:
        return self._start.expand(len(seeds), -1).clone()

    def loss(self, x: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002 - no data
        return self.function(x)

    def definition(self) -> Mapping[str, Any]:
        return self._definition


def ellipse() -> Analytic:
    """f(x) = 0.1 x₁² + 2 x₂² from (-5, -2): the book's running example, condition 20."""

    def elliptic(x: Tensor) -> Tensor:
        return 0.1 * x[..., 0].square() + 2 * x[..., 1].square()

    return Analytic(
        elliptic, (-5.0, -2.0), minimum=0.0, minimisers=[(0.0, 0.0)], steps=20, target=1e-3,
        tags=("chapter", "convex", "deterministic"), frame=((-5.5, 2.0), (-2.6, 2.0)),
    )  # fmt: skip


def ellipse_rotated() -> Analytic:
    """f(x) = 0.1 (x₁ + x₂)² + 2 (x₁ - x₂)² from (-5, -2): the ellipse turned by 45 degrees, and twice as steep."""

    def rotated(x: Tensor) -> Tensor:
        x1, x2 = x.unbind(-1)
        return 0.1 * (x1 + x2).square() + 2 * (x1 - x2).square()

    return Analytic(
        rotated, (-5.0, -2.0), minimum=0.0, minimisers=[(0.0, 0.0)], steps=20, target=1e-3,
        tags=("chapter", "convex", "deterministic"), frame=((-6.0, 3.0), (-5.0, 3.0)),
    )  # fmt: skip


def rosenbrock() -> Analytic:
    """f(x) = 100 (x₂ - x₁²)² + (1 - x₁)² from (-1.2, 1): a long curved valley (Rosenbrock 1960)."""

    def banana(x: Tensor) -> Tensor:
        x1, x2 = x.unbind(-1)
        return 100 * (x2 - x1.square()).square() + (1 - x1).square()

    return Analytic(
        banana, (-1.2, 1.0), minimum=0.0, minimisers=[(1.0, 1.0)], steps=500, target=1e-3,
        tags=("analytic", "nonconvex", "deterministic"), frame=((-2.0, 2.0), (-1.0, 3.0)),
    )  # fmt: skip


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec("ellipse", ellipse, "0.1 x1² + 2 x2² from (-5, -2)", "d2l 12.6-12.8"),
    ProblemSpec(
        "ellipse-rotated", ellipse_rotated, "0.1 (x1 + x2)² + 2 (x1 - x2)² from (-5, -2)", "d2l 12.8, exercise 2"
    ),
    ProblemSpec("rosenbrock", rosenbrock, "100 (x2 - x1²)² + (1 - x1)² from (-1.2, 1)", "Rosenbrock 1960"),
)
