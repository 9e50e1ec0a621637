"""How long a training of many configurations will take: all of them are tried for a few steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import torch

from benchmarks.engine.training import Training, train
from benchmarks.naming.foreign import AnyOptimizer
from problems import Problem

__all__ = ["run_seconds"]

TRIED: Final = (2, 10)


def run_seconds(problem: Problem, spec: AnyOptimizer, configurations: int, seeds: Sequence[int], steps: int) -> float:
    """About the seconds that ``steps`` of so many ``configurations`` take of one core, by their first few steps.

    Processor time is measured, which other programs at work do not change.
    """
    knob = spec.hyperparameters[0]
    lanes = {knob.name: torch.full((configurations,), knob.default, dtype=torch.float64)}
    took = []
    for tried in (TRIED[0], *TRIED):  # the first loads data
        began = time.process_time()
        train(Training(problem, spec, seeds, min(tried, steps)), lanes)
        took.append(time.process_time() - began)
    return took[1] + max(took[2] - took[1], 0.0) / (TRIED[1] - TRIED[0]) * steps
