"""Descent by signs: every coordinate moves by lr, whatever its gradient's size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.rule import Hyperparameter, Hyperparameters, Rule, State, as_like, leaky_average_

__all__ = ["Lion", "SignSGD", "Signum"]

LR = Hyperparameter("lr", default=1e-3, low=1e-5, high=10.0, scale="log")
LION_LR = Hyperparameter("lr", default=1e-4, low=1e-6, high=1.0, scale="log")
MOMENTUM = Hyperparameter("momentum", default=0.9, low=0.0, high=0.999, scale="log1m")
BETA1 = Hyperparameter("beta1", default=0.9, low=0.0, high=0.999, scale="log1m")
BETA2 = Hyperparameter("beta2", default=0.99, low=0.0, high=0.9999, scale="log1m")
WEIGHT_DECAY = Hyperparameter("weight_decay", default=0.0, low=0.0, high=1.0)


@dataclass(frozen=True)
class SignSGD(Rule):
    """x <- x - lr sign(g) with sign(0) = 0 (Bernstein et al. 2018, alg. 1): RMSProp with gamma = 0 and eps = 0."""

    hyperparameters = (LR,)

    def init(self, x: Tensor) -> State:  # noqa: ARG002 - remembers nothing
        return {}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        return g.sign().mul_(as_like(-hp["lr"], g))


@dataclass(frozen=True)
class Signum(Rule):
    """m <- momentum m + (1 - momentum) g, x <- x - lr sign(m) with m₀ = 0 (Bernstein et al. 2018, alg. 2)."""

    hyperparameters = (LR, MOMENTUM)

    def init(self, x: Tensor) -> State:
        return {"m": torch.zeros_like(x)}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        return leaky_average_(state["m"], g, hp["momentum"]).sign().mul_(as_like(-hp["lr"], g))


@dataclass(frozen=True)
class Lion(Rule):
    """x <- (1 - lr weight_decay) x - lr sign(beta1 m + (1 - beta1) g), then m <- beta2 m + (1 - beta2) g, m₀ = 0.

    Two memories: a short one for the sign, a long one for what is remembered (Chen et al. 2023, alg. 2).
    """

    hyperparameters = (LION_LR, BETA1, BETA2, WEIGHT_DECAY)
    decay = "decoupled"

    def init(self, x: Tensor) -> State:
        return {"m": torch.zeros_like(x)}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        mixed = (state["m"] * as_like(hp["beta1"], g)).add_(g * as_like(1 - hp["beta1"], g))
        leaky_average_(state["m"], g, hp["beta2"])
        return mixed.sign_().mul_(as_like(-hp["lr"], g))
