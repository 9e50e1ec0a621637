"""Curvature of a problem's full-data loss over lanes: gradients, largest eigenvalues, and critical rates.

A Hessian is never formed: it is multiplied with one vector a lane at a time, by differentiating every lane's gradient
once more. All is computed in double precision, whatever the runs are trained in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from benchmarks.engine.calls import evaluation_of, name_of
from benchmarks.errors import UsageError
from problems import Problem
from problems.problem import generator

__all__ = [
    "TOGETHER",
    "Critical",
    "Largest",
    "critical_rates",
    "full_gradient",
    "largest_eigenvalue",
    "require_gradients",
]

TOGETHER: Final = 8
"""Lanes whose graphs are held at a time: a graph over all examples is what memory goes to."""

BROKEN: Final = 1e-12
"""Share of a matrix below which what is left of a vector is rounding: its Krylov space is exhausted."""

CLOSE: Final = 1.01
"""Ratio of the ends of a bracket at which a critical rate is known well enough."""

FARTHEST: Final = 50
"""Forward passes after which a search for a critical rate gives up."""

Product = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Largest:
    """The largest eigenvalue ``value`` of each lane ``[...]`` and ``residual`` ``[...]``, how far at most an eigenvalue
    lies from it; both NaN where a lane is not finite.
    """

    value: Tensor
    residual: Tensor


@dataclass(frozen=True)
class Critical:
    """The critical learning ``rate`` of each lane ``[...]`` and how many forward ``passes`` all together took.

    A rate is inf where the loss never rises, 0 where it rises at once, NaN where a lane is not finite or goes nowhere.
    """

    rate: Tensor
    passes: int


def require_gradients(problem: Problem) -> bool:
    """Whether the loss of ``problem`` can be differentiated twice over lanes; looked at once, at its start.

    Raises `UsageError` where it cannot even be differentiated once.
    """
    named = name_of(problem)
    if problem.native is not None:
        raise UsageError(
            f"{named} has no curvature over lanes, for it is trained natively ({problem.native}); {ANSWER}"
        )
    x = problem.start([1]).double().requires_grad_()
    loss = evaluation_of(problem, x)["loss"]
    if not loss.requires_grad:
        raise UsageError(f"{named} has no curvature, for what it reports as its loss has no gradient; {ANSWER}")
    (g,) = torch.autograd.grad(loss.sum(), x, create_graph=True)
    if not g.requires_grad:
        raise UsageError(f"{named} has no curvature, for its loss is linear in the parameters; {ANSWER}")
    try:
        torch.autograd.grad(g.sum(), x)
    except (RuntimeError, NotImplementedError):
        return False
    return True


ANSWER: Final = "problems whose runs are lanes and whose evaluated loss is a differentiable function of x can answer"


def full_gradient(problem: Problem, x: Tensor) -> Tensor:
    """The gradient ``[..., P]`` of the full-data loss at ``x [..., P]``."""
    found = []
    for lanes in torch.split(x.detach().double().reshape(-1, x.shape[-1]), TOGETHER):
        at = lanes.clone().requires_grad_()
        (g,) = torch.autograd.grad(evaluation_of(problem, at)["loss"].sum(), at)
        found.append(g)
    return torch.cat(found).reshape(x.shape)


def largest_eigenvalue(problem: Problem, x: Tensor, scale: Tensor | None = None, iterations: int = 32) -> Largest:
    """The largest eigenvalue of diag(``scale``) H at ``x [..., P]``, H being the Hessian of the full-data loss.

    ``scale [..., P]`` is positive; without it the eigenvalue is that of H. Found by Lanczos's method on the symmetric
    √scale H √scale, which has the same eigenvalues, in ``iterations`` products, P at most: exact, but for rounding,
    where there are so many.
    """
    flat, root = x.detach().double().reshape(-1, x.shape[-1]), torch.ones(1, 1, dtype=torch.float64)
    roots = root.expand(flat.shape) if scale is None else scale.detach().double().sqrt().reshape(flat.shape)
    value, residual = flat.new_full((len(flat),), math.nan), flat.new_full((len(flat),), math.nan)
    sound = torch.nonzero(flat.isfinite().all(-1) & roots.isfinite().all(-1)).flatten()
    for places in torch.split(sound, TOGETHER):
        value[places], residual[places] = lanczos(
            hessian(problem, flat[places], roots[places]), flat[places], iterations
        )
    return Largest(value.reshape(x.shape[:-1]), residual.reshape(x.shape[:-1]))


def hessian(problem: Problem, x: Tensor, root: Tensor) -> Product:
    """The product of √scale H √scale with a vector ``[L, P]``, a lane each, at ``x [L, P]``; ``root`` is √scale."""
    at = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(evaluation_of(problem, at)["loss"].sum(), at, create_graph=True)

    def product(v: Tensor) -> Tensor:
        (turned,) = torch.autograd.grad((g * (root * v)).sum(), at, retain_graph=True)
        return turned * root

    return product


def lanczos(product: Product, like: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """The largest eigenvalue ``[L]`` of the symmetric matrix of each lane that ``product`` multiplies with, and its
    residual ``[L]``.

    Vectors are made orthogonal to all before them, twice, so that none comes again (Parlett 1998, section 6.9). NaN
    where a product is not finite.
    """
    lanes, dim = like.shape
    first = torch.from_numpy(generator(0, "curvature").standard_normal(dim)).expand(lanes, dim)
    basis = (first / first.norm(dim=-1, keepdim=True)).unsqueeze(-2)  # [L, j, P]
    diagonal, beside = [], []
    size = like.new_zeros(lanes)
    for _ in range(min(iterations, dim)):
        v = product(basis[:, -1])
        alpha = (v * basis[:, -1]).sum(-1)
        size = torch.maximum(size, v.norm(dim=-1))
        for _ in range(2):
            v = v - (basis.mT @ (basis @ v.unsqueeze(-1))).squeeze(-1)
        beta = v.norm(dim=-1)
        alive = beta > BROKEN * size
        diagonal.append(alpha)
        beside.append(torch.where(alive, beta, 0.0))
        basis = torch.cat([basis, (v / torch.where(alive, beta, torch.inf).unsqueeze(-1)).unsqueeze(-2)], -2)
    over = torch.stack(diagonal, -1)
    ended = torch.cat([torch.zeros_like(over[:, :1]), torch.stack(beside, -1)[:, :-1] == 0], -1).cumsum(-1) > 0
    over = torch.where(ended, over[:, :1], over)  # a Rayleigh quotient, which is never above the largest eigenvalue
    off = torch.stack(beside, -1)
    small = torch.diag_embed(over) + torch.diag_embed(off[:, :-1], 1) + torch.diag_embed(off[:, :-1], -1)
    sound = small.isfinite().all(-1).all(-1)
    values, vectors = torch.linalg.eigh(torch.where(sound[:, None, None], small, 0.0))
    left = (off[:, -1] * vectors[:, -1, -1]).abs()
    return torch.where(sound, values[:, -1], math.nan), torch.where(sound, left, math.nan)


@torch.no_grad()
def critical_rates(problem: Problem, x: Tensor, direction: Tensor, guess: Tensor) -> Critical:
    """The smallest rate η at which the full-data loss at x + η ``direction`` exceeds that at ``x [..., P]``.

    By forward passes alone, as Kalra et al. (2026, arXiv 2601.16979) find it: from ``guess [...]`` the rate is doubled
    while the loss stays below, or halved while it is above, and then bisected (here on its logarithm, to 1%). Where the
    loss rises and falls again on the way, the rate found is one of several. Critical sharpness is 2 / η.
    """
    x, direction = x.detach().double(), direction.detach().double()
    before = evaluation_of(problem, x)["loss"]
    low, high = torch.zeros_like(before), torch.full_like(before, math.inf)
    rate, passes = guess.double().expand_as(before).clone(), 1
    while passes < FARTHEST and not bool(((low > 0) & (high <= CLOSE * low)).all()):
        after = evaluation_of(problem, x + rate.unsqueeze(-1) * direction)["loss"]
        rises = ~(after < before)  # as a tie does, which is rounding
        high, low = torch.where(rises, rate.minimum(high), high), torch.where(rises, low, rate.maximum(low))
        rate = torch.where(high.isinf(), 2 * low, torch.where(low == 0, high / 2, (low * high).sqrt()))
        passes += 1
    found = torch.where(high.isinf(), math.inf, (low * high).sqrt())
    moves = before.isfinite() & direction.isfinite().all(-1) & (direction != 0).any(-1)
    return Critical(torch.where(moves, found, math.nan), passes)
