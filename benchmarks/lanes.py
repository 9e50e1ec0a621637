"""The engine for scripts written with one long call; `benchmarks.train` is the door to take in new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from benchmarks.engine import training as door
from benchmarks.engine.driver import OnRung
from benchmarks.engine.inputs import Evaluate, Training
from benchmarks.engine.trace import Trace
from benchmarks.naming.foreign import AnyOptimizer
from optimizers import Rule, Schedule
from problems import Problem

__all__ = ["train"]


def train(
    problem: Problem | str,
    rule: Rule | AnyOptimizer | str,
    hyperparameters: Mapping[str, Tensor | float],
    seeds: Sequence[int],
    steps: int,
    *,
    evaluate_every: Evaluate = None,
    schedules: Mapping[str, Schedule] | None = None,
    on_rung: OnRung | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    chunk: int | None = None,
    keep_path: bool = False,
) -> Trace:
    """Train every configuration on every seed: `benchmarks.engine.training.train` with everything in one call."""
    training = Training(
        problem, rule, seeds, steps, evaluate_every, schedules or {}, device, dtype, chunk, keep_path=keep_path
    )
    return door.train(training, hyperparameters, on_rung)
