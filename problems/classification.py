"""Classification problems: cross-entropy in minibatches, with a held-out split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn.functional import cross_entropy

from problems.data import digits, shuffled_rows
from problems.network import MLP
from problems.problem import Batch, Problem, ProblemSpec, digest

__all__ = ["SPECS", "DigitsMLP"]


class DigitsMLP(Problem):
    """Cross-entropy of a tanh network on scikit-learn's digits: 1437 training and 360 held-out images.

    The floor 0 is an infimum: the network can fit the training images, and never quite reaches it.
    """

    minimum = 0.0
    deterministic = False
    chunk: int = 64

    def __init__(self, hidden: int = 32, batch: int = 32) -> None:
        if hidden < 1 or not 1 <= batch <= 1437:
            raise ValueError(f"digits-mlp needs hidden >= 1 and 1 <= batch <= 1437, got {hidden} and {batch}")
        self.network = MLP((64, hidden, 10))
        self.hidden, self.batch = hidden, batch
        self.dim = self.network.dim
        self.steps = 300
        self.target = 0.1
        self.tags = frozenset({"nonconvex", "stochastic", "classification", "network"})

    def start(self, seeds: Sequence[int]) -> Tensor:
        return self.network.start(seeds)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        images, labels = digits()[0]
        for index in shuffled_rows(seeds, len(labels), self.batch, steps):
            yield images[index], labels[index]

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        images, labels = batch  # type: ignore[misc]
        return self._cross_entropy(self.network(x, images), labels)

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        (images, labels), (held_images, held_labels) = digits()
        held = self.network(x, held_images.to(x.dtype))
        return {
            "loss": self._cross_entropy(self.network(x, images.to(x.dtype)), labels),
            "heldout_loss": self._cross_entropy(held, held_labels),
            "heldout_accuracy": (held.argmax(-1) == held_labels).to(x.dtype).mean(-1),
        }

    def definition(self) -> Mapping[str, Any]:
        return {"hidden": self.hidden, "batch": self.batch, "data": digest(*digits()[0])}

    @staticmethod
    def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
        """The mean over the batch ``[...]`` for ``logits [..., B, K]`` and ``labels`` that broadcast to ``[..., B]``."""
        labels = labels.expand(logits.shape[:-1])
        each = cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), reduction="none")
        return each.view(labels.shape).mean(-1)


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec("digits-mlp", DigitsMLP, "64-32-10 tanh network on scikit-learn's digits", "UCI optical digits"),
)
