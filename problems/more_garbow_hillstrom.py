"""The residuals of Moré, Garbow and Hillstrom (1981), "Testing Unconstrained Optimization Software".

Every function is a sum of squares; here are its residuals ``[..., P] -> [..., M]`` with their numbers in the paper.
Starts, minima and registry entries are in `problems.least_squares`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = [
    "bard",
    "biggs_exp6",
    "box_3d",
    "brown_almost_linear",
    "brown_badly_scaled",
    "brown_dennis",
    "broyden_banded",
    "broyden_tridiagonal",
    "chebyquad",
    "discrete_boundary_value",
    "freudenstein_roth",
    "gaussian",
    "helical_valley",
    "jennrich_sampson",
    "kowalik_osborne",
    "meyer",
    "osborne_1",
    "penalty_1",
    "powell_badly_scaled",
    "powell_singular",
    "trigonometric",
    "variably_dimensioned",
    "watson",
    "wood",
]

BARD_Y = (0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39)
GAUSSIAN_Y = (0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989)  # and back
KOWALIK_Y = (0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246)
KOWALIK_U = (4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625)
MEYER_Y = (34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872)
OSBORNE_Y = (
    0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.850, 0.818, 0.784, 0.751, 0.718, 0.685, 0.658, 0.628, 0.603,
    0.580, 0.558, 0.538, 0.522, 0.506, 0.490, 0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.420, 0.414, 0.411,
    0.406,
)  # fmt: skip


def freudenstein_roth(x: Tensor) -> Tensor:
    """Two cubic equations (2); a local minimum of 48.98 draws descent away from the root (5, 4)."""
    x1, x2 = x.unbind(-1)
    return torch.stack([-13 + x1 + ((5 - x2) * x2 - 2) * x2, -29 + x1 + ((x2 + 1) * x2 - 14) * x2], -1)


def powell_badly_scaled(x: Tensor) -> Tensor:
    """10000 x1 x2 = 1 and exp(-x1) + exp(-x2) = 1.0001 (3): the root is at (0.00001, 9.1)."""
    x1, x2 = x.unbind(-1)
    return torch.stack([1e4 * x1 * x2 - 1, torch.exp(-x1) + torch.exp(-x2) - 1.0001], -1)


def brown_badly_scaled(x: Tensor) -> Tensor:
    """x1 = 1e6, x2 = 2e-6, x1 x2 = 2 (4): scales twelve decades apart."""
    x1, x2 = x.unbind(-1)
    return torch.stack([x1 - 1e6, x2 - 2e-6, x1 * x2 - 2], -1)


def jennrich_sampson(x: Tensor) -> Tensor:
    """2 + 2 i - exp(i x1) - exp(i x2), i = 1 … 10 (6): exponentials that cannot fit a line."""
    i = _range(1, 10, x)
    return 2 + 2 * i - torch.exp(i * x[..., :1]) - torch.exp(i * x[..., 1:])


def helical_valley(x: Tensor) -> Tensor:
    """A valley that winds once around the third axis (7)."""
    x1, x2, x3 = x.unbind(-1)
    turns = 0.25 - torch.atan2(x1, x2) / (
        2 * math.pi
    )  # the angle from the x1 axis, with its cut along -x2 as in the paper
    return torch.stack([10 * (x3 - 10 * turns), 10 * ((x1.square() + x2.square()).sqrt() - 1), x3], -1)


def bard(x: Tensor) -> Tensor:
    """A rational model of 15 observations (8)."""
    u = _range(1, 15, x)
    v = 16 - u
    x1, x2, x3 = _columns(x)
    return _data(BARD_Y, x) - (x1 + u / (v * x2 + torch.minimum(u, v) * x3))


def gaussian(x: Tensor) -> Tensor:
    """A bell curve fitted to 15 rounded values of one (9): it starts almost at its floor."""
    t = (8 - _range(1, 15, x)) / 2
    x1, x2, x3 = _columns(x)
    return x1 * torch.exp(-x2 * (t - x3).square() / 2) - _data((*GAUSSIAN_Y, *GAUSSIAN_Y[-2::-1]), x)


def meyer(x: Tensor) -> Tensor:
    """x1 exp(x2 / (t + x3)) fitted to a thermistor's resistance (10): badly scaled, almost singular."""
    t = 45 + 5 * _range(1, 16, x)
    x1, x2, x3 = _columns(x)
    return x1 * torch.exp(x2 / (t + x3)) - _data(MEYER_Y, x)


def box_3d(x: Tensor) -> Tensor:
    """Three-parameter exponential data (12); whole lines of minimisers."""
    t = 0.1 * _range(1, 10, x)
    x1, x2, x3 = _columns(x)
    return torch.exp(-t * x1) - torch.exp(-t * x2) - x3 * (torch.exp(-t) - torch.exp(-10 * t))


def powell_singular(x: Tensor) -> Tensor:
    """Four equations whose Jacobian has rank two at the root (13)."""
    x1, x2, x3, x4 = x.unbind(-1)
    return torch.stack(
        [x1 + 10 * x2, math.sqrt(5) * (x3 - x4), (x2 - 2 * x3).square(), math.sqrt(10) * (x1 - x4).square()], -1
    )


def wood(x: Tensor) -> Tensor:
    """Two coupled Rosenbrock valleys (14)."""
    x1, x2, x3, x4 = x.unbind(-1)
    return torch.stack(
        [
            10 * (x2 - x1.square()),
            1 - x1,
            math.sqrt(90) * (x4 - x3.square()),
            1 - x3,
            math.sqrt(10) * (x2 + x4 - 2),
            (x2 - x4) / math.sqrt(10),
        ],
        -1,
    )


def kowalik_osborne(x: Tensor) -> Tensor:
    """A rational model of an enzyme reaction, 11 observations (15)."""
    u = _data(KOWALIK_U, x)
    x1, x2, x3, x4 = _columns(x)
    return _data(KOWALIK_Y, x) - x1 * (u.square() + u * x2) / (u.square() + u * x3 + x4)


def brown_dennis(x: Tensor) -> Tensor:
    """(x1 + t x2 - exp t)² + (x3 + x4 sin t - cos t)², t = 0.2 … 4 (16): a floor of 85822."""
    t = _range(1, 20, x) / 5
    x1, x2, x3, x4 = _columns(x)
    return (x1 + t * x2 - torch.exp(t)).square() + (x3 + x4 * torch.sin(t) - torch.cos(t)).square()


def osborne_1(x: Tensor) -> Tensor:
    """A constant and two exponentials fitted to 33 observations (17)."""
    t = 10 * (_range(1, 33, x) - 1)
    x1, x2, x3, x4, x5 = _columns(x)
    return _data(OSBORNE_Y, x) - (x1 + x2 * torch.exp(-t * x4) + x3 * torch.exp(-t * x5))


def biggs_exp6(x: Tensor) -> Tensor:
    """Three exponentials fitted to three exponentials (18); a local minimum of 0.0057."""
    t = 0.1 * _range(1, 13, x)
    y = torch.exp(-t) - 5 * torch.exp(-10 * t) + 3 * torch.exp(-4 * t)
    x1, x2, x3, x4, x5, x6 = _columns(x)
    return x3 * torch.exp(-t * x1) - x4 * torch.exp(-t * x2) + x6 * torch.exp(-t * x5) - y


def watson(x: Tensor) -> Tensor:
    """A polynomial that solves a differential equation at 29 points (20): nearly singular."""
    t = (_range(1, 29, x) / 29).unsqueeze(-1)
    j = _range(0, x.shape[-1] - 1, x)
    value, slope = x @ t.pow(j).T, x @ (j * t.pow((j - 1).clamp_min(0))).T
    x1, x2 = x[..., :1], x[..., 1:2]
    return torch.cat([slope - value.square() - 1, x1, x2 - x1.square() - 1], -1)


def penalty_1(x: Tensor) -> Tensor:
    """√1e-5 (xᵢ - 1) and Σ x² - ¼ (23): ones against a ball that does not hold them."""
    return torch.cat([math.sqrt(1e-5) * (x - 1), x.square().sum(-1, keepdim=True) - 0.25], -1)


def variably_dimensioned(x: Tensor) -> Tensor:
    """xᵢ - 1, Σ i (xᵢ - 1) and its square (25): a quartic wall along one direction."""
    weighted = (_range(1, x.shape[-1], x) * (x - 1)).sum(-1, keepdim=True)
    return torch.cat([x - 1, weighted, weighted.square()], -1)


def trigonometric(x: Tensor) -> Tensor:
    """dim - Σ cos xⱼ + i (1 - cos xᵢ) - sin xᵢ (26); a local minimum of 0.00003 at dim 10."""
    dim = x.shape[-1]
    cos = torch.cos(x)
    return dim - cos.sum(-1, keepdim=True) + _range(1, dim, x) * (1 - cos) - torch.sin(x)


def brown_almost_linear(x: Tensor) -> Tensor:
    """xᵢ + Σ x - (dim + 1) but for the last, Π x - 1 (27)."""
    dim = x.shape[-1]
    return torch.cat([x[..., :-1] + x.sum(-1, keepdim=True) - (dim + 1), x.prod(-1, keepdim=True) - 1], -1)


def discrete_boundary_value(x: Tensor) -> Tensor:
    """A two-point boundary value problem by finite differences (28)."""
    h = 1 / (x.shape[-1] + 1)
    t = h * _range(1, x.shape[-1], x)
    left, right = _neighbours(x)
    return 2 * x - left - right + h * h * _cube(x + t + 1) / 2


def broyden_tridiagonal(x: Tensor) -> Tensor:
    """(3 - 2 xᵢ) xᵢ - xᵢ₋₁ - 2 xᵢ₊₁ + 1 (30)."""
    left, right = _neighbours(x)
    return (3 - 2 * x) * x - left - 2 * right + 1


def broyden_banded(x: Tensor) -> Tensor:
    """xᵢ (2 + 5 xᵢ²) + 1 - Σ xⱼ (1 + xⱼ) over the five before and the one after (31)."""
    dim = x.shape[-1]
    offset = torch.arange(dim).unsqueeze(0) - torch.arange(dim).unsqueeze(1)
    band = ((offset >= -5) & (offset <= 1) & (offset != 0)).to(x)
    return x * (2 + 5 * x.square()) + 1 - (x * (1 + x)) @ band.T


def chebyquad(x: Tensor) -> Tensor:
    """Nodes of an equal-weight quadrature: the means of the Chebyshev polynomials against their integrals (35)."""
    u = 2 * x - 1
    before, here = torch.ones_like(u), u
    residuals = []
    for degree in range(1, x.shape[-1] + 1):
        integral = 0.0 if degree % 2 else -1 / (degree * degree - 1)
        residuals.append(here.mean(-1) - integral)
        before, here = here, 2 * u * here - before
    return torch.stack(residuals, -1)


def _range(first: int, last: int, like: Tensor) -> Tensor:
    return torch.arange(first, last + 1, dtype=like.dtype, device=like.device)


def _columns(x: Tensor) -> tuple[Tensor, ...]:
    """Each coordinate as ``[..., 1]``, to be broadcast against observations ``[M]``."""
    return x.unsqueeze(-1).unbind(-2)


def _data(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)


def _cube(v: Tensor) -> Tensor:
    return v * v.square()


def _neighbours(x: Tensor) -> tuple[Tensor, Tensor]:
    """The coordinates one before and one after, 0 beyond the ends."""
    zero = torch.zeros_like(x[..., :1])
    return torch.cat([zero, x[..., :-1]], -1), torch.cat([x[..., 1:], zero], -1)
