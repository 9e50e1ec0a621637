"""Ill-conditioned functions after COCO's BBOB suite, smooth: without its oscillation and asymmetry transforms.

The minimum is 0, at the origin (BBOB's are f_opt at x_opt); z = R x with one rotation R where a problem is turned.

`ellipsoid` and `ellipsoid_rotated` start at the same place of the same quadratic, one along the coordinates, one
turned: a method that does not care for coordinates treats them alike, one that scales each by itself does not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from problems.analytic import Analytic, at_least, from_any_start, kinked_sqrt
from problems.noise import rotation
from problems.problem import ProblemSpec

__all__ = ["SPECS", "cigar", "different_powers", "discus", "ellipsoid", "ellipsoid_rotated", "sharp_ridge", "sphere"]


@from_any_start
def sphere(dim: int = 10) -> Analytic:
    """Σ z² from ones: as easy as it gets (f1)."""
    at_least(1, dim, "sphere")
    return _convex("sphere", lambda z: z.square().sum(-1), dim, turned=False)


@from_any_start
def ellipsoid(dim: int = 10, condition: float = 1e6) -> Analytic:
    """Σ condition^(i / (dim - 1)) zᵢ², i = 0 … dim - 1, from ones: each coordinate has its own scale (f2)."""
    _check("ellipsoid", dim, condition)
    return _quadratic("ellipsoid", torch.from_numpy(np.geomspace(1, condition, dim)), condition, turned=False)


@from_any_start
def ellipsoid_rotated(dim: int = 10, condition: float = 1e6) -> Analytic:
    """The ellipsoid with its axes along no coordinate (f10)."""
    _check("ellipsoid-rotated", dim, condition)
    return _quadratic("ellipsoid-rotated", torch.from_numpy(np.geomspace(1, condition, dim)), condition, turned=True)


@from_any_start
def discus(dim: int = 10, condition: float = 1e6) -> Analytic:
    """One direction ``condition`` times as steep as all others, turned (f11)."""
    _check("discus", dim, condition)
    return _quadratic(
        "discus", torch.tensor([condition, *[1.0] * (dim - 1)], dtype=torch.float64), condition, turned=True
    )


@from_any_start
def cigar(dim: int = 10, condition: float = 1e6) -> Analytic:
    """One direction ``condition`` times as flat as all others, turned (f12, without its bend)."""
    _check("cigar", dim, condition)
    return _quadratic(
        "cigar", torch.tensor([1.0, *[condition] * (dim - 1)], dtype=torch.float64), condition, turned=True
    )


@from_any_start
def sharp_ridge(dim: int = 10) -> Analytic:
    """z₁² + 100 |(z₂, z₃, …)|, z = R x: downhill is along a kink, whose gradient counts as 0.

    It leaves out Q Λ¹⁰ of BBOB's f13, z = Q Λ¹⁰ R (x - x_opt), Λ¹⁰ diagonal from 1 to √10: beside the minimum the slope
    is 100 on every side; there, in ten variables, it is 278 to 316 on the steepest, as Q happens to be.
    """
    at_least(2, dim, "sharp-ridge")

    def ridge(z: Tensor) -> Tensor:
        return z[..., 0].square() + 100 * kinked_sqrt(z[..., 1:].square().sum(-1))

    return _convex("sharp-ridge", ridge, dim, turned=True, tag="kink")


@from_any_start
def different_powers(dim: int = 10) -> Analytic:
    """Σ |zᵢ|^(2 + 4 i / (dim - 1)), z = R x: ever flatter directions near the minimum.

    It leaves out the square root of BBOB's f14 over the sum: there the function is a cone with slope 1 along its
    steepest direction at the minimum, here the slope goes to 0 in all of them.
    """
    powers = 2 + 4 * torch.linspace(0, 1, at_least(2, dim, "different-powers"), dtype=torch.float64)
    return _convex("different-powers", lambda z: z.abs().pow(powers.to(z)).sum(-1), dim, turned=True)


def _check(name: str, dim: int, condition: float) -> None:
    at_least(2, dim, name)
    if not 1 <= condition < np.inf:
        raise ValueError(f"{name} needs a finite condition >= 1, got {condition}")


def _quadratic(name: str, curvature: Tensor, condition: float, *, turned: bool) -> Analytic:
    def form(z: Tensor) -> Tensor:
        return (z.square() * curvature.to(z)).sum(-1)

    return _convex(name, form, len(curvature), turned=turned, tag="quadratic", condition=float(condition))


def _convex(
    name: str, function: Callable[[Tensor], Tensor], dim: int, *, turned: bool, tag: str = "smooth", **parameters: float
) -> Analytic:
    """A function of z = Q x (or of x) with minimum 0 at the origin, from where z is all ones."""
    start = torch.ones(dim, dtype=torch.float64)
    if turned:
        start = start @ rotation(dim)

    def of_x(x: Tensor) -> Tensor:
        return function(x @ rotation(dim).to(x).T if turned else x)

    return Analytic(
        of_x,
        start.tolist(),
        minimum=0.0,
        minimisers=[(0.0,) * dim],
        steps=1000,
        tags=("bbob", "analytic", "convex", tag),
        frame=((-1.5, 1.5), (-1.5, 1.5)),
        parameters={"function": name, "dim": dim, **parameters},
    )


SOURCE = "Hansen et al. 2009 (BBOB)"

SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec("sphere", sphere, "Σ x² from ones", SOURCE),
    ProblemSpec("ellipsoid", ellipsoid, "log-spaced spectrum along the coordinates, condition 1e6", SOURCE),
    ProblemSpec("ellipsoid-rotated", ellipsoid_rotated, "the ellipsoid with its axes along no coordinate", SOURCE),
    ProblemSpec("discus", discus, "one direction a million times as steep as the others", SOURCE),
    ProblemSpec("cigar", cigar, "one direction a million times as flat as the others", SOURCE),
    ProblemSpec(
        "sharp-ridge",
        sharp_ridge,
        "z₁² + 100 |(z₂, …)|: downhill along a kink; f13 without its Q Λ¹⁰",
        f"{SOURCE}, f13 with z = R x for Q Λ¹⁰ R (x - x_opt)",
    ),
    ProblemSpec(
        "different-powers",
        different_powers,
        "Σ |zᵢ|^(2 … 6): flatter and flatter directions; f14 without its root",
        f"{SOURCE}, f14 squared, with z = R x for R (x - x_opt)",
    ),
)
