"""Rules whose numbers hang on the whole vector, on x, or on a second point, against their authors' own packages.

Each recorded path says which package, version and options made it, on a quadratic with noise that is a formula. Where a
run is judged by an average, that is recorded too.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from optimizers import BUILTIN, Rule, RuleOptimizer
from optimizers.adam import Adam, AdamW
from optimizers.averages import Averaged, Lookahead, PolynomialAverage, ScheduleFree
from optimizers.lr_schedules import Constant, Warmup
from optimizers.rmsprop import RMSProp
from optimizers.sgd import SGD, Momentum
from optimizers.tuning_free import DAdaptAdam, DoG, Mechanic
from optimizers.wrappers import ClippedByNorm, ClippedByValue, Decayed

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("golden_paths.json").read_text(encoding="utf-8"))
SPECS = {spec.name: spec for spec in BUILTIN}
STEPS = GOLDEN["steps"][-1]
RULES: dict[str, Rule] = {
    **{name: spec.rule for name, spec in SPECS.items()},
    "schedule-free(sgd(weight_decay))": ScheduleFree(Decayed(SGD())),
    "schedule-free-adamw, warmed up": SPECS["schedule-free-adamw"].rule,
    "dog(weight_decay)": Decayed(DoG()),
    "dadapt-adam(weight_decay)": Decayed(DAdaptAdam()),
    "dadapt-adam(decay='decoupled')": Decayed(DAdaptAdam(), "decoupled"),
    "mechanic(sgd)": Mechanic(SGD()),
    "mechanic(adamw)": Mechanic(AdamW()),
    "lookahead(rmsprop-torch)": Lookahead(RMSProp(eps_inside=False), every=3),
    "ema(momentum)": Averaged(Momentum()),
    "average(dog)": PolynomialAverage(DoG()),
    "clip(adam, norm)": ClippedByNorm(Adam()),
    "clip(rmsprop-torch, value)": ClippedByValue(RMSProp(eps_inside=False)),
}

every_path = pytest.mark.parametrize(
    "record", GOLDEN["paths"], ids=[f"{record['optimizer']} as {record['source']}" for record in GOLDEN["paths"]]
)


def gradient(x: Tensor, t: int) -> Tensor:
    noise = torch.tensor([0.1 * math.sin(7 * t + 3 * i) for i in range(len(x))], dtype=torch.float64)
    return torch.tensor(GOLDEN["h"], dtype=torch.float64) * (x.detach() - 1) + noise


def optimizer_of(record: dict[str, Any], parameters: list[Tensor]) -> RuleOptimizer:
    eps = {"eps": 1e-8} if "rmsprop" in record["optimizer"] else {}  # torch's
    warmed = {"lr": Warmup(then=Constant(), length=0.5)} if "warmed" in record["optimizer"] else {}
    name = record["optimizer"].partition(",")[0]
    hp = {**(SPECS[name].default_values if name in SPECS else {}), **eps, **record["hyperparameters"]}
    return RuleOptimizer(parameters, RULES[record["optimizer"]], schedules=warmed, steps=STEPS, **hp)


@every_path
def test_a_rule_takes_its_authors_path(record: dict[str, Any]) -> None:
    x = torch.tensor(GOLDEN["start"], dtype=torch.float64, requires_grad=True)
    optimizer = optimizer_of(record, [x])
    points, shown = [], []
    for t in range(1, STEPS + 1):
        x.grad = gradient(x, t)
        optimizer.step()
        if t in GOLDEN["steps"]:
            points.append(x.tolist())
            optimizer.eval()
            shown.append(x.tolist())
            optimizer.train()
            assert x.tolist() == points[-1]
    # the same arithmetic in another order; what estimates its own step multiplies rounding as it grows from 1e-6
    torch.testing.assert_close(torch.tensor(points), torch.tensor(record["x"]), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(
        torch.tensor(shown), torch.tensor(record.get("shown", record["x"])), rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize(
    "record",
    [record for record in GOLDEN["paths"] if record["optimizer"] != "adamw-cautious"],
    ids=lambda record: record["optimizer"],
)
def test_the_tensors_of_a_model_are_one_vector_to_rules_that_need_it_to_be(record: dict[str, Any]) -> None:
    whole = torch.tensor(GOLDEN["start"], dtype=torch.float64, requires_grad=True)
    parts = [part.clone().view(1, -1).requires_grad_() for part in whole.detach().split([1, 3])]
    one, several = optimizer_of(record, [whole]), optimizer_of(record, [*parts])
    for t in range(1, 21):
        whole.grad = gradient(whole, t)
        for part, g in zip(parts, gradient(torch.cat([p.view(-1) for p in parts]), t).split([1, 3]), strict=True):
            part.grad = g.view(1, -1).clone()
        one.step()
        several.step()
    assert torch.equal(whole.detach(), torch.cat([p.detach().view(-1) for p in parts]))
    one.eval()
    several.eval()
    assert torch.equal(whole.detach(), torch.cat([p.detach().view(-1) for p in parts]))


def test_a_cautious_rule_counts_each_tensor_alone_in_a_model_and_in_a_lane() -> None:
    rule, whole = SPECS["adamw-cautious"].rule, torch.tensor(GOLDEN["start"], dtype=torch.float64)
    parts = [part.clone().requires_grad_() for part in whole.split([1, 3])]
    optimizer, bound = RuleOptimizer(parts, rule, lr=0.05), rule.bound([(1,), (1, 3)])
    state, together = bound.init(whole), whole.clone()
    for t in range(1, STEPS + 1):
        g = gradient(whole, t)
        bound.step_(whole, g, state, {**rule.defaults(), "lr": 0.05}, t)
        for part, of_part in zip(parts, g.split([1, 3]), strict=True):
            part.grad = of_part.clone()
        optimizer.step()
        assert torch.equal(whole, torch.cat([part.detach() for part in parts]))
    run_as_one = RuleOptimizer([together.requires_grad_()], rule, lr=0.05)
    for t in range(1, STEPS + 1):
        together.grad = gradient(together, t)
        run_as_one.step()
    assert not torch.equal(together.detach(), whole)


def test_every_name_of_the_record_is_tested() -> None:
    assert {record["optimizer"] for record in GOLDEN["paths"]} >= set(RULES) - set(SPECS)
