"""The engine, a rule and the chapter's functions together: what the book prints, and what its one draw is one of."""

import math
from dataclasses import dataclass

import pytest
import torch

from benchmarks.lanes import train
from optimizers import Schedule
from optimizers.sgd import SGD
from problems.chapter import SPECS

BUILD = {spec.name: spec.build for spec in SPECS}


@dataclass(frozen=True)
class Exponential(Schedule):
    """lr exp(-0.1 t), the chapter's, which counts t from 2."""

    def __call__(self, value, t, steps):
        return value * math.exp(-0.1 * (t + 1))


@dataclass(frozen=True)
class Polynomial(Schedule):
    """lr / sqrt(1 + 0.1 t), the chapter's."""

    def __call__(self, value, t, steps):
        return value * (1 + 0.1 * (t + 1)) ** -0.5


def end(problem, lr, steps, seeds=(0,), schedule=None):
    """The final parameters [S, P] of gradient descent."""
    schedules = {"lr": schedule} if schedule else {}
    trace = train(problem, SGD(), {"lr": lr}, seeds, steps, schedules=schedules, keep_path=True)
    return trace.path[0, :, -1]


PRINTED = [
    ("square", 0.2, 10, ("0.060466",)),
    ("square", 0.05, 10, ("3.486784",)),
    ("square", 1.1, 10, ("61.917364",)),
    ("wave", 2.0, 10, ("-1.528166",)),
    ("bowl", 0.1, 20, ("-0.057646", "-0.000073")),
    ("ellipse", 0.4, 20, ("-0.943467", "-0.000073")),
    ("ellipse", 0.6, 20, ("-0.387814", "-1673.365109")),
]


@pytest.mark.parametrize(("name", "lr", "steps", "printed"), PRINTED)
def test_gradient_descent_ends_where_the_book_prints(name, lr, steps, printed):
    assert tuple(f"{x:.6f}" for x in end(BUILD[name](), lr, steps)[0].tolist()) == printed


def test_the_halving_spectrum_decays_coordinate_by_coordinate():
    x = end(BUILD["halving"](dim=6), 0.5, 30)[0]
    expected = [(1 - 0.5 * 0.5**i) ** 30 for i in range(1, 7)]
    assert x.tolist() == pytest.approx(expected, rel=1e-12)


# Mean and standard deviation of the end point over 20,000 draws simulated by other code; the book prints one of each.
NOISY = [
    (None, 50, (0.00, 0.00), (0.166, 0.125)),
    (Exponential(), 300, (-0.8256, -0.0445), (0.075, 0.040)),
    (Polynomial(), 50, (-0.0141, -0.0008), (0.105, 0.075)),
]


def moments(schedule, steps):
    """The exact mean and standard deviation of each coordinate after ``steps`` of noisy descent with lr 0.1."""
    for start, slope in ((-5.0, 2.0), (-2.0, 4.0)):
        mean, variance = start, 0.0
        for t in range(1, steps + 1):
            lr = schedule(0.1, t, steps) if schedule else 0.1
            mean, variance = mean * (1 - lr * slope), variance * (1 - lr * slope) ** 2 + lr**2
        yield mean, math.sqrt(variance)


@pytest.mark.parametrize(("schedule", "steps", "mean", "deviation"), NOISY)
def test_noisy_descent_ends_in_the_distribution_the_book_drew_from(schedule, steps, mean, deviation):
    seeds = range(1500)
    x = end(BUILD["bowl-noisy"](), 0.1, steps, seeds, schedule)
    for i, (mu, sigma) in enumerate(moments(schedule, steps)):
        assert float(x[:, i].mean()) == pytest.approx(mu, abs=4 * sigma / math.sqrt(len(seeds)))  # four standard errors
        assert float(x[:, i].std()) == pytest.approx(sigma, rel=4 / math.sqrt(2 * len(seeds)))
        assert mean[i] == pytest.approx(mu, abs=4 * sigma / math.sqrt(20_000))
        assert deviation[i] == pytest.approx(sigma, abs=2e-3)


def test_without_noise_the_noisy_bowl_is_the_bowl():
    assert torch.equal(end(BUILD["bowl-noisy"](sigma=0.0), 0.1, 20), end(BUILD["bowl"](), 0.1, 20))
