"""The engine, Adam and the factorizations together: training comes to the target."""

import pytest
import torch

from benchmarks.lanes import train
from optimizers.adam import Adam
from problems.autoencoder import DigitsAutoencoder
from problems.factorization import SPECS


@pytest.mark.parametrize("name", [spec.name for spec in SPECS])
def test_training_comes_to_the_target(name):
    problem = next(spec for spec in SPECS if spec.name == name).build()
    rates = torch.tensor([0.0005, 0.01, 0.1])
    trace = train(problem, Adam(), {"lr": rates}, [0], problem.steps)

    assert trace.final_loss.nan_to_num(torch.inf).min().item() < problem.target


def test_the_autoencoder_learns():
    problem = DigitsAutoencoder()
    trace = train(problem, Adam(), {"lr": 0.01}, [0], 100)

    assert trace.loss[0, 0, 0].item() == pytest.approx(9.4, abs=0.5)
    assert trace.final_loss.item() < 2.3
    assert trace.metrics["heldout_loss"][0, 0, -1].item() < 2.4
