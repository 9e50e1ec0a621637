"""Adadelta: the learning rate is replaced by the size of recent steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.rule import Hyperparameter, Hyperparameters, Rule, State, as_like, leaky_square_, root_

__all__ = ["Adadelta"]

LR = Hyperparameter("lr", default=1.0, low=1e-3, high=1e3, scale="log")
GAMMA = Hyperparameter("gamma", default=0.9, low=0.0, high=0.9999, scale="log1m")
EPS = Hyperparameter("eps", default=1e-6, low=1e-12, high=1.0, scale="log")


@dataclass(frozen=True)
class Adadelta(Rule):
    """u = g √(d + eps) / √(s + eps), x <- x - lr u; s, d: leaky averages of g² and u² from 0 (Zeiler 2012, alg. 1).

    The paper has no lr; torch's default 1 is that. The first steps are of the order of √eps, which sets the speed.
    """

    hyperparameters = (LR, GAMMA, EPS)

    def init(self, x: Tensor) -> State:
        return {"s": torch.zeros_like(x), "d": torch.zeros_like(x)}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        eps = as_like(hp["eps"], g)
        s = leaky_square_(state["s"], g, hp["gamma"])
        u = root_(state["d"] + eps).div_(root_(s + eps)).mul_(g)
        leaky_square_(state["d"], u, hp["gamma"])
        return u.mul_(as_like(-hp["lr"], g))
