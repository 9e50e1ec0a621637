"""Linear models: a convex loss of one linear form a row, in minibatches, with its floor computed to rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from problems.data import Array, minibatches
from problems.problem import Batch, Facts, Problem, digest, generator

__all__ = ["LinearModel", "LinearProblem", "Pointwise", "Table", "linear_facts"]

Table = tuple[Array, Array]
"""Features ``[N, P - 1]`` and targets ``[N]``, both float64."""

Pointwise = Callable[[Tensor, Tensor], Tensor]
"""The loss of each row, from predictions and targets of one shape: convex and smooth in the prediction."""

NEWTON_STEPS = 100
BLOCK = 2**22  # predictions evaluated at once


class LinearProblem(Problem):
    """mean φ(X w + b, y) + l2/2 |x|² over minibatches of ``batch`` rows, reshuffled every epoch; x is (w, b).

    Subclasses give the ``rows`` of the `table`, which is called on first use, and φ as ``pointwise``. The start is
    w ~ N(0, spread²), b = 0. The full-data loss is evaluated in double precision. The floor and its minimiser come from
    Newton's method, on first use. Raises ``ValueError`` for ``batch`` or ``l2`` out of range.
    """

    table: Callable[[], Table]
    pointwise: Pointwise
    rows: int
    batch: int
    l2: float = 0.0
    spread: float = 0.01

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= self.rows or self.l2 < 0:
            raise ValueError(
                f"this problem needs 1 <= batch <= {self.rows} and l2 >= 0, got batch={self.batch} and l2={self.l2}"
            )

    def start(self, seeds: Sequence[int]) -> Tensor:
        w = np.stack([generator(seed, "start").normal(0, self.spread, self.dim - 1) for seed in seeds])
        return torch.from_numpy(np.concatenate([w, np.zeros((len(seeds), 1))], axis=1))

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        yield from minibatches([part.to(self.dtype) for part in self._rows], seeds, self.batch, steps)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        rows, targets = batch  # type: ignore[misc]
        predictions = torch.einsum("sbp,...sp->...sb", rows, x)
        return self._penalised(self.of_rows(predictions, targets).mean(-1), x)

    def of_rows(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """The loss of each row ``[..., B]``, of ``predictions [..., B]`` and what the table has for targets."""
        return self.pointwise(predictions, targets.expand_as(predictions))

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        lanes = x.double().reshape(-1, self.dim)
        at_once = max(1, BLOCK // len(self._rows[1]))
        losses = torch.cat([self._full(part) for part in torch.split(lanes, at_once)])
        return {"loss": losses.view(x.shape[:-1])}

    def definition(self) -> Mapping[str, Any]:
        return {"batch": self.batch, "l2": self.l2, "data": digest(*self._rows)}

    @cached_property
    def minimum(self) -> float:
        """The lowest full-data loss."""
        return float(self._full(self.minimiser))

    @cached_property
    def minimisers(self) -> Sequence[Sequence[float]]:
        """The one point where it is taken."""
        return [tuple(self.minimiser.tolist())]

    @cached_property
    def minimiser(self) -> Tensor:
        """The minimiser ``[P]`` in float64, by Newton's method with step halving until the loss stops falling."""
        x = torch.zeros(self.dim, dtype=torch.float64)
        loss = self._full(x)
        for _ in range(NEWTON_STEPS):
            step = self._newton_step(x)
            while not (lower := self._full(x + step)) < loss:
                step = step / 2
                if bool((x + step == x).all()):
                    return x
            x, loss = x + step, lower
        return x

    @torch.enable_grad()  # facts may be read while gradients are off
    def _newton_step(self, x: Tensor) -> Tensor:
        rows, targets = self._rows
        predictions = (rows @ x).requires_grad_()
        (slope,) = torch.autograd.grad(self.of_rows(predictions, targets).sum(), predictions, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.sum(), predictions)
        n = len(targets)
        hessian = rows.T @ (curvature.unsqueeze(-1) * rows) / n + self.l2 * torch.eye(self.dim, dtype=torch.float64)
        gradient = rows.T @ slope.detach() / n + self.l2 * x
        scale = hessian.diagonal().rsqrt()  # makes badly scaled features harmless
        solved: Tensor = torch.linalg.solve(hessian * scale * scale.unsqueeze(-1), gradient * scale)
        return -scale * solved

    def _full(self, x: Tensor) -> Tensor:
        """The loss on all rows ``[...]`` of ``x [..., P]`` in double precision."""
        rows, targets = (part.to(x.device) for part in self._rows)
        predictions = x @ rows.T
        return self._penalised(self.of_rows(predictions, targets).mean(-1), x)

    def _penalised(self, loss: Tensor, x: Tensor) -> Tensor:
        return loss + (0.5 * self.l2) * x.square().sum(-1) if self.l2 else loss

    @cached_property
    def _rows(self) -> tuple[Tensor, Tensor]:
        """Features with a last column of ones ``[N, P]`` and targets ``[N]`` in float64."""
        features, targets = self.table()
        return torch.from_numpy(np.column_stack([features, np.ones(len(targets))])), torch.from_numpy(targets)


@dataclass(frozen=True, eq=False)
class LinearModel(LinearProblem):
    """A linear problem made of its parts; ``parameters`` are what its table and its loss were built with."""

    table: Callable[[], Table]
    pointwise: Pointwise
    rows: int
    parameters: Mapping[str, Any]
    stated: Facts
    batch: int
    l2: float = 0.0
    spread: float = 0.01

    @property
    def facts(self) -> Facts:
        return self.stated

    def definition(self) -> Mapping[str, Any]:
        return {**self.parameters, **super().definition()}


def linear_facts(features: int, *, steps: int, target: float, tags: Sequence[str], chunk: int | None = None) -> Facts:
    """The facts of a linear problem of so many ``features``, but for those computed from its rows."""
    return Facts(
        dim=features + 1,
        steps=steps,
        target=target,
        tags=frozenset({"convex", "stochastic", *tags}),
        deterministic=False,
        chunk=chunk,
    )
