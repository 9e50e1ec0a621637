"""DeepOBS's quadratic_deep: published losses at the start, recomputed floors, and its orders of rows."""

import numpy as np
import pytest
import torch

from problems.quadratic_deep import QuadraticDeep

# Instance: the test loss at the start, of which stored TensorFlow results hold 353.446764, 274.101253, 314.803693 and
# 399.719565 (single precision), and the test loss at the minimum of the training loss, recomputed by other code.
INSTANCES = {0: (353.446765, 87.0460), 9: (274.101254, 88.4971), 23: (314.803690, 75.7064), 34: (399.719568, 87.4664)}


@pytest.mark.parametrize("instance", INSTANCES)
def test_an_instance_starts_at_the_published_test_loss(instance):
    problem = QuadraticDeep(instance)
    assert problem.evaluate(problem.start([0]))["test_loss"].item() == pytest.approx(INSTANCES[instance][0], abs=5e-7)


@pytest.mark.parametrize("instance", INSTANCES)
def test_the_floor_of_an_instance_is_the_recomputed_one(instance):
    problem = QuadraticDeep(instance)
    metrics = problem.evaluate(torch.tensor(problem.minimisers, dtype=torch.float64))
    assert metrics["test_loss"].item() == pytest.approx(INSTANCES[instance][1], abs=5e-5)
    assert metrics["loss"].item() == pytest.approx(problem.minimum, rel=1e-12)


def test_the_first_instance_has_the_recorded_spectrum_and_training_floor():
    problem = QuadraticDeep()
    hessian = torch.autograd.functional.hessian(
        lambda x: problem.evaluate(x)["loss"], torch.zeros(100, dtype=torch.float64)
    )
    eigenvalues = torch.linalg.eigvalsh(hessian)
    assert eigenvalues[0].item() == pytest.approx(0.0055221, abs=5e-8)
    assert eigenvalues[-1].item() == pytest.approx(53.1290, abs=5e-5)
    assert eigenvalues.sum().item() == pytest.approx(477.612, abs=5e-4)
    assert (eigenvalues < 1).sum().item() == 90
    assert problem.minimum == pytest.approx(84.7697, abs=5e-5)


def test_a_minibatch_is_scored_like_the_mean_over_its_rows():
    problem = QuadraticDeep()
    hessian = torch.autograd.functional.hessian(
        lambda x: problem.evaluate(x)["loss"], torch.zeros(100, dtype=torch.float64)
    ).numpy()
    rows = np.random.RandomState(42).normal(0.0, 0.6, (1000, 100)).astype(np.float32).astype(np.float64)
    away = np.ones(100) - rows
    every = 0.5 * np.einsum("rp,pq,rq->r", away, hessian, away)
    x = problem.start([0])
    assert problem.evaluate(x)["loss"].item() == pytest.approx(every.mean(), rel=1e-12)
    # Minibatches are handed out in single precision: 1e-7 of each mean.
    center, spread = (part.double() for part in next(problem.batches([0], 1)))
    means = np.array([rows[order].mean(0) for order in np.array_split(np.arange(896), 7)])
    assert means.shape[1:] == center.shape[1:]
    drawn = center[0].numpy()
    expected = 0.5 * (1 - drawn) @ hessian @ (1 - drawn) + spread.item()
    assert problem.loss(x, (center, spread)).item() == pytest.approx(expected, rel=1e-6)


def orders(problem, steps):
    return torch.stack([center for center, _ in problem.batches([0, 1], steps)])


def test_shuffled_once_every_epoch_repeats_the_first():
    means = orders(QuadraticDeep(shuffle="once"), 20)
    assert torch.equal(means[7:14], means[:7])
    assert torch.equal(means[14:], means[:6])
    assert not torch.equal(means[:, 0], means[:, 1])


def test_shuffled_each_epoch_the_first_epoch_is_the_same_and_the_second_another():
    means = orders(QuadraticDeep(), 14)
    assert torch.equal(means[:7], orders(QuadraticDeep(shuffle="once"), 7))
    assert not torch.equal(means[7:], means[:7])


def test_a_negative_instance_is_refused():
    with pytest.raises(ValueError, match="counts its instances from 0, got -1"):
        QuadraticDeep(-1)


def test_an_unknown_shuffle_is_refused():
    with pytest.raises(ValueError, match="shuffles epoch or once, not 'never'"):
        QuadraticDeep(shuffle="never")
