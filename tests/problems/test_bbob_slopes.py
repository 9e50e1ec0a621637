"""What sharp-ridge and different-powers leave out of BBOB's f13 and f14, as slopes beside the minimum."""

import numpy as np
import pytest
import torch

from problems import bbob
from problems.noise import rotation

DIM, CLOSE = 10, 1e-6
SPECS = {spec.name: spec for spec in bbob.SPECS}


def slopes(function, directions):
    """The norm of the gradient a little away from the minimum at 0, for every direction ``[N, P]``."""
    x = (CLOSE * directions / directions.norm(dim=-1, keepdim=True)).requires_grad_()
    return torch.autograd.grad(function(x).sum(), x)[0].norm(dim=-1)


def directions():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(200, DIM)))


def orthogonal(seed):
    return torch.from_numpy(np.linalg.qr(np.random.default_rng(seed).normal(size=(DIM, DIM)))[0])


def scales():
    """The diagonal of BBOB's Λ¹⁰: 10^(½ i / (dim - 1))."""
    return torch.logspace(0, 0.5, DIM, dtype=torch.float64)


def f13(x, q):
    """As the paper has it, with x_opt and f_opt at 0."""
    z = (x @ rotation(DIM).T * scales()) @ q.T
    return z[..., 0].square() + 100 * z[..., 1:].square().sum(-1).sqrt()


def f14(x):
    """As the paper has it, with x_opt and f_opt at 0."""
    z = x @ rotation(DIM).T
    return z.abs().pow(2 + 4 * torch.linspace(0, 1, DIM, dtype=torch.float64)).sum(-1).sqrt()


def test_beside_the_minimum_of_sharp_ridge_every_side_is_equally_steep():
    problem = bbob.sharp_ridge(DIM)
    found = slopes(lambda x: problem.loss(x, None), directions())
    assert found.numpy() == pytest.approx(np.full(200, 100.0), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_f13_has_a_side_as_steep_as_the_docstring_says(seed):
    q = orthogonal(seed)
    _, singular, right = torch.linalg.svd((q * scales())[1:])
    steepest = slopes(lambda x: f13(x, q), right[:1] @ rotation(DIM))
    assert float(steepest) == pytest.approx(100 * float(singular[0]), rel=1e-6)
    assert 278 < float(steepest) < 316.3
    assert float(slopes(lambda x: f13(x, q), directions()).max()) < float(steepest)


def test_without_its_diagonal_f13_is_sharp_ridge():
    problem, x = bbob.sharp_ridge(DIM), directions()
    z = x @ rotation(DIM).T
    expected = z[:, 0].square() + 100 * z[:, 1:].norm(dim=-1)
    assert problem.loss(x, None).numpy() == pytest.approx(expected.numpy(), rel=1e-12)


def test_different_powers_is_the_square_of_f14_and_flat_where_that_is_a_cone():
    problem, x, steepest = bbob.different_powers(DIM), directions(), rotation(DIM)[:1]
    assert problem.loss(x, None).sqrt().numpy() == pytest.approx(f14(x).numpy(), rel=1e-12)
    assert float(slopes(f14, steepest)) == pytest.approx(1, rel=1e-9)
    assert float(slopes(lambda x: problem.loss(x, None), steepest)) == pytest.approx(2 * CLOSE, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "number", "left_out"), [("sharp-ridge", "f13", "Q Λ¹⁰"), ("different-powers", "f14", "root")]
)
def test_description_docstring_and_source_say_what_is_left_out(name, number, left_out):
    spec = SPECS[name]
    assert f"{number} without its {left_out}" in spec.description
    assert left_out in spec.build.__doc__
    assert number in spec.source
    assert "z = R x for " in spec.source
