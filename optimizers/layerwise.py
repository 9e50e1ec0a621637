"""LARS and LAMB: steps whose length is a share of the length of the tensor that they move.

Both norms are of one tensor, a weight or a bias (You et al.'s layers). Where either is 0, as at a bias that starts
there, the papers' share would keep it there for ever or is not defined: 1 is taken, as all implementations do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.layout import LayoutRule, norm, ones_of_lane
from optimizers.rule import (
    Hyperparameter,
    Hyperparameters,
    State,
    as_like,
    leaky_average_,
    leaky_square_,
    sqrt,
    sqrt_,
)

__all__ = ["LAMB", "LARS"]

BETA1 = Hyperparameter("beta1", default=0.9, low=0.0, high=0.999, scale="log1m")
BETA2 = Hyperparameter("beta2", default=0.999, low=0.0, high=0.9999, scale="log1m")
MOMENTUM = Hyperparameter("momentum", default=0.9, low=0.0, high=0.999, scale="log1m")


@dataclass(frozen=True)
class LARS(LayoutRule):
    """Heavy ball with v <- momentum v + lr λ (g + weight_decay w), w <- w - v (You, Gitman and Ginsburg 2017, alg. 1).

    λ = ``trust`` ‖w‖ / (‖g‖ + weight_decay ‖w‖) for each tensor, biases too; lr is inside the buffer, as in the paper.
    """

    trust: float = 0.001

    hyperparameters = (
        Hyperparameter("lr", default=1.0, low=1e-2, high=1e4, scale="log"),
        MOMENTUM,
        Hyperparameter("weight_decay", default=5e-4, low=1e-6, high=1.0, scale="log"),
    )

    def init_tensor(self, w: Tensor, axes: int) -> State:  # noqa: ARG002
        return {"v": torch.zeros_like(w)}

    def step_tensor(self, w: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int, axes: int) -> Tensor:  # noqa: ARG002
        decay, size = as_like(hp["weight_decay"], w), norm(w, axes)
        slope = norm(g, axes).add_(size * decay)
        share = share_of(size * self.trust, slope)
        moved = (w * decay).add_(g).mul_(share).mul_(as_like(-hp["lr"], w))
        return state["v"].mul_(as_like(hp["momentum"], w)).add_(moved)


@dataclass(frozen=True)
class LAMB(LayoutRule):
    """w <- w - lr ‖w‖ / ‖u‖ u with u = m̂ / (√ŝ + eps) + weight_decay w for each tensor (You et al. 2020, alg. 2).

    m and s are Adam's averages of g and g²; the bound φ on ‖w‖ is left out, as where φ(z) = z.

    ``corrected=False``  takes them uncorrected, as earlier versions of the paper and some implementations do.
    """

    corrected: bool = True

    hyperparameters = (
        Hyperparameter("lr", default=0.001, low=1e-5, high=10.0, scale="log"),
        BETA1,
        BETA2,
        Hyperparameter("eps", default=1e-6, low=1e-12, high=1.0, scale="log"),
        Hyperparameter("weight_decay", default=0.01, low=1e-5, high=1.0, scale="log"),
    )

    def init_tensor(self, w: Tensor, axes: int) -> State:
        products = {name: ones_of_lane(w, axes) for name in ("forgotten1", "forgotten2")} if self.corrected else {}
        return {"m": torch.zeros_like(w), "s": torch.zeros_like(w), **products}

    def step_tensor(self, w: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int, axes: int) -> Tensor:  # noqa: ARG002
        m, s = leaky_average_(state["m"], g, hp["beta1"]), leaky_square_(state["s"], g, hp["beta2"])
        if self.corrected:
            m = m / as_like(1 - state["forgotten1"].mul_(hp["beta1"]), w)
            s = s / as_like(1 - state["forgotten2"].mul_(hp["beta2"]), w)
        root = (sqrt_(s) if self.corrected else sqrt(s)).add_(as_like(hp["eps"], w))
        u = (m / root).add_(w * as_like(hp["weight_decay"], w))
        share = share_of(norm(w, axes), norm(u, axes))
        return u.mul_(share).mul_(as_like(-hp["lr"], w))


def share_of(size: Tensor, of: Tensor) -> Tensor:
    """``size / of``, 1 where either is 0."""
    share = size / of
    return torch.where((size == 0) | (of == 0), torch.ones_like(share), share)
