"""What rules say of themselves, held against the formulas of their papers: preconditioners and stability limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.measures.stability import CRITICAL_RATES, critical_rates
from benchmarks.exhibits.linearised import preconditioner, stability_limit, upcoming
from benchmarks.naming.registry import OPTIMIZERS

LIMITS = [
    ("sgd", {}, 2.0),
    ("momentum", {"momentum": 0.9}, 2 * 1.9),
    ("momentum", {"momentum": 0.5}, 2 * 1.5),
    ("nesterov", {"momentum": 0.9}, 2 * 1.9 / 2.8),
    ("momentum-ema", {"momentum": 0.9}, 2 * 1.9 / 0.1),
    ("adagrad", {}, 2.0),
    ("rmsprop", {"gamma": 0.99}, 2.0),
    ("rmsprop-mh", {}, 2.0),
    ("rmsprop-momentum", {"momentum": 0.9}, 2 * 1.9),
    ("adam", {"beta1": 0.9}, 2 * 1.9 / 0.1),
    ("adamw", {"beta1": 0.5}, 2 * 1.5 / 0.5),
]


@pytest.mark.parametrize(("name", "values", "expected"), LIMITS)
def test_the_limit_read_off_a_rule_is_that_of_its_paper(name, values, expected):
    spec = OPTIMIZERS[name]
    assert stability_limit(spec.rule, {**spec.default_values, **values}, 100) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["signsgd", "lion", "rprop", "lars"])
def test_a_rule_whose_steps_do_not_shrink_with_the_gradient_has_no_limit(name):
    assert stability_limit(OPTIMIZERS[name].rule, OPTIMIZERS[name].default_values, 10) != pytest.approx(2, abs=100)


def stepped(name, steps=3):
    """The rule, where it is, its state and its values after some steps under random gradients."""
    spec = OPTIMIZERS[name]
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(2, 5, generator=draw, dtype=torch.float64)
    state = spec.rule.init(x)
    for t in range(1, steps + 1):
        spec.rule.step_(x, torch.randn(2, 5, generator=draw, dtype=torch.float64), state, spec.default_values, t)
    return spec.rule, x, state, spec.default_values


def test_preconditioners_are_those_of_the_formulas():
    rule, x, state, hp = stepped("rmsprop")
    expected = 1 / (state["s"] + hp["eps"]).sqrt()
    torch.testing.assert_close(preconditioner(rule, x, state, hp, 4), expected, rtol=1e-9, atol=0)
    rule, x, state, hp = stepped("adam")
    expected = 1 / ((state["s"] / (1 - hp["beta2"] ** 3)).sqrt() + hp["eps"])
    torch.testing.assert_close(preconditioner(rule, x, state, hp, 4), expected, rtol=1e-9, atol=0)
    rule, x, state, hp = stepped("adagrad-torch")
    expected = 1 / (state["s"].sqrt() + hp["eps"])
    torch.testing.assert_close(preconditioner(rule, x, state, hp, 4), expected, rtol=1e-9, atol=0)
    rule, x, state, hp = stepped("momentum")
    torch.testing.assert_close(preconditioner(rule, x, state, hp, 4), torch.ones_like(x), rtol=1e-12, atol=0)


def test_signs_and_matrices_are_no_preconditioners():
    for name in ("signsgd", "signum", "lion", "rprop"):
        assert preconditioner(*stepped(name), 4) is None, name
    rule = OPTIMIZERS["shampoo"].rule.bound([(2, 2)])
    x = torch.ones(1, 4, dtype=torch.float64)
    state, hp = rule.init(x), OPTIMIZERS["shampoo"].default_values
    rule.step_(x, torch.tensor([[1.0, 2.0, -1.0, 0.5]], dtype=torch.float64), state, hp, 1)
    assert preconditioner(rule, x, state, hp, 2) is None


def test_the_step_ahead_is_the_one_that_the_rule_takes_and_nothing_moves():
    rule, x, state, hp = stepped("adam")
    g = torch.ones_like(x)
    before = x.clone(), {name: value.clone() for name, value in state.items()}
    ahead = upcoming(rule, x, g, state, hp, 4)
    assert torch.equal(x, before[0])
    assert all(torch.equal(state[name], value) for name, value in before[1].items())
    rule.step_(x, g, state, hp, 4)
    torch.testing.assert_close(before[0] + hp["lr"] * ahead.direction, x, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", sorted(CRITICAL_RATES))
def test_the_boundary_that_reports_draw_on_quadratics_is_the_one_that_the_rule_shows(name):
    spec = OPTIMIZERS[name]
    memories = [0.3, 0.95] if "momentum" in spec.default_values else [np.nan]
    for memory, expected in zip(memories, critical_rates(name, 4.0, np.array(memories)), strict=True):
        values = {**spec.default_values, **({} if np.isnan(memory) else {"momentum": memory})}
        assert stability_limit(spec.rule, values, 100) / 4.0 == pytest.approx(expected, rel=1e-3), memory
