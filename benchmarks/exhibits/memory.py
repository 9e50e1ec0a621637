"""How far back a leaky average looks: its weights, measured by an impulse, and the two lengths they are known by."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Final

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor

from analysis.record.exhibits.memory import MemoryFacts
from benchmarks.exhibits.question import Answer, Question
from benchmarks.naming.registry import OPTIMIZERS
from benchmarks.suite.settings import Count
from optimizers.rule import Value
from problems import Problem

__all__ = ["Memory"]

OPTIMIZER: Final = "rmsprop"


class Memory(Question):
    """Weights of the past ``steps`` squared gradients for each of ``gammas``: those of the book's figure."""

    name = "memory"
    seconds = 0.1

    steps: Count = 40
    gammas: list[Annotated[float, Field(gt=0, lt=1)]] = [0.95, 0.9, 0.8, 0.7]

    def problems(self, data: Path | None) -> list[Problem]:  # noqa: ARG002 - no data
        return []

    def answer(self, data: Path | None) -> Answer:  # noqa: ARG002
        gamma = torch.tensor(self.gammas, dtype=torch.float64)
        age = torch.arange(self.steps, dtype=torch.float64)
        theory = (1 - gamma[:, None]) * gamma[:, None] ** age
        weights = impulse_response(gamma, self.steps)
        table = pd.DataFrame(
            {
                "gamma": gamma.repeat_interleave(self.steps).numpy(),
                "age": age.long().repeat(len(gamma)).numpy(),
                "weight": weights.flatten().numpy(),
                "theory": theory.flatten().numpy(),
                "cumulative": weights.cumsum(-1).flatten().numpy(),
            }
        )
        windows = pd.DataFrame([_window(value) for value in self.gammas])
        facts = MemoryFacts(self.steps, largest_error=float((weights - theory).abs().max()), optimizer=OPTIMIZER)
        method = [
            "The rule is given a gradient of 1 once and of 0 from then on; what is left of it in s, step after step, "
            "is the weight of a squared gradient of that age.",
            "Window: all weight over that of the newest, 1 / (1 - γ), which is one more than the mean age. Half-life: "
            "after how many steps a weight has halved.",
        ]
        return Answer({"weights": table, "windows": windows}, facts, method)


def impulse_response(gamma: Tensor, steps: int) -> Tensor:
    """The second moment ``[C, T]`` of RMSProp at 1 … T steps, for gradients 1, 0, 0, …, under each of ``gamma [C]``."""
    spec = OPTIMIZERS[OPTIMIZER]
    rule = spec.rule
    hp: dict[str, Value] = {**spec.default_values, "gamma": gamma[:, None]}
    state = rule.init(torch.zeros(len(gamma), 1, dtype=torch.float64))
    left = []
    for t in range(1, steps + 1):
        rule.update(torch.full((len(gamma), 1), float(t == 1), dtype=torch.float64), state, hp, t)
        left.append(state["s"].clone())
    return torch.cat(left, dim=-1)


def _window(gamma: float) -> dict[str, float]:
    window, half_life, claimed = 1 / (1 - gamma), math.log(0.5) / math.log(gamma), 1 / gamma
    return {
        "gamma": gamma,
        "window": window,
        "half_life": half_life,
        "claimed_half_life": claimed,
        "left_at_half_life": gamma**half_life,
        "left_at_claim": gamma**claimed,
        "inside_window": 1 - gamma**window,
    }
