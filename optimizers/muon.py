"""Muon: momentum whose matrices are made nearly orthogonal by a few products."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from optimizers.adam import corrected_step
from optimizers.layout import LayoutRule, norm, ones_of_lane, product
from optimizers.rule import (
    Hyperparameter,
    Hyperparameters,
    State,
    as_like,
    leaky_average_,
    leaky_square_,
)

__all__ = ["Muon"]

COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)  # of the quintic with the largest slope at 0; Jordan et al. 2024
ROUNDS: Final = 5
SHORTEST: Final = 1e-7  # below which a matrix is not made longer
OF_VECTORS: Final = {"beta1": 0.9, "beta2": 0.95, "eps": 1e-10}  # as AdamW goes beside Muon in its authors' code


@dataclass(frozen=True)
class Muon(LayoutRule):
    """m, the leaky average of g; w <- (1 - lr weight_decay) w - lr √max(1, out/in) NS(m) (Jordan et al. 2024).

    NS is five rounds of x <- a x + (b A + c A²) x with A = x xᵀ, from m / ‖m‖, of the shorter side. As torch's Muon but
    for 1.

    1. torch rounds m to bfloat16 before NS, as ``half`` does. It is slower without hardware of its own, and its
       products differ by machine, so that here NS has the precision of the parameters.
    2. Vectors, which no Muon trains, take steps of AdamW with the share ``of_vectors`` of lr, 3e-4 where lr is 0.02,
       and beta1 0.9, beta2 0.95, eps 1e-10, as beside it in its authors' code. On a problem that is one vector Muon is
       therefore AdamW.

    ``nesterov``   NS of (1 - momentum) g + momentum m, the look-ahead, in place of m;
    ``match_rms``  0.2 √max(out, in) in place of √max(1, out/in): steps as long as AdamW's (Liu et al. 2025).
    """

    nesterov: bool = True
    match_rms: bool = False
    half: bool = False
    of_vectors: float = 0.015

    to_the_bit = False
    hyperparameters = (
        Hyperparameter("lr", default=0.001, low=1e-5, high=10.0, scale="log"),
        Hyperparameter("momentum", default=0.95, low=0.0, high=0.999, scale="log1m"),
        Hyperparameter("weight_decay", default=0.1, low=1e-5, high=1.0, scale="log"),
    )

    def init_tensor(self, w: Tensor, axes: int) -> State:
        if axes == 2:
            return {"m": torch.zeros_like(w)}
        products = {name: ones_of_lane(w, axes) for name in ("forgotten1", "forgotten2")}
        return {"m": torch.zeros_like(w), "s": torch.zeros_like(w), **products}

    def step_tensor(self, w: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int, axes: int) -> Tensor:  # noqa: ARG002
        if axes == 1:
            m = leaky_average_(state["m"], g, OF_VECTORS["beta1"])
            s = leaky_square_(state["s"], g, OF_VECTORS["beta2"])
            lr = hp["lr"] * self.of_vectors
            step = corrected_step(m, s, state, {**OF_VECTORS, "lr": lr})
            return step.sub_(w * as_like(lr * hp["weight_decay"], w))
        m, momentum = leaky_average_(state["m"], g, hp["momentum"]), hp["momentum"]
        if self.nesterov:
            m = (g * as_like(1 - momentum, g)).add_(m * as_like(momentum, g))
        out, into = w.shape[-2:]
        longer = 0.2 * math.sqrt(max(out, into)) if self.match_rms else math.sqrt(max(1.0, out / into))
        step = orthogonal(m.bfloat16()).to(w.dtype) if self.half else orthogonal(m)
        step.mul_(as_like(hp["lr"] * -longer, w))
        return step.sub_(w * as_like(hp["lr"] * hp["weight_decay"], w))


def orthogonal(m: Tensor) -> Tensor:
    """Nearly the orthogonal matrix next to ``m [..., out, in]``: its singular values all come to about 1."""
    a, b, c = COEFFICIENTS
    tall = m.shape[-2] > m.shape[-1]
    x = m.mT if tall else m
    x = x / norm(x, 2).clamp_(min=SHORTEST)
    for _ in range(ROUNDS):
        gram = product(x, x.mT)
        x = product(product(gram, gram).mul_(c).add_(gram * b), x).add_(x * a)
    return x.mT if tall else x
