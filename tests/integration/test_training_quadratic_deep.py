"""The engine, rules and DeepOBS's quadratic together: a hundred epochs end where its baselines do."""

import math

import pytest

from benchmarks.lanes import train
from optimizers.sgd import SGD, Momentum
from problems.quadratic_deep import QuadraticDeep

SEEDS = range(24)


# Mean and deviation of the final test loss over 100 batch orders of plain NumPy loops with other random numbers.
# DeepOBS's stored ten runs say 87.398 ± .160 for SGD and 87.045 ± .024 for momentum: one order for all epochs.
ENDS = [
    (SGD(), {"lr": 0.0158489}, "once", 87.365, 0.179),
    (SGD(), {"lr": 0.0158489}, "epoch", 87.381, 0.191),
    (Momentum(), {"lr": 0.00251189, "momentum": 0.99}, "once", 87.047, 0.030),
    (Momentum(), {"lr": 0.00251189, "momentum": 0.99}, "epoch", 88.636, 0.964),
]


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "setting", "shuffle", "mean", "deviation"), ENDS)
def test_a_hundred_epochs_end_where_the_baselines_do(rule, setting, shuffle, mean, deviation):
    trace = train(QuadraticDeep(shuffle=shuffle), rule, setting, SEEDS, 700)
    ends = trace.metrics["test_loss"][0, :, -1]
    error = deviation * math.sqrt(1 / 100 + 1 / len(SEEDS))
    assert float(ends.mean()) == pytest.approx(mean, abs=4 * error)
    assert float(ends.std()) == pytest.approx(deviation, rel=4 / math.sqrt(2 * len(SEEDS)))
