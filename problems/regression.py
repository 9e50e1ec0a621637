"""Regression problems: a linear model on a table of rows, in minibatches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from problems.data import Array, airfoil, shuffled_rows
from problems.problem import Batch, Problem, ProblemSpec, digest, generator

__all__ = ["SPECS", "Airfoil", "LinearRegression"]


class LinearRegression(Problem):
    """½ mean((X w + b - y)²) over minibatches of ``batch`` rows, reshuffled every epoch; x is (w, b).

    The start is w ~ N(0, 0.01²), b = 0, as in the book. The full-data loss is evaluated in closed form in double precision,
    so gaps to the floor are exact down to rounding of x.
    """

    deterministic = False
    chunk: int = 2048

    def __init__(self, batch: int) -> None:
        if batch < 1:
            raise ValueError(f"a minibatch needs at least one row, got batch={batch}")
        self.batch = batch

    def table(self) -> tuple[Array, Array]:
        """Features ``[N, P - 1]`` and targets ``[N]`` in float64."""
        raise NotImplementedError

    def start(self, seeds: Sequence[int]) -> Tensor:
        w = np.stack([generator(seed, "start").normal(0, 0.01, self.dim - 1) for seed in seeds])
        return torch.from_numpy(np.concatenate([w, np.zeros((len(seeds), 1))], axis=1))

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        rows, targets = batch  # type: ignore[misc]
        return (torch.einsum("sbp,...sp->...sb", rows, x) - targets).square().mean(-1) / 2

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        rows, targets = self._rows
        for index in shuffled_rows(seeds, len(targets), self.batch, steps):
            yield rows[index], targets[index]

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        hessian, solution, floor = self._solution
        away = x.double() - solution
        return {"loss": floor + ((away @ hessian) * away).sum(-1) / 2}

    def definition(self) -> Mapping[str, Any]:
        return {"batch": self.batch, "data": digest(*self._rows)}

    @cached_property
    def _rows(self) -> tuple[Tensor, Tensor]:
        features, targets = self.table()
        rows = np.column_stack([features, np.ones(len(targets))])
        return torch.from_numpy(rows).to(self.dtype), torch.from_numpy(targets).to(self.dtype)

    @cached_property
    def _solution(self) -> tuple[Tensor, Tensor, float]:
        """Hessian ``[P, P]``, minimiser ``[P]`` and minimum of the full-data loss, by least squares."""
        features, targets = self.table()
        rows = np.column_stack([features, np.ones(len(targets))])
        solution = np.linalg.lstsq(rows, targets, rcond=None)[0]
        floor = float(np.mean((rows @ solution - targets) ** 2) / 2)
        return torch.from_numpy(rows.T @ rows / len(targets)), torch.from_numpy(solution), floor


class Airfoil(LinearRegression):
    """The book's regression: NASA airfoil self-noise, 1500 rows, 5 standardised features, batch 10, two epochs.

    Uses the real file where the ``data`` folder holds it (checked by sha1), else rows with exactly its second moments.
    """

    dim = 6
    tags = frozenset({"chapter", "convex", "stochastic", "regression"})
    minimum = 0.24168795  # the same for file and surrogate, to all digits written

    def __init__(self, batch: int = 10, data: Path | None = None) -> None:
        super().__init__(batch)
        self.data = data
        self.steps = 2 * 1500 // batch
        self.target = 0.25

    def table(self) -> tuple[Array, Array]:
        features, targets, _ = airfoil(self.data)
        return features, targets

    def definition(self) -> Mapping[str, Any]:
        return {**super().definition(), "origin": airfoil(self.data)[2]}


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "airfoil", Airfoil, "the book's linear regression, batch 10, two epochs", "d2l 12.5; Brooks et al. 1989"
    ),
)
