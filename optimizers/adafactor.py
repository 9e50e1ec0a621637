"""Adafactor: second moments of a matrix kept as one number a row and one a column."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.layout import LayoutRule, rms
from optimizers.rule import Hyperparameter, Hyperparameters, State, Value, as_like, leaky_average_, root_

__all__ = ["Adafactor"]


@dataclass(frozen=True)
class Adafactor(LayoutRule):
    """u = g / √v̂ clipped to an RMS of ``clip``, w <- w - ρ max(``least``, RMS(w)) u with ρ = min(lr, 1/√t).

    v̂ = r c / mean(r), where r and c are leaky averages of the means of g² over each row and each column, with a memory
    of 1 - t^-``power``; of a vector v̂ is the average itself (Shazeer and Stern 2018, alg. 4 and 5). As torch's:

    1. eps bounds mean(r) and √v̂ from below; the paper adds it to g², as ``eps_inside`` does (its default is 1e-30);
    2. weights decay first, by the share lr weight_decay, whatever ρ is.

    Tensors of more than two axes are matrices [out, all others]; torch's averages over the last two axes.
    """

    eps_inside: bool = False
    power: float = 0.8
    clip: float = 1.0
    least: float = 1e-3

    hyperparameters = (
        Hyperparameter("lr", default=0.01, low=1e-5, high=10.0, scale="log"),
        Hyperparameter("eps", default=2.0**-23, low=1e-30, high=1.0, scale="log"),  # torch's in single precision
        Hyperparameter("weight_decay", default=0.0, low=0.0, high=1.0),
    )

    def init_tensor(self, w: Tensor, axes: int) -> State:
        if axes == 1:
            return {"s": torch.zeros_like(w)}
        return {"r": torch.zeros_like(w[..., :1]), "c": torch.zeros_like(w[..., :1, :])}

    def step_tensor(self, w: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int, axes: int) -> Tensor:
        lr = torch.as_tensor(hp["lr"], dtype=torch.float64, device=w.device)
        rho = torch.minimum(lr, torch.as_tensor(t**-0.5, dtype=torch.float64, device=w.device))
        length = rms(w, axes).clamp_(min=self.least).mul_(as_like(rho, w))
        u = self._scaled(g, state, hp["eps"], 1 - t**-self.power, axes)
        u.mul_(length.div_((rms(u, axes) / self.clip).clamp_(min=1.0)).neg_())
        return u.sub_(w * as_like(lr * hp["weight_decay"], w))

    def _scaled(self, g: Tensor, state: State, eps: Value, memory: float, axes: int) -> Tensor:
        """g / √v̂, after the averages have advanced."""
        squares, eps = g * g, as_like(eps, g)
        if self.eps_inside:
            squares.add_(eps)
        if axes == 1:
            v = leaky_average_(state["s"], squares, memory).clone()
        else:
            r = leaky_average_(state["r"], squares.mean(-1, keepdim=True), memory)
            c = leaky_average_(state["c"], squares.mean(-2, keepdim=True), memory)
            mean = r.mean(-2, keepdim=True)
            v = r * c / (mean if self.eps_inside else _at_least(mean, eps))
        root = root_(v) if self.eps_inside else _at_least(root_(v), eps)
        return g / root


def _at_least(v: Tensor, least: Value) -> Tensor:
    return torch.maximum(v, torch.as_tensor(least, dtype=v.dtype, device=v.device))
