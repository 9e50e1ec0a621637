"""SGD's best learning rates on a quadratic, against the closed form, finite differences and chance."""

import numpy as np
import pytest

from analysis.measures.best_rates import _loss_and_slope, best_rates, best_rates_of_one, expected_loss

H, STEPS = 1 / np.arange(1, 9), 40
CASE = (H, H / 4, np.ones(8))


def test_the_expected_loss_is_that_of_many_runs():
    rates, rng = np.linspace(0.8, 0.1, 12), np.random.default_rng(3)
    x = np.full((20_000, 2), 1.5)
    h, c = np.array([1.0, 0.25]), np.array([0.5, 0.2])
    for rate in rates:
        x -= rate * (h * x + np.sqrt(c) * rng.standard_normal(x.shape))
    losses = 0.5 * (x**2) @ h
    error = losses.std() / np.sqrt(len(losses))
    assert expected_loss(rates, h, c, np.full(2, 1.5**2)) == pytest.approx(losses.mean(), abs=4 * error)


@pytest.mark.parametrize(("h", "c", "m"), [(1.0, 0.5, 4.0), (0.3, 2.0, 1.0)])
def test_along_one_eigenvector_minimisation_finds_what_dynamic_programming_does(h, c, m):
    case = tuple(np.array([each]) for each in (h, c, m))
    rates = best_rates_of_one(h, c, m, STEPS)
    found, lowest = best_rates(*case, STEPS)
    # 1/m grows by h²/c with every best step
    assert expected_loss(rates, *case) == pytest.approx(0.5 * h / (1 / m + STEPS * h**2 / c), rel=1e-12)
    assert lowest == pytest.approx(expected_loss(rates, *case), rel=1e-8)
    assert lowest == pytest.approx(expected_loss(found, *case), rel=1e-12)
    assert found == pytest.approx(rates, rel=0.02)


def test_the_slope_is_that_of_finite_differences():
    logs, nudge = np.log(np.linspace(1.2, 0.05, STEPS)), 1e-6
    _, slope = _loss_and_slope(logs, *CASE)
    for t in (0, 7, STEPS - 1):
        ends = [_loss_and_slope(logs + sign * nudge * (np.arange(STEPS) == t), *CASE)[0] for sign in (1, -1)]
        assert slope[t] == pytest.approx((ends[0] - ends[1]) / (2 * nudge), rel=1e-5, abs=1e-9)


def test_no_other_rates_do_better_than_the_best():
    rates, lowest = best_rates(*CASE, STEPS)
    rng = np.random.default_rng(0)
    others = [rates * np.exp(scale * rng.standard_normal(STEPS)) for scale in (0.01, 0.1, 0.5) for _ in range(60)]
    falling = 1 - np.arange(STEPS) / STEPS
    others += [scale * shape for scale in np.geomspace(0.01, 1.9, 60) for shape in (np.ones(STEPS), falling)]
    assert min(expected_loss(each, *CASE) for each in others) > lowest
