"""Stochastic quadratics: a known spectrum, a known floor, and gradient noise of a known kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from problems.analytic import at_least
from problems.noise import Array, blocks, rotation
from problems.problem import Batch, Facts, Problem, ProblemSpec, generator

__all__ = ["SPECS", "Moments", "Noise", "NoisyQuadratic", "Quadratic"]

Noise = Literal["gaussian", "student-t", "multiplicative", "sparse", "none"]


@dataclass(frozen=True)
class Moments:
    """What decides the expected loss of SGD on a quadratic with additive noise, along each eigenvector ``[P]``.

    ``start`` is E z² before the first step; then z² is expected to go to (1 - lr h)² z² + lr² ``noise`` each step, with
    h of ``curvature``, and the loss is ½ Σ h z².
    """

    curvature: npt.NDArray[np.float64]
    noise: npt.NDArray[np.float64]
    start: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quadratic(Problem):
    """½ Σ hᵢ zᵢ², eigenvalues log-spaced from 1/condition to 1, from z = ones; z is x, or x turned where ``rotated``.

    Evaluated without noise, its floor is 0. The training loss carries noise of mean zero:

    * "gaussian" and "student-t" (2 degrees of freedom: infinite variance): sigma times a random number is added to each
      gradient entry;
    * "multiplicative": each eigenvalue is multiplied by 1 + sigma N(0, 1), so that the noise vanishes at the minimum;
    * "sparse": an eigenvalue is seen with probability 1/rank, the steepest always, and then counts rank times; sigma
      plays no part, as in "none".

    Raises ``ValueError`` for a parameter out of range or an unknown noise.
    """

    dim: int = 100
    condition: float = 1000.0
    rotated: bool = False
    noise: Noise = "gaussian"
    sigma: float = 0.1

    def __post_init__(self) -> None:
        at_least(1, self.dim, "quadratic")
        if not (1 <= self.condition < np.inf and 0 <= self.sigma < np.inf):
            raise ValueError(f"quadratic needs condition >= 1 and sigma >= 0, got {self.condition} and {self.sigma}")
        if self.noise not in get_args(Noise):
            raise ValueError(f"quadratic has no noise {self.noise!r}; it has {', '.join(get_args(Noise))}")

    @cached_property
    def facts(self) -> Facts:
        deterministic = self.noise == "none"
        return Facts(
            dim=self.dim,
            minimum=0.0,
            minimisers=((0.0,) * self.dim,),
            sharpness=1.0,
            target=0.1,
            steps=300,
            tags=frozenset({"quadratic", "convex", "deterministic" if deterministic else "stochastic"}),
            deterministic=deterministic,
        )

    def start(self, seeds: Sequence[int]) -> Tensor:
        z = torch.ones(len(seeds), self.dim, dtype=torch.float64)
        return z @ rotation(self.dim) if self.rotated else z

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        z = x @ rotation(self.dim).to(x).T if self.rotated else x
        half = (0.5 * self._eigenvalues).to(x)
        if not isinstance(batch, Tensor):
            return (z.square() * half).sum(-1)
        if self.noise in ("multiplicative", "sparse"):
            return (z.square() * (half * batch)).sum(-1)
        return (z.square() * half).sum(-1) + (x * batch).sum(-1)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        """The noise ``[S, P]`` of each update: added to the gradient, or what eigenvalues are multiplied by."""
        if self.noise == "none":
            yield from super().batches(seeds, steps)
        else:
            yield from blocks(seeds, steps, f"{self.noise} noise", self._sample)

    def definition(self) -> Mapping[str, Any]:
        sigma = 0.0 if self.noise in ("sparse", "none") else float(self.sigma)  # where it plays no part
        return {**super().definition(), "condition": float(self.condition), "sigma": sigma}

    @property
    def moments(self) -> Moments | None:
        """What decides SGD's expected loss; None for noise that is not added, or has no variance."""
        if self.noise not in ("gaussian", "none"):
            return None
        ones, variance = np.ones(self.dim), self.sigma**2 if self.noise == "gaussian" else 0.0
        return Moments(self._eigenvalues.numpy(), variance * ones, ones)

    @cached_property
    def _eigenvalues(self) -> Tensor:
        return torch.from_numpy(np.geomspace(1 / self.condition, 1, self.dim))

    def _sample(self, g: np.random.Generator, count: int) -> Array:
        """Noise ``[count, P]`` of one seed, in single precision."""
        shape = (count, self.dim)
        if self.noise == "student-t":
            return np.float32(self.sigma) * g.standard_t(2, shape).astype(np.float32)
        if self.noise == "sparse":
            rank = np.arange(self.dim, 0, -1, dtype=np.float32)
            return rank * (g.random(shape, dtype=np.float32) * rank < 1)
        drawn = np.float32(self.sigma) * g.standard_normal(shape, dtype=np.float32)
        return 1 + drawn if self.noise == "multiplicative" else drawn


@dataclass(frozen=True)
class NoisyQuadratic(Problem):
    """The noisy quadratic model (Zhang et al. 2019): ½ Σ hᵢ xᵢ² with hᵢ = 1/i, from N(0, 1).

    The gradient noise of a minibatch has variance hᵢ / batch: it follows the curvature, as in networks near a minimum.
    The expected loss under SGD is known exactly: `expected_loss`. Raises ``ValueError`` for a dim or batch below one.
    """

    dim: int = 100
    batch: int = 16

    def __post_init__(self) -> None:
        at_least(1, self.dim, "noisy-quadratic")
        if self.batch < 1:
            raise ValueError(f"noisy-quadratic needs batch >= 1, got {self.batch}")

    @cached_property
    def facts(self) -> Facts:
        return Facts(
            dim=self.dim,
            minimum=0.0,
            minimisers=((0.0,) * self.dim,),
            sharpness=1.0,
            target=0.1,
            steps=300,
            tags=frozenset({"quadratic", "convex", "stochastic"}),
            deterministic=False,
        )

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.from_numpy(np.stack([generator(seed, "start").standard_normal(self.dim) for seed in seeds]))

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        clean = (x.square() * torch.from_numpy(0.5 * self._eigenvalues).to(x)).sum(-1)
        return clean + (x * batch).sum(-1) if isinstance(batch, Tensor) else clean

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        """The noise ``[S, P]`` added to the gradient of each update."""
        deviation = np.sqrt(self._eigenvalues / self.batch).astype(np.float32)
        shape = (self.dim,)
        yield from blocks(
            seeds,
            steps,
            "minibatch noise",
            lambda g, count: deviation * g.standard_normal((count, *shape), dtype=np.float32),
        )

    def expected_loss(self, lr: float, steps: int) -> float:
        """The expected loss after ``steps`` of SGD, where E x² <- (1 - lr h)² E x² + lr² h / batch each step."""
        h = self._eigenvalues
        kept = (1 - lr * h) ** 2
        unmoved = kept == 1  # the geometric series of 1, …, kept^(steps - 1) then has the sum steps
        series = np.where(unmoved, steps, (1 - kept**steps) / np.where(unmoved, 1, 1 - kept))
        return float(0.5 * np.sum(h * (kept**steps + lr**2 * h / self.batch * series)))

    @property
    def moments(self) -> Moments:
        """What decides SGD's expected loss."""
        h = self._eigenvalues
        return Moments(h, h / self.batch, np.ones(self.dim))

    @cached_property
    def _eigenvalues(self) -> npt.NDArray[np.float64]:
        return 1 / np.arange(1, self.dim + 1)


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec("quadratic", Quadratic, "log-spaced spectrum, five kinds of gradient noise", "own construction"),
    ProblemSpec("noisy-quadratic", NoisyQuadratic, "hᵢ = cᵢ = 1/i: SGD's expected loss is known", "Zhang et al. 2019"),
)
