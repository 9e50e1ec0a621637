"""The short run of an lr range test: batch losses while the learning rate rises by the same factor at every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from analysis.statistics.arrays import Array
from benchmarks.engine.calls import batches_of, gradient_of, loss_of, project_, state_of, step_
from benchmarks.engine.segments import batch_like
from benchmarks.engine.training import Training
from optimizers import OptimizerSpec
from optimizers.rule import Value
from problems import Problem

__all__ = ["HIGH", "LOW", "RangeRun", "range_run"]

LOW: Final = 1e-7
HIGH: Final = 10.0
"""Where fastai's range test begins, and what it goes up to."""


@dataclass(frozen=True, eq=False)
class RangeRun:
    """The learning rates ``lrs [T]`` of the steps, and the ``losses [S, T]`` of their batches before each."""

    lrs: Array
    losses: Array


def range_run(problem: Problem, spec: OptimizerSpec, seeds: Sequence[int], steps: int) -> RangeRun:
    """A run of each of ``seeds`` by ``spec`` at its defaults but for lr, which goes from `LOW` towards `HIGH`.

    It is never stopped.
    """
    training = Training(problem, spec, seeds, steps)
    rule, x = training.rule, training.start()
    state, values = state_of(rule, x, spec.name), dict[str, Value](spec.default_values)
    lrs = LOW * (HIGH / LOW) ** (np.arange(steps) / steps)
    losses = np.empty((len(seeds), steps))
    for place, batch in enumerate(batches_of(problem, seeds, steps)):
        x.requires_grad_()
        loss = loss_of(problem, x, batch_like(batch, x))
        g = gradient_of(problem, loss, x)
        x.requires_grad_(False)
        losses[:, place] = loss.detach().cpu().numpy()
        with torch.no_grad():
            step_(rule, x, g, state, {**values, "lr": float(lrs[place])}, place + 1, spec.name)
            project_(problem, x)
    return RangeRun(lrs, losses)
