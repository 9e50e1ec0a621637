"""Adagrad: every coordinate's learning rate falls with the sum of its squared gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.rule import Hyperparameter, Hyperparameters, Rule, State, as_like, root_, sqrt_

__all__ = ["Adagrad"]

LR = Hyperparameter("lr", default=0.1, low=1e-4, high=100.0, scale="log")
EPS = Hyperparameter("eps", default=1e-6, low=1e-12, high=1.0, scale="log")


@dataclass(frozen=True)
class Adagrad(Rule):
    """s <- s + g², x <- x - lr g / √(s + eps) with s₀ = 0 (Duchi, Hazan and Singer 2011; d2l 12.7).

    ``eps_inside=False``  divides by √s + eps instead, as torch does;
    ``start``             s₀; TensorFlow, Keras and optax start at 0.1, which makes the first steps smaller;
    ``averaged``          takes s / t, the mean of all squared gradients, for s: the same path as RMSProp with
                          gamma = 1 - 1/t, and as Adagrad with lr √t but for eps.
    """

    eps_inside: bool = True
    averaged: bool = False
    start: float = 0.0

    hyperparameters = (LR, EPS)

    def init(self, x: Tensor) -> State:
        return {"s": torch.full_like(x, self.start)}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        s, eps = state["s"].add_(g * g), as_like(hp["eps"], g)
        v = s / t if self.averaged else s.clone()
        root = root_(v.add_(eps)) if self.eps_inside else sqrt_(v).add_(eps)
        return (g * as_like(-hp["lr"], g)).div_(root)
