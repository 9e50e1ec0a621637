"""Rules around a rule that keep a second point: slow weights, an average of the path, an average that leads the way.

What a run is judged by is then not where its gradients are taken (`Rule.shown`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from optimizers.rule import SMALLEST, Hyperparameter, Hyperparameters, State, as_like, leaky_average_
from optimizers.wrappers import Wrapper, steps_by_update

__all__ = ["Averaged", "Lookahead", "PolynomialAverage", "ScheduleFree"]

ALPHA: Final = Hyperparameter("alpha", default=0.5, low=0.05, high=1.0)
MEMORY: Final = Hyperparameter("memory", default=0.99, low=0.0, high=0.9999, scale="log1m")
MOMENTUM: Final = Hyperparameter("momentum", default=0.9, low=0.0, high=0.999, scale="log1m")


@dataclass(frozen=True)
class Lookahead(Wrapper):
    """Every so many steps of ``rule``, slow <- slow + alpha (x - slow), and x goes on from there (Zhang et al. 2019).

    Alg. 1; the rule's memory stays as it is, and a run is judged by the slow weights, as their authors do both.
    """

    every: int = 5

    says = "slow weights follow"
    source = "Zhang et al. 2019, alg. 1"
    hyperparameters = (ALPHA,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.every < 1:
            raise ValueError(f"lookahead moves its slow weights every so many steps, at least 1, not {self.every}")

    def init(self, x: Tensor) -> State:
        return {**super().init(x), "slow": x.clone()}

    def step_(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> None:
        super().step_(x, g, state, hp, t)
        slow, due = state["slow"], torch.as_tensor(t % self.every == 0, device=x.device)
        moved = (x - slow).mul_(as_like(hp["alpha"], x)).add_(slow)
        slow.copy_(torch.where(due, moved, slow))
        x.copy_(torch.where(due, slow, x))

    def shown(self, x: Tensor, state: State) -> Tensor:  # noqa: ARG002
        return self.rule.shown(state["slow"], state)


@dataclass(frozen=True)
class Averaged(Wrapper):
    """``rule`` judged by average <- memory average + (1 - memory) x, which starts at the first x and leads nobody.

    As torch.optim.swa_utils.get_ema_multi_avg_fn (Polyak and Juditsky 1992, leaky).
    """

    says = "judged by the leaky average of its path"
    source = "Polyak and Juditsky 1992; torch.optim.swa_utils"
    hyperparameters = (MEMORY,)

    def init(self, x: Tensor) -> State:
        return {**super().init(x), "average": x.clone()}

    def step_(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> None:
        super().step_(x, g, state, hp, t)
        leaky_average_(state["average"], self.rule.shown(x, state), hp["memory"] * (t > 1))

    def shown(self, x: Tensor, state: State) -> Tensor:  # noqa: ARG002
        return state["average"]


@dataclass(frozen=True)
class PolynomialAverage(Wrapper):
    """``rule`` judged by the mean of its path, in which step t weighs about t^power (Shamir and Zhang 2013, sec. 4).

    average <- average + (power + 1) / (t + power) (x - average): the plain mean of all steps at power 0. DoG's authors
    judge it by this one, at 8. Raises ``ValueError`` for a negative power.
    """

    power: float = 8.0

    says = "judged by a mean of its path in which late steps weigh more"
    source = "Shamir and Zhang 2013, sec. 4; dog-optimizer's PolynomialDecayAverager"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.power < 0:
            raise ValueError(f"the power of a mean's weights is at least 0, not {self.power}")

    def init(self, x: Tensor) -> State:
        return {**super().init(x), "mean": x.clone()}

    def step_(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> None:
        super().step_(x, g, state, hp, t)
        leaky_average_(state["mean"], self.rule.shown(x, state), (t - 1) / (t + self.power))

    def shown(self, x: Tensor, state: State) -> Tensor:  # noqa: ARG002
        return state["mean"]


@dataclass(frozen=True)
class ScheduleFree(Wrapper):
    """z moves by the steps of ``rule``, a run is judged by the mean of all z, and gradients are taken between the two.

    At y = (1 - momentum) z + momentum mean; z <- z + step, mean <- mean + c (z - mean), where c is the share that the
    square of the largest lr so far has in the sum of all such squares, 1/t at a constant lr (Defazio et al. 2024,
    and their package). x is y; ``lead`` and ``ahead`` are what the mean is ahead of z and of y, so that a
    momentum that changes is right too, and a problem that moves x to a feasible point moves all three. Decoupled weight
    decay moves z by -lr weight_decay y, as theirs.

    Raises ``ValueError`` for a rule whose step is more than its update.
    """

    says = "a mean of the path in place of a schedule of lr"
    source = "Defazio et al. 2024 (arXiv 2405.15682)"
    hyperparameters = (MOMENTUM,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not steps_by_update(self.rule):
            raise ValueError(f"{self.rule} does more in a step than update x; put ScheduleFree inside of it")

    def init(self, x: Tensor) -> State:
        number = torch.zeros_like(x[..., :1], dtype=torch.float64)
        own = {
            "lead": torch.zeros_like(x),
            "ahead": torch.zeros_like(x),
            "largest_lr": number,
            "squares": number.clone(),
        }
        return {**super().init(x), **own}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        return self._moved(self.rule.update(g, state, hp, t), state, hp)

    def step_at(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        return self._moved(self.rule.step_at(x, g, state, hp, t), state, hp)

    def step_(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> None:
        if self.decay == "decoupled":
            shrunk = x * as_like(-self.rate(state, hp) * hp["weight_decay"], x)
            step = shrunk.add_(self.rule.step_at(x, g, state, hp, t))
        else:
            step = self.rule.step_at(x, self.decayed_(x, g, state, hp), state, hp, t)
        x.add_(self._moved(step, state, hp))

    @staticmethod
    def _moved(step: Tensor, state: State, hp: Hyperparameters) -> Tensor:
        """The step of y that follows from the ``step`` of z, which is only read."""
        largest, lead, ahead = state["largest_lr"], state["lead"], state["ahead"]
        lr = torch.as_tensor(hp["lr"], dtype=torch.float64, device=largest.device)
        square = torch.maximum(largest, lr, out=largest).square()
        share = square / state["squares"].add_(square).clamp(min=SMALLEST)
        moved = (step - lead).add_(ahead)
        lead.sub_(step).mul_(as_like(1 - share, lead))
        ahead.copy_(lead).mul_(as_like(1 - hp["momentum"], lead))
        return moved.add_(lead).sub_(ahead)

    def shown(self, x: Tensor, state: State) -> Tensor:
        return x + state["ahead"]
