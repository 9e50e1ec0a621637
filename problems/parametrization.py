"""The maximal update parametrization (muP): a perceptron whose best learning rate should not move with its width.

Source: Yang et al. 2022, "Tensor Programs V", arXiv 2203.03466, as its authors' package `mup` does it. With m the width
over a base width, at which nothing changes:

| what                  | start, against torch's    | rate, normalised | rate, plain |
|-----------------------|---------------------------|------------------|-------------|
| first layer           | the same                  | η                | η m         |
| weights between       | the same                  | η / m            | η           |
| biases between        | times √m                  | η                | η m         |
| weights of the output | times √m, and used over m | η                | η m         |
| biases of the output  | times √m                  | η                | η           |

"Normalised" are the rules whose step does not grow with the gradient (Adam, RMSProp, Adagrad, sign descent), "plain"
those whose step is a multiple of it (gradient descent, momentum).

Every lane has one learning rate for all of its parameters. A tensor W gets one of its own by training v with W = θ v: a
normalised rule moves W by θ η, a plain one by θ² η. Against `mup` this differs in one thing: gradients of v are θ times
those of W, which ε of a normalised rule feels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from problems.network import MLP

__all__ = ["MuMLP", "Parametrization", "perceptron"]

Parametrization = Literal["standard", "mup", "mup-sgd"]
"""torch's own; maximal update for normalised rules; and for plain ones."""


class MuMLP(MLP):
    """An `MLP` under the maximal update parametrization, for normalised rules or for ``plain`` ones.

    All hidden layers are of one width, the ``base`` of which is trained as under the standard parametrization.
    """

    def __init__(
        self, widths: Sequence[int], base: int, activation: Callable[[Tensor], Tensor] | None = None, *, plain: bool
    ) -> None:
        super().__init__(widths, activation)
        self.plain = plain
        self.wider = widths[1] / base
        parts = [part for place in range(len(self.shapes)) for part in self._parts(place)]
        sizes = [size for shape in self.shapes for size in (math.prod(shape), shape[0])]
        self._factor, self._begin = (
            torch.cat(
                [torch.full((size,), part[of], dtype=torch.float64) for size, part in zip(sizes, parts, strict=True)]
            )
            for of in (0, 1)
        )

    def __call__(self, x: Tensor, inputs: Tensor) -> Tensor:
        return super().__call__(x * self._factor.to(x), inputs)

    def start(self, seeds: Sequence[int]) -> Tensor:
        """What is trained at the start, ``[S, P]`` in float64."""
        return super().start(seeds) * self._begin

    def _parts(self, place: int) -> list[tuple[float, float]]:
        """θ of a layer's weight and of its bias, each with its start over torch's."""
        m, root = self.wider, math.sqrt(self.wider)
        first, last = place == 0, place == len(self.shapes) - 1
        if first:
            weight, begin, bias, bias_begin = (root if self.plain else 1.0), 1.0, (root if self.plain else 1.0), 1.0
        elif last:
            weight, begin, bias, bias_begin = (1 / root if self.plain else 1 / m), root / m, 1.0, root
        else:
            weight, begin, bias, bias_begin = (1.0 if self.plain else 1 / m), 1.0, (root if self.plain else 1.0), root
        return [(weight, begin / weight), (bias, bias_begin / bias)]


def perceptron(
    widths: Sequence[int],
    base: int,
    parametrization: str,
    activation: Callable[[Tensor], Tensor] | None = None,
) -> MLP:
    """The perceptron of ``widths`` under a `Parametrization`; raises ``ValueError`` for an unknown one."""
    if parametrization not in get_args(Parametrization):
        known = ", ".join(get_args(Parametrization))
        raise ValueError(f"there is no parametrization {parametrization!r}; there are {known}")
    if parametrization == "standard":
        return MLP(widths, activation)
    return MuMLP(widths, base, activation, plain=parametrization == "mup-sgd")
