"""Rprop, the full-batch ancestor of RMSProp: step sizes adapted by the signs of gradients alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.rule import Hyperparameter, Hyperparameters, Rule, State, Value, as_like

__all__ = ["Rprop"]

LR = Hyperparameter("lr", default=0.01, low=1e-5, high=10.0, scale="log")


@dataclass(frozen=True)
class Rprop(Rule):
    """x <- x - size sign(g); size grows by 1.2 while the sign stays, shrinks by 0.5 when it turns, from lr on.

    iRprop- (Igel and Huesken 2003, sec. 2.3), as torch's: where the sign turned the coordinate rests for one step, and
    its next sign counts as new. Sizes stay in [smallest, largest]. They are kept as multiples of lr, so that a schedule
    of lr scales them; at a constant lr between those bounds that is torch's rule.
    """

    shrink: float = 0.5
    grow: float = 1.2
    smallest: float = 1e-6
    largest: float = 50.0

    hyperparameters = (LR,)

    def init(self, x: Tensor) -> State:
        return {"size": torch.ones_like(x), "sign": torch.zeros_like(x)}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:  # noqa: ARG002
        size, sign = state["size"], g.sign()
        agreement = state["sign"].mul_(sign)
        turned, one = agreement < 0, g.new_ones(())
        size.mul_(torch.where(agreement > 0, one * self.grow, one)).mul_(torch.where(turned, one * self.shrink, one))
        size.clamp_(*self._bounds(hp["lr"], g))
        state["sign"].copy_(sign.masked_fill_(turned, 0))
        return sign.mul_(size).mul_(as_like(-hp["lr"], g))

    def _bounds(self, lr: Value, like: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the largest size as multiples of ``lr``; 1 is always between, so that lr = 0 spoils nothing."""
        lr = torch.as_tensor(lr, dtype=torch.float64, device=like.device).clamp(min=1e-30)
        return (self.smallest / lr).clamp(max=1).to(like.dtype), (self.largest / lr).clamp(min=1).to(like.dtype)
