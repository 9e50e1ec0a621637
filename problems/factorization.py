"""Problems whose unknowns multiply each other: non-convex, with saddles, and yet with a floor known in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from problems.data import shuffled_rows
from problems.problem import Batch, Problem, ProblemSpec, generator

__all__ = ["SPECS", "DeepLinear", "MatrixFactorization", "PhaseRetrieval"]


class MatrixFactorization(Problem):
    """‖M - U Vᵀ‖² / (2 rows) for a matrix M of low rank plus noise, from U, V ~ N(0, 0.1²); x is (U, V).

    Full gradients; the seed fixes the start. Every minimum is global, and by Eckart and Young (1936) the floor is what
    the singular values beyond ``rank`` leave. Raises ``ValueError`` for sizes or noise out of range.
    """

    deterministic = False
    chunk = 256

    def __init__(self, rows: int = 60, columns: int = 40, rank: int = 5, noise: float = 0.1) -> None:
        if not 1 <= rank <= min(rows, columns) or noise < 0:
            raise ValueError(
                f"matrix-factorization needs 1 <= rank <= rows, columns and noise >= 0, "
                f"got rank={rank}, rows={rows}, columns={columns}, noise={noise}"
            )
        self.rows, self.columns, self.rank, self.noise = rows, columns, rank, noise
        self.dim = (rows + columns) * rank
        self.steps, self.target = 300, 0.5
        self.tags = frozenset({"nonconvex", "factorization"})
        rng = generator(0, "matrix factorization")
        planted = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns)) / np.sqrt(rank)
        self.matrix = torch.from_numpy(planted + noise * rng.standard_normal((rows, columns)))
        left, values, right = torch.linalg.svd(self.matrix, full_matrices=False)
        self.minimum = values[rank:].square().sum().item() / (2 * rows)
        roots = values[:rank].sqrt()
        best = torch.cat([(left[:, :rank] * roots).flatten(), (right[:rank].T * roots).flatten()])
        self.minimisers = [tuple(best.tolist())]

    def start(self, seeds: Sequence[int]) -> Tensor:
        return 0.1 * torch.from_numpy(np.stack([generator(s, "start").standard_normal(self.dim) for s in seeds]))

    def loss(self, x: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002 - full gradients
        left, right = torch.split(x, [self.rows * self.rank, self.columns * self.rank], dim=-1)
        product = torch.unflatten(left, -1, (self.rows, -1)) @ torch.unflatten(right, -1, (self.columns, -1)).mT
        return (product - self.matrix.to(x)).square().sum((-2, -1)) / (2 * self.rows)

    def definition(self) -> Mapping[str, Any]:
        return {"rows": self.rows, "columns": self.columns, "rank": self.rank, "noise": self.noise}


class DeepLinear(Problem):
    """½ mean((w₄ W₃ W₂ W₁ row - y)²) over minibatches: linear regression as four layers.

    Convex in the product, not in the layers; at zero, near the start, there is a saddle whose gradients vanish to third
    order (Saxe et al. 2014). Weights start as N(0, (scale / √10)²). Evaluated in closed form on all 500 rows; the
    floor is that of least squares. Raises ``ValueError`` for depth or scale below what makes sense.
    """

    deterministic = False
    chunk = 512
    width = 10
    rows = 500

    def __init__(self, depth: int = 4, scale: float = 0.7, batch: int = 16) -> None:
        if depth < 1 or scale <= 0 or not 1 <= batch <= self.rows:
            raise ValueError(
                f"deep-linear needs depth >= 1, scale > 0 and 1 <= batch <= {self.rows}, got {depth}, {scale}, {batch}"
            )
        self.depth, self.scale, self.batch = depth, scale, batch
        self.dim = (depth - 1) * self.width**2 + self.width
        self.steps, self.target = 620, 0.05
        self.tags = frozenset({"nonconvex", "stochastic", "factorization", "regression"})

    def start(self, seeds: Sequence[int]) -> Tensor:
        drawn = np.stack([generator(seed, "start").standard_normal(self.dim) for seed in seeds])
        return torch.from_numpy(self.scale / np.sqrt(self.width) * drawn)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        features, targets = (part.to(self.dtype) for part in self._table)
        for index in shuffled_rows(seeds, self.rows, self.batch, steps):
            yield features[index], targets[index]

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        features, targets = batch  # type: ignore[misc]
        return (torch.einsum("sbp,...sp->...sb", features, self.product(x)) - targets).square().mean(-1) / 2

    def product(self, x: Tensor) -> Tensor:
        """The weights ``[..., 10]`` of the one linear model that the layers ``x [..., P]``, last one first, make."""
        last, *others = torch.split(x, [self.width, *[self.width**2] * (self.depth - 1)], dim=-1)
        weights = last.unsqueeze(-2)
        for layer in others:
            weights = weights @ torch.unflatten(layer, -1, (self.width, self.width))
        return weights.squeeze(-2)

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        solution, hessian, floor = self._solution
        away = self.product(x.double()) - solution.to(x.device)
        return {"loss": floor + ((away @ hessian.to(x.device)) * away).sum(-1) / 2}

    def definition(self) -> Mapping[str, Any]:
        return {"depth": self.depth, "scale": self.scale, "batch": self.batch}

    @property
    def minimum(self) -> float:  # type: ignore[override] # a fact like any other, computed when asked for
        """The least-squares loss."""
        return self._solution[2]

    @property
    def minimisers(self) -> Sequence[Sequence[float]]:  # type: ignore[override]
        """One of many: the solution as the first row of the first layer, handed on by the others."""
        first = torch.zeros(self.width, dtype=torch.float64)
        first[0] = 1
        layers = [first, *[torch.eye(self.width, dtype=torch.float64).flatten()] * (self.depth - 2)]
        if self.depth == 1:
            return [tuple(self._solution[0].tolist())]
        return [tuple(torch.cat([*layers, torch.outer(first, self._solution[0]).flatten()]).tolist())]

    @cached_property
    def _table(self) -> tuple[Tensor, Tensor]:
        """Standard normal features ``[N, 10]`` and targets ``[N]`` from a planted unit vector, with noise of 0.1."""
        rng = generator(0, "deep linear")
        features, planted = rng.standard_normal((self.rows, self.width)), rng.standard_normal(self.width)
        targets = features @ (planted / np.linalg.norm(planted)) + 0.1 * rng.standard_normal(self.rows)
        return torch.from_numpy(features), torch.from_numpy(targets)

    @cached_property
    def _solution(self) -> tuple[Tensor, Tensor, float]:
        """Solution ``[10]``, Hessian ``[10, 10]`` and floor of the linear regression."""
        features, targets = self._table
        hessian = features.T @ features / self.rows
        solution: Tensor = torch.linalg.solve(hessian, features.T @ targets / self.rows)
        return solution, hessian, (features @ solution - targets).square().mean().item() / 2


class PhaseRetrieval(Problem):
    """mean(((a·x)² - y)²) / 4 over minibatches of sensing vectors a: to find x* up to its sign from y = (a·x*)².

    ``dim`` unknowns and eight times as many Gaussian measurements without noise; ‖x*‖ = 1, the start is N(0, 1/dim).
    The floor 0 is taken at ±x*, and at 0 the gradient vanishes too (Candès, Li and Soltanolkotabi 2015). Raises
    ``ValueError`` for sizes below one.
    """

    deterministic = False
    minimum = 0.0
    chunk = 1024

    def __init__(self, dim: int = 20, batch: int = 16) -> None:
        if dim < 1 or not 1 <= batch <= 8 * dim:
            raise ValueError(f"phase-retrieval needs dim >= 1 and 1 <= batch <= 8 dim, got dim={dim} and batch={batch}")
        self.dim, self.batch = dim, batch
        self.steps, self.target = 600, 1e-3
        self.tags = frozenset({"nonconvex", "stochastic", "factorization"})
        rng = generator(0, "phase retrieval")
        self.sensing = torch.from_numpy(rng.standard_normal((8 * dim, dim)))
        hidden = rng.standard_normal(dim)
        hidden /= np.linalg.norm(hidden)
        self.minimisers = [tuple(hidden.tolist()), tuple((-hidden).tolist())]
        self.measured = (self.sensing @ torch.from_numpy(hidden)).square()

    def start(self, seeds: Sequence[int]) -> Tensor:
        drawn = np.stack([generator(seed, "start").standard_normal(self.dim) for seed in seeds])
        return torch.from_numpy(drawn / np.sqrt(self.dim))

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        sensing, measured = self.sensing.to(self.dtype), self.measured.to(self.dtype)
        for index in shuffled_rows(seeds, len(measured), self.batch, steps):
            yield sensing[index], measured[index]

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        sensing, measured = batch  # type: ignore[misc]
        return (torch.einsum("sbp,...sp->...sb", sensing, x).square() - measured).square().mean(-1) / 4

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        off = (x.double() @ self.sensing.T.to(x.device)).square() - self.measured.to(x.device)
        return {"loss": off.square().mean(-1) / 4}

    def definition(self) -> Mapping[str, Any]:
        return {"dim": self.dim, "batch": self.batch}


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "matrix-factorization", MatrixFactorization, "60x40 matrix of rank 5 plus noise", "Eckart and Young 1936"
    ),
    ProblemSpec("deep-linear", DeepLinear, "linear regression written as four layers", "Saxe et al. 2014"),
    ProblemSpec("phase-retrieval", PhaseRetrieval, "a vector from squared projections", "Candès et al. 2015"),
)
"""The problems of this file."""
