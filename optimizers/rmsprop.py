"""The RMSProp family: the learning rate is divided by a leaky average's root of squared gradients."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.rule import Hyperparameter, Hyperparameters, Rule, State, as_like, leaky_average_, sqrt_

__all__ = ["RMSProp"]

LR = Hyperparameter("lr", default=0.01, low=1e-5, high=10.0, scale="log")
GAMMA = Hyperparameter("gamma", default=0.9, low=0.0, high=0.9999, scale="log1m")
EPS = Hyperparameter("eps", default=1e-6, low=1e-12, high=1.0, scale="log")


@dataclass(frozen=True)
class RMSProp(Rule):
    """s <- gamma s + (1 - gamma) g², x <- x - lr g / √(s + eps) with s₀ = 0 (Hinton 2012, lecture 6e; d2l 12.8).

    Options, each a difference between implementations in use:

    ``eps_inside``  under the root (the chapter, TensorFlow, Keras) or added to it (torch);
    ``corrected``   divide s by 1 - gamma^t, so that the average is unbiased from the first step on; equal to Adam
                    without momentum. Under a schedule of gamma the power becomes the product of all gammas so far.
    """

    eps_inside: bool = True
    corrected: bool = False

    hyperparameters = (LR, GAMMA, EPS)

    def init(self, x: Tensor) -> State:
        state = {"s": torch.zeros_like(x)}
        if self.corrected:
            state["forgotten"] = torch.ones_like(x[..., :1], dtype=torch.float64)  # gamma^t
        return state

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        s, eps = leaky_average_(state["s"], g * g, hp["gamma"]), as_like(hp["eps"], g)
        if self.corrected:
            s = s / as_like(1 - state["forgotten"].mul_(hp["gamma"]), g)
        root = (s + eps).sqrt_() if self.eps_inside else sqrt_(s.clone()).add_(eps)
        return (g * as_like(-hp["lr"], g)).div_(root)
