"""The engine, the conformance kit, rules and noisy quadratics together: closed forms that training must meet."""

import math

import pytest

from benchmarks.conformance.report import check_problem
from benchmarks.lanes import train
from optimizers.adam import Adam
from optimizers.sgd import SGD
from problems.quadratic import NoisyQuadratic, Quadratic

NOISES = ["gaussian", "student-t", "multiplicative", "sparse"]
FLOAT32 = 1e-5  # sums of a hundred single-precision numbers


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("kind", [*NOISES, "none"])
def test_every_kind_of_noise_conforms(kind, rotated):
    report = check_problem(Quadratic(dim=12, noise=kind, rotated=rotated))
    assert [line for line in report.lines[:-1] if not line.startswith("ok")] == []


def test_descent_does_not_feel_the_rotation_and_adam_does():
    straight, turned = (Quadratic(dim=20, noise="none", rotated=rotated) for rotated in (False, True))
    losses = [
        [train(p, rule, {"lr": 0.1}, [0], 100).final_loss.item() for p in (straight, turned)]
        for rule in (SGD(), Adam())
    ]
    assert losses[0][0] == pytest.approx(losses[0][1], rel=FLOAT32)
    assert losses[1][1] > 1.5 * losses[1][0]


@pytest.mark.parametrize("lr", [0.05, 0.5, 1.5])
def test_sgd_on_the_noisy_quadratic_model_has_the_expected_loss_of_the_closed_form(lr):
    problem, seeds = NoisyQuadratic(dim=30, batch=4), range(800)
    trace = train(problem, SGD(), {"lr": lr}, seeds, 60, evaluate_every=20)
    for place, step in enumerate(trace.step.tolist()):
        losses = trace.loss[0, :, place]
        error = float(losses.std()) / math.sqrt(len(seeds))
        assert float(losses.mean()) == pytest.approx(problem.expected_loss(lr, step), abs=4 * error)
