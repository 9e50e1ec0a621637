"""Fully connected networks as lanes: every lane has its own weights, cut from one flat vector."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from problems.problem import generator

__all__ = ["MLP"]


class MLP:
    """A multilayer perceptron with tanh units: ``widths`` are input, hidden and output sizes."""

    def __init__(self, widths: Sequence[int]) -> None:
        self.widths = tuple(widths)
        self.shapes = tuple(zip(self.widths, self.widths[1:], strict=False))
        self.dim = sum((inputs + 1) * outputs for inputs, outputs in self.shapes)

    def start(self, seeds: Sequence[int]) -> Tensor:
        """Weights and biases uniform in ±1/√inputs, `torch.nn.Linear`'s own start; ``[S, P]``."""
        bounds = np.concatenate([np.full((i + 1) * o, 1 / math.sqrt(i)) for i, o in self.shapes])
        return torch.from_numpy(np.stack([generator(s, "start").uniform(-bounds, bounds) for s in seeds]))

    def __call__(self, x: Tensor, inputs: Tensor) -> Tensor:
        """Outputs ``[..., B, O]`` of the networks ``x [..., P]`` for ``inputs [..., B, I]``; leading axes broadcast."""
        hidden = inputs
        for layer, (weight, bias) in enumerate(self.unflatten(x)):
            if layer:
                hidden = hidden.tanh()
            hidden = hidden @ weight + bias.unsqueeze(-2)
        return hidden

    def unflatten(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Weights ``[..., I, O]`` and biases ``[..., O]`` of each layer, as views of ``x [..., P]``."""
        sizes = [size for i, o in self.shapes for size in (i * o, o)]
        parts = torch.split(x, sizes, dim=-1)
        return [
            (parts[2 * layer].unflatten(-1, shape), parts[2 * layer + 1]) for layer, shape in enumerate(self.shapes)
        ]
