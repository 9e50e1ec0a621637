"""Classical test functions of any number of variables; two by default where a picture helps."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from problems.analytic import Analytic, at_least, from_any_start, kinked_sqrt, repeated
from problems.problem import ProblemSpec

__all__ = [
    "SPECS",
    "ackley",
    "dixon_price",
    "griewank",
    "levy",
    "rastrigin",
    "rosenbrock_chained",
    "styblinski_tang",
    "zakharov",
]

SURVEY = "Jamil and Yang 2013"


@from_any_start
def rosenbrock_chained(dim: int = 10) -> Analytic:
    """Σᵢ 100 (xᵢ₊₁ - xᵢ²)² + (1 - xᵢ)² from (-1.2, 1, -1.2, …); from dim 4 on it has a second, local minimum."""
    at_least(2, dim, "rosenbrock-chained")

    def chain(x: Tensor) -> Tensor:
        here, following = x[..., :-1], x[..., 1:]
        return (100 * (following - here.square()).square() + (1 - here).square()).sum(-1)

    return Analytic(
        chain,
        repeated((-1.2, 1.0), dim),
        minimum=0.0,
        minimisers=[(1.0,) * dim],
        steps=1000,
        tags=("analytic", "nonconvex"),
        parameters={"dim": dim},
    )


@from_any_start
def styblinski_tang(dim: int = 2) -> Analytic:
    """½ Σ (x⁴ - 16 x² + 5 x) from -1 in each coordinate: separable, 2^dim minima, of which one is global."""
    at_least(1, dim, "styblinski-tang")

    def quartics(x: Tensor) -> Tensor:
        q = x.square()
        return 0.5 * (q.square() - 16 * q + 5 * x).sum(-1)

    return Analytic(
        quartics,
        (-1.0,) * dim,
        minimum=-39.166165703771416 * dim,
        minimisers=[(-2.9035340277711772,) * dim],
        steps=100,
        tags=("analytic", "nonconvex", "multimodal"),
        frame=((-4.5, 4.5), (-4.5, 4.5)),
        parameters={"dim": dim},
    )


@from_any_start
def rastrigin(dim: int = 2) -> Analytic:
    """10 dim + Σ (x² - 10 cos 2 pi x) from (0.4, -0.3, …): a bowl with a local minimum near every whole number."""
    at_least(1, dim, "rastrigin")

    def eggs(x: Tensor) -> Tensor:
        return (x.square() + 10 * (1 - torch.cos(2 * math.pi * x))).sum(-1)

    return Analytic(
        eggs,
        repeated((0.4, -0.3), dim),
        minimum=0.0,
        minimisers=[(0.0,) * dim],
        steps=200,
        tags=("analytic", "nonconvex", "multimodal"),
        frame=((-1.6, 1.6), (-1.6, 1.6)),
        parameters={"dim": dim},
    )


@from_any_start
def ackley(dim: int = 2) -> Analytic:
    """A funnel under ripples from (1.5, -1.2, …), with a kink at its minimum, where the gradient counts as 0."""
    at_least(1, dim, "ackley")

    def funnel(x: Tensor) -> Tensor:
        radius = kinked_sqrt(x.square().mean(-1))
        return -20 * torch.expm1(-0.2 * radius) + (math.e - torch.exp(torch.cos(2 * math.pi * x).mean(-1)))

    return Analytic(
        funnel,
        repeated((1.5, -1.2), dim),
        minimum=0.0,
        minimisers=[(0.0,) * dim],
        steps=200,
        tags=("analytic", "nonconvex", "multimodal", "kink"),
        frame=((-2.5, 2.5), (-2.5, 2.5)),
        parameters={"dim": dim},
    )


@from_any_start
def levy(dim: int = 2) -> Analytic:
    """sin² pi w₁ + Σ (wᵢ - 1)² (1 + 10 sin²(pi wᵢ + 1)) + (w_d - 1)² (1 + sin² 2 pi w_d), w = 1 + (x - 1) / 4."""
    at_least(1, dim, "levy")

    def waves(x: Tensor) -> Tensor:
        w = 1 + (x - 1) / 4
        body, last = w[..., :-1], w[..., -1]
        first = torch.sin(math.pi * w[..., 0]).square()
        middle = ((body - 1).square() * (1 + 10 * torch.sin(math.pi * body + 1).square())).sum(-1)
        return first + middle + (last - 1).square() * (1 + torch.sin(2 * math.pi * last).square())

    return Analytic(
        waves,
        repeated((-4.0, 3.0), dim),
        minimum=0.0,
        minimisers=[(1.0,) * dim],
        steps=200,
        tags=("analytic", "nonconvex", "multimodal"),
        frame=((-8.0, 8.0), (-8.0, 8.0)),
        parameters={"dim": dim},
    )


@from_any_start
def griewank(dim: int = 2) -> Analytic:
    """1 + Σ xᵢ² / 4000 - Π cos(xᵢ / √i) from (8, -6, …): ripples on an almost flat bowl."""
    at_least(1, dim, "griewank")
    roots = torch.from_numpy(np.sqrt(np.arange(1.0, dim + 1)))  # torch's root differs by machine

    def ripples(x: Tensor) -> Tensor:
        return x.square().sum(-1) / 4000 + (1 - torch.cos(x / roots.to(x)).prod(-1))

    return Analytic(
        ripples,
        repeated((8.0, -6.0), dim),
        minimum=0.0,
        minimisers=[(0.0,) * dim],
        steps=200,
        tags=("analytic", "nonconvex", "multimodal"),
        frame=((-12.0, 12.0), (-12.0, 12.0)),
        parameters={"dim": dim},
    )


@from_any_start
def dixon_price(dim: int = 4) -> Analytic:
    """(x1 - 1)² + Σ i (2 xᵢ² - xᵢ₋₁)² from ones: each coordinate's minimum hangs on the one before."""
    at_least(2, dim, "dixon-price")
    weights = torch.arange(2, dim + 1, dtype=torch.float64)

    def ladder(x: Tensor) -> Tensor:
        rungs = 2 * x[..., 1:].square() - x[..., :-1]
        return (x[..., 0] - 1).square() + (weights.to(x) * rungs.square()).sum(-1)

    minimiser = tuple(2.0 ** (2.0**-i - 1) for i in range(dim))
    return Analytic(
        ladder,
        (1.0,) * dim,
        minimum=0.0,
        minimisers=[minimiser],
        steps=500,
        tags=("analytic", "nonconvex"),
        parameters={"dim": dim},
    )


@from_any_start
def zakharov(dim: int = 4) -> Analytic:
    """Σ x² + a² + a⁴ with a = ½ Σ i xᵢ, from (1, -1, 1, …): a bowl with one steep quartic direction."""
    at_least(1, dim, "zakharov")
    weights = 0.5 * torch.arange(1, dim + 1, dtype=torch.float64)

    def plate(x: Tensor) -> Tensor:
        a = (x * weights.to(x)).sum(-1).square()
        return x.square().sum(-1) + a + a.square()

    return Analytic(
        plate,
        repeated((1.0, -1.0), dim),
        minimum=0.0,
        minimisers=[(0.0,) * dim],
        steps=200,
        tags=("analytic", "convex"),
        frame=((-2.0, 2.0), (-2.0, 2.0)),
        parameters={"dim": dim},
    )


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "rosenbrock-chained", rosenbrock_chained, "Rosenbrock's valley through every pair of coordinates", SURVEY
    ),
    ProblemSpec(
        "styblinski-tang", styblinski_tang, "½ Σ (x⁴ - 16 x² + 5 x) from -1s: separable", "Styblinski and Tang 1990"
    ),
    ProblemSpec("rastrigin", rastrigin, "a bowl with a local minimum near every whole number", "Rastrigin 1974"),
    ProblemSpec("ackley", ackley, "a funnel under ripples, with a kink at its minimum", "Ackley 1987"),
    ProblemSpec("levy", levy, "sine waves on a bowl", "Levy and Montalvo 1985"),
    ProblemSpec("griewank", griewank, "ripples on an almost flat bowl", "Griewank 1981"),
    ProblemSpec("dixon-price", dixon_price, "(x1 - 1)² + Σ i (2 xᵢ² - xᵢ₋₁)² from ones", SURVEY),
    ProblemSpec("zakharov", zakharov, "Σ x² + a² + a⁴, a = ½ Σ i xᵢ: one steep direction", SURVEY),
)
