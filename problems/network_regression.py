"""Regression by a fully connected network: half the squared error of several outputs, in minibatches of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from problems.data import Split, check_batch, minibatches
from problems.network import MLP
from problems.problem import Batch, Facts, Layout, Problem, digest

__all__ = ["NetworkRegression", "halved_error", "network_regression_facts"]

BLOCK = 64  # rows evaluated at once: the activations of a chunk of lanes then stay in the cache


@dataclass(frozen=True, eq=False)
class NetworkRegression(Problem):
    """½ ‖network(input) - target‖² a row, mean over minibatches of ``batch`` of ``rows`` rows, reshuffled every epoch.

    ``data`` gives inputs ``[N, I]`` and targets ``[N, O]`` on first use, of which evaluation looks at the first
    ``measured`` of either part; ``parameters`` are what data and network were made from. Raises ``ValueError`` for a
    batch that is not between one row and all.
    """

    network: MLP
    data: Callable[[], Split]
    rows: int
    parameters: Mapping[str, Any]
    stated: Facts
    batch: int
    measured: int | None = None

    def __post_init__(self) -> None:
        check_batch(self.batch, self.rows)

    @property
    def facts(self) -> Facts:
        return self.stated

    @property
    def layout(self) -> Layout:
        return self.network.layout

    def start(self, seeds: Sequence[int]) -> Tensor:
        return self.network.start(seeds)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        split = self.data()
        yield from minibatches((split.inputs, split.labels), seeds, self.batch, steps)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        inputs, targets = batch  # type: ignore[misc]
        return halved_error(self.network(x, inputs), targets)

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        split, rows = self.data(), self.measured
        return {
            "loss": self._mean(x, split.inputs[:rows], split.labels[:rows]),
            "heldout_loss": self._mean(x, split.held_inputs[:rows], split.held_labels[:rows]),
        }

    def definition(self) -> Mapping[str, Any]:
        split = self.data()
        return {**self.parameters, "batch": self.batch, "data": digest(split.inputs, split.labels)}

    def _mean(self, x: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        """The mean loss over all rows ``[...]``, gathered block by block."""
        total = torch.zeros(x.shape[:-1], dtype=x.dtype, device=x.device)
        blocks = zip(torch.split(inputs.to(x), BLOCK), torch.split(targets.to(x), BLOCK), strict=True)
        for rows, answers in blocks:
            total += halved_error(self.network(x, rows), answers) * (len(rows) / len(inputs))
        return total


def halved_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """½ ‖output - target‖², mean over the batch ``[...]``, for ``outputs [..., O, B]`` and ``targets [..., B, O]``."""
    return (outputs - targets.mT).square().sum(-2).mean(-1) / 2


def network_regression_facts(
    network: MLP, *, steps: int, target: float | None, tags: Sequence[str], chunk: int = 64
) -> Facts:
    """The facts of a network that fits a table; its floor is not known."""
    return Facts(
        dim=network.dim,
        target=target,
        steps=steps,
        tags=frozenset({"nonconvex", "stochastic", "neural", *tags}),
        deterministic=False,
        chunk=chunk,
    )
