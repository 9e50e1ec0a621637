"""Matrix factorization, deep linear network, phase retrieval, autoencoder: floors, saddles and targets."""

import numpy as np
import pytest
import torch

from problems.autoencoder import DigitsAutoencoder
from problems.data import DIGITS
from problems.factorization import DeepLinear, MatrixFactorization, PhaseRetrieval


def slope(problem, x):
    x = x.clone().requires_grad_()
    batch = None
    if isinstance(problem, DeepLinear):
        batch = tuple(part.unsqueeze(0) for part in problem._table)
    elif isinstance(problem, PhaseRetrieval):
        batch = (problem.sensing.unsqueeze(0), problem.measured.unsqueeze(0))
    return torch.autograd.grad(problem.loss(x.unsqueeze(0), batch).sum(), x)[0]


@pytest.mark.parametrize(
    ("problem", "floor"), [(MatrixFactorization(), 0.1714550597), (DeepLinear(), 0.0047464845), (PhaseRetrieval(), 0.0)]
)
def test_the_floor_is_the_recorded_one_and_taken_where_it_is_flat(problem, floor):
    for minimiser in problem.minimisers:
        x = torch.tensor(minimiser, dtype=torch.float64)

        assert problem.minimum == pytest.approx(floor, abs=1e-9)
        assert problem.evaluate(x)["loss"].item() == pytest.approx(problem.minimum, abs=1e-13)
        assert slope(problem, x).abs().max().item() < 1e-12


@pytest.mark.parametrize("problem", [MatrixFactorization(), DeepLinear(), PhaseRetrieval()])
def test_zero_is_a_stationary_point_that_is_no_minimum(problem):
    x = torch.zeros(problem.dim, dtype=torch.float64)

    assert slope(problem, x).abs().max().item() == 0
    assert problem.evaluate(x)["loss"].item() > problem.minimum + 0.4


def test_no_factors_of_the_rank_come_closer_than_the_truncated_singular_values():
    problem = MatrixFactorization(rows=6, columns=5, rank=2)
    values = np.linalg.svd(problem.matrix.numpy(), compute_uv=False)

    assert problem.minimum == pytest.approx((values[2:] ** 2).sum() / 12, rel=1e-12)


def test_the_layers_of_a_deep_linear_network_multiply():
    problem = DeepLinear()
    x = problem.start([0])
    last, *others = torch.split(x[0], [10, 100, 100, 100])
    expected = torch.linalg.multi_dot([last.view(1, 10), *(layer.view(10, 10) for layer in others)])

    assert torch.allclose(problem.product(x), expected, rtol=1e-12, atol=0)


def test_a_deep_linear_network_of_one_layer_is_a_linear_regression():
    problem = DeepLinear(depth=1)

    assert problem.dim == 10
    assert problem.evaluate(torch.tensor(problem.minimisers[0]))["loss"].item() == pytest.approx(DeepLinear().minimum)


def test_the_closed_form_of_a_deep_linear_network_is_its_mean_over_all_rows():
    problem = DeepLinear()
    x = problem.start([0, 1])
    features, targets = (part.expand(2, *part.shape) for part in problem._table)

    assert torch.allclose(problem.evaluate(x)["loss"], problem.loss(x, (features, targets)), rtol=1e-12, atol=0)


def test_the_autoencoder_target_is_what_four_principal_components_leave():
    images = DIGITS.load().inputs.double()
    values = torch.linalg.svdvals(images - images.mean(0))

    assert (values[4:].square().sum() / 2 / len(images)).item() == pytest.approx(DigitsAutoencoder().target, abs=0.01)


def test_the_autoencoder_takes_a_tensor_of_images():
    with pytest.raises(TypeError, match="one tensor of images, got NoneType"):
        DigitsAutoencoder().loss(torch.zeros(1, 2276), None)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MatrixFactorization(rank=0), "got rank=0"),
        (lambda: MatrixFactorization(rows=3, rank=4), "rank <= rows"),
        (lambda: MatrixFactorization(noise=-1.0), "noise=-1.0"),
        (lambda: DeepLinear(depth=0), "depth >= 1"),
        (lambda: DeepLinear(batch=501), "batch <= 500"),
        (lambda: PhaseRetrieval(dim=0), "dim=0"),
        (lambda: PhaseRetrieval(batch=161), "batch=161"),
        (lambda: DigitsAutoencoder(code=0), "code >= 1"),
        (lambda: DigitsAutoencoder(batch=2000), "batch <= 1437"),
    ],
)
def test_parameters_out_of_range_are_refused_with_their_values(build, message):
    with pytest.raises(ValueError, match=message):
        build()
