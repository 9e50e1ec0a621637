"""What a step of one run costs alone, as for somebody who trains one model: measured, so never twice the same."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

import torch

from analysis.record.cell_info import StepCost
from benchmarks.engine.calls import gradient_of, loss_of
from benchmarks.engine.driver import Lanes, segments_of
from benchmarks.engine.inputs import Configurations, Training
from benchmarks.engine.native_lanes import NativeLanes
from benchmarks.engine.segments import Segment
from benchmarks.engine.training import lanes_of

__all__ = ["step_cost"]

WARM: Final = 3
STEPS: Final = 15
BUDGET: Final = 0.5  # seconds after which no further step is measured


def step_cost(training: Training, values: Mapping[str, float]) -> StepCost:
    """The cost of a step at the hyperparameters ``values``: one lane of the first seed, by torch, an operation at a
    time; the medians of `STEPS` steps, of fewer where these take long.

    The share of the optimizer is what a step takes longer than its loss and gradient do.
    """
    alone = replace(
        training,
        seeds=training.seeds[:1],
        steps=WARM + STEPS,
        evaluate_every=None,
        engine="eager" if training.native is None else "native",
        stop_diverged=False,
    )
    (lanes,), device = lanes_of(alone, alone.filled(Configurations(values))), torch.device(alone.device)
    whole, before = list[float](), list[float]()
    began = time.perf_counter()
    for done, data in enumerate(segments_of(alone, lanes, 1)):
        before.append(_seconds(partial(_gradient, alone, lanes, data), device))
        whole.append(_seconds(partial(lanes.advance, data, done), device))
        if done >= WARM and time.perf_counter() - began > BUDGET:
            break
    step, loss = (statistics.median(times[min(WARM, len(times) - 1) :]) for times in (whole, before))
    return StepCost(seconds=step, optimizer_share=max(0.0, 1 - loss / step), state_bytes=lanes.state_bytes)


def _gradient(training: Training, lanes: Lanes, data: Segment) -> None:
    """The loss and the gradient of a step, which are thrown away."""
    if isinstance(lanes, NativeLanes):
        lanes.gradient_alone()
        return
    x = lanes.x.detach().requires_grad_()
    gradient_of(training.problem, loss_of(training.problem, x, data.batches[0], training.autocast), x)


def _seconds(part: Callable[[], None], device: torch.device) -> float:
    """How long ``part`` takes on ``device``."""
    _wait(device)
    began = time.perf_counter()
    part()
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    """Let a GPU do all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
