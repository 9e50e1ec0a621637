"""Every rule that torch.optim has, under the same gradients in double precision."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from optimizers import BUILTIN, Hyperparameter, RuleOptimizer
from optimizers.rmsprop import RMSProp
from optimizers.sgd import SGD

SPECS = {spec.name: spec for spec in BUILTIN}
STEPS = 60
RELATIVE = 1e-12  # both are double precision; torch's fused operations round once where ours round twice

Oracle = Callable[..., torch.optim.Optimizer]


def gradients() -> Tensor:
    """60 gradients of 12 parameters: sizes from 1e-3 to 1e3, signs that turn, and exact zeros."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(STEPS, 12, generator=generator, dtype=torch.float64)
    g = noise * torch.logspace(-3, 3, 12, dtype=torch.float64)
    g[7:10, 4:8] = 0
    return g


@contextmanager
def double_by_default() -> Iterator[None]:
    """torch keeps NAdam's running product in the default precision; in single it would be wrong by 1e-7."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def path(make: Callable[[list[Tensor]], torch.optim.Optimizer], gs: Tensor) -> Tensor:
    x = torch.linspace(-2, 2, gs.shape[-1], dtype=torch.float64).requires_grad_()
    optimizer = make([x])
    points = []
    with double_by_default():
        for g in gs:
            x.grad = g.clone()
            optimizer.step()
            points.append(x.detach().clone())
    return torch.stack(points)


def rmsprop(**options: bool) -> Oracle:
    return lambda p, gamma, **hp: torch.optim.RMSprop(p, alpha=gamma, **hp, **options)


def sgd(**options: bool) -> Oracle:
    return lambda p, **hp: torch.optim.SGD(p, **hp, **options)


def betas(kind: type[torch.optim.Optimizer], **options: bool) -> Oracle:
    return lambda p, beta1, beta2, **hp: kind(p, betas=(beta1, beta2), **hp, **options)  # type: ignore[call-arg]


CASES: list[tuple[str, Oracle, dict[str, float]]] = [
    ("sgd", sgd(), {"lr": 0.1}),
    *(("momentum", sgd(), {"lr": 0.1, "momentum": momentum}) for momentum in (0.5, 0.9, 0.99)),
    *(("nesterov", sgd(nesterov=True), {"lr": 0.1, "momentum": momentum}) for momentum in (0.5, 0.9, 0.99)),
    *(("adagrad-torch", torch.optim.Adagrad, {"lr": lr, "eps": 1e-10}) for lr in (0.01, 1.0)),
    *(
        (name, rmsprop(centered=name == "rmsprop-centered"), {"lr": lr, "gamma": gamma, "eps": eps})
        for name in ("rmsprop-torch", "rmsprop-centered")
        for lr, gamma, eps in ((0.01, 0.99, 1e-8), (0.4, 0.9, 1e-8), (0.1, 0.5, 1e-3))
    ),
    *(
        ("rmsprop-momentum", rmsprop(), {"lr": 0.01, "gamma": gamma, "momentum": momentum, "eps": 1e-8})
        for gamma, momentum in ((0.99, 0.9), (0.9, 0.5))
    ),
    ("rprop", torch.optim.Rprop, {"lr": 0.01}),
    ("rprop", torch.optim.Rprop, {"lr": 5.0}),
    ("rprop", torch.optim.Rprop, {"lr": 1e-5}),
    (
        "adadelta",
        lambda p, gamma, **hp: torch.optim.Adadelta(p, rho=gamma, **hp),
        {"lr": 1.0, "gamma": 0.9, "eps": 1e-6},
    ),
    (
        "adadelta",
        lambda p, gamma, **hp: torch.optim.Adadelta(p, rho=gamma, **hp),
        {"lr": 3.0, "gamma": 0.5, "eps": 1e-3},
    ),
    *(
        (name, oracle, {"lr": 0.01, "beta1": beta1, "beta2": beta2, "eps": eps})
        for name, oracle in (
            ("adam", betas(torch.optim.Adam)),
            ("amsgrad", betas(torch.optim.Adam, amsgrad=True)),
            ("nadam", betas(torch.optim.NAdam)),
        )
        for beta1, beta2, eps in ((0.9, 0.999, 1e-8), (0.0, 0.9, 1e-8), (0.5, 0.99, 1e-2))
    ),
    *(
        (
            "adamw",
            betas(torch.optim.AdamW),
            {"lr": 0.01, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": decay},
        )
        for decay in (0.0, 0.01, 0.5)
    ),
]


@pytest.mark.parametrize(("name", "oracle", "hp"), CASES, ids=[f"{name}-{list(hp.values())}" for name, _, hp in CASES])
def test_a_rule_takes_the_steps_of_its_torch_namesake(name: str, oracle: Oracle, hp: dict[str, float]) -> None:
    gs = gradients()
    ours = path(lambda p: SPECS[name].torch(p, **hp), gs)
    torchs = path(lambda p: oracle(p, **hp), gs)
    torch.testing.assert_close(ours, torchs, rtol=RELATIVE, atol=1e-13)


@pytest.mark.parametrize("gamma", [0.5, 0.9, 0.99])
def test_corrected_rmsprop_is_adam_without_momentum(gamma: float) -> None:
    gs = gradients()
    ours = path(lambda p: SPECS["rmsprop-corrected"].torch(p, lr=0.01, gamma=gamma), gs)
    adam = path(lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.0, gamma), eps=1e-8), gs)
    torch.testing.assert_close(ours, adam, rtol=RELATIVE, atol=1e-13)


TORCH_DEFAULTS: list[tuple[str, type[torch.optim.Optimizer], dict[str, bool | float]]] = [
    ("adagrad-torch", torch.optim.Adagrad, {}),
    ("rmsprop-torch", torch.optim.RMSprop, {}),
    ("rmsprop-centered", torch.optim.RMSprop, {"centered": True}),
    ("rmsprop-momentum", torch.optim.RMSprop, {"momentum": 0.9}),
    ("rprop", torch.optim.Rprop, {}),
    ("adadelta", torch.optim.Adadelta, {}),
    ("adam", torch.optim.Adam, {}),
    ("adamw", torch.optim.AdamW, {}),
    ("amsgrad", torch.optim.Adam, {"amsgrad": True}),
    ("nadam", torch.optim.NAdam, {}),
]


@pytest.mark.parametrize(("name", "kind", "options"), TORCH_DEFAULTS, ids=[name for name, *_ in TORCH_DEFAULTS])
def test_rules_said_to_be_torchs_have_torchs_defaults(
    name: str, kind: type[torch.optim.Optimizer], options: dict[str, bool | float]
) -> None:
    gs = gradients()
    torch.testing.assert_close(
        path(SPECS[name].torch, gs), path(lambda p: kind(p, **options), gs), rtol=RELATIVE, atol=1e-13
    )


WEIGHT_DECAY = Hyperparameter("weight_decay", default=0.1, low=1e-5, high=1.0, scale="log")


@dataclass(frozen=True)
class DecayedSGD(SGD):
    hyperparameters = (*SGD.hyperparameters, WEIGHT_DECAY)
    decay = "coupled"


@dataclass(frozen=True)
class DecayedRMSProp(RMSProp):
    hyperparameters = (*RMSProp.hyperparameters, WEIGHT_DECAY)
    decay = "coupled"


def test_coupled_weight_decay_adds_to_the_gradient_as_torchs_sgd_and_rmsprop_do() -> None:
    gs = gradients()
    sgd_path = path(lambda p: RuleOptimizer(p, DecayedSGD(), lr=0.01), gs)
    torch_sgd = path(lambda p: torch.optim.SGD(p, lr=0.01, weight_decay=0.1), gs)
    torch.testing.assert_close(sgd_path, torch_sgd, rtol=RELATIVE, atol=1e-13)
    rmsprop_path = path(lambda p: RuleOptimizer(p, DecayedRMSProp(eps_inside=False), eps=1e-8, gamma=0.9), gs)
    torch_rmsprop = path(lambda p: torch.optim.RMSprop(p, alpha=0.9, weight_decay=0.1), gs)
    torch.testing.assert_close(rmsprop_path, torch_rmsprop, rtol=RELATIVE, atol=1e-13)
