"""The one square root of all rules: that of IEEE 754, to the bit, and torch's own wherever numpy has no business."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from optimizers import BUILTIN, OptimizerSpec
from optimizers.rmsprop import RMSProp
from optimizers.rule import root_, sqrt, sqrt_

SPECIAL = [0.0, -0.0, 1.0, 2.0, 4.0, math.inf, math.nan, 5e-324, 2.2e-308, 2.3e-308, 1e-45, 1.1e-38, 1.2e-38, 3.4e38]


def numbers(dtype: torch.dtype) -> Tensor:
    """Special values, and two million over the whole range of exponents."""
    draw = np.random.default_rng(7)
    exponents = draw.uniform(-37, 38, 1_000_000) if dtype is torch.float32 else draw.uniform(-307, 308, 1_000_000)
    values = np.concatenate([SPECIAL, 10.0**exponents, draw.random(1_000_000)])
    with np.errstate(over="ignore"):
        return torch.from_numpy(values).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_root_is_numpys_to_the_bit(dtype: torch.dtype) -> None:
    v = numbers(dtype)
    expected = np.sqrt(v.numpy())
    assert root_(v) is v
    assert v.numpy().tobytes() == expected.tobytes()


def test_the_root_in_single_precision_is_the_one_in_double_precision_rounded() -> None:
    v = numbers(torch.float32)  # the root of 24 bits in 53 bits, rounded to 24: rounded as if once (Figueroa 1995)
    expected = np.sqrt(v.numpy().astype(np.float64)).astype(np.float32)
    assert root_(v).numpy().tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_raised_roots_are_numpys_too(dtype: torch.dtype) -> None:
    v = torch.rand(10_000, dtype=dtype, generator=torch.Generator().manual_seed(3))
    expected = np.sqrt(v.numpy())
    assert np.array_equal(sqrt(v).numpy(), expected)
    assert not np.array_equal(v.numpy(), expected)
    assert np.array_equal(sqrt_(v).numpy(), expected)


def test_the_root_of_a_view_changes_that_view_only() -> None:
    whole = torch.rand(5, 6, generator=torch.Generator().manual_seed(4))
    kept, expected = whole.clone(), np.sqrt(whole.numpy()[:, ::2])
    root_(whole[:, ::2])
    assert np.array_equal(whole[:, ::2].numpy(), expected)
    assert torch.equal(whole[:, 1::2], kept[:, 1::2])


@pytest.mark.parametrize("spec", BUILTIN, ids=lambda spec: spec.name)
def test_no_rule_takes_another_root(spec: OptimizerSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Tensor:
        raise AssertionError("torch's root differs by machine: optimizers.rule.root_")

    for name in ("sqrt", "sqrt_", "rsqrt", "rsqrt_", "pow", "pow_", "norm"):
        monkeypatch.setattr(Tensor, name, refuse)
        if hasattr(torch, name):
            monkeypatch.setattr(torch, name, refuse)
    x = torch.ones(2, 1, 3)
    state = spec.rule.init(x)
    for t in (1, 2):
        spec.rule.step_(x, torch.full_like(x, 0.3), state, spec.default_values, t)


def test_a_traced_step_has_the_root_in_its_graph() -> None:
    rule, hp = RMSProp(), {"lr": 0.1, "gamma": 0.5, "eps": 1e-6}

    def step(x: Tensor, g: Tensor, s: Tensor) -> Tensor:
        rule.step_(x, g, {"s": s}, hp, 1)
        return x

    draw = torch.Generator().manual_seed(5)
    traced = make_fx(step)(*torch.rand(3, 4, dtype=torch.float64, generator=draw))  # type: ignore[no-untyped-call]
    assert torch.ops.aten.sqrt_.default in {node.target for node in traced.graph.nodes}
    x, g, s = torch.rand(3, 4, dtype=torch.float64, generator=draw)
    torch.testing.assert_close(traced(x.clone(), g, s.clone()), step(x, g, s))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_other_precisions_have_torchs_root(dtype: torch.dtype) -> None:
    v = torch.tensor([0.25, 2.0, 9.0], dtype=dtype)
    expected = v.sqrt()
    assert torch.equal(root_(v), expected)


def test_autograd_and_vmap_go_through_the_root() -> None:
    v = torch.tensor([4.0, 0.25], requires_grad=True)
    (slope,) = torch.autograd.grad(root_(v * 1).sum(), v)
    assert slope.tolist() == [0.25, 1.0]
    assert torch.func.vmap(root_)(torch.tensor([[4.0], [9.0]])).tolist() == [[2.0], [3.0]]
