"""The classical test functions of two variables that every comparison of optimizers knows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from problems.analytic import Analytic, Frame, NoisyAnalytic, from_any_start, listed
from problems.problem import ProblemSpec

__all__ = ["SPECS", "beale_noisy", "branin_noisy", "rosenbrock_noisy"]

SURVEY = "Jamil and Yang 2013"
DEEPOBS = "Schneider et al. 2019 (DeepOBS)"

TAGS = ("analytic", "nonconvex")
VALLEY: Frame = ((-2.0, 2.0), (-1.0, 3.0))
SQUARE: Frame = ((-5.0, 5.0), (-5.0, 5.0))
HIMMELBLAU_AT = (
    (3.0, 2.0),
    (-2.805118086952745, 3.131312518250573),
    (-3.779310253377747, -3.2831859912861696),
    (3.5844283403304917, -1.8481265269644036),
)
SIX_HUMPS = -1.031628453489877
SIX_HUMPS_AT = ((0.08984201310031806, -0.7126564030207396), (-0.08984201310031806, 0.7126564030207396))
BRANIN = 0.39788735772973816
BRANIN_AT = ((math.pi, 2.275), (-math.pi, 12.275), (3 * math.pi, 2.475))
BRANIN_FRAME: Frame = ((-5.0, 10.0), (0.0, 15.0))
MCCORMICK = -1.9132229549810367
MCCORMICK_BOX: Frame = ((-1.5, 4.0), (-3.0, 4.0))
MCCORMICK_AT = (0.5 - math.pi / 3, -0.5 - math.pi / 3)
MONKEY_AT = ((1.5, 1.5 * math.sqrt(3)), (-3.0, 0.0), (1.5, -1.5 * math.sqrt(3)))


def rosenbrock(x: Tensor) -> Tensor:
    """100 (x2 - x1²)² + (1 - x1)² from (-1.2, 1): a long curved valley."""
    x1, x2 = x.unbind(-1)
    return 100 * (x2 - x1.square()).square() + (1 - x1).square()


def beale(x: Tensor) -> Tensor:
    """Σᵢ (cᵢ - x1 (1 - x2ⁱ))² from (1, 1): flat plateaus around sharp walls."""
    x1, x2 = x.unbind(-1)
    r1, r2, r3 = 1.5 - x1 * (1 - x2), 2.25 - x1 * (1 - x2.square()), 2.625 - x1 * (1 - x2 * x2.square())
    return r1.square() + r2.square() + r3.square()


def himmelblau(x: Tensor) -> Tensor:
    """(x1² + x2 - 11)² + (x1 + x2² - 7)² from the origin: four minima of value 0."""
    x1, x2 = x.unbind(-1)
    return (x1.square() + x2 - 11).square() + (x1 + x2.square() - 7).square()


def booth(x: Tensor) -> Tensor:
    """(x1 + 2 x2 - 7)² + (2 x1 + x2 - 5)² from (-5, -5): a tilted quadratic, condition 9."""
    x1, x2 = x.unbind(-1)
    return (x1 + 2 * x2 - 7).square() + (2 * x1 + x2 - 5).square()


def matyas(x: Tensor) -> Tensor:
    """0.26 (x1² + x2²) - 0.48 x1 x2 from (-5, 4): a quadratic turned by 45 degrees, condition 25."""
    x1, x2 = x.unbind(-1)
    return 0.26 * (x1.square() + x2.square()) - 0.48 * x1 * x2


def goldstein_price(x: Tensor) -> Tensor:
    """A polynomial of degree 8 from (-0.5, -0.5): values from 3 to a million within four units."""
    x1, x2 = x.unbind(-1)
    a = 19 - 14 * x1 + 3 * x1.square() - 14 * x2 + 6 * x1 * x2 + 3 * x2.square()
    b = 18 - 32 * x1 + 12 * x1.square() + 48 * x2 - 36 * x1 * x2 + 27 * x2.square()
    return (1 + (x1 + x2 + 1).square() * a) * (30 + (2 * x1 - 3 * x2).square() * b)


def three_hump_camel(x: Tensor) -> Tensor:
    """2 x1² - 1.05 x1⁴ + x1⁶ / 6 + x1 x2 + x2² from (-1, 2): one global and two local minima."""
    x1, x2 = x.unbind(-1)
    q = x1.square()
    return q * (2 - 1.05 * q + q.square() / 6) + x1 * x2 + x2.square()


def six_hump_camel(x: Tensor) -> Tensor:
    """(4 - 2.1 x1² + x1⁴ / 3) x1² + x1 x2 + (4 x2² - 4) x2² from (1, 1): two global among six minima."""
    x1, x2 = x.unbind(-1)
    p, q = x1.square(), x2.square()
    return (4 - 2.1 * p + p.square() / 3) * p + x1 * x2 + (4 * q - 4) * q


def branin(x: Tensor) -> Tensor:
    """A parabola plus a cosine from (2.5, 12.5): three minima of one value."""
    x1, x2 = x.unbind(-1)
    valley = x2 - 5.1 / (4 * math.pi**2) * x1.square() + 5 / math.pi * x1 - 6
    return valley.square() + 10 * (1 - 1 / (8 * math.pi)) * torch.cos(x1) + 10


def mccormick(x: Tensor) -> Tensor:
    """sin(x1 + x2) + (x1 - x2)² - 1.5 x1 + 2.5 x2 + 1 from the origin, on a box: unbounded below."""
    x1, x2 = x.unbind(-1)
    return torch.sin(x1 + x2) + (x1 - x2).square() - 1.5 * x1 + 2.5 * x2 + 1


def saddle(x: Tensor) -> Tensor:
    """x1² / 2 - x2² / 2 + x2⁴ / 4 from (1, 0.0001): first drawn to the saddle at 0, then away from it."""
    x1, x2 = x.unbind(-1)
    return x1.square() / 2 - x2.square() / 2 + x2.square().square() / 4


def monkey_saddle(x: Tensor) -> Tensor:
    """x1³ - 3 x1 x2² + (x1² + x2²)² / 4 from (0.001, 0.001): a saddle with three ways down, bounded by a quartic."""
    x1, x2 = x.unbind(-1)
    return x1 * (x1.square() - 3 * x2.square()) + (x1.square() + x2.square()).square() / 4


@from_any_start
def rosenbrock_noisy(batch: int = 128) -> NoisyAnalytic:
    """DeepOBS's two-dimensional Rosenbrock: from (-0.5, 1.5), N(0, 1 / batch) noise on each gradient entry."""
    clean = Analytic(rosenbrock, (-0.5, 1.5), minimum=0.0, minimisers=[(1.0, 1.0)], steps=500, tags=TAGS, frame=VALLEY)
    return _in_minibatches(clean, batch)


@from_any_start
def beale_noisy(batch: int = 128) -> NoisyAnalytic:
    """DeepOBS's two-dimensional Beale: from (-4.5, 4.5), N(0, 1 / batch) noise on each gradient entry."""
    clean = Analytic(beale, (-4.5, 4.5), minimum=0.0, minimisers=[(3.0, 0.5)], steps=500, tags=TAGS, frame=SQUARE)
    return _in_minibatches(clean, batch)


@from_any_start
def branin_noisy(batch: int = 128) -> NoisyAnalytic:
    """DeepOBS's two-dimensional Branin: from (2.5, 12.5), N(0, 1 / batch) noise on each gradient entry."""
    clean = Analytic(
        branin, (2.5, 12.5), minimum=BRANIN, minimisers=BRANIN_AT, steps=500, tags=TAGS, frame=BRANIN_FRAME
    )
    return _in_minibatches(clean, batch)


def _in_minibatches(clean: Analytic, batch: int) -> NoisyAnalytic:
    """The noise of a mean over ``batch`` rows, each of which adds u x1 + v x2 with u and v drawn from N(0, 1)."""
    if batch < 1:
        raise ValueError(f"a minibatch needs at least one row, got batch={batch}")
    return NoisyAnalytic(clean, batch**-0.5)


SPECS: tuple[ProblemSpec, ...] = (
    listed(rosenbrock, (-1.2, 1.0), 0.0, (1.0, 1.0), source="Rosenbrock 1960", steps=500, target=1e-3,
           tags=TAGS, frame=VALLEY),
    listed(beale, (1.0, 1.0), 0.0, (3.0, 0.5), source="Beale 1958", steps=500,
           tags=TAGS, frame=((0.0, 4.5), (-1.5, 1.5))),
    listed(himmelblau, (0.0, 0.0), 0.0, *HIMMELBLAU_AT, source="Himmelblau 1972", steps=100,
           tags=(*TAGS, "multimodal"), frame=SQUARE),
    listed(booth, (-5.0, -5.0), 0.0, (1.0, 3.0), source=SURVEY, steps=100,
           tags=("analytic", "convex"), frame=((-7.0, 7.0), (-7.0, 7.0))),
    listed(matyas, (-5.0, 4.0), 0.0, (0.0, 0.0), source=SURVEY, steps=200,
           tags=("analytic", "convex"), frame=((-6.0, 6.0), (-6.0, 6.0))),
    listed(goldstein_price, (-0.5, -0.5), 3.0, (0.0, -1.0), source="Goldstein and Price 1971", steps=200,
           tags=(*TAGS, "multimodal"), frame=((-2.0, 2.0), (-2.0, 2.0))),
    listed(three_hump_camel, (-1.0, 2.0), 0.0, (0.0, 0.0), source=SURVEY, steps=100,
           tags=(*TAGS, "multimodal"), frame=((-2.5, 2.5), (-2.5, 2.5))),
    listed(six_hump_camel, (1.0, 1.0), SIX_HUMPS, *SIX_HUMPS_AT, source="Dixon and Szegö 1978", steps=100,
           tags=(*TAGS, "multimodal"), frame=((-2.2, 2.2), (-1.4, 1.4))),
    listed(branin, (2.5, 12.5), BRANIN, *BRANIN_AT, source="Branin 1972", steps=500,
           tags=(*TAGS, "multimodal"), frame=BRANIN_FRAME),
    listed(mccormick, (0.0, 0.0), MCCORMICK, MCCORMICK_AT, source="McCormick 1976", steps=100,
           tags=TAGS, frame=MCCORMICK_BOX, box=MCCORMICK_BOX),
    listed(saddle, (1.0, 1e-4), -0.25, (0.0, 1.0), (0.0, -1.0), source="the simplest strict saddle", steps=100,
           tags=(*TAGS, "saddle"), frame=((-1.5, 1.5), (-1.5, 1.5))),
    listed(monkey_saddle, (1e-3, 1e-3), -6.75, *MONKEY_AT, source="the monkey saddle plus r⁴ / 4", steps=500,
           tags=(*TAGS, "saddle"), frame=((-4.0, 4.0), (-4.0, 4.0))),
    ProblemSpec("rosenbrock-noisy", rosenbrock_noisy, "Rosenbrock from (-0.5, 1.5), noise variance 1/batch", DEEPOBS),
    ProblemSpec("beale-noisy", beale_noisy, "Beale from (-4.5, 4.5), noise variance 1/batch", DEEPOBS),
    ProblemSpec("branin-noisy", branin_noisy, "Branin from (2.5, 12.5), noise variance 1/batch", DEEPOBS),
)  # fmt: skip
