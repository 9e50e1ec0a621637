"""Adam and its relatives: leaky averages of the gradient and of its square, corrected for their start at zero.

``forgotten1`` and ``forgotten2``, the products of all beta1 and all beta2 so far, stand for the powers of the papers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from optimizers.rule import (
    Hyperparameter,
    Hyperparameters,
    Rule,
    State,
    Value,
    as_like,
    divided,
    leaky_average_,
    leaky_square_,
    ones_column,
    root_,
    sqrt,
    sqrt_,
)

__all__ = ["AdaBelief", "Adam", "AdamW", "NAdam", "Yogi", "corrected_step"]

LR = Hyperparameter("lr", default=0.001, low=1e-5, high=10.0, scale="log")
BETA1 = Hyperparameter("beta1", default=0.9, low=0.0, high=0.999, scale="log1m")
BETA2 = Hyperparameter("beta2", default=0.999, low=0.0, high=0.9999, scale="log1m")
EPS = Hyperparameter("eps", default=1e-8, low=1e-20, high=1.0, scale="log")
WEIGHT_DECAY = Hyperparameter("weight_decay", default=0.01, low=1e-5, high=1.0, scale="log")

Place = Literal["outside", "inside", "hat"]
"""Where eps stands: beside the root of ŝ, under it, or beside the root of s that is not corrected."""


@dataclass(frozen=True)
class Adam(Rule):
    """m, s: leaky averages of g and g²; x <- x - lr m̂ / (√ŝ + eps), both bias-corrected (Kingma and Ba 2015, alg. 1).

    With ``running_max`` the largest s so far, corrected afterwards as torch does, takes the place of s (AMSGrad; Reddi,
    Kale and Kumar 2018, alg. 2, which corrects nothing). ``corrected=False`` leaves both averages as they are, small at
    first. Where eps stands is a difference between implementations in use; raises ``ValueError`` for two places:

    ``eps_inside``  under the root, √(ŝ + eps): optax's ``eps_root``;
    ``eps_hat``     added to the root that is not corrected, so that eps weighs more at first: the "epsilon hat" at the
                    end of section 2 of the paper, and what TensorFlow and Keras do.
    """

    running_max: bool = False
    eps_inside: bool = False
    eps_hat: bool = False
    corrected: bool = True

    hyperparameters: ClassVar[tuple[Hyperparameter, ...]] = (LR, BETA1, BETA2, EPS)

    def __post_init__(self) -> None:
        if self.eps_inside and self.eps_hat:
            raise ValueError("eps stands in one place: eps_inside or eps_hat")

    def init(self, x: Tensor) -> State:
        return moments(x) | ({"peak": torch.zeros_like(x)} if self.running_max else {})

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        m = leaky_average_(state["m"], g, hp["beta1"])
        s = leaky_square_(state["s"], g, hp["beta2"])
        if self.running_max:
            s = torch.maximum(state["peak"], s, out=state["peak"])
        place: Place = "inside" if self.eps_inside else "hat" if self.eps_hat else "outside"
        return corrected_step(m, s, state, hp, place, corrected=self.corrected)


@dataclass(frozen=True)
class AdamW(Adam):
    """`Adam` after x <- (1 - lr weight_decay) x: decay that no average sees (Loshchilov and Hutter 2019, alg. 2)."""

    hyperparameters = (LR, BETA1, BETA2, EPS, WEIGHT_DECAY)
    decay = "decoupled"


@dataclass(frozen=True)
class NAdam(Rule):
    """Adam with Nesterov's look-ahead and a momentum mu = beta1 (1 - 0.96^(0.004 t) / 2) (Dozat 2016), as torch's."""

    momentum_decay: float = 0.004

    hyperparameters = (LR, BETA1, BETA2, EPS)

    def init(self, x: Tensor) -> State:
        return moments(x)

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        m = leaky_average_(state["m"], g, hp["beta1"])
        s = leaky_square_(state["s"], g, hp["beta2"])
        now, following = (hp["beta1"] * (1 - 0.5 * 0.96 ** (self.momentum_decay * at)) for at in (t, t + 1))
        product = state["forgotten1"].mul_(now)
        of_g = divided(-hp["lr"] * (1 - now), 1 - product)
        of_m = divided(-hp["lr"] * following, 1 - product * following)
        step = (g * as_like(of_g, g)).add_(m * as_like(of_m, g))
        seen = 1 - state["forgotten2"].mul_(hp["beta2"])
        return step.div_(sqrt_(s / as_like(seen, g)).add_(as_like(hp["eps"], g)))


@dataclass(frozen=True)
class Yogi(Rule):
    """Adam with s <- s - (1 - beta2) sign(s - g²) g²: s falls no faster than it rises (Zaheer et al. 2018, alg. 2).

    Both averages start at ``start``, 1e-6 as in optax, and are bias-corrected nevertheless.
    """

    start: float = 1e-6

    hyperparameters = (LR, BETA1, BETA2, EPS)

    def init(self, x: Tensor) -> State:
        return moments(x, self.start)

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        m = leaky_average_(state["m"], g, hp["beta1"])
        return corrected_step(m, self._average_(state["s"], g, hp["beta2"]), state, hp)

    @staticmethod
    def _average_(s: Tensor, g: Tensor, beta2: Value) -> Tensor:
        squares = g * g
        return s.sub_((s - squares).sign_().mul_(squares).mul_(as_like(1 - beta2, g)))


@dataclass(frozen=True)
class AdaBelief(Rule):
    """Adam with s <- beta2 s + (1 - beta2) (g - m)² + eps: long steps where g is as expected (Zhuang et al. 2020)."""

    hyperparameters = (LR, BETA1, BETA2, EPS)

    def init(self, x: Tensor) -> State:
        return moments(x)

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        m = leaky_average_(state["m"], g, hp["beta1"])
        s = leaky_square_(state["s"], g - m, hp["beta2"]).add_(as_like(hp["eps"], g))
        return corrected_step(m, s, state, hp)


def moments(x: Tensor, start: float = 0.0) -> State:
    """The state of an Adam-like rule: both averages at ``start``, nothing forgotten yet."""
    s = torch.full_like(x, start)
    return {"m": s.clone(), "s": s, "forgotten1": ones_column(x), "forgotten2": ones_column(x)}


def corrected_step(
    m: Tensor, s: Tensor, state: State, hp: Hyperparameters, place: Place = "outside", *, corrected: bool = True
) -> Tensor:
    """-lr m̂ / (√ŝ + eps), after both running products have advanced; ``m`` and ``s`` are only read.

    eps may stand in another ``place``; averages that are not ``corrected`` are taken as they are.
    """
    seen1, seen2 = state["forgotten1"], state["forgotten2"]  # 1 as long as they do not advance
    if corrected:
        seen1, seen2 = 1 - seen1.mul_(hp["beta1"]), 1 - seen2.mul_(hp["beta2"])
    lr, eps = divided(-hp["lr"], seen1), as_like(hp["eps"], m)
    if place == "hat":
        return (m * as_like(lr * sqrt(seen2), m)).div_(sqrt(s).add_(eps))
    v = s / as_like(seen2, m)
    root = root_(v.add_(eps)) if place == "inside" else sqrt_(v).add_(eps)
    return (m * as_like(lr, m)).div_(root)
