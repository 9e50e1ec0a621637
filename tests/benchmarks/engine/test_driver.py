"""The loop around the lanes: what it records costs what is recorded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.engine.driver import Lanes
from benchmarks.engine.segments import SEGMENT, Segment
from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from problems import Batch, Facts, Problem


def test_the_table_of_losses_is_made_once_however_many_chunks_and_evaluations_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Tensor] = []
    full = torch.full

    def counting(*args: Any, **kwargs: Any) -> Tensor:
        made.append(full(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(torch, "full", counting)
    training = Training(make_problem("ellipse"), OPTIMIZERS["sgd"], [1], 12, evaluate_every=1, chunk=1)
    train(training, {"lr": torch.full((10,), 1e-3, dtype=torch.float64)})
    assert [table.shape for table in made if table.dim() == 3] == [(10, 1, 13)]


def test_what_diverged_leaves_between_two_evaluations() -> None:
    lr = torch.tensor([0.1, 9.0, 9.0, 9.0], dtype=torch.float64)
    trace = train(Training(make_problem("ellipse"), OPTIMIZERS["sgd"], [1], 320), {"lr": lr})
    assert trace.lane_steps == 320 + 3 * SEGMENT
    assert trace.loss[0].isfinite().all()
    assert trace.loss[1:, :, 1].isnan().all()


class _Standing(Lanes):
    """Lanes that are told losses."""

    def advance(self, data: Segment, done: int) -> None:
        raise NotImplementedError

    def keep(self, chosen: Tensor) -> None:
        raise NotImplementedError


@pytest.mark.parametrize("start", [1.0, math.inf])
def test_the_steps_of_a_segment_are_counted_as_one_by_one(start: float) -> None:
    training = Training(make_problem("ellipse"), OPTIMIZERS["sgd"], [1, 2], 12)
    limit = torch.tensor([start, 2 * start], dtype=torch.float64)
    lanes = _Standing(training, torch.arange(200), training.start(), limit)
    alive, valid_steps = lanes.alive.clone(), lanes.valid_steps.clone()
    odd = torch.tensor([math.nan, math.inf, -math.inf, 1e300, -1e300, 2.0, 1.0])
    draw = torch.Generator().manual_seed(1)
    for _ in range(3):  # one segment after another
        losses = torch.rand(9, 200, 2, dtype=torch.float64, generator=draw)
        strange = torch.rand(losses.shape, generator=draw) < 0.03
        losses[strange] = odd[torch.randint(len(odd), (int(strange.sum()),), generator=draw)].double()
        for loss in losses:
            alive &= (loss <= limit) & (loss.abs() < torch.inf)
            valid_steps += alive
        lanes.count_steps(losses)
        assert torch.equal(lanes.alive, alive)
        assert torch.equal(lanes.valid_steps, valid_steps)
    assert 0 < int(alive.sum()) < alive.numel()


@dataclass(frozen=True, eq=False)
class Descent(Problem):
    """One parameter, which is the loss itself: not a copy of it."""

    facts = Facts(dim=1)

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.full((len(seeds), 1), -1.0, dtype=torch.float64)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        return x[..., 0]


def test_a_loss_that_is_a_view_of_the_parameters_is_counted_as_it_was_before_the_update() -> None:
    # from -1 by 1.5 million a step: above a million first gaps after one update, below before it
    trace = train(Training(Descent(), OPTIMIZERS["sgd"], [1], 4), {"lr": torch.tensor([-1.5e6, -0.5])})
    assert trace.stopped_at.flatten().tolist() == [1, 4]
