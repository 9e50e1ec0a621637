"""Gradient descent, heavy-ball momentum, its averaged form and Nesterov's look-ahead."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.rule import Hyperparameter, Hyperparameters, Rule, State, as_like, ones_column

__all__ = ["SGD", "Momentum"]

LR = Hyperparameter("lr", default=0.01, low=1e-5, high=10.0, scale="log")
MOMENTUM = Hyperparameter("momentum", default=0.9, low=0.0, high=0.999, scale="log1m")


@dataclass(frozen=True)
class SGD(Rule):
    """x <- x - lr g (Robbins and Monro 1951)."""

    hyperparameters = (LR,)

    def init(self, x: Tensor) -> State:  # noqa: ARG002 - plain descent remembers nothing
        return {}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        return g * as_like(-hp["lr"], g)


@dataclass(frozen=True)
class Momentum(Rule):
    """v <- momentum v + g, x <- x - lr v with v₀ = 0 (Polyak 1964), lr outside the buffer as in torch and the book.

    ``nesterov``   the step is -lr (g + momentum v): Sutskever et al. (2013) rewritten at the look-ahead point;
    ``averaged``   g enters as (1 - momentum) g, so that v is a leaky average (Adam's first moment) and the long-run
                   step is lr g, not lr g / (1 - momentum);
    ``dampening``  g enters as (1 - dampening) g, but for the first, which enters whole, as torch has it;
    ``lr_inside``  the buffer holds the steps, v <- momentum v - lr g, as in Keras: the same path at a constant lr,
                   while after a fall of lr the old speed stays.

    Raises ``ValueError`` for ``averaged`` with a ``dampening``, which both say how much of g enters.
    """

    nesterov: bool = False
    averaged: bool = False
    dampening: float = 0.0
    lr_inside: bool = False

    hyperparameters = (LR, MOMENTUM)

    def __post_init__(self) -> None:
        if self.averaged and self.dampening:
            raise ValueError(f"an average has no dampening besides its own, got dampening={self.dampening}")

    def init(self, x: Tensor) -> State:
        return {"v": torch.zeros_like(x)} | ({"fresh": ones_column(x)} if self.dampening else {})

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        momentum, lr = as_like(hp["momentum"], g), as_like(-hp["lr"], g)
        new = g * as_like(1 - hp["momentum"], g) if self.averaged else g
        if self.dampening:
            new = g * as_like(1 - self.dampening * (1 - state["fresh"]), g)
            state["fresh"].zero_()
        if self.lr_inside:
            new = new * lr
        v = state["v"].mul_(momentum).add_(new)
        if self.lr_inside:
            return (v * momentum).add_(new) if self.nesterov else v
        return (v * momentum).add_(new).mul_(lr) if self.nesterov else v * lr
