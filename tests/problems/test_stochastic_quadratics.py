"""Quadratics under noise: what the noise is, that it has mean zero, and the closed form of the expected loss."""

import math

import numpy as np
import pytest
import torch

from problems.quadratic import NoisyQuadratic, Quadratic

NOISES = ["gaussian", "student-t", "multiplicative", "sparse"]


def gradient(problem, x, batch):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(problem.loss(x, batch).sum(), x)[0]


def noise(problem, seeds=range(4), steps=2000):
    """All noise of a run, [steps, S, P]."""
    return torch.stack(list(problem.batches(seeds, steps)))


@pytest.mark.parametrize("rotated", [False, True])
def test_eigenvalues_are_log_spaced_up_to_one(rotated):
    problem = Quadratic(dim=5, condition=1e4, rotated=rotated, noise="none")
    hessian = torch.autograd.functional.hessian(lambda x: problem.loss(x, None), torch.zeros(5, dtype=torch.float64))
    expected = torch.logspace(-4, 0, 5, dtype=torch.float64)
    torch.testing.assert_close(torch.linalg.eigvalsh(hessian), expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kind", ["gaussian", "student-t"])
def test_additive_noise_is_what_the_gradient_differs_by(kind):
    problem = Quadratic(dim=10, noise=kind, sigma=0.3, rotated=True)
    x, batch = problem.start([0, 1]), next(problem.batches([0, 1], 1)).double()
    torch.testing.assert_close(gradient(problem, x, batch) - gradient(problem, x, None), batch, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["multiplicative", "sparse"])
def test_curvature_noise_multiplies_the_gradient_and_vanishes_at_the_minimum(kind):
    problem = Quadratic(dim=10, noise=kind)
    x, batch = problem.start([0, 1]), next(problem.batches([0, 1], 1)).double()
    torch.testing.assert_close(gradient(problem, x, batch), gradient(problem, x, None) * batch, rtol=1e-12, atol=0)
    assert not gradient(problem, 0 * x, batch).any()


def test_gaussian_noise_has_mean_zero_and_deviation_sigma():
    drawn = noise(Quadratic(dim=10, sigma=0.3))
    assert float(drawn.mean()) == pytest.approx(0, abs=4 * 0.3 / math.sqrt(drawn.numel()))
    assert float(drawn.std()) == pytest.approx(0.3, rel=4 / math.sqrt(2 * drawn.numel()))


def test_multiplicative_noise_has_mean_one_and_deviation_sigma():
    drawn = noise(Quadratic(dim=10, noise="multiplicative", sigma=0.3))
    assert float(drawn.mean()) == pytest.approx(1, abs=4 * 0.3 / math.sqrt(drawn.numel()))
    assert float(drawn.std()) == pytest.approx(0.3, rel=4 / math.sqrt(2 * drawn.numel()))


def test_student_noise_has_the_quantiles_of_two_degrees_of_freedom():
    drawn = noise(Quadratic(dim=10, noise="student-t", sigma=0.5)).flatten() / 0.5
    # P(|T| > t) = 1 - t / sqrt(2 + t²): heavy enough that the variance does not exist.
    for t in (1.0, 3.0, 10.0, 30.0):
        share = 1 - t / math.sqrt(2 + t * t)
        deviation = math.sqrt(share * (1 - share) / len(drawn))
        assert float((drawn.abs() > t).double().mean()) == pytest.approx(share, abs=4 * deviation)


def test_sparse_noise_shows_the_flattest_direction_once_in_dim_steps_and_then_dim_times():
    drawn = noise(Quadratic(dim=8, noise="sparse")).reshape(-1, 8)
    for index in range(8):
        rank = 8 - index  # the last eigenvalue is the steepest
        assert set(drawn[:, index].unique().tolist()) == ({1.0} if rank == 1 else {0.0, float(rank)})
        deviation = math.sqrt((1 - 1 / rank) / rank / len(drawn))
        assert float((drawn[:, index] > 0).double().mean()) == pytest.approx(1 / rank, abs=4 * deviation)


@pytest.mark.parametrize(
    "problem", [Quadratic(dim=10, noise=kind) for kind in NOISES[:1] + NOISES[2:]] + [NoisyQuadratic(10)]
)
def test_the_training_loss_is_the_evaluated_loss_on_average(problem):
    x = problem.start([0]).float()
    losses = torch.stack([problem.loss(x, batch) for batch in problem.batches([0], 4000)]).double()
    expected = problem.evaluate(x)["loss"].item()
    assert losses.mean().item() == pytest.approx(expected, abs=4 * losses.std().item() / math.sqrt(4000))


def test_without_noise_nothing_depends_on_the_seed():
    problem = Quadratic(noise="none")
    assert problem.deterministic
    assert list(problem.batches([0, 1], 3)) == [None, None, None]
    assert "deterministic" in problem.tags


def test_sigma_is_no_part_of_a_problem_it_does_not_change():
    assert Quadratic(noise="none", sigma=1.0).fingerprint() == Quadratic(noise="none", sigma=2.0).fingerprint()
    assert Quadratic(noise="gaussian", sigma=1.0).fingerprint() != Quadratic(noise="gaussian", sigma=2.0).fingerprint()


@pytest.mark.parametrize("lr", [0.0, 0.3, 2.0, 2.5])
def test_the_closed_form_is_the_recursion_of_second_moments(lr):
    h, second = 1 / np.arange(1, 31), np.ones(30)
    for _ in range(37):
        second = (1 - lr * h) ** 2 * second + lr**2 * h / 8
    assert NoisyQuadratic(dim=30, batch=8).expected_loss(lr, 37) == pytest.approx(0.5 * (h * second).sum(), rel=1e-12)


@pytest.mark.parametrize(
    "wrong", [{"dim": 0}, {"condition": 0.5}, {"condition": math.inf}, {"sigma": -1.0}, {"sigma": math.nan}]
)
def test_a_parameter_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="quadratic needs"):
        Quadratic(**wrong)


def test_an_unknown_noise_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="no noise 'pink'; it has gaussian, student-t, multiplicative, sparse, none"):
        Quadratic(noise="pink")


@pytest.mark.parametrize("wrong", [{"dim": 0}, {"batch": 0}])
def test_an_empty_noisy_quadratic_is_refused(wrong):
    with pytest.raises(ValueError, match="noisy-quadratic needs"):
        NoisyQuadratic(**wrong)
