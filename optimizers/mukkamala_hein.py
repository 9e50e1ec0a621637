"""Mukkamala and Hein (2017): RMSProp whose memory grows with t, and versions without a root for strongly convex losses.

Their memory is 1 - gamma/t with gamma in (0, 1], so that here, and only here, gamma = 1 forgets nothing: `MHRMSProp`
becomes Adagrad and `SCRMSProp` becomes `SCAdagrad`. The hyperparameter ``eps`` of the SC rules is the paper's xi2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.rule import Hyperparameter, Hyperparameters, Rule, State, Value, as_like, sqrt_

__all__ = ["MHRMSProp", "SCAdagrad", "SCRMSProp"]

LR = Hyperparameter("lr", default=0.01, low=1e-5, high=10.0, scale="log")
GAMMA = Hyperparameter("gamma", default=0.9, low=0.01, high=1.0, scale="log")
EPS = Hyperparameter("eps", default=1e-8, low=1e-12, high=1.0, scale="log")
XI2 = Hyperparameter("eps", default=0.1, low=1e-6, high=10.0, scale="log")


@dataclass(frozen=True)
class SCAdagrad(Rule):
    """s <- s + g², x <- x - lr g / (s + eps exp(-xi1 s)) with s₀ = 0: Adagrad for strongly convex losses."""

    xi1: float = 0.1

    hyperparameters = (LR, XI2)

    def init(self, x: Tensor) -> State:
        return {"s": torch.zeros_like(x)}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        divisor = damped(state["s"].add_(g * g), self.xi1, hp["eps"])
        return (g * as_like(-hp["lr"], g)).div_(divisor)


@dataclass(frozen=True)
class MHRMSProp(Rule):
    """v <- (1 - gamma/t) v + (gamma/t) g², x <- x - lr g / (√(t v) + eps) with v₀ = 0 (alg. 3; lr and eps over √t)."""

    hyperparameters = (LR, GAMMA, EPS)

    def init(self, x: Tensor) -> State:
        return {"v": torch.zeros_like(x)}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        root = sqrt_(growing_total(state["v"], g, hp["gamma"], t)).add_(as_like(hp["eps"], g))
        return (g * as_like(-hp["lr"], g)).div_(root)


@dataclass(frozen=True)
class SCRMSProp(Rule):
    """v as in `MHRMSProp`, x <- x - lr g / (t v + eps exp(-xi1 t v)): no root, for strongly convex losses."""

    xi1: float = 0.1

    hyperparameters = (LR, GAMMA, XI2)

    def init(self, x: Tensor) -> State:
        return {"v": torch.zeros_like(x)}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        divisor = damped(growing_total(state["v"], g, hp["gamma"], t), self.xi1, hp["eps"])
        return (g * as_like(-hp["lr"], g)).div_(divisor)


def growing_total(v: Tensor, g: Tensor, gamma: Value, t: int) -> Tensor:
    """v <- (1 - gamma/t) v + (gamma/t) g², in place; returns t v, a fresh tensor."""
    share = gamma / t
    v.mul_(as_like(1 - share, g)).add_((g * g).mul_(as_like(share, g)))
    return v * t


def damped(s: Tensor, xi1: float, xi2: Value) -> Tensor:
    """s + xi2 exp(-xi1 s), a fresh tensor: xi2 keeps the first steps small, and fades as s grows."""
    return (s * -xi1).exp_().mul_(as_like(xi2, s)).add_(s)
