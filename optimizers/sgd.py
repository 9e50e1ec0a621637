"""Gradient descent, heavy-ball momentum, its averaged form and Nesterov's look-ahead."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.rule import Hyperparameter, Hyperparameters, Rule, State, as_like

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

    ``nesterov``  the step is -lr (g + momentum v): Sutskever et al. (2013) rewritten at the look-ahead point;
    ``averaged``  g enters as (1 - momentum) g, so that v is a leaky average (Adam's first moment) and the long-run step
                  is lr g, not lr g / (1 - momentum).
    """

    nesterov: bool = False
    averaged: bool = False

    hyperparameters = (LR, MOMENTUM)

    def init(self, x: Tensor) -> State:
        return {"v": torch.zeros_like(x)}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        momentum = as_like(hp["momentum"], g)
        new = g * as_like(1 - hp["momentum"], g) if self.averaged else g
        v = state["v"].mul_(momentum).add_(new)
        lr = as_like(-hp["lr"], g)
        return (v * momentum).add_(new).mul_(lr) if self.nesterov else v * lr
