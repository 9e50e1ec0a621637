"""Adam and its relatives: leaky averages of the gradient and of its square."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.rule import Hyperparameter, Hyperparameters, Rule, State, as_like, leaky_average_, sqrt_

__all__ = ["Adam"]

LR = Hyperparameter("lr", default=0.001, low=1e-5, high=10.0, scale="log")
BETA1 = Hyperparameter("beta1", default=0.9, low=0.0, high=0.999, scale="log1m")
BETA2 = Hyperparameter("beta2", default=0.999, low=0.0, high=0.9999, scale="log1m")
EPS = Hyperparameter("eps", default=1e-8, low=1e-12, high=1.0, scale="log")


@dataclass(frozen=True)
class Adam(Rule):
    """m, s: leaky averages of g and g²; x <- x - lr m̂ / (√ŝ + eps), both bias-corrected (Kingma and Ba 2015, alg. 1)."""

    hyperparameters = (LR, BETA1, BETA2, EPS)

    def init(self, x: Tensor) -> State:
        one = torch.ones_like(x[..., :1], dtype=torch.float64)
        return {"m": torch.zeros_like(x), "s": torch.zeros_like(x), "forgotten1": one, "forgotten2": one.clone()}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        m = leaky_average_(state["m"], g.clone(), hp["beta1"])
        s = leaky_average_(state["s"], g * g, hp["beta2"])
        seen1 = 1 - state["forgotten1"].mul_(hp["beta1"])
        seen2 = 1 - state["forgotten2"].mul_(hp["beta2"])
        root = sqrt_(s / as_like(seen2, g)).add_(as_like(hp["eps"], g))
        return (m * as_like(-hp["lr"] / seen1, g)).div_(root)
