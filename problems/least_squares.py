"""The sums of squares of Moré, Garbow and Hillstrom (1981): standard starts, minima and minimisers to double precision.

A first-order method needs far more than the default budget on many of them; those tagged "hard" are so badly scaled
that they tell more as single cases than in an average.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from torch import Tensor

from problems import more_garbow_hillstrom as mgh
from problems.analytic import Analytic, Point, at_least, from_any_start, listed
from problems.problem import ProblemSpec

__all__ = ["SPECS", "brown_almost_linear", "penalty_1", "squares", "trigonometric", "variably_dimensioned", "watson"]

SOURCE = "Moré, Garbow and Hillstrom 1981"
TAGS = ("mgh", "analytic", "nonconvex")
STEPS = 1000

Residuals = Callable[[Tensor], Tensor]


def squares(residuals: Residuals) -> Callable[[Tensor], Tensor]:
    """The sum of squares ``[..., P] -> [...]`` of ``residuals``, under its name."""

    @wraps(residuals)
    def sum_of_squares(x: Tensor) -> Tensor:
        return residuals(x).square().sum(-1)

    return sum_of_squares


WATSON = {
    6: (
        0.0022876700535523825,
        (-0.015725086401458498, 1.0124348693691099, -0.2329916259567375, 1.2604300877996073, -1.5137289227222779,
         0.9929964324311334),
    ),
    9: (
        1.3997601380917796e-06,
        (-1.5307036521383185e-05, 0.9997897039319482, 0.01476396369356707, 0.14634232829924873, 1.0008211030052492,
         -2.6177311405203416, 4.104403164480613, -3.143612278557628, 1.0526264080104863),
    ),
}  # fmt: skip
"""Minimum and minimiser for each dimension known."""


@from_any_start
def watson(dim: int = 6) -> Analytic:
    """A polynomial that solves a differential equation at 29 points (20), of 6 or 9 coefficients, from 0."""
    if dim not in WATSON:
        raise ValueError(f"watson is known for dim 6 and 9, got {dim}")
    minimum, minimiser = WATSON[dim]
    return _sized(mgh.watson, (0.0,) * dim, minimum, minimiser)


@from_any_start
def penalty_1(dim: int = 10) -> Analytic:
    """1e-5 Σ (xᵢ - 1)² + (Σ x² - ¼)² (23) from (1, 2, 3, …); its minimiser has equal coordinates, a cubic's root."""
    at_least(1, dim, "penalty-1")
    roots = np.roots([4 * dim, 0, 2e-5 - 1, -2e-5])
    t = float(roots[np.abs(roots.imag) < 1e-9].real.max())
    minimum = dim * 1e-5 * (t - 1) ** 2 + (dim * t * t - 0.25) ** 2
    return _sized(mgh.penalty_1, tuple(map(float, range(1, dim + 1))), minimum, (t,) * dim)


@from_any_start
def variably_dimensioned(dim: int = 10) -> Analytic:
    """Σ (xᵢ - 1)² + w² + w⁴, w = Σ i (xᵢ - 1) (25), from 1 - i / dim."""
    at_least(1, dim, "variably-dimensioned")
    return _sized(mgh.variably_dimensioned, tuple(1 - i / dim for i in range(1, dim + 1)), 0.0, (1.0,) * dim)


@from_any_start
def trigonometric(dim: int = 10) -> Analytic:
    """Σᵢ (dim - Σ cos xⱼ + i (1 - cos xᵢ) - sin xᵢ)² (26) from 1 / dim; the origin is one of its minimisers."""
    at_least(1, dim, "trigonometric")
    return _sized(mgh.trigonometric, (1 / dim,) * dim, 0.0, (0.0,) * dim)


@from_any_start
def brown_almost_linear(dim: int = 10) -> Analytic:
    """Linear equations but for the last, Π x = 1 (27), from ½."""
    at_least(2, dim, "brown-almost-linear")
    return _sized(mgh.brown_almost_linear, (0.5,) * dim, 0.0, (1.0,) * dim)


def _sized(residuals: Residuals, start: Point, minimum: float, minimiser: Point) -> Analytic:
    return Analytic(
        squares(residuals),
        start,
        minimum=minimum,
        minimisers=[minimiser],
        steps=STEPS,
        tags=TAGS,
        parameters={"dim": len(start)},
    )


def _fixed(
    residuals: Residuals, start: Point, minimum: float, *minimisers: Point, tag: str = "", **facts: Any
) -> ProblemSpec:
    tags = (*TAGS, tag) if tag else TAGS
    return listed(squares(residuals), start, minimum, *minimisers, source=SOURCE, steps=STEPS, tags=tags, **facts)


NODES = tuple(i / 11 for i in range(1, 11))

SPECS: tuple[ProblemSpec, ...] = (
    _fixed(mgh.freudenstein_roth, (0.5, -2.0), 0.0, (5.0, 4.0), frame=((-2.0, 16.0), (-3.0, 6.0))),
    _fixed(mgh.powell_badly_scaled, (0.0, 1.0), 0.0, (1.0981593296998799e-05, 9.106146739866007), tag="hard"),
    _fixed(mgh.brown_badly_scaled, (1.0, 1.0), 0.0, (1e6, 2e-6), tag="hard"),
    _fixed(mgh.jennrich_sampson, (0.3, 0.4), 124.36218235561483, (0.2578252136703641, 0.2578252136703641),
           frame=((0.15, 0.45), (0.15, 0.45))),
    _fixed(mgh.helical_valley, (-1.0, 0.0, 0.0), 0.0, (1.0, 0.0, 0.0)),
    _fixed(mgh.bard, (1.0, 1.0, 1.0), 0.008214877306578976,
           (0.08241055974978898, 1.1330360920297222, 2.3436951786425366)),
    _fixed(mgh.gaussian, (0.4, 1.0, 0.0), 1.1279327696192162e-08, (0.39895613783875666, 1.0000190844878056, 0.0)),
    _fixed(mgh.meyer, (0.02, 4000.0, 250.0), 87.94585517074931,
           (0.005609636471027954, 6181.346346286391, 345.2236346241373), tag="hard"),
    _fixed(mgh.box_3d, (0.0, 10.0, 20.0), 0.0, (1.0, 10.0, 1.0), (10.0, 1.0, -1.0), (1.0, 1.0, 0.0)),
    _fixed(mgh.powell_singular, (3.0, -1.0, 0.0, 1.0), 0.0, (0.0, 0.0, 0.0, 0.0)),
    _fixed(mgh.wood, (-3.0, -1.0, -3.0, -1.0), 0.0, (1.0, 1.0, 1.0, 1.0)),
    _fixed(mgh.kowalik_osborne, (0.25, 0.39, 0.415, 0.39), 0.0003075056038492368,
           (0.1928069345790379, 0.19128232873436657, 0.12305650692632066, 0.13606233068379467)),
    _fixed(mgh.brown_dennis, (25.0, 5.0, -5.0, -1.0), 85822.20162635634,
           (-11.594439904762163, 13.203630051207202, -0.4034394881768596, 0.23677877445573625)),
    _fixed(mgh.osborne_1, (0.5, 1.5, -1.0, 0.01, 0.02), 5.4648946974828186e-05,
           (0.37541005210695205, 1.935846912712367, -1.4646871366134229, 0.012867534640057288, 0.02212269966167261)),
    _fixed(mgh.biggs_exp6, (1.0, 2.0, 1.0, 1.0, 1.0, 1.0), 0.0, (1.0, 10.0, 1.0, 5.0, 4.0, 3.0)),
    ProblemSpec("watson", watson, "a polynomial for a differential equation (20): nearly singular", SOURCE),
    ProblemSpec("penalty-1", penalty_1, "1e-5 Σ (xᵢ - 1)² + (Σ x² - ¼)² (23)", SOURCE),
    ProblemSpec("variably-dimensioned", variably_dimensioned, "a quartic wall along one direction (25)", SOURCE),
    ProblemSpec("trigonometric", trigonometric, "sines and cosines of any dimension (26)", SOURCE),
    ProblemSpec("brown-almost-linear", brown_almost_linear, "linear equations but for Π x = 1 (27)", SOURCE),
    _fixed(mgh.discrete_boundary_value, tuple(t * (t - 1) for t in NODES), 0.0,
           (-0.043164982518764876, -0.08157715653538689, -0.1144857143805293, -0.1409735768625967, -0.15990869618198314,
            -0.16987720231277495, -0.16908998378120838, -0.15524953522183182, -0.125355891678935,
            -0.07541653368589209)),
    _fixed(mgh.broyden_tridiagonal, (-1.0,) * 10, 0.0,
           (-0.5707221320112248, -0.6818069499842752, -0.7022100760176601, -0.7055106298950804, -0.7049061557287436,
            -0.7014966070298512, -0.6918893223547983, -0.6657965144058536, -0.5960351090263657, -0.4164122575286934)),
    _fixed(mgh.broyden_banded, (-1.0,) * 10, 0.0,
           (-0.4283028635872503, -0.47659642435629024, -0.5196524636468617, -0.5580993248321808, -0.5925061568294574,
            -0.624503682199468, -0.6232394714405911, -0.6213938417965735, -0.6204535966590874, -0.5864692707204351)),
    _fixed(mgh.chebyquad, tuple(i / 9 for i in range(1, 9)), 0.0035168737256779264,
           (0.04315276015101661, 0.19309084038418606, 0.26632870689027294, 0.5, 0.5, 0.733671293109727,
            0.8069091596158139, 0.9568472398489833)),
)  # fmt: skip
