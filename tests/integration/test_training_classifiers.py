"""The engine, a rule and classifiers together: training trains, and a lane does not feel its neighbours."""

import numpy as np
import pytest
import torch

from benchmarks.lanes import train
from optimizers.adam import Adam
from optimizers.rmsprop import RMSProp
from problems.classification import (
    DigitsSoftmax,
    digits_cnn,
    digits_mlp,
    mnist_mlp,
    two_spirals,
)


@pytest.mark.parametrize(
    ("build", "lr", "steps", "bound"),
    [
        (DigitsSoftmax, 0.03, 100, 0.5),
        (digits_mlp, 0.01, 100, 0.5),
        (digits_cnn, 0.02, 100, 0.5),
        (mnist_mlp, 0.01, 40, 0.6),
    ],
)
def test_a_short_training_learns(build, lr, steps, bound):
    trace = train(build(), RMSProp(), {"lr": lr}, [0], steps)

    assert trace.loss[0, 0, 0].item() == pytest.approx(np.log(10), abs=0.1)
    assert trace.final_loss.item() < bound
    assert trace.metrics["heldout_accuracy"][0, 0, -1].item() > 0.8


def test_two_spirals_can_be_told_apart_in_part():
    trace = train(two_spirals(), Adam(), {"lr": 0.02}, [0], 300)

    assert trace.final_loss.item() < 0.66 < trace.loss[0, 0, 0].item()


def test_lanes_do_not_depend_on_their_neighbours_beyond_rounding():
    problem, rates = digits_cnn(), torch.tensor([0.1, 0.01, 0.001])
    together = train(problem, RMSProp(), {"lr": rates}, [0, 1], 5, dtype=torch.float64).final_loss
    alone = train(problem, RMSProp(), {"lr": rates[1:2]}, [1], 5, dtype=torch.float64).final_loss

    # a product over one lane may take another kernel than over many; five steps amplify its rounding little
    assert together[1, 1].item() == pytest.approx(alone.item(), rel=1e-9)
