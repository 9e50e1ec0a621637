"""Linear models: their losses by other formulas, and floors that another method finds too."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from problems import logistic, regression
from problems.data import breast_cancer_table, diabetes_table
from problems.linear import LinearModel
from problems.logistic import breast_cancer, breast_cancer_raw, sparse_logistic
from problems.regression import diabetes, huber, log_cosh, robust_regression

FLOORS = {
    "airfoil": 0.24168796,
    "diabetes": 0.24112579,
    "robust-huber": 0.89572377,
    "robust-log-cosh": 0.87329996,
    "breast-cancer": 0.05982947,
    "breast-cancer-raw": 0.09725423,
    "sparse-logistic": 0.05491775,
}
SPECS = {spec.name: spec for module in (regression, logistic) for spec in module.SPECS}


def test_every_linear_problem_has_a_known_floor():
    assert set(FLOORS) == set(SPECS)


@pytest.mark.parametrize("name", FLOORS)
def test_the_floor_is_the_recorded_one_and_flat(name):
    problem = SPECS[name].build()
    x = problem.minimiser.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(full_loss(problem, x), x)

    assert problem.minimum == pytest.approx(FLOORS[name], abs=1e-8)
    assert problem.evaluate(problem.minimiser)["loss"].item() == problem.minimum
    assert gradient.abs().max().item() < 1e-9  # Newton's method ends where the loss stops falling


@pytest.mark.parametrize("name", FLOORS)
def test_a_fresh_problem_is_evaluated_where_gradients_are_off(name):
    problem = SPECS[name].build()
    with torch.no_grad():
        loss = problem.evaluate(problem.start([1]).to(problem.dtype))["loss"]
        assert loss.item() > problem.minimum


def full_loss(problem: LinearModel, x: torch.Tensor) -> torch.Tensor:
    features, targets = problem.table()
    predictions = torch.from_numpy(features) @ x[:-1] + x[-1]
    return problem.pointwise(predictions, torch.from_numpy(targets)).mean() + problem.l2 / 2 * x.square().sum()


@pytest.mark.parametrize("name", ["breast-cancer", "robust-huber", "robust-log-cosh"])
def test_a_general_minimiser_finds_the_same_floor(name):
    problem = SPECS[name].build()

    def loss_and_gradient(point):
        x = torch.from_numpy(point).requires_grad_()
        loss = full_loss(problem, x)
        return loss.item(), torch.autograd.grad(loss, x)[0].numpy()

    found = minimize(loss_and_gradient, np.zeros(problem.dim), jac=True, method="BFGS", options={"gtol": 1e-5})

    assert found.fun == pytest.approx(problem.minimum, abs=1e-6)  # its gradient squared over twice the curvature


@pytest.mark.parametrize("name", FLOORS)
def test_evaluation_is_the_loss_over_all_rows(name):
    problem = SPECS[name].build()
    x = problem.start([3]) + 0.01

    assert problem.evaluate(x)["loss"].item() == pytest.approx(full_loss(problem, x[0]).item(), rel=1e-12)


def test_an_epoch_visits_every_row_once():
    batches = [batch[1] for batch in breast_cancer(batch=569).batches([0, 1], 2)]

    assert all(batch.sum(-1).tolist() == [357, 357] for batch in batches)  # every benign case, in either epoch
    assert not torch.equal(batches[0][0], batches[1][0])
    assert not torch.equal(batches[0][0], batches[0][1])


def test_huber_is_torchs():
    residuals = torch.linspace(-5, 5, 41, dtype=torch.float64)
    zeros = torch.zeros_like(residuals)
    expected = torch.nn.functional.huber_loss(residuals, zeros, reduction="none", delta=1.5)

    assert torch.allclose(huber(residuals, zeros, 1.5), expected, rtol=1e-14, atol=0)


def test_log_cosh_is_the_formula_and_does_not_overflow():
    residuals = torch.linspace(-5, 5, 41, dtype=torch.float64)
    expected = 4 * torch.log(torch.cosh(residuals / 2))

    assert torch.allclose(log_cosh(residuals, torch.zeros(1), 2.0), expected, rtol=1e-12, atol=1e-14)
    far = log_cosh(torch.tensor([-1e6, 1e6], dtype=torch.float64), torch.zeros(1), 1.0)
    assert far.tolist() == pytest.approx([1e6 - math.log(2)] * 2)


def test_the_logistic_loss_is_minus_the_log_probability_and_does_not_overflow():
    scores = torch.tensor([-2.0, 0.0, 3.0], dtype=torch.float64)
    targets = torch.tensor([0.0, 1.0, 1.0], dtype=torch.float64)
    probabilities = torch.where(targets == 1, torch.sigmoid(scores), 1 - torch.sigmoid(scores))

    assert torch.allclose(logistic.logistic(scores, targets), -probabilities.log(), rtol=1e-12, atol=0)
    assert logistic.logistic(torch.tensor([1e5, -1e5]), torch.tensor([0.0, 1.0])).tolist() == [1e5, 1e5]


def test_tables_are_standardised_unless_asked_for_raw():
    features, targets = diabetes_table()
    raw, _ = breast_cancer_table(standardised=False)

    assert features.shape == (442, 10)
    assert features.mean(0) == pytest.approx(np.zeros(10), abs=1e-12)
    assert targets.std() == pytest.approx(1)
    assert raw.std(0).max() / raw.std(0).min() > 1e5
    assert breast_cancer_table(standardised=True)[0].std(0) == pytest.approx(np.ones(30))


def test_features_of_sparse_logistic_have_power_law_frequencies():
    features, labels = sparse_logistic().table()
    frequency = features.mean(0)

    assert set(np.unique(features)) == {0, 1}
    assert frequency[:10].tolist() == [1] * 10
    assert frequency[99] == pytest.approx(0.1, abs=0.02)  # two standard errors of 1000 draws
    assert features.sum(1).mean() == pytest.approx(10 + 10 * math.log(50), rel=0.05)
    assert 0.2 < labels.mean() < 0.8


def test_outliers_pull_least_squares_away_and_the_robust_losses_hardly():
    planted = robust_regression(outliers=0.0).minimiser
    robust = robust_regression().minimiser
    features, targets = robust_regression().table()
    squares = np.linalg.lstsq(np.column_stack([features, np.ones(1000)]), targets, rcond=None)[0]

    assert (robust - planted).norm().item() < 0.3 * np.linalg.norm(squares - planted.numpy())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: diabetes(batch=443), r"batch <= 442 .* got batch=443"),
        (lambda: diabetes(batch=0), "batch=0"),
        (lambda: breast_cancer(l2=-1.0), "l2=-1.0"),
        (lambda: breast_cancer_raw(batch=-1), "batch=-1"),
        (lambda: sparse_logistic(l2=0.0), "l2 > 0"),
        (lambda: robust_regression("squared"), r"loss in \('huber', 'log-cosh'\)"),
        (lambda: robust_regression(scale=0.0), "scale > 0"),
    ],
)
def test_parameters_out_of_range_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
