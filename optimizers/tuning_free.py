"""Rules that find the size of their steps themselves, from how far a run has come and what it met on the way.

Every lane has a size of its own, one number in double precision; norms and products are over its whole vector, and a
model's tensors are one vector too. Where single precision would round the first tiny step away, half precision begins
with the smallest that it can hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from optimizers.rule import (
    SMALLEST,
    Hyperparameter,
    Hyperparameters,
    Rule,
    State,
    Value,
    as_like,
    leaky_average_,
    leaky_square_,
    norm,
    root_,
    sqrt,
    total,
)
from optimizers.wrappers import Wrapper

__all__ = ["DAdaptAdam", "DoG", "Mechanic", "Prodigy"]

LR: Final = Hyperparameter("lr", default=1.0, low=1e-4, high=10.0, scale="log")
BETA1: Final = Hyperparameter("beta1", default=0.9, low=0.0, high=0.999, scale="log1m")
BETA2: Final = Hyperparameter("beta2", default=0.999, low=0.0, high=0.9999, scale="log1m")
EPS: Final = Hyperparameter("eps", default=1e-8, low=1e-12, high=1.0, scale="log")
WEIGHT_DECAY: Final = Hyperparameter("weight_decay", default=0.0, low=0.0, high=0.1)
BETAS: Final = (0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999)


@dataclass(frozen=True)
class DoG(Rule):
    """x <- x - lr r / √(G + eps) g: r is the largest distance from the start so far, G the sum of all |g|².

    Distance over gradients (Ivgi, Hinder and Carmon 2023); r begins at ``first`` (1 + |x₀|). Its authors
    judge it by `optimizers.averages.PolynomialAverage`.
    """

    first: float = 1e-6

    joint = True
    hyperparameters = (LR, EPS)

    def init(self, x: Tensor) -> State:
        return {"start": x.clone(), "distance": (norm(x) + 1) * _first(self.first, x), "squares": zero(x)}

    def step_(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> None:
        torch.maximum(state["distance"], norm(x - state["start"]), out=state["distance"])
        super().step_(x, g, state, hp, t)

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        gradients = root_(state["squares"].add_(total(g * g)) + hp["eps"])
        return g * as_like(state["distance"] * -hp["lr"] / gradients, g)


@dataclass(frozen=True)
class Prodigy(Rule):
    """Adam with lr d for lr, where d estimates the distance to the solution from below (Mishchenko and Defazio 2024).

    Alg. 4 as in prodigyopt, without bias correction: m and s are averages of d g and (d g)², x <- x - lr d m / (√s + d
    eps), and d <- max(d, r / |q|₁) of r <- √beta2 r + lr d²/d₀ <g, x₀ - x>, q <- √beta2 q + lr d²/d₀ g. The step, and
    decoupled weight decay, are by the d of before; it begins at ``first``.
    """

    first: float = 1e-6

    joint = True
    decay = "decoupled"
    hyperparameters = (LR, BETA1, BETA2, EPS, WEIGHT_DECAY)

    def init(self, x: Tensor) -> State:
        vectors = {name: torch.zeros_like(x) for name in ("m", "s", "q")}
        numbers = {"product": zero(x), "r": zero(x), "d": zero(x) + _first(self.first, x)}
        return {"start": x.clone(), **vectors, **numbers}

    def step_(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> None:
        state["product"].copy_(total((state["start"] - x).mul_(g)))
        super().step_(x, g, state, hp, t)

    def rate(self, state: State, hp: Hyperparameters) -> Value:
        return state["d"] * hp["lr"]

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        d, beta3, rate = state["d"], root_of(hp["beta2"], g), self.rate(state, hp)
        growth = d / _first(self.first, g) * rate
        scaled = g * as_like(d, g)
        m = leaky_average_(state["m"], scaled, hp["beta1"])
        s = leaky_square_(state["s"], scaled, hp["beta2"])
        q = state["q"].mul_(as_like(beta3, g)).add_(g * as_like(growth, g))
        r = state["r"].mul_(beta3).add_(state["product"] * growth)
        size = total(q.abs())
        torch.maximum(d, r / size.clamp(min=SMALLEST), out=d)
        root = sqrt(s).add_(as_like(d * hp["eps"], g))
        return (m / root).mul_(as_like(-rate * (size > 0), g))  # as theirs: none where q is 0


@dataclass(frozen=True)
class DAdaptAdam(Rule):
    """Adam with lr d for lr, where d estimates the distance to the solution from below (Defazio and Mishchenko 2023).

    As in dadaptation, without bias correction: m is the average of lr d g, s of g², x <- x - m / (√s + eps), and
    d <- max(d, r / ((1 - √beta2) |q|₁)), where r and q are averages, with √beta2 for memory, of lr d <g, q / (√s +
    eps)>, of s and q of before, and of lr d g. The step is by the d of before; it begins at ``first``.
    """

    first: float = 1e-6

    joint = True
    hyperparameters = (LR, BETA1, BETA2, EPS)

    def init(self, x: Tensor) -> State:
        vectors = {name: torch.zeros_like(x) for name in ("m", "s", "q")}
        return {**vectors, "r": zero(x), "d": zero(x) + _first(self.first, x)}

    def rate(self, state: State, hp: Hyperparameters) -> Value:
        return state["d"] * hp["lr"]

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        d, q, eps, beta3 = state["d"], state["q"], as_like(hp["eps"], g), root_of(hp["beta2"], g)
        rate = self.rate(state, hp)
        product = total((q * g).div_(sqrt(state["s"]).add_(eps))).mul_(rate)
        scaled = g * as_like(rate, g)
        m = leaky_average_(state["m"], scaled, hp["beta1"])
        s = leaky_square_(state["s"], g, hp["beta2"])
        leaky_average_(q, scaled, beta3)
        r = leaky_average_(state["r"], product, beta3)
        size = total(q.abs())
        torch.maximum(d, r / ((1 - beta3) * size).clamp_(min=SMALLEST), out=d)
        return (m * as_like(-(size > 0).double(), g)).div_(sqrt(s).add_(eps))


@dataclass(frozen=True)
class Mechanic(Wrapper):
    """x <- x₀ + (sum of sizes) (sum of the steps of ``rule``), the sizes learned (Cutkosky et al. 2023, alg. 1).

    A size for each of six memories beta, of h = <steps so far, g + ``shrink`` |g| (sum of sizes) x / |x|>: peak <-
    max(beta peak, |h|), squares <- beta² squares + h², reward <- max(0, beta reward - size h), size <- (``first`` peak
    / 6 + reward) / (√squares + 1e-8). As in mechanic-pytorch, where x in h is that after the rule's own step.
    """

    first: float = 1e-8
    shrink: float = 0.01

    says = "its steps' common size is learned"
    source = "Cutkosky, Defazio and Mehta 2023, alg. 1; mechanic-pytorch"
    joint = True

    def init(self, x: Tensor) -> State:
        numbers = {f"{name}{k}": zero(x) for name in ("size", "squares", "reward") for k in range(len(BETAS))}
        peaks = {f"peak{k}": zero(x) + 1e-6 for k in range(len(BETAS))}
        return {**super().init(x), "start": x.clone(), "way": torch.zeros_like(x), **numbers, **peaks}

    def step_(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> None:
        after, way = x.clone(), state["way"]
        super().step_(after, g, state, hp, t)
        share = self._size(state) * self.shrink * norm(g) / (norm(after) + 1e-8)
        h = total((after * as_like(share, x)).add_(g).mul_(way))
        way.add_(after.sub_(x))
        for k, beta in enumerate(BETAS):
            size, squares, reward, peak = (state[f"{name}{k}"] for name in ("size", "squares", "reward", "peak"))
            torch.maximum(peak.mul_(beta), h.abs(), out=peak)
            squares.mul_(beta**2).add_(h * h)
            reward.mul_(beta).sub_(size * h).clamp_(min=0)
            size.copy_((peak * (self.first / len(BETAS)) + reward) / (sqrt(squares) + 1e-8))
        x.copy_(way * as_like(self._size(state), x)).add_(state["start"])

    @staticmethod
    def _size(state: State) -> Tensor:
        """What the sum of all steps is multiplied by: the sizes of all memories together."""
        size = state["size0"]
        for k in range(1, len(BETAS)):
            size = size + state[f"size{k}"]
        return size


def zero(x: Tensor) -> Tensor:
    """A number a lane in double precision: ``[..., 1]``."""
    return x.new_zeros((*x.shape[:-1], 1), dtype=torch.float64)


def root_of(value: Value, like: Tensor) -> Tensor:
    """The root of a hyperparameter, in double precision."""
    return root_(torch.as_tensor(value, dtype=torch.float64, device=like.device).clone())


def _first(size: float, x: Tensor) -> float:
    """The size to begin with, one that the precision of ``x`` can hold."""
    return max(size, torch.finfo(x.dtype).eps)
