"""The chapter's functions: their budgets, turns and condition numbers, and the noise of its noisy descent."""

import math

import pytest
import torch

from problems.chapter import SPECS
from problems.classic import beale_noisy, branin_noisy, rosenbrock_noisy

BUILD = {spec.name: spec.build for spec in SPECS}


PRINTED = [
    ("square", 0.2, 10, ("0.060466",)),
    ("square", 0.05, 10, ("3.486784",)),
    ("square", 1.1, 10, ("61.917364",)),
    ("wave", 2.0, 10, ("-1.528166",)),
    ("bowl", 0.1, 20, ("-0.057646", "-0.000073")),
    ("ellipse", 0.4, 20, ("-0.943467", "-0.000073")),
    ("ellipse", 0.6, 20, ("-0.387814", "-1673.365109")),
]


def test_the_default_budget_of_each_printed_run_is_the_books():
    assert {name: BUILD[name]().steps for name, *_ in PRINTED} == {name: steps for name, _, steps, _ in PRINTED}


def random_points():
    return 3 * torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_turned_ellipse_at_angle_zero_is_the_chapters():
    x = random_points()
    straight = BUILD["ellipse-turned"](angle=0.0, condition=20.0)
    torch.testing.assert_close(straight.loss(x, None), BUILD["ellipse"]().loss(x, None), rtol=1e-14, atol=0)


def test_the_ellipse_turned_by_45_degrees_is_half_the_rotated_one():
    x = random_points()
    turned = BUILD["ellipse-turned"](angle=45.0, condition=20.0)
    torch.testing.assert_close(
        2 * turned.loss(x, None), BUILD["ellipse-rotated"]().loss(x, None), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("angle", [0.0, 30.0, 90.0, -17.5])
@pytest.mark.parametrize("condition", [1.0, 20.0, 1e6])
def test_a_turned_ellipse_has_the_condition_number_it_is_asked_for(angle, condition):
    problem = BUILD["ellipse-turned"](angle=angle, condition=condition)
    hessian = torch.autograd.functional.hessian(problem.function, torch.zeros(2, dtype=torch.float64))
    low, high = torch.linalg.eigvalsh(hessian).tolist()
    assert high / low == pytest.approx(condition, rel=1e-8)  # the smaller eigenvalue carries the larger one's rounding


def test_the_noise_added_to_a_gradient_is_gaussian_of_the_given_size():
    noise = torch.cat(list(BUILD["bowl-noisy"](sigma=0.5).batches(range(20), 500))).flatten()
    assert float(noise.mean()) == pytest.approx(0, abs=4 * 0.5 / math.sqrt(noise.numel()))
    assert float(noise.std()) == pytest.approx(0.5, rel=4 / math.sqrt(2 * noise.numel()))


def test_a_minibatch_of_rows_leaves_noise_that_shrinks_with_its_root():
    noise = torch.cat(list(rosenbrock_noisy(batch=16).batches(range(20), 500)))
    assert float(noise.std()) == pytest.approx(0.25, rel=4 / math.sqrt(2 * noise.numel()))


@pytest.mark.parametrize("build", [rosenbrock_noisy, beale_noisy, branin_noisy])
def test_an_empty_minibatch_is_refused(build):
    with pytest.raises(ValueError, match="at least one row, got batch=0"):
        build(batch=0)


def test_a_negative_noise_is_refused():
    with pytest.raises(ValueError, match=r"sigma >= 0, got -1\.0"):
        BUILD["bowl-noisy"](sigma=-1.0)
