"""Problems on which RMSProp's memory decides, in plain float arithmetic: slopes, sums and the published ends."""

import math

import pytest
import torch

from problems.online import FiniteSum, Periodic, RareSlopes, reddi_periodic

EPS = 1e-8


def slopes(problem, steps, seed=0):
    return [float(slope) for slope in problem.batches([seed], steps)]


def by_hand(problem, gammas, steps, slope_of_shape=lambda x: 1.0):
    """RMSProp in plain floats for every gamma, lr 0.1 / sqrt(t): the slow, obvious reference."""
    low, high = (-1.0, 1.0) if not isinstance(problem, FiniteSum) else (-math.inf, math.inf)
    drawn, ends = slopes(problem, steps), {}
    for gamma in gammas:
        x, s = float(problem.start([0])), 0.0
        for t, a in enumerate(drawn, start=1):
            g = a * slope_of_shape(x)
            s = gamma * s + (1 - gamma) * g * g
            x = min(high, max(low, x - 0.1 / math.sqrt(t) * g / (math.sqrt(s) + EPS)))
        ends[gamma] = x
    return ends


def bend(x):
    """The derivative of the finite sum's shape."""
    return 1.0 if x >= -1 else x + 2


# Final x of published experiments and of recomputations by other code: lr 0.1 / sqrt(t), start and length as there.
LONG = [
    (reddi_periodic, 60_000, {0.0: 1.0, 0.1: 1.0, 0.5: -0.678, 0.9: -0.9996, 0.99: -0.9996}, 1e-3),
    (lambda: Periodic(1010.0, -10.0, 101), 300_000, {0.99: 0.999}, 2e-3),
]


@pytest.mark.slow
@pytest.mark.parametrize(("build", "steps", "ends", "digits"), LONG)
def test_long_runs_end_at_the_recorded_points(build, steps, ends, digits):
    assert by_hand(build(), ends, steps) == pytest.approx(ends, abs=digits)


@pytest.mark.slow
def test_after_600000_steps_gamma_decides_between_divergence_and_the_minimum():
    # Recorded with another generator's shuffles. The first steps are large and depend on them: at gamma = 0.8 that
    # leaves a deviation of 0.26 for good, while the minimum forgets where x came from.
    ends = by_hand(FiniteSum(), (0.0, 0.5, 0.8, 0.9), 600_000, bend)
    assert ends.pop(0.9) == pytest.approx(-2.0, abs=1e-3)
    assert ends == pytest.approx({0.0: 93.9, 0.5: 33.8, 0.8: 3.88}, abs=4 * 0.26)


def test_components_of_the_finite_sum_add_up_to_its_loss():
    problem = FiniteSum(n=7)
    x = torch.linspace(-5, 3, 33, dtype=torch.float64).view(-1, 1, 1)
    components = torch.stack([problem.loss(x, torch.full((1, 1), slope).double()) for slope in [7.0] + [-1.0] * 6])
    torch.testing.assert_close(components.mean(0), problem.evaluate(x)["loss"], rtol=1e-12, atol=1e-12)
    expected = [y if y >= -1 else 0.5 * (y + 2) ** 2 - 1.5 for y in x.flatten().tolist()]
    assert (7 * problem.evaluate(x)["loss"]).flatten().tolist() == pytest.approx(expected, abs=1e-12)


def test_every_epoch_of_the_finite_sum_holds_each_component_once():
    drawn = torch.tensor(slopes(FiniteSum(n=5), 500)).view(100, 5)
    assert torch.equal(drawn.sort(-1).values, torch.tensor([-1.0, -1, -1, -1, 5]).expand(100, 5))
    assert len({tuple(epoch) for epoch in drawn.tolist()}) == 5


def test_periodic_slopes_come_in_their_order_and_average_to_the_evaluated_one():
    assert slopes(reddi_periodic(4.0), 6) == [4, -1, -1, 4, -1, -1]
    assert reddi_periodic(4.0).minimum == pytest.approx(-2 / 3)
    problem = Periodic(1010.0, -10.0, 101)
    assert sum(slopes(problem, 101)) == 10
    assert problem.minimum == pytest.approx(-10 / 101)


def test_rare_slopes_come_once_in_a_hundred_steps():
    drawn = torch.tensor([slopes(RareSlopes(), 2000, seed) for seed in range(20)])
    assert set(drawn.unique().tolist()) == {-10.0, 1010.0}
    assert float((drawn > 0).double().mean()) == pytest.approx(0.01, abs=4 * math.sqrt(0.01 * 0.99 / drawn.numel()))
    assert RareSlopes().minimum == pytest.approx(-(0.01 * 1010 - 0.99 * 10))


def test_slopes_without_a_positive_mean_are_refused():
    with pytest.raises(ValueError, match=r"slopes 3\.0 and 3 times -1\.0 need a positive mean"):
        Periodic(3.0, -1.0, 4)
    with pytest.raises(ValueError, match=r"reddi-periodic needs c > 2, got 2\.0"):
        reddi_periodic(2.0)


def test_a_finite_sum_of_one_component_is_refused():
    with pytest.raises(ValueError, match="n >= 2 components, got 1"):
        FiniteSum(n=1)
