"""The engine, RMSProp and the counterexamples together: its memory decides where it ends, as published."""

import math
from dataclasses import dataclass

import pytest
import torch

from benchmarks.conformance.report import check_problem
from benchmarks.lanes import train
from optimizers import Schedule
from optimizers.rmsprop import RMSProp
from optimizers.sgd import SGD
from problems.online import FiniteSum, Periodic, RareSlopes, reddi_periodic

RULE = RMSProp(eps_inside=False)
EPS = 1e-8


@dataclass(frozen=True)
class InverseRoot(Schedule):
    """lr / sqrt(t)."""

    def __call__(self, value, t, steps):
        return value / math.sqrt(t)


def trained(problem, rule, steps, seeds=(0,), **hyperparameters):
    """The final x [C, S] with lr 0.1 / sqrt(t)."""
    values = {
        name: torch.tensor(value, dtype=torch.float64) if isinstance(value, list) else value
        for name, value in hyperparameters.items()
    }
    trace = train(problem, rule, {"lr": 0.1, **values}, seeds, steps, schedules={"lr": InverseRoot()}, keep_path=True)
    return trace.path[:, :, -1, 0]


def slopes(problem, steps, seed=0):
    return [float(slope) for slope in problem.batches([seed], steps)]


def by_hand(problem, gamma, steps, slope_of_shape=lambda x: 1.0):
    """RMSProp in plain floats, lr 0.1 / sqrt(t): the slow, obvious reference."""
    x, s = float(problem.start([0])), 0.0
    low, high = (-1.0, 1.0) if not isinstance(problem, FiniteSum) else (-math.inf, math.inf)
    for t, a in enumerate(slopes(problem, steps), start=1):
        g = a * slope_of_shape(x)
        s = gamma * s + (1 - gamma) * g * g
        x = min(high, max(low, x - 0.1 / math.sqrt(t) * g / (math.sqrt(s) + EPS)))
    return x


def bend(x):
    """The derivative of the finite sum's shape."""
    return 1.0 if x >= -1 else x + 2


def test_a_short_memory_drives_the_periodic_problem_to_the_worst_point_and_a_long_one_to_the_best():
    x = trained(reddi_periodic(), RULE, 2000, gamma=[0.0, 0.1, 0.9, 0.99], eps=EPS)[:, 0]
    assert x[:2].tolist() == pytest.approx([1, 1], abs=0.005)  # within one step of lr / sqrt(2000)
    assert x[2:].tolist() == pytest.approx([-1, -1], abs=0.005)


def test_sgd_solves_what_rmsprop_does_not():
    assert trained(reddi_periodic(), SGD(), 999).item() == pytest.approx(-1, abs=3 * 0.1 / math.sqrt(999))


@pytest.mark.parametrize("problem", [reddi_periodic(), Periodic(1010.0, -10.0, 101), RareSlopes(), FiniteSum()])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99])
def test_lanes_follow_plain_float_arithmetic(problem, gamma):
    slope = bend if isinstance(problem, FiniteSum) else lambda x: 1.0
    expected = by_hand(problem, gamma, 400, slope)
    assert trained(problem, RULE, 400, gamma=gamma, eps=EPS).item() == pytest.approx(expected, abs=1e-12)


def test_in_the_finite_sum_a_short_memory_climbs_and_a_long_one_descends():
    gamma = torch.tensor([0.0, 0.5, 0.9, 0.99], dtype=torch.float64)
    setting = {"lr": 0.1, "gamma": gamma, "eps": EPS}
    trace = train(
        FiniteSum(), RULE, setting, range(8), 1000, evaluate_every=250, schedules={"lr": InverseRoot()}, keep_path=True
    )
    drift = (
        trace.path[:, :, -1, 0] - trace.path[:, :, 1, 0]
    )  # the first steps depend on the shuffle, what follows hardly
    assert bool((drift[:2] > 0.3).all())
    assert bool((drift[2:] < -0.05).all())


def test_without_a_memory_every_step_of_the_finite_sum_is_a_sign():
    epochs = [sum(0.1 / math.sqrt(t) for t in range(first, first + 5)) for first in range(1, 1001, 5)]
    x = trained(FiniteSum(), RULE, 1000, range(4), gamma=0.0, eps=EPS)
    # Four of five steps go up, one goes down; which one, moves an epoch's sum by twice the steps' difference at most.
    assert x[0].tolist() == pytest.approx([1 + 0.6 * sum(epochs)] * 4, abs=0.25)


def test_every_update_ends_between_minus_one_and_one():
    trace = train(reddi_periodic(), SGD(), {"lr": 5.0}, [0], 6, evaluate_every=1, keep_path=True)
    assert trace.path[0, 0, :, 0].tolist() == [0, -1, 1, 1, -1, 1, 1]


@pytest.mark.parametrize("problem", [FiniteSum(n=2), FiniteSum(n=20), reddi_periodic(2.5), Periodic(3.0, 1.0, 2)])
def test_other_sizes_conform(problem):
    report = check_problem(problem)
    assert [line for line in report.lines[:-1] if not line.startswith("ok")] == []
