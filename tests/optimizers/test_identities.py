"""What the rules say about each other: limits and special cases in which two names are one path."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from optimizers import BUILTIN, SCHEDULES, Rule, RuleOptimizer, Schedule
from optimizers.adagrad import Adagrad
from optimizers.mukkamala_hein import MHRMSProp, SCAdagrad, SCRMSProp
from optimizers.rmsprop import RMSProp, RMSPropMomentum
from optimizers.rule import Value
from optimizers.sgd import SGD, Momentum

SPECS = {spec.name: spec for spec in BUILTIN}
STEPS = 80
CURVATURE = torch.tensor([0.2, 4.0], dtype=torch.float64)


def gradients() -> Tensor:
    generator = torch.Generator().manual_seed(29)
    return torch.randn(STEPS, 9, generator=generator, dtype=torch.float64) * torch.logspace(
        -2, 2, 9, dtype=torch.float64
    )


def path(rule: Rule, gs: Tensor | None = None, schedules: Mapping[str, str] | None = None, **hp: float) -> Tensor:
    """All points ``[T, P]`` from zero under given gradients."""
    gs = gradients() if gs is None else gs
    made: dict[str, Schedule] = {name: SCHEDULES[schedule]() for name, schedule in (schedules or {}).items()}
    x = torch.zeros(gs.shape[-1], dtype=torch.float64, requires_grad=True)
    optimizer = RuleOptimizer([x], rule, schedules=made, steps=len(gs), **hp)
    points = []
    for g in gs:
        x.grad = g.clone()
        optimizer.step()
        points.append(x.detach().clone())
    return torch.stack(points)


def assert_same(one: Tensor, other: Tensor, relative: float = 1e-12) -> None:
    torch.testing.assert_close(one, other, rtol=relative, atol=relative)


@pytest.mark.parametrize(("gamma", "factor"), [(0.9, 3.16227766), (0.99, 10.0), (0.999, 31.6227766)])
def test_the_first_step_from_zero_is_lr_over_root_one_minus_gamma(gamma: float, factor: float) -> None:
    gs = gradients()
    first = path(RMSProp(), gs[:1], lr=0.01, gamma=gamma, eps=0.0)[0]
    torch.testing.assert_close(first, -0.01 * factor * gs[0].sign(), rtol=1e-8, atol=0)


def test_the_first_corrected_step_is_lr_whatever_gamma() -> None:
    gs = gradients()
    for gamma in (0.0, 0.9, 0.9999):
        first = path(RMSProp(corrected=True), gs[:1], lr=0.01, gamma=gamma, eps=0.0)[0]
        torch.testing.assert_close(first, -0.01 * gs[0].sign(), rtol=1e-9, atol=0)


def test_an_average_that_does_not_start_at_zero_takes_no_bias_correction() -> None:
    with pytest.raises(ValueError, match=r"only an average that starts at 0 can be bias-corrected, got start=1\.0"):
        RMSProp(start=1.0, corrected=True)


def test_gamma_one_is_gradient_descent_with_lr_over_root_eps() -> None:
    assert_same(path(RMSProp(), lr=4e-4, gamma=1.0, eps=1e-6), path(SGD(), lr=0.4))


def test_gamma_one_and_a_small_lr_reproduce_the_books_gradient_descent_digit_for_digit() -> None:
    x1, x2 = ellipse_end(RMSProp(), 20, {"lr": 4e-4, "gamma": 1.0, "eps": 1e-6})[0].tolist()
    assert f"{x1:.6f}, {x2:.6f}" == "-0.943467, -0.000073"


def test_gamma_one_from_ones_is_gradient_descent_at_lr() -> None:
    assert_same(path(RMSProp(start=1.0), lr=0.1, gamma=1.0, eps=0.0), path(SGD(), lr=0.1))


def test_gamma_zero_is_smoothed_sign_descent() -> None:
    gs = gradients()
    smoothed = (-0.01 * gs / (gs**2 + 1e-6).sqrt()).cumsum(0)
    assert_same(path(RMSProp(), gs, lr=0.01, gamma=0.0, eps=1e-6), smoothed)


def test_gamma_zero_without_eps_is_sign_descent() -> None:
    assert_same(path(RMSProp(), lr=0.01, gamma=0.0, eps=0.0), path(SPECS["signsgd"].rule, lr=0.01))


def test_averaged_adagrad_is_rmsprop_with_gamma_one_minus_inverse() -> None:
    scheduled = path(RMSProp(), lr=0.01, eps=1e-6, schedules={"gamma": "one-minus-inverse"})
    assert_same(path(Adagrad(averaged=True), lr=0.01, eps=1e-6), scheduled)


def test_averaged_adagrad_is_adagrad_with_lr_root_t() -> None:
    gs = gradients()
    adagrad_steps = path(Adagrad(), gs, lr=0.01, eps=0.0).diff(dim=0, prepend=torch.zeros(1, 9, dtype=torch.float64))
    grown = adagrad_steps * torch.arange(1, STEPS + 1, dtype=torch.float64).sqrt().unsqueeze(-1)
    assert_same(path(Adagrad(averaged=True), gs, lr=0.01, eps=0.0), grown.cumsum(0))


def test_averaged_adagrad_is_the_limit_of_corrected_rmsprop_as_gamma_goes_to_one() -> None:
    corrected = path(RMSProp(corrected=True), lr=0.01, gamma=1 - 1e-9, eps=1e-6)
    assert_same(path(Adagrad(averaged=True), lr=0.01, eps=1e-6), corrected, relative=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.9, 0.999])
def test_bias_correction_is_a_schedule_of_gamma(gamma: float) -> None:
    scheduled = path(RMSProp(), lr=0.01, gamma=gamma, eps=1e-6, schedules={"gamma": "bias-correction"})
    # 1 - gamma^t loses digits as gamma nears 1; the schedule's sum does not
    assert_same(path(RMSProp(corrected=True), lr=0.01, gamma=gamma, eps=1e-6), scheduled, relative=1e-11)


def test_rmsprop_of_mukkamala_and_hein_is_rmsprop_with_three_schedules() -> None:
    schedules = {"gamma": "one-minus-gamma-over-t", "lr": "inverse-sqrt", "eps": "inverse-sqrt"}
    scheduled = path(RMSProp(eps_inside=False), lr=0.01, gamma=0.9, eps=1e-8, schedules=schedules)
    assert_same(path(MHRMSProp(), lr=0.01, gamma=0.9, eps=1e-8), scheduled)


def test_mukkamala_and_heins_gamma_one_is_adagrad() -> None:
    assert_same(path(MHRMSProp(), lr=0.1, gamma=1.0, eps=1e-8), path(Adagrad(eps_inside=False), lr=0.1, eps=1e-8))


def test_strongly_convex_rmsprop_at_gamma_one_is_strongly_convex_adagrad() -> None:
    assert_same(path(SCRMSProp(), lr=0.1, gamma=1.0, eps=0.1), path(SCAdagrad(), lr=0.1, eps=0.1))


def ellipse_end(rule: Rule, steps: int, hp: Mapping[str, Value]) -> Tensor:
    """Where lanes ``[C, 2]`` end on 0.1 x₁² + 2 x₂², by its gradient written out."""
    x = torch.tensor([-5.0, -2.0], dtype=torch.float64).expand(4, -1).clone()
    state = rule.init(x)
    for t in range(1, steps + 1):
        rule.step_(x, x * CURVATURE, state, hp, t)
    return x


def test_rmsprop_at_constant_lr_ends_in_the_limit_cycle_of_its_formula_whatever_gamma() -> None:
    lr, eps = 0.4, 1e-6
    gamma = torch.tensor([[0.5], [0.9], [0.99], [0.999]], dtype=torch.float64)
    x = ellipse_end(RMSProp(), 20_000, {"lr": lr, "gamma": gamma, "eps": eps})
    cycle = (lr**2 / 4 - eps / CURVATURE**2).sqrt().expand(4, -1)
    loss = (0.5 * CURVATURE * x**2).sum(-1)
    torch.testing.assert_close(x[:3].abs(), cycle[:3], rtol=1e-9, atol=0)
    torch.testing.assert_close(loss[:3], torch.full((3,), 0.083997375, dtype=torch.float64), rtol=1e-9, atol=0)
    torch.testing.assert_close(x[3].abs(), cycle[3], rtol=0.01, atol=0)  # at 0.999 it spirals in more slowly


def test_with_eps_outside_the_cycle_is_half_the_lr_less_eps_over_curvature() -> None:
    lr, eps = 0.4, 1e-3
    x = ellipse_end(RMSProp(eps_inside=False), 6000, {"lr": lr, "gamma": 0.9, "eps": eps})
    torch.testing.assert_close(x.abs(), (lr / 2 - eps / CURVATURE).expand(4, -1), rtol=1e-9, atol=0)


def test_averaged_momentum_is_heavy_ball_with_lr_scaled() -> None:
    assert_same(path(Momentum(averaged=True), lr=0.1, momentum=0.9), path(Momentum(), lr=0.1 * (1 - 0.9), momentum=0.9))


@pytest.mark.parametrize("rule", [Momentum(), Momentum(nesterov=True), Momentum(averaged=True)])
def test_momentum_zero_is_gradient_descent(rule: Momentum) -> None:
    assert torch.equal(path(rule, lr=0.1, momentum=0.0), path(SGD(), lr=0.1))


def test_lr_inside_or_outside_the_buffer_is_one_path_at_constant_lr() -> None:
    hp = {"lr": 0.01, "gamma": 0.9, "momentum": 0.9, "eps": 1e-6}
    assert_same(path(RMSPropMomentum(lr_inside=True), **hp), path(RMSPropMomentum(), **hp))


def test_lr_inside_keeps_the_old_speed_when_lr_falls() -> None:
    gs = torch.ones(20, 1, dtype=torch.float64)
    fall = {"lr": "step"}  # halves after each quarter
    steps_inside = path(RMSPropMomentum(lr_inside=True), gs, schedules=fall, momentum=0.9).diff(dim=0).abs()
    steps_outside = path(RMSPropMomentum(), gs, schedules=fall, momentum=0.9).diff(dim=0).abs()
    assert steps_inside[4] > 0.9 * steps_inside[3]
    assert steps_outside[4] < 0.6 * steps_outside[3]


def test_rmsprop_momentum_zero_is_rmsprop() -> None:
    hp = {"lr": 0.01, "gamma": 0.9, "eps": 1e-6}
    assert_same(path(RMSPropMomentum(), momentum=0.0, **hp), path(RMSProp(), **hp))


def test_the_centred_rule_stays_finite_where_rounding_makes_the_variance_negative() -> None:
    x = torch.zeros(1, requires_grad=True)  # single precision, where torch's own rule reports NaN at step 139
    optimizer = SPECS["rmsprop-centered"].torch([x], lr=1e-3, gamma=0.9)
    for _ in range(300):
        x.grad = torch.full((1,), 3.3)
        optimizer.step()
    assert torch.isfinite(x).all()


def test_the_largest_second_moment_changes_nothing_while_gradients_grow() -> None:
    gs = torch.arange(1.0, 41.0, dtype=torch.float64).unsqueeze(-1)
    hp = {"lr": 0.01, "gamma": 0.9, "eps": 1e-6}
    assert torch.equal(path(RMSProp(running_max=True), gs, **hp), path(RMSProp(), gs, **hp))


def test_the_largest_second_moment_keeps_a_rare_large_gradient_in_mind() -> None:
    gs = torch.ones(200, 1, dtype=torch.float64)
    gs[0] = 100.0
    hp = {"lr": 0.01, "gamma": 0.9, "eps": 1e-6}
    last = path(RMSProp(running_max=True), gs, **hp).diff(dim=0)[-1]
    assert last.item() == pytest.approx(-0.01 / (0.1 * 100.0**2) ** 0.5, rel=1e-6)
    assert path(RMSProp(), gs, **hp).diff(dim=0)[-1].item() == pytest.approx(-0.01, rel=1e-6)


def test_adam_without_momentum_is_corrected_rmsprop() -> None:
    adam = path(SPECS["adam"].rule, lr=0.01, beta1=0.0, beta2=0.9, eps=1e-8)
    assert_same(adam, path(SPECS["rmsprop-corrected"].rule, lr=0.01, gamma=0.9, eps=1e-8))


def test_adamw_without_decay_is_adam() -> None:
    assert torch.equal(path(SPECS["adamw"].rule, weight_decay=0.0), path(SPECS["adam"].rule))


def test_lion_with_one_memory_is_signum() -> None:
    lion = path(SPECS["lion"].rule, lr=0.01, beta1=0.9, beta2=0.9)
    assert torch.equal(lion, path(SPECS["signum"].rule, lr=0.01, momentum=0.9))


def test_rprop_sizes_are_multiples_of_the_current_lr() -> None:
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = SPECS["rprop"].torch([x])
    moved = []
    for lr in (0.01, 0.01, 0.001):
        optimizer.param_groups[0]["lr"] = lr
        before = x.item()
        x.grad = torch.ones(1, dtype=torch.float64)
        optimizer.step()
        moved.append(before - x.item())
    assert moved == pytest.approx([0.01, 0.01 * 1.2, 0.001 * 1.2**2])


def test_rprop_survives_a_learning_rate_of_zero() -> None:
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = SPECS["rprop"].torch([x], lr=0.01)
    for lr in (0.0, 0.0, 0.01):
        optimizer.param_groups[0]["lr"] = lr
        x.grad = torch.ones(3, dtype=torch.float64)
        optimizer.step()
    torch.testing.assert_close(x.detach(), torch.full_like(x, -0.01 * 1.2**2).detach())
