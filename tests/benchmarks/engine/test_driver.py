"""The loop around the lanes: what it records costs what is recorded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import OPTIMIZERS, make_problem


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
