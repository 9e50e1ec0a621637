"""Stochastic quadratics: a known spectrum, a known floor, and gradient noise of a known kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from problems.problem import Batch, Problem, ProblemSpec, generator

__all__ = ["SPECS", "Quadratic"]

DRAWN = 64  # steps of noise drawn at once: bounded memory, few calls


class Quadratic(Problem):
    """½ Σ hᵢ xᵢ² with eigenvalues log-spaced from 1/condition to 1, from all ones; each gradient carries N(0, sigma²) noise.

    The noise is a random linear term of the training loss, so it has mean zero and leaves the curvature alone; what is
    evaluated is the loss without it, whose floor is 0.
    """

    minimum = 0.0
    deterministic = False
    chunk: int = 2048

    def __init__(self, dim: int = 100, condition: float = 1000.0, sigma: float = 0.1) -> None:
        if dim < 1 or condition < 1 or sigma < 0:
            raise ValueError(f"a quadratic needs dim >= 1, condition >= 1, sigma >= 0; got {dim}, {condition}, {sigma}")
        self.dim, self.condition, self.sigma = dim, condition, sigma
        self.steps = 300
        self.target = 0.1
        self.tags = frozenset({"stochastic", "convex", "quadratic"})
        self.minimisers = [(0.0,) * dim]
        self._eigenvalues = torch.from_numpy(np.geomspace(1 / condition, 1, dim))

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.ones(len(seeds), self.dim, dtype=torch.float64)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        clean = (x.square() * (0.5 * self._eigenvalues).to(x)).sum(-1)
        return clean if batch is None else clean + (x * batch).sum(-1)  # type: ignore[operator]

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        generators = [generator(seed, "quadratic noise") for seed in seeds]
        for first in range(0, steps, DRAWN):
            noise = np.stack([g.standard_normal((DRAWN, self.dim), dtype=np.float32) for g in generators], axis=1)
            yield from torch.from_numpy(self.sigma * noise[: steps - first])

    def definition(self) -> Mapping[str, Any]:
        return {"dim": self.dim, "condition": self.condition, "sigma": self.sigma}


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec("quadratic", Quadratic, "log-spaced spectrum, Gaussian gradient noise", "noisy quadratic model"),
)
