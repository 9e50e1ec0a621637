"""What several files here need: a problem trained by torch's own Adam, one lane, as nobody's engine does it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from problems import Problem

Trained = Callable[[Problem, float], dict[str, float]]


@pytest.fixture
def trained() -> Trained:
    """The metrics of seed 0 after the problem's default budget of Adam at lr, which falls to 0 as a cosine."""

    def train(problem: Problem, lr: float) -> dict[str, float]:
        x = problem.start([0]).to(problem.dtype).requires_grad_()
        adam = torch.optim.Adam([x], lr=lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, problem.steps)
        for batch in problem.batches([0], problem.steps):
            adam.zero_grad()
            problem.loss(x, batch).sum().backward()
            adam.step()
            schedule.step()
        with torch.no_grad():
            return {name: float(value) for name, value in problem.evaluate(x).items()}

    return train
