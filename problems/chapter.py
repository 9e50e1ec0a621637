"""The functions of the optimization chapter of Dive into Deep Learning (d2l), each from the chapter's own start."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from problems.analytic import Analytic, NoisyAnalytic, at_least, from_any_start, listed
from problems.problem import ProblemSpec

__all__ = ["SPECS", "bowl_noisy", "ellipse_turned", "halving"]

START = (-5.0, -2.0)


def ellipse(x: Tensor) -> Tensor:
    """0.1 x1² + 2 x2² from (-5, -2): the chapter's running example."""
    return 0.1 * x[..., 0].square() + 2 * x[..., 1].square()


def ellipse_rotated(x: Tensor) -> Tensor:
    """0.1 (x1 + x2)² + 2 (x1 - x2)² from (-5, -2): the ellipse turned by 45 degrees, and twice as steep."""
    x1, x2 = x.unbind(-1)
    return 0.1 * (x1 + x2).square() + 2 * (x1 - x2).square()


def turned(angle: float, condition: float) -> Callable[[Tensor], Tensor]:
    """2 u1² / condition + 2 u2², where u is x turned by ``angle`` degrees."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))

    def turned_ellipse(x: Tensor) -> Tensor:
        x1, x2 = x.unbind(-1)
        return (2 / condition) * (c * x1 + s * x2).square() + 2 * (c * x2 - s * x1).square()

    return turned_ellipse


@from_any_start
def ellipse_turned(angle: float = 45.0, condition: float = 20.0) -> Analytic:
    """The ellipse at any angle (degrees) and condition number; angle 0 and condition 20 are the chapter's.

    Raises ``ValueError`` for a condition number below one or a number that is not finite.
    """
    if not (math.isfinite(angle) and 1 <= condition < math.inf):
        raise ValueError(
            f"ellipse-turned needs a finite angle and a finite condition >= 1, got {angle} and {condition}"
        )
    return Analytic(
        turned(angle, condition),
        START,
        minimum=0.0,
        minimisers=[(0.0, 0.0)],
        sharpness=4.0,
        steps=20,
        target=1e-3,
        tags=("chapter", "convex"),
        frame=((-6.0, 3.0), (-5.0, 3.0)),
        parameters={"angle": float(angle), "condition": float(condition)},
    )


def bowl(x: Tensor) -> Tensor:
    """x1² + 2 x2² from (-5, -2): the chapter's first function of two variables."""
    return x[..., 0].square() + 2 * x[..., 1].square()


@from_any_start
def bowl_noisy(sigma: float = 1.0) -> NoisyAnalytic:
    """The bowl with N(0, sigma²) added to each entry of the gradient: the chapter's model of a stochastic gradient."""
    clean = Analytic(
        bowl,
        START,
        minimum=0.0,
        minimisers=[(0.0, 0.0)],
        sharpness=4.0,
        steps=50,
        tags=("chapter", "convex"),
        frame=((-5.5, 1.5), (-2.6, 1.5)),
    )
    return NoisyAnalytic(clean, sigma)


def square(x: Tensor) -> Tensor:
    """x² from 10."""
    return x[..., 0].square()


def wave(x: Tensor) -> Tensor:
    """x cos(0.15 pi x) from 10: many local minima, none the lowest."""
    return x[..., 0] * torch.cos(0.15 * math.pi * x[..., 0])


def cosh(x: Tensor) -> Tensor:
    """cosh(x / 2) from 10: convex, and too steep far out for a constant learning rate."""
    return torch.cosh(0.5 * x[..., 0])


def log_exp(x: Tensor) -> Tensor:
    """log(exp(x) + exp(-2 x - 3)) from 2: convex, its slopes 1 and -2 far out."""
    return torch.logaddexp(x[..., 0], -2 * x[..., 0] - 3)


def square_sine(x: Tensor) -> Tensor:
    """x² (1 + sin x) from 10: infinitely many minimisers of value 0."""
    return x[..., 0].square() * (1 + torch.sin(x[..., 0]))


@from_any_start
def halving(dim: int = 20) -> Analytic:
    """½ Σ 2⁻ⁱ xᵢ², i = 1 … dim, from ones: each coordinate half as steep as the one before."""
    at_least(1, dim, "halving")
    curvature = 0.5 ** torch.arange(1, dim + 1, dtype=torch.float64)

    def halved(x: Tensor) -> Tensor:
        return 0.5 * (x.square() * curvature.to(x)).sum(-1)

    return Analytic(
        halved,
        (1.0,) * dim,
        minimum=0.0,
        minimisers=[(0.0,) * dim],
        sharpness=0.5,
        steps=100,
        tags=("chapter", "convex"),
        parameters={"dim": dim},
    )


SPECS: tuple[ProblemSpec, ...] = (
    listed(ellipse, START, 0.0, (0.0, 0.0), source="d2l 12.6-12.8", sharpness=4.0, steps=20, target=1e-3,
           tags=("chapter", "convex"), frame=((-5.5, 2.0), (-2.6, 2.0))),
    listed(ellipse_rotated, START, 0.0, (0.0, 0.0), source="d2l 12.8, exercise 2", sharpness=8.0, steps=20, target=1e-3,
           tags=("chapter", "convex"), frame=((-6.0, 3.0), (-5.0, 3.0))),
    ProblemSpec("ellipse-turned", ellipse_turned, "2 u1² / condition + 2 u2², u = x turned by angle", "after d2l 12.8"),
    listed(bowl, START, 0.0, (0.0, 0.0), source="d2l 12.3", sharpness=4.0, steps=20,
           tags=("chapter", "convex"), frame=((-5.5, 1.5), (-2.6, 1.5))),
    ProblemSpec("bowl-noisy", bowl_noisy, "x1² + 2 x2² with N(0, sigma²) on each gradient entry", "d2l 12.4"),
    listed(square, (10.0,), 0.0, (0.0,), source="d2l 12.3", sharpness=2.0, steps=10, tags=("chapter", "convex")),
    listed(wave, (10.0,), None, source="d2l 12.3", steps=10, tags=("chapter", "nonconvex")),
    listed(cosh, (10.0,), 1.0, (0.0,), source="d2l 12.3", steps=10, tags=("chapter", "convex")),
    listed(log_exp, (2.0,), -0.36348583170518718, ((math.log(2) - 3) / 3,), source="d2l 12.3, exercises", steps=20,
           tags=("chapter", "convex")),
    listed(square_sine, (10.0,), 0.0, (0.0,), (3.5 * math.pi,), (1.5 * math.pi,), (-0.5 * math.pi,),
           source="d2l 12.4, exercises", steps=20, tags=("chapter", "nonconvex")),
    ProblemSpec("halving", halving, "½ Σ 2⁻ⁱ xᵢ² from ones", "d2l 12.6, exercises"),
)  # fmt: skip
