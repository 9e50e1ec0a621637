"""Problems whose unknowns multiply each other: non-convex, with saddles, and yet with a floor known in closed form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from problems.data import minibatches
from problems.problem import Batch, Facts, Layout, Problem, ProblemSpec, generator

__all__ = ["SPECS", "DeepLinear", "MatrixFactorization", "PhaseRetrieval"]


@dataclass(frozen=True)
class MatrixFactorization(Problem):
    """‖M - U Vᵀ‖² / (2 rows) for a matrix M of low rank plus noise, from U, V ~ N(0, 0.1²); x is (U, V).

    Full gradients; the seed fixes the start. Every minimum is global, and by Eckart and Young (1936) the floor is what
    the singular values beyond ``rank`` leave. Raises ``ValueError`` for sizes or noise out of range.
    """

    rows: int = 60
    columns: int = 40
    rank: int = 5
    noise: float = 0.1

    def __post_init__(self) -> None:
        if not 1 <= self.rank <= min(self.rows, self.columns) or self.noise < 0:
            raise ValueError(
                f"matrix-factorization needs 1 <= rank <= rows, columns and noise >= 0, "
                f"got rank={self.rank}, rows={self.rows}, columns={self.columns}, noise={self.noise}"
            )

    @cached_property
    def facts(self) -> Facts:
        return Facts(
            dim=(self.rows + self.columns) * self.rank,
            target=0.5,
            steps=300,
            tags=frozenset({"nonconvex", "factorization"}),
            deterministic=False,
            chunk=256,
        )

    @property
    def layout(self) -> Layout:
        return (("U", (self.rows, self.rank)), ("V", (self.columns, self.rank)))

    def start(self, seeds: Sequence[int]) -> Tensor:
        return 0.1 * torch.from_numpy(np.stack([generator(s, "start").standard_normal(self.dim) for s in seeds]))

    def loss(self, x: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002 - full gradients
        left, right = torch.split(x, [self.rows * self.rank, self.columns * self.rank], dim=-1)
        product = torch.unflatten(left, -1, (self.rows, -1)) @ torch.unflatten(right, -1, (self.columns, -1)).mT
        return (product - self.matrix.to(x)).square().sum((-2, -1)) / (2 * self.rows)

    @cached_property
    def minimum(self) -> float:
        """What the singular values beyond the rank leave."""
        return self._singular[1][self.rank :].square().sum().item() / (2 * self.rows)

    @cached_property
    def minimisers(self) -> Sequence[Sequence[float]]:
        """One of many: the leading singular vectors, each side with the root of the singular value."""
        left, values, right = self._singular
        roots = values[: self.rank].sqrt()
        best = torch.cat([(left[:, : self.rank] * roots).flatten(), (right[: self.rank].T * roots).flatten()])
        return [tuple(best.tolist())]

    @cached_property
    def matrix(self) -> Tensor:
        """M ``[rows, columns]`` in float64."""
        rng = generator(0, "matrix factorization")
        left, right = rng.standard_normal((self.rows, self.rank)), rng.standard_normal((self.rank, self.columns))
        noise = rng.standard_normal((self.rows, self.columns))
        return torch.from_numpy(left @ right / np.sqrt(self.rank) + self.noise * noise)

    @cached_property
    def _singular(self) -> tuple[Tensor, Tensor, Tensor]:
        """Left vectors in columns, values, and right vectors in rows."""
        left, values, right = torch.linalg.svd(self.matrix, full_matrices=False)
        return left, values, right


@dataclass(frozen=True)
class DeepLinear(Problem):
    """½ mean((w₄ W₃ W₂ W₁ row - y)²) over minibatches: linear regression as four layers.

    Convex in the product, not in the layers; at zero, near the start, there is a saddle whose gradients vanish to third
    order (Saxe et al. 2014). Weights start as N(0, (scale / √10)²). Evaluated in closed form on all 500 rows; the
    floor is that of least squares. Raises ``ValueError`` for depth or scale below what makes sense.
    """

    depth: int = 4
    scale: float = 0.7
    batch: int = 16

    width = 10
    rows = 500

    def __post_init__(self) -> None:
        if self.depth < 1 or self.scale <= 0 or not 1 <= self.batch <= self.rows:
            raise ValueError(
                f"deep-linear needs depth >= 1, scale > 0 and 1 <= batch <= {self.rows}, "
                f"got {self.depth}, {self.scale}, {self.batch}"
            )

    @cached_property
    def facts(self) -> Facts:
        return Facts(
            dim=(self.depth - 1) * self.width**2 + self.width,
            target=0.05,
            steps=620,
            tags=frozenset({"nonconvex", "stochastic", "factorization", "regression"}),
            deterministic=False,
            chunk=512,
        )

    @property
    def layout(self) -> Layout:
        inner = [(f"W{place}", (self.width, self.width)) for place in range(self.depth - 1, 0, -1)]
        return ((f"w{self.depth}", (1, self.width)), *inner)

    def start(self, seeds: Sequence[int]) -> Tensor:
        drawn = np.stack([generator(seed, "start").standard_normal(self.dim) for seed in seeds])
        return torch.from_numpy(self.scale / np.sqrt(self.width) * drawn)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        yield from minibatches([part.to(self.dtype) for part in self._table], seeds, self.batch, steps)

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

    @property
    def minimum(self) -> float:
        """The least-squares loss."""
        return self._solution[2]

    @property
    def minimisers(self) -> Sequence[Sequence[float]]:
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


@dataclass(frozen=True)
class PhaseRetrieval(Problem):
    """mean(((a·x)² - y)²) / 4 over minibatches of sensing vectors a: to find x* up to its sign from y = (a·x*)².

    ``dim`` unknowns and eight times as many Gaussian measurements without noise; ‖x*‖ = 1, the start is N(0, 1/dim).
    The floor 0 is taken at ±x*, and at 0 the gradient vanishes too (Candès, Li and Soltanolkotabi 2015). Raises
    ``ValueError`` for sizes below one.
    """

    dim: int = 20
    batch: int = 16

    def __post_init__(self) -> None:
        if self.dim < 1 or not 1 <= self.batch <= 8 * self.dim:
            raise ValueError(
                f"phase-retrieval needs dim >= 1 and 1 <= batch <= 8 dim, got dim={self.dim} and batch={self.batch}"
            )

    @cached_property
    def facts(self) -> Facts:
        return Facts(
            dim=self.dim,
            minimum=0.0,
            target=1e-3,
            steps=600,
            tags=frozenset({"nonconvex", "stochastic", "factorization"}),
            deterministic=False,
            chunk=1024,
        )

    @cached_property
    def minimisers(self) -> Sequence[Sequence[float]]:
        """The hidden vector and its mirror image."""
        hidden = self._drawn[1]
        return [tuple(hidden.tolist()), tuple((-hidden).tolist())]

    @property
    def sensing(self) -> Tensor:
        """The sensing vectors ``[8 dim, dim]``."""
        return self._drawn[0]

    @cached_property
    def measured(self) -> Tensor:
        """What they measure of the hidden vector ``[8 dim]``."""
        sensing, hidden = self._drawn
        return (sensing @ hidden).square()

    @cached_property
    def _drawn(self) -> tuple[Tensor, Tensor]:
        """The sensing vectors, and the hidden vector ``[dim]`` of length one."""
        rng = generator(0, "phase retrieval")
        sensing = rng.standard_normal((8 * self.dim, self.dim))
        hidden = rng.standard_normal(self.dim)
        return torch.from_numpy(sensing), torch.from_numpy(hidden / np.linalg.norm(hidden))

    def start(self, seeds: Sequence[int]) -> Tensor:
        drawn = np.stack([generator(seed, "start").standard_normal(self.dim) for seed in seeds])
        return torch.from_numpy(drawn / np.sqrt(self.dim))

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        parts = self.sensing.to(self.dtype), self.measured.to(self.dtype)
        yield from minibatches(parts, seeds, self.batch, steps)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        sensing, measured = batch  # type: ignore[misc]
        return (torch.einsum("sbp,...sp->...sb", sensing, x).square() - measured).square().mean(-1) / 4

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        off = (x.double() @ self.sensing.T.to(x.device)).square() - self.measured.to(x.device)
        return {"loss": off.square().mean(-1) / 4}


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "matrix-factorization", MatrixFactorization, "60x40 matrix of rank 5 plus noise", "Eckart and Young 1936"
    ),
    ProblemSpec("deep-linear", DeepLinear, "linear regression written as four layers", "Saxe et al. 2014"),
    ProblemSpec("phase-retrieval", PhaseRetrieval, "a vector from squared projections", "Candès et al. 2015"),
)
"""The problems of this file."""
