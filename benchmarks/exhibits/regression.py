"""The book's regression as its two kinds of code train it: written out, and by a library's layers and losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from problems import Batch
from problems.problem import generator
from problems.regression import Airfoil

__all__ = ["BookRegression"]


@dataclass(frozen=True)
class BookRegression(Airfoil):
    """The airfoil regression with what a library adds to it; always evaluated as ½ mean squared error.

    ``doubled``       trains on the mean squared error without ½, so that gradients are twice as long;
    ``uniform_bias``  starts the bias from U(-1/√5, 1/√5), as a linear layer of five inputs does, instead of at 0.
    """

    doubled: bool = field(default=False, kw_only=True)
    uniform_bias: bool = field(default=False, kw_only=True)

    def start(self, seeds: Sequence[int]) -> Tensor:
        x = super().start(seeds)
        if self.uniform_bias:
            bound = 1 / math.sqrt(self.dim - 1)
            x[:, -1] = torch.tensor([generator(seed, "bias").uniform(-bound, bound) for seed in seeds])
        return x

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        half = super().loss(x, batch)
        return 2 * half if self.doubled else half

    def definition(self) -> Mapping[str, Any]:
        return {**super().definition(), "doubled": self.doubled, "uniform_bias": self.uniform_bias}
