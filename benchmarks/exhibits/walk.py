"""Paths of runs step by step and without a limit: states and overflow included, which the engine does not keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from optimizers import Rule
from problems import Batch, Problem

__all__ = ["Walk", "walk"]


@dataclass(frozen=True)
class Walk:
    """Points ``x [T + 1, S, P]`` and clean losses ``[T + 1, S]`` at steps 0 … T, and what the rule saw and kept.

    ``g [T, S, P]`` are the gradients of steps 1 … T, ``states`` the rule's after them, by name.
    """

    x: Tensor
    loss: Tensor
    g: Tensor
    states: Mapping[str, Tensor]

    def table(self, **columns: Any) -> pd.DataFrame:
        """The first seed's path, one row a step: ``x1``, ``x2`` and ``loss`` after ``columns``. For two parameters."""
        points = {"x1": self.x[:, 0, 0].numpy(), "x2": self.x[:, 0, 1].numpy(), "loss": self.loss[:, 0].numpy()}
        return pd.DataFrame({**columns, "step": np.arange(len(self.x)), **points})


def walk(problem: Problem, rule: Rule, values: Mapping[str, float], steps: int, seeds: Sequence[int] = (1,)) -> Walk:
    """Train a run of every seed for ``steps`` updates by `Rule.step_`, as the engine does, but never stop it.

    Where numbers overflow, the path holds inf and NaN from there on.
    """
    hp = {**rule.defaults(), **values}
    x = problem.start(seeds)
    state = rule.init(x)
    points, gradients, states = [x.clone()], [], []
    for t, batch in enumerate(problem.batches(seeds, steps), start=1):
        g = gradient(problem, x, batch)
        rule.step_(x, g, state, hp, t)
        points.append(x.clone())
        gradients.append(g)
        states.append({name: value.clone() for name, value in state.items()})
    path = torch.stack(points)
    kept = {name: torch.stack([after[name] for after in states]) for name in state}
    return Walk(path, problem.evaluate(path)["loss"], torch.stack(gradients), kept)


def gradient(problem: Problem, x: Tensor, batch: Batch) -> Tensor:
    """The gradient ``[S, P]`` at ``x [S, P]``."""
    point = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(problem.loss(point, batch).sum(), point)
    return g
