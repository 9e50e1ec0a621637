"""The RMSProp family: the learning rate is divided by the root of a leaky average of squared gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from optimizers.rule import (
    Hyperparameter,
    Hyperparameters,
    Rule,
    State,
    as_like,
    leaky_average_,
    leaky_square_,
    ones_column,
    root_,
    sqrt,
    sqrt_,
)

__all__ = ["RMSProp", "RMSPropMomentum"]

LR = Hyperparameter("lr", default=0.01, low=1e-5, high=10.0, scale="log")
GAMMA = Hyperparameter("gamma", default=0.9, low=0.0, high=0.9999, scale="log1m")
EPS = Hyperparameter("eps", default=1e-6, low=1e-12, high=1.0, scale="log")
MOMENTUM = Hyperparameter("momentum", default=0.9, low=0.0, high=0.999, scale="log1m")


@dataclass(frozen=True)
class RMSProp(Rule):
    """s <- gamma s + (1 - gamma) g², x <- x - lr g / √(s + eps) with s₀ = 0 (Hinton 2012, lecture 6e; d2l 12.8).

    Options, each a difference between implementations in use; raises ``ValueError`` for two starts at once:

    ``eps_inside``   under the root (the chapter, TensorFlow, Keras) or added to it (torch);
    ``start``        s₀; TensorFlow 1 starts at 1, which makes the first steps small where they are large from 0;
    ``first_square`` s₀ = g₁², as some implementations have it that mean to correct a start at 0;
    ``centered``     the variance s - m² for s, where m is the leaky average of g (Graves 2013); clamped at 0, for
                     rounding makes it negative under a steady gradient;
    ``running_max``  the largest s so far for s, so that step sizes never grow (Reddi, Kale and Kumar 2018, alg. 2);
    ``corrected``    divide s by 1 - gamma^t, so that the average is unbiased from the first step on; equal to Adam
                     without momentum. Under a schedule of gamma the power becomes the product of all gammas so far.
    """

    eps_inside: bool = True
    start: float = 0.0
    centered: bool = False
    running_max: bool = False
    corrected: bool = False
    first_square: bool = False

    hyperparameters: ClassVar[tuple[Hyperparameter, ...]] = (LR, GAMMA, EPS)

    def __post_init__(self) -> None:
        if self.corrected and self.start:
            raise ValueError(f"only an average that starts at 0 can be bias-corrected, got start={self.start}")
        if self.first_square and (self.corrected or self.start):
            raise ValueError("an average that starts at the first square has no other start, and needs no correction")

    def init(self, x: Tensor) -> State:
        state = {"s": torch.full_like(x, self.start)}
        if self.centered:
            state["m"] = torch.zeros_like(x)
        if self.running_max:
            state["peak"] = torch.zeros_like(x)
        if self.corrected:
            state["forgotten"] = ones_column(x)  # gamma^t
        if self.first_square:
            state["fresh"] = ones_column(x)  # 1 before the first step, then 0
        return state

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        root = self.root(g, state, hp)
        return (g * as_like(-hp["lr"], g)).div_(root)

    def root(self, g: Tensor, state: State, hp: Hyperparameters) -> Tensor:
        """Advance the averages by ``g`` and return what the step is divided by, a fresh tensor like ``g``."""
        if self.first_square:
            state["s"].add_((g * g).mul_(as_like(state["fresh"], g)))
            state["fresh"].zero_()
        s, eps = leaky_square_(state["s"], g, hp["gamma"]), as_like(hp["eps"], g)
        if self.centered:
            m = leaky_average_(state["m"], g, hp["gamma"])
            s = (m * m).neg_().add_(s).clamp_(min=0)
        if self.running_max:
            s = torch.maximum(state["peak"], s, out=state["peak"])
        if self.corrected:
            s = s / as_like(1 - state["forgotten"].mul_(hp["gamma"]), g)
        kept = s is state["s"] or self.running_max
        if self.eps_inside:
            return root_(s + eps if kept else s.add_(eps))
        return (sqrt(s) if kept else sqrt_(s)).add_(eps)


@dataclass(frozen=True)
class RMSPropMomentum(RMSProp):
    """RMSProp with heavy-ball momentum over its steps, as torch's: v <- momentum v + g / root, x <- x - lr v, v₀ = 0.

    With ``lr_inside`` the buffer holds the steps themselves, v <- momentum v - lr g / root, x <- x + v (Graves 2013,
    eq. 43-45; TensorFlow, Keras): the same path at a constant lr, while after a fall of lr the old speed stays.
    """

    lr_inside: bool = False

    hyperparameters = (LR, GAMMA, MOMENTUM, EPS)

    def init(self, x: Tensor) -> State:
        return {**super().init(x), "v": torch.zeros_like(x)}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        lr, root = as_like(-hp["lr"], g), self.root(g, state, hp)
        v = state["v"].mul_(as_like(hp["momentum"], g))
        if self.lr_inside:
            return v.add_((g * lr).div_(root))
        return v.add_(g / root) * lr
