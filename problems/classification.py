"""Classification problems: cross-entropy in minibatches, with a held-out split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from problems.data import DIGITS, DataSet, shuffled_rows
from problems.network import MLP, Network, accuracy, cross_entropy
from problems.problem import Batch, Problem, ProblemSpec, digest

__all__ = ["SPECS", "Classifier", "digits_mlp"]

BLOCK = 128  # rows evaluated at once: the activations of a chunk of lanes then stay in the cache

Measure = Callable[[Tensor, Tensor], Tensor]


class Classifier(Problem):
    """The mean cross-entropy of a network over minibatches of ``batch`` rows, reshuffled every epoch.

    ``definition`` names the parameters of the network that make this instance what it is. The floor 0 is an infimum:
    a network that fits its training data comes as near as its weights are large. Raises ``ValueError`` for a batch
    that is not between one row and all.
    """

    minimum = 0.0
    deterministic = False
    chunk = 64

    def __init__(
        self,
        network: Network,
        data: DataSet,
        definition: Mapping[str, Any],
        *,
        batch: int,
        steps: int,
        target: float,
        tags: Sequence[str] = (),
    ) -> None:
        if not 1 <= batch <= data.rows:
            raise ValueError(f"a minibatch takes between 1 and all {data.rows} rows, got batch={batch}")
        self.network, self.data, self.batch = network, data, batch
        self.dim = network.dim
        self.steps, self.target = steps, target
        self.tags = frozenset({"stochastic", "classification", *tags})
        self._definition = definition

    def start(self, seeds: Sequence[int]) -> Tensor:
        return self.network.start(seeds)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        split = self.data.load()
        for index in shuffled_rows(seeds, len(split.labels), self.batch, steps):
            yield split.inputs[index], split.labels[index]

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        inputs, labels = batch  # type: ignore[misc]
        return cross_entropy(self.network(x, inputs), labels)

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        split = self.data.load()
        return {
            "loss": self._mean(cross_entropy, x, split.inputs, split.labels),
            "heldout_loss": self._mean(cross_entropy, x, split.held_inputs, split.held_labels),
            "heldout_accuracy": self._mean(accuracy, x, split.held_inputs, split.held_labels),
        }

    def definition(self) -> Mapping[str, Any]:
        split = self.data.load()
        return {**self._definition, "batch": self.batch, "data": digest(split.inputs, split.labels)}

    def _mean(self, measure: Measure, x: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
        """A measure's mean over all rows ``[...]``, gathered block by block."""
        total = torch.zeros(x.shape[:-1], dtype=x.dtype, device=x.device)
        for rows, answers in zip(
            torch.split(inputs.to(x), BLOCK), torch.split(labels.to(x.device), BLOCK), strict=True
        ):
            total += measure(self.network(x, rows), answers) * (len(answers) / len(labels))
        return total


def digits_mlp(hidden: int = 32, batch: int = 32) -> Classifier:
    """A tanh network on scikit-learn's digits, 64-hidden-10: 1437 training and 360 held-out images."""
    if hidden < 1:
        raise ValueError(f"digits-mlp needs hidden >= 1, got {hidden}")
    return Classifier(
        MLP((64, hidden, 10)), DIGITS, {"hidden": hidden}, batch=batch, steps=300, target=0.1,
        tags=("nonconvex", "network"),
    )  # fmt: skip


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec("digits-mlp", digits_mlp, "64-32-10 tanh network on scikit-learn's digits", "UCI optical digits"),
)
"""The problems of this file."""
