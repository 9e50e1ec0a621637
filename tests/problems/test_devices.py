"""Problems compute where their parameters are: shown on torch's device without numbers, which refuses all others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from problems import BUILTIN, Batch

SPECS = {spec.name: spec for spec in BUILTIN}
DOWNLOADED = {"fashion-mnist-mlp", "fashion-mnist-lenet"}
NATIVE = {name for name in SPECS if SPECS[name].build().facts.native is not None}
"""The problems whose runs are modules of their own, which `ModuleProblem.run` puts on a device."""
LARGER = {"text-gru", "text-transformer"}
"""The networks of char-gru and tiny-transformer at other sizes."""


def moved(batch: Batch) -> Batch:
    if batch is None:
        return None
    return tuple(part.to("meta") for part in batch) if isinstance(batch, tuple) else batch.to("meta")


@pytest.mark.usefixtures("tables_without_packages")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in LARGER))
        for name in sorted(SPECS.keys() - DOWNLOADED - NATIVE)
    ],
)
def test_loss_gradient_and_metrics_are_where_the_parameters_are(name: str) -> None:
    problem = SPECS[name].build()
    start, batch = problem.start([0, 1]), next(iter(problem.batches([0, 1], 1)))
    x = start.to("meta", problem.dtype).expand(2, -1, -1).clone().requires_grad_()
    loss = problem.loss(x, moved(batch))
    (g,) = torch.autograd.grad(loss.sum(), x)
    found: list[Tensor] = [loss, g, *problem.evaluate(x.detach()).values()]
    assert {tensor.device.type for tensor in found} == {"meta"}
    assert (loss.shape, g.shape) == ((2, 2), x.shape)
