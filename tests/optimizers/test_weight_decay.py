"""Weight decay and going uphill, of any rule, against the options of torch's own optimizers in double precision."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from optimizers import BUILTIN, Hyperparameter, OptimizerSpec, RuleOptimizer
from optimizers.adam import Adam, AdamW
from optimizers.rmsprop import RMSProp
from optimizers.rule import Hyperparameters, State
from optimizers.sgd import SGD
from optimizers.wrappers import Decayed, Maximized

SPECS = {spec.name: spec for spec in BUILTIN}
STEPS = 40
ROUNDING = {"rtol": 1e-12, "atol": 1e-13}  # both in double precision; torch's fused operations round less often

Oracle = Callable[..., torch.optim.Optimizer]

every_rule = pytest.mark.parametrize("spec", BUILTIN, ids=lambda spec: spec.name)


def gradients() -> Tensor:
    generator = torch.Generator().manual_seed(31)
    noise = torch.randn(STEPS, 8, generator=generator, dtype=torch.float64)
    return noise * torch.logspace(-2, 2, 8, dtype=torch.float64)


def path(make: Callable[[list[Tensor]], torch.optim.Optimizer]) -> Tensor:
    x = torch.linspace(-2, 2, 8, dtype=torch.float64).view(2, 4).requires_grad_()  # some rules decay matrices only
    optimizer = make([x])
    points = []
    for g in gradients():
        x.grad = g.view(2, 4).clone()
        optimizer.step()
        points.append(x.detach().clone())
    return torch.stack(points)


COUPLED: list[tuple[str, Oracle]] = [
    ("sgd", torch.optim.SGD),
    ("momentum", lambda p, **hp: torch.optim.SGD(p, momentum=0.9, **hp)),
    ("nesterov", lambda p, **hp: torch.optim.SGD(p, momentum=0.9, nesterov=True, **hp)),
    ("adagrad-torch", torch.optim.Adagrad),
    ("rmsprop-torch", torch.optim.RMSprop),
    ("rmsprop-centered", lambda p, **hp: torch.optim.RMSprop(p, centered=True, **hp)),
    ("rmsprop-momentum", lambda p, **hp: torch.optim.RMSprop(p, momentum=0.9, **hp)),
    ("adadelta", torch.optim.Adadelta),
    ("adam", torch.optim.Adam),
    ("amsgrad", lambda p, **hp: torch.optim.Adam(p, amsgrad=True, **hp)),
]
DECOUPLED: list[tuple[str, Oracle]] = [
    ("adam", torch.optim.AdamW),
    ("amsgrad", lambda p, **hp: torch.optim.AdamW(p, amsgrad=True, **hp)),
    ("adamw", torch.optim.AdamW),
]
BOTH = [(name, oracle, "coupled") for name, oracle in COUPLED] + [
    (name, oracle, "decoupled") for name, oracle in DECOUPLED
]


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("weight_decay", [0.01, 0.5])
@pytest.mark.parametrize(("name", "oracle", "decay"), BOTH, ids=[f"{name} {decay}" for name, _, decay in BOTH])
def test_decay_and_uphill_are_those_of_torch(
    name: str, oracle: Oracle, decay: str, weight_decay: float, maximize: bool
) -> None:
    options: dict[str, Any] = {"lr": 0.02, "weight_decay": weight_decay, "maximize": maximize}
    ours = path(lambda p: SPECS[name].torch(p, decay=decay, **options))
    torch.testing.assert_close(ours, path(lambda p: oracle(p, **options)), **ROUNDING)


@pytest.mark.parametrize("decay", ["coupled", "decoupled"])
def test_nadam_decays_as_torchs_in_both_ways(decay: str) -> None:
    options: dict[str, Any] = {"lr": 0.02, "weight_decay": 0.1}
    ours = path(lambda p: SPECS["nadam"].torch(p, decay=decay, **options))
    torchs = path(lambda p: torch.optim.NAdam(p, decoupled_weight_decay=decay == "decoupled", **options))
    torch.testing.assert_close(ours, torchs, rtol=1e-6, atol=1e-6)  # it keeps its running product in single precision


@pytest.mark.parametrize(
    ("name", "oracle"), [("rprop", torch.optim.Rprop), ("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)]
)
def test_uphill_alone_is_torchs(name: str, oracle: Oracle) -> None:
    ours = path(lambda p: SPECS[name].torch(p, maximize=True, lr=0.02))
    torch.testing.assert_close(ours, path(lambda p: oracle(p, maximize=True, lr=0.02)), **ROUNDING)


@every_rule
def test_uphill_is_the_path_of_the_turned_gradients(spec: OptimizerSpec) -> None:
    x, y = (torch.ones(8, dtype=torch.float64, requires_grad=True) for _ in range(2))
    up, down = spec.torch([x], maximize=True), spec.torch([y])
    for g in gradients():
        x.grad, y.grad = g.clone(), -g
        up.step()
        down.step()
    assert torch.equal(x, y)
    assert not torch.equal(x, torch.ones_like(x))


@every_rule
def test_every_rule_decays_and_not_at_all_where_the_decay_is_zero(spec: OptimizerSpec) -> None:
    none, some = (path(lambda p, w=w: spec.torch(p, weight_decay=w)) for w in (0.0, 0.1))
    plain = path(lambda p: spec.torch(p, **({"weight_decay": 0.0} if "weight_decay" in spec.default_values else {})))
    assert torch.equal(none, plain)
    assert not torch.equal(some, plain)
    assert some.isfinite().all()


def test_adam_with_decoupled_decay_is_adamw_to_the_bit() -> None:
    adam = path(lambda p: SPECS["adam"].torch(p, lr=0.02, weight_decay=0.1, decay="decoupled"))
    assert torch.equal(adam, path(lambda p: SPECS["adamw"].torch(p, lr=0.02, weight_decay=0.1)))


def test_groups_decay_on_their_own() -> None:
    x, y = (torch.ones(2, requires_grad=True) for _ in range(2))
    groups: list[dict[str, Any]] = [{"params": [x]}, {"params": [y], "weight_decay": 0.0}]
    optimizer = RuleOptimizer(groups, SGD(), lr=0.1, weight_decay=0.5)
    x.grad, y.grad = torch.zeros(2), torch.zeros(2)
    optimizer.step()
    assert x.tolist() == pytest.approx([0.95, 0.95])
    assert y.tolist() == [1, 1]


def test_a_rule_that_decays_refuses_another_decay() -> None:
    p = [torch.zeros(1, requires_grad=True)]
    with pytest.raises(ValueError, match="AdamW has decoupled weight decay of its own, which cannot be 'coupled'"):
        RuleOptimizer(p, AdamW(), decay="coupled")
    with pytest.raises(ValueError, match="has a 'weight_decay' already, so Decayed cannot be around it"):
        Decayed(AdamW())
    with pytest.raises(ValueError, match="weight decay is 'coupled' or 'decoupled', not 'strong'"):
        Decayed(SGD(), "strong")  # type: ignore[arg-type]


def test_a_wrapped_rule_is_a_value_with_the_hyperparameters_of_both() -> None:
    rule = Decayed(RMSProp(eps_inside=False), "decoupled")
    assert [knob.name for knob in rule.hyperparameters] == ["lr", "gamma", "eps", "weight_decay"]
    assert rule == Decayed(RMSProp(eps_inside=False), "decoupled") != Decayed(RMSProp(), "decoupled")
    assert hash(rule) == hash(Decayed(RMSProp(eps_inside=False), "decoupled"))
    assert (rule.decay, Maximized(rule).decay, Maximized(Adam()).decay) == ("decoupled", "decoupled", None)


def test_the_fingerprint_of_a_wrapped_rule_is_that_of_both_and_hangs_on_no_range() -> None:
    adam = SPECS["adam"]
    one, same = (adam.varied(name, weight_decay=0.1) for name in ("one", "same"))
    prints = [
        adam.fingerprint(),
        one.fingerprint(),
        adam.varied("x", weight_decay=0.2).fingerprint(),
        adam.varied("x", weight_decay=0.1, decay="decoupled").fingerprint(),
        adam.varied("x", weight_decay=0.1, maximize=True).fingerprint(),
        SPECS["amsgrad"].varied("x", weight_decay=0.1).fingerprint(),
    ]
    assert len(set(prints)) == len(prints)
    assert one.fingerprint() == same.fingerprint()
    assert "high=" not in repr(one.rule)


@dataclass(frozen=True)
class Fading(SGD):
    """A rule of somebody's own with a hyperparameter called decay."""

    hyperparameters = (*SGD.hyperparameters, Hyperparameter("decay", default=0.5, low=0.0, high=0.9, scale="log1m"))

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        return g * (-hp["lr"] * hp["decay"] ** t)


def test_a_hyperparameter_called_decay_stays_one() -> None:
    x = torch.zeros(1, requires_grad=True)
    optimizer = RuleOptimizer([x], Fading(), lr=1.0, decay=0.25)
    x.grad = torch.ones(1)
    optimizer.step()
    assert x.item() == -0.25


@dataclass(frozen=True)
class Inside(SGD):
    """A rule of somebody's own that does its weight decay inside of its update."""

    hyperparameters = (*SGD.hyperparameters, Hyperparameter("weight_decay", default=0.5, low=0.0, high=1.0))

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        return g * (-hp["lr"] * (1 + hp["weight_decay"]))


def test_a_rule_with_a_weight_decay_of_its_own_way_keeps_it() -> None:
    x = torch.zeros(1, requires_grad=True)
    optimizer = RuleOptimizer([x], Inside(), lr=1.0, weight_decay=0.25)
    x.grad = torch.ones(1)
    optimizer.step()
    assert x.item() == -1.25
    with pytest.raises(ValueError, match="Inside has weight decay of its own, which cannot be 'coupled'"):
        RuleOptimizer([x], Inside(), decay="coupled")
