"""Eigenvalues of Hessians held against Hessians by hand, critical rates against their closed form on quadratics."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from benchmarks.errors import UsageError
from benchmarks.exhibits.hessian import critical_rates, full_gradient, largest_eigenvalue, require_gradients
from benchmarks.naming.registry import make_problem
from problems import Problem
from problems.problem import Facts


def test_on_a_turned_quadratic_the_largest_eigenvalue_is_its_sharpness_at_every_point():
    problem = make_problem("quadratic(dim=20, rotated=True)")
    x = torch.randn(3, 2, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = largest_eigenvalue(problem, x)
    torch.testing.assert_close(found.value, torch.ones(3, 2, dtype=torch.float64), rtol=1e-12, atol=0)


def test_rosenbrocks_largest_eigenvalue_is_that_of_its_hessian_by_hand():
    points = torch.tensor([[-1.2, 1.0], [1.0, 1.0], [0.3, -0.7], [0.0, 0.5]], dtype=torch.float64)
    for point, found in zip(points, largest_eigenvalue(make_problem("rosenbrock"), points).value, strict=True):
        x, y = point.tolist()
        by_hand = torch.tensor([[1200 * x**2 - 400 * y + 2, -400 * x], [-400 * x, 200.0]], dtype=torch.float64)
        assert float(found) == pytest.approx(float(torch.linalg.eigvalsh(by_hand)[-1]), rel=1e-10)


def test_a_preconditioned_eigenvalue_is_that_of_the_product_of_the_matrices():
    problem, x = make_problem("wood"), torch.tensor([[-3.0, -1.0, -3.0, -1.0]], dtype=torch.float64)
    scale = torch.tensor([[0.5, 2.0, 0.1, 7.0]], dtype=torch.float64)
    whole = torch.autograd.functional.hessian(lambda at: problem.loss(at, None), x[0])
    expected = torch.linalg.eigvals(torch.diag(scale[0]) @ whole).real.max()
    assert float(largest_eigenvalue(problem, x, scale).value) == pytest.approx(float(expected), rel=1e-10)


def test_where_all_eigenvalues_are_equal_or_none_is_positive_the_largest_is_found_all_the_same():
    @dataclass(frozen=True, eq=False)
    class Dome(Problem):
        facts = Facts(dim=5)

        def start(self, seeds):
            return torch.ones(len(seeds), 5, dtype=torch.float64)

        def loss(self, x, batch):
            return -(x.square() * torch.arange(1.0, 6.0, dtype=x.dtype)).sum(-1)

    assert float(largest_eigenvalue(Dome(), torch.zeros(1, 5)).value) == pytest.approx(-2)
    assert float(largest_eigenvalue(make_problem("sphere"), torch.ones(1, 10)).value) == pytest.approx(2)


def test_few_products_give_a_bound_of_how_far_the_eigenvalue_is_off():
    problem, x = make_problem("quadratic"), torch.zeros(1, 100)
    exact = torch.ones(1, dtype=torch.float64)
    few, many = largest_eigenvalue(problem, x, iterations=4), largest_eigenvalue(problem, x, iterations=40)
    assert 1e-4 < float((few.value - exact).abs()) <= float(few.residual)
    assert float((many.value - exact).abs()) <= float(many.residual) + 1e-12 < 1e-6


def test_a_lane_that_diverged_has_no_eigenvalue_and_takes_none_from_its_neighbours():
    x = torch.tensor([[-1.2, 1.0], [torch.nan, 1.0], [1.0, 1.0]], dtype=torch.float64)
    problem = make_problem("rosenbrock")
    found = largest_eigenvalue(problem, x).value
    assert found.isnan().tolist() == [False, True, False]
    assert float(found[2]) == float(largest_eigenvalue(problem, x[2:]).value)


def test_gradient_descents_critical_sharpness_on_a_quadratic_is_the_curvature_along_the_gradient():
    problem = make_problem("quadratic(dim=20)")
    x = torch.randn(4, 1, 20, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    g = full_gradient(problem, x)
    curvature = (g * full_gradient(problem, g)).sum(-1) / g.square().sum(-1)  # its gradient is linear: H times a vector
    guess = torch.tensor([[1e-4], [0.1], [3.0], [1e4]], dtype=torch.float64)
    found = critical_rates(problem, x, -g, guess)
    torch.testing.assert_close(2 / found.rate, curvature, rtol=0.01, atol=0)
    near = critical_rates(problem, x, -g, 2 / curvature)
    assert near.passes <= 10  # as many as are claimed for a good guess


def test_uphill_no_rate_lowers_the_loss_and_down_a_slope_without_end_none_raises_it():
    problem, x = make_problem("ellipse"), torch.tensor([[-5.0, -2.0]], dtype=torch.float64)
    g, guess = full_gradient(problem, x), torch.ones(1, dtype=torch.float64)
    assert float(critical_rates(problem, x, g, guess).rate) < 1e-12

    @dataclass(frozen=True, eq=False)
    class Decay(Problem):
        facts = Facts(dim=1)

        def start(self, seeds):
            return torch.ones(len(seeds), 1, dtype=torch.float64)

        def loss(self, x, batch):
            return -torch.sqrt(1 + x.square()).sum(-1)

    down = torch.ones(1, 1, dtype=torch.float64)
    assert float(critical_rates(Decay(), down, down, guess).rate) == torch.inf


@pytest.mark.parametrize(("name", "says"), [("digits-convnet", "trained natively"), ("reddi-online", "linear")])
def test_a_problem_without_a_hessian_is_refused_with_a_sentence_that_says_which_can(name, says):
    with pytest.raises(UsageError, match=rf"{name}.*{says}.*whose runs are lanes"):
        require_gradients(make_problem(name))
