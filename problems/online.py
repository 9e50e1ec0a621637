"""Counterexamples: one-dimensional problems on which an adaptive method walks away from the minimum.

All have one shape: step t sees the loss a_t φ(x), with φ increasing and slopes a_t of which few are large and positive,
many small and negative, and the mean is positive, so that x should fall. A method that divides by the size of recent
gradients weighs the rare large slopes down, forgets them, and follows the many small ones.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from problems.data import shuffled_rows
from problems.noise import blocks
from problems.problem import Batch, Facts, Problem, ProblemSpec

__all__ = ["SPECS", "FiniteSum", "Periodic", "RareSlopes", "Sloped", "reddi_periodic"]


class Sloped(Problem):
    """The loss a x on [-1, 1] with a slope a for each step, from 0; what is evaluated has the mean slope.

    Subclasses give the slopes ``[S, 1]`` as batches. Every update is followed by the projection onto [-1, 1].
    """

    @property
    @abstractmethod
    def mean_slope(self) -> float:
        """The slope of what is evaluated."""

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.zeros(len(seeds), 1, dtype=torch.float64)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        slope = batch if isinstance(batch, Tensor) else self.mean_slope
        return (slope * self.shape(x)).sum(-1)

    def shape(self, x: Tensor) -> Tensor:
        """φ(x), what the slopes multiply."""
        return x

    def project_(self, x: Tensor) -> None:
        """Back onto [-1, 1]."""
        x.clamp_(-1, 1)


def _facts(mean_slope: float, *tags: str, deterministic: bool = False) -> Facts:
    """The facts of a loss of such a mean slope on [-1, 1]."""
    return Facts(
        dim=1,
        minimum=-mean_slope,
        minimisers=((-1.0,),),
        target=-0.99 * mean_slope,
        steps=5000,
        tags=frozenset({"online", "counterexample", *tags}),
        deterministic=deterministic,
        dtype=torch.float64,
    )


@dataclass(frozen=True)
class Periodic(Sloped):
    """Slope ``large`` at the first of every ``period`` steps, ``small`` at the others: the same for every seed.

    Raises ``ValueError`` where the slopes do not have a positive mean, or the period is below 2.
    """

    large: float
    small: float
    period: int

    def __post_init__(self) -> None:
        if self.period < 2 or not self.mean_slope > 0:
            raise ValueError(
                f"slopes {self.large} and {self.period - 1} times {self.small} need a positive mean and a period >= 2"
            )

    @property
    def mean_slope(self) -> float:
        return (self.large + (self.period - 1) * self.small) / self.period

    @cached_property
    def facts(self) -> Facts:
        return _facts(self.mean_slope, "convex", "deterministic", deterministic=True)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        """The slope ``[S, 1]`` of each step."""
        shape = (len(seeds), 1)
        large, small = (torch.full(shape, slope, dtype=torch.float64) for slope in (self.large, self.small))
        for t in range(steps):
            yield small if t % self.period else large

    def definition(self) -> Mapping[str, Any]:
        return {"large": float(self.large), "small": float(self.small), "period": self.period}


def reddi_periodic(c: float = 3.0) -> Periodic:
    """C x once in three steps, -x twice; RMSProp with gamma = 1 / (1 + C²) runs to +1 (Reddi et al. 2018, theorem 1).

    Raises ``ValueError`` unless c > 2, below which +1 is the minimum.
    """
    if not c > 2:
        raise ValueError(f"reddi-periodic needs c > 2, got {c}")
    return Periodic(c, -1.0, 3)


@dataclass(frozen=True)
class RareSlopes(Sloped):
    """1010 x with probability 0.01, else -10 x: the stochastic experiment of Reddi et al. (2018), section 5."""

    mean_slope = 0.2
    facts = _facts(0.2, "convex", "stochastic")

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        """The slope ``[S, 1]`` of each step."""
        yield from blocks(seeds, steps, "slopes", self._sample)

    @staticmethod
    def _sample(g: np.random.Generator, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.where(g.random((count, 1)) < 0.01, 1010.0, -10.0)


@dataclass(frozen=True)
class FiniteSum(Sloped):
    """n φ(x) for one and -φ(x) for n - 1 components, in a new order every epoch, from 1, unconstrained.

    φ(x) = x from -1 up, ½ (x + 2)² - 3/2 below, so the components sum to φ, with its minimum -3/2 at -2. With lr
    0.1 / √t, RMSProp (or Adam) finds it only for a memory above a threshold that grows with n (Zhang et al. 2022).
    What is evaluated is the mean over components, 1/n of that sum. Raises ``ValueError`` for n below 2.
    """

    n: int = 5

    def __post_init__(self) -> None:
        if self.n < 2:
            raise ValueError(f"finite-sum needs n >= 2 components, got {self.n}")

    @property
    def mean_slope(self) -> float:
        return 1 / self.n

    @cached_property
    def facts(self) -> Facts:
        return replace(
            _facts(self.mean_slope, "nonconvex", "stochastic"),
            minimum=-1.5 / self.n,
            minimisers=((-2.0,),),
            target=-1.485 / self.n,
        )

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.ones(len(seeds), 1, dtype=torch.float64)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        """The slope ``[S, 1]`` of each step: n once an epoch of n steps, else -1."""
        for component in shuffled_rows(seeds, self.n, 1, steps):
            yield torch.where(component == 0, float(self.n), -1.0).double()

    def shape(self, x: Tensor) -> Tensor:
        return torch.where(x >= -1, x, 0.5 * (x + 2).square() - 1.5)

    def project_(self, x: Tensor) -> None:
        """Nothing: every x is feasible."""


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "reddi-periodic", reddi_periodic, "slope C once in three steps, else -1, on [-1, 1]", "Reddi et al. 2018"
    ),
    ProblemSpec(
        "reddi-online",
        partial(Periodic, 1010.0, -10.0, 101),
        "slope 1010 every 101 steps, else -10",
        "Reddi et al. 2018",
    ),
    ProblemSpec("reddi-stochastic", RareSlopes, "slope 1010 with probability 0.01, else -10", "Reddi et al. 2018"),
    ProblemSpec("finite-sum", FiniteSum, "one component against n - 1: the memory decides", "Zhang et al. 2022"),
)
