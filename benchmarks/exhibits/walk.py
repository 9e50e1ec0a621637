"""Paths of runs step by step and without a limit: gradients, states and overflow included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from benchmarks.engine.training import Training, train
from optimizers import OptimizerSpec, Rule
from problems import Problem

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


def walk(
    problem: Problem,
    optimizer: OptimizerSpec | Rule,
    values: Mapping[str, float],
    steps: int,
    seeds: Sequence[int] = (1,),
) -> Walk:
    """A run of every seed under ``values`` for ``steps`` updates, evaluated at each and never stopped.

    Where numbers overflow, the path holds inf and NaN from there on.
    """
    training = Training(
        problem, optimizer, seeds, steps, evaluate_every=1, keep_path=True, keep_updates=True, stop_diverged=False
    )
    trace = train(training, values)
    assert trace.path is not None
    assert trace.gradient is not None
    assert trace.state is not None
    states = {name: _by_step(kept)[1:] for name, kept in trace.state.items()}
    return Walk(_by_step(trace.path), _by_step(trace.loss), _by_step(trace.gradient)[1:], states)


def _by_step(kept: Tensor) -> Tensor:
    """What the only configuration left at its evaluations, ``[1, S, E, ...]`` as ``[E, S, ...]``."""
    return kept[0].transpose(0, 1).contiguous()
