"""The engine, a rule and sequence problems together: brackets are learnt, and images by LeNet."""

import pytest

from benchmarks.lanes import train
from optimizers.rmsprop import RMSProp
from problems.lenet import mnist_lenet
from problems.sequence import (
    char_gru,
    tiny_transformer,
)


@pytest.mark.parametrize(("build", "steps"), [(char_gru, 40), (tiny_transformer, 40)])
def test_reading_brackets_is_learnt(build, steps):
    trace = train(build(), RMSProp(), {"lr": 0.01}, [0], steps)

    assert trace.loss[0, 0, 0].item() > 2.0
    assert max(trace.final_loss.item(), trace.metrics["heldout_loss"][0, 0, -1].item()) < 1.8


def test_lenet_learns_in_thirty_steps():
    trace = train(mnist_lenet(), RMSProp(), {"lr": 0.003}, [0], 30)

    assert trace.final_loss.item() < 1.2 < trace.loss[0, 0, 0].item()
    assert trace.metrics["heldout_accuracy"][0, 0, -1].item() > 0.6
