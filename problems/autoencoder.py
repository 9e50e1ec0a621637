"""An autoencoder: digits through a bottleneck of four numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from problems.data import DIGITS, minibatches
from problems.network import MLP
from problems.problem import Batch, Facts, Layout, Problem, ProblemSpec, digest

__all__ = ["SPECS", "DigitsAutoencoder"]

BLOCK = 64  # rows evaluated at once: the activations of a chunk of lanes then stay in the cache


@dataclass(frozen=True)
class DigitsAutoencoder(Problem):
    """½ ‖output - image‖² a digit, mean over minibatches, of a tanh network 64-16-code-16-64 on scikit-learn's digits.

    The floor is not known. The target is what the best linear code of four numbers leaves (four principal components).
    Raises ``ValueError`` for a code or batch out of range.
    """

    code: int = 4
    batch: int = 32

    def __post_init__(self) -> None:
        if self.code < 1 or not 1 <= self.batch <= DIGITS.rows:
            raise ValueError(
                f"digits-autoencoder needs code >= 1 and 1 <= batch <= {DIGITS.rows}, got {self.code}, {self.batch}"
            )

    @cached_property
    def network(self) -> MLP:
        """The encoder and the decoder as one network."""
        return MLP((64, 16, self.code, 16, 64))

    @cached_property
    def facts(self) -> Facts:
        return Facts(
            dim=self.network.dim,
            target=1.2,
            steps=880,
            tags=frozenset({"nonconvex", "stochastic", "neural", "reconstruction"}),
            deterministic=False,
            chunk=64,
        )

    @property
    def layout(self) -> Layout:
        return self.network.layout

    def start(self, seeds: Sequence[int]) -> Tensor:
        return self.network.start(seeds)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        for (images,) in minibatches((DIGITS.load().inputs,), seeds, self.batch, steps):
            yield images

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        if not isinstance(batch, Tensor):
            raise TypeError(f"the batch of digits-autoencoder is one tensor of images, got {type(batch).__name__}")
        return (self.network(x, batch) - batch.mT).square().sum(-2).mean(-1) / 2

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        split = DIGITS.load()
        return {"loss": self._over(split.inputs, x), "heldout_loss": self._over(split.held_inputs, x)}

    def definition(self) -> Mapping[str, Any]:
        return {"code": self.code, "batch": self.batch, "data": digest(DIGITS.load().inputs)}

    def _over(self, images: Tensor, x: Tensor) -> Tensor:
        """The mean loss over all images ``[...]``, gathered block by block."""
        total = torch.zeros(x.shape[:-1], dtype=x.dtype, device=x.device)
        for rows in torch.split(images.to(x), BLOCK):
            total += self.loss(x, rows) * (len(rows) / len(images))
        return total


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec("digits-autoencoder", DigitsAutoencoder, "64-16-4-16-64 tanh network on digits", "UCI optical digits"),
)
"""The problems of this file."""
