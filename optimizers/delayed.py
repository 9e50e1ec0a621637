"""Gradients that arrive late, as from workers that compute them while others step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optimizers.rule import Hyperparameters, State
from optimizers.wrappers import Wrapper, layers

__all__ = ["Delayed"]


@dataclass(frozen=True)
class Delayed(Wrapper):
    """``rule`` given the gradient of ``by`` steps ago, and zeros until the first one arrives.

    Raises ``ValueError`` for a delay below one and around another delay.
    """

    by: int = 1

    says = "gradients arrive late"
    source = "Agarwal and Duchi 2011; Zinkevich, Langford and Smola 2009"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by < 1:
            raise ValueError(f"a gradient is delayed by at least 1 step, not {self.by}")
        if any(isinstance(inner, Delayed) for inner in layers(self.rule)):
            raise ValueError("gradients are delayed once: write the sum of both delays")

    def init(self, x: Tensor) -> State:
        return {**super().init(x), **{name: torch.zeros_like(x) for name in self._waiting}}

    def step_(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> None:
        waiting = [state[name] for name in self._waiting]
        arrived = waiting[0].clone()
        for earlier, later in zip(waiting, [*waiting[1:], g], strict=True):
            earlier.copy_(later)
        super().step_(x, arrived, state, hp, t)

    @property
    def _waiting(self) -> list[str]:
        """The names of the gradients on their way, the oldest first."""
        return [f"waiting{place}" for place in range(1, self.by + 1)]
