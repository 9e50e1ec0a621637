"""Where two implementations part and why: torch's own, and small classes written here from the traits they have."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.cli.main import cli
from benchmarks.errors import UsageError
from benchmarks.implementations.parity import Parity, parity
from benchmarks.implementations.parity_text import parity_text

PLACE: dict[str, Any] = {"problems": ("ellipse",), "steps": 30}


class Written(torch.optim.Optimizer):
    """An optimizer whose step is a function of a tensor, its gradient, its state, its settings and t."""

    def __init__(self, params: Any, step: Callable[..., None], **settings: float) -> None:
        super().__init__(params, settings)
        self.written = step

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        with torch.enable_grad():
            closure()
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                state["t"] = state.get("t", 0) + 1
                self.written(p, p.grad, state, group, state["t"])


def rmsprop_with(start: Callable[[Tensor], Tensor]) -> Callable[..., None]:
    def step(p: Tensor, g: Tensor, state: dict[str, Any], own: dict[str, Any], t: int) -> None:
        s = state["s"] if t > 1 else start(g)
        state["s"] = own["rho"] * s + (1 - own["rho"]) * g**2
        p -= own["lr"] * g / (state["s"] + own["epsilon"]).sqrt()

    return step


def nothing_named(p: Tensor, g: Tensor, state: dict[str, Any], own: dict[str, Any], t: int) -> None:
    state["s"] = 0.9 * state.get("s", 0) + 0.1 * g**2
    p -= own["lr"] * g / (state["s"].sqrt() + 1e-8)


def steps_in_the_buffer(p: Tensor, g: Tensor, state: dict[str, Any], own: dict[str, Any], t: int) -> None:
    state["v"] = own["momentum"] * state.get("v", 0) - own["lr"] * g
    p += state["v"]


def adam_in_one_formula(p: Tensor, g: Tensor, state: dict[str, Any], own: dict[str, Any], t: int) -> None:
    """Adam with the corrections taken together, powers for products, and t in every one of them."""
    state["m"] = state.get("m", 0) + (1 - own["beta1"]) * (g - state.get("m", 0))
    state["s"] = state.get("s", 0) + (1 - own["beta2"]) * (g**2 - state.get("s", 0))
    size = own["lr"] * math.sqrt(1 - own["beta2"] ** t) / (1 - own["beta1"] ** t)
    p -= size * state["m"] / (state["s"].sqrt() + own["eps"] * math.sqrt(1 - own["beta2"] ** t))


def sign_and_size(p: Tensor, g: Tensor, state: dict[str, Any], own: dict[str, Any], t: int) -> None:
    p -= own["lr"] * g.sign() * g.abs().sqrt()


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A function that makes a class of a step with its settings, and gives the name by which it is called."""
    module = ModuleType("written_by_hand")
    monkeypatch.setitem(sys.modules, "written_by_hand", module)

    def made(step: Callable[..., None], **settings: float) -> str:
        keywords = ", ".join(f"{key}={value!r}" for key, value in settings.items())
        passed = ", ".join(f"{key}={key}" for key in settings)
        source = f"class {step.__name__}(Written):\n    def __init__(self, params, {keywords}):\n"
        source += f"        super().__init__(params, step, {passed})\n"
        scope: dict[str, Any] = {"Written": Written, "step": step, "__name__": "written_by_hand"}
        exec(source, scope)  # the signature is what is looked at, so it has to be written out
        setattr(module, step.__name__, scope[step.__name__])
        return f"written_by_hand:{step.__name__}"

    return made


def traits(found: Parity) -> set[str]:
    return {reason.trait for reason in found.reasons}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("sgd(lr=0.001)", "torch:SGD"),
        ("momentum(lr=0.001)", "torch:SGD(momentum=0.9)"),
        ("nesterov(lr=0.001)", "torch:SGD(momentum=0.9, nesterov=True)"),
        ("momentum(lr=0.001, dampening=0.5)", "torch:SGD(momentum=0.9, dampening=0.5)"),
        ("adagrad-torch", "torch:Adagrad"),
        ("adagrad-torch(start=0.3)", "torch:Adagrad(initial_accumulator_value=0.3)"),
        ("rmsprop-torch", "torch:RMSprop"),
        ("rmsprop-centered", "torch:RMSprop(centered=True)"),
        ("rmsprop-momentum", "torch:RMSprop(momentum=0.9)"),
        ("rmsprop-corrected(lr=0.001)", "torch:Adam(betas=(0.0, 0.9))"),
        ("adam", "torch:Adam"),
        ("adamw", "torch:AdamW"),
        ("amsgrad", "torch:Adam(amsgrad=True)"),
    ],
)
def test_what_is_one_rule_agrees_to_rounding(ours: str, theirs: str) -> None:
    found = parity(ours, theirs, **PLACE)
    assert found.agree, found.runs
    assert found.reasons == ()
    assert f"{ours} and {theirs} agree" in " ".join(parity_text(found, 100).split())


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("rmsprop(eps=1e-8)", "torch:RMSprop(alpha=0.9)", {"place of eps"}),
        ("rmsprop", "torch:RMSprop", {"place of eps", "eps", "gamma"}),
        ("torch:RMSprop(alpha=0.9)", "rmsprop-corrected", {"start"}),
        ("adam", "torch:AdamW", {"weight_decay"}),
        ("torch:Adam(weight_decay=0.01)", "torch:AdamW", {"weight decay"}),
        ("adam", "torch:Adam(amsgrad=True)", {"maximum"}),
        ("momentum(lr=0.001)", "torch:SGD(momentum=0.9, nesterov=True)", {"look-ahead"}),
        ("torch:SGD(momentum=0.9, dampening=0.5)", "torch:SGD(momentum=0.9)", {"what enters"}),
        ("torch:RMSprop(momentum=0.9, centered=True)", "torch:RMSprop(momentum=0.9)", {"centring"}),
        ("adam(eps_hat=True)", "torch:Adam", {"place of eps"}),
        ("adam", "torch:RMSprop", {"rule"}),
    ],
)
def test_why_two_part_is_found_by_experiment(first: str, second: str, expected: set[str]) -> None:
    found = parity(first, second, **PLACE)
    assert not found.agree
    assert traits(found) == expected


@pytest.mark.parametrize(
    ("start", "ours"),
    [
        (torch.zeros_like, "rmsprop"),
        (torch.ones_like, "rmsprop-tf1"),
        (torch.square, "rmsprop(first_square=True)"),
    ],
)
def test_how_an_average_starts_is_told_by_its_first_steps(
    mine: Callable[..., str], start: Callable[[Tensor], Tensor], ours: str
) -> None:
    theirs = mine(rmsprop_with(start), lr=0.01, rho=0.9, epsilon=1e-6)
    held = ours.replace("rmsprop-tf1", "rmsprop-tf1(eps=1e-6)")
    assert parity(held, theirs, **PLACE).agree
    others = {"rmsprop", "rmsprop-tf1(eps=1e-6)", "rmsprop(first_square=True)"} - {held}
    for other in sorted(others):
        assert traits(parity(other, theirs, **PLACE)) == {"start"}


def test_values_that_a_class_does_not_name_are_found_too(mine: Callable[..., str]) -> None:
    found = parity("rmsprop-torch", mine(nothing_named, lr=0.01), **PLACE)
    assert traits(found) == {"gamma"}
    assert [(reason.first, reason.second) for reason in found.reasons] == [("gamma 0.99", "gamma 0.9")]


def test_a_buffer_of_steps_parts_only_once_lr_falls(mine: Callable[..., str]) -> None:
    found = parity("momentum", mine(steps_in_the_buffer, lr=0.01, momentum=0.9), **PLACE)
    assert [run.problem for run in found.runs if run.parts_at is not None] == ["constructed gradients, lr falls"]
    assert found.parting is not None
    assert found.parting.parts_at == 13  # lr falls after the twelfth of 24 steps
    assert traits(found) == {"lr and buffer"}


def test_another_order_of_operations_is_rounding_on_every_default_problem(mine: Callable[..., str]) -> None:
    found = parity("adam", mine(adam_in_one_formula, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8), steps=60)
    assert found.agree, found.runs
    assert max(run.largest for run in found.runs) > 0  # it does round otherwise


def test_a_millionth_of_eps_is_no_rounding() -> None:
    found = parity("rmsprop-torch", "rmsprop-torch(eps=1.000001e-8)", **PLACE)
    assert not found.agree
    assert traits(found) == {"eps"}


def test_a_quantity_in_single_precision_is_told_as_such() -> None:
    found = parity("nadam", "torch:NAdam", **PLACE)  # torch keeps the product of its momenta in single precision
    assert not found.agree
    assert found.twins[1] is not None
    assert found.twins[1].well == "to single precision"


def test_what_is_no_variant_of_ours_is_said_to_be_none_with_what_was_measured(mine: Callable[..., str]) -> None:
    found = parity("sgd", mine(sign_and_size, lr=0.01), **PLACE)
    assert found.twins[1] is None
    assert found.reasons == ()
    assert "no variant of our rules takes its steps" in parity_text(found, 200)
    small = next(fact for fact in found.facts if fact.what == "first step under a gradient of 1e-08")
    assert (small.first, small.second) == (pytest.approx(1e-8), pytest.approx(1e-4))


def test_the_effect_of_a_reason_is_that_of_switching_it_alone() -> None:
    found = parity("rmsprop", "rmsprop(gamma=0.99, eps=1e-7)", **PLACE)
    alone = parity("rmsprop", "rmsprop(gamma=0.99)", **PLACE)
    gamma = next(reason for reason in found.reasons if reason.trait == "gamma")
    assert (gamma.effect, gamma.where) == (alone.runs[0].largest, "ellipse")


def test_a_run_that_leaves_the_finite_numbers_is_compared_as_far_as_it_goes() -> None:
    found = parity("sgd(lr=9)", "torch:SGD(lr=9)", ("rosenbrock",), 50)
    assert found.agree
    assert found.runs[0].steps < 50


@pytest.mark.parametrize(
    ("first", "second", "held", "sentence"),
    [
        ("rmsprp", "sgd", {}, "unknown optimizer 'rmsprp', did you mean 'rmsprop'?"),
        ("rmsprop(gama=0.9)", "sgd", {}, "'rmsprop' has no setting 'gama', did you mean 'gamma'?"),
        ("rmsprop(gamma='a')", "sgd", {}, "gamma is a number, got 'a'"),
        ("rmsprop(gamma=2)", "sgd", {}, "gamma is a memory and must be in [0, 1], got 2.0"),
        ("rmsprop(corrected=True, start=1)", "sgd", {}, "only an average that starts at 0 can be bias-corrected"),
        ("torch:LBFGS", "sgd", {}, "torch:LBFGS asks for several gradients a step"),
        ("torch:Muon", "sgd", {}, "Muon only supports 2D parameters"),
        ("sgd", "torch:SGD", {"gamma": 0.9}, "neither sgd nor torch:SGD has a hyperparameter 'gamma'"),
    ],
)
def test_bad_input_is_one_sentence(first: str, second: str, held: dict[str, float], sentence: str) -> None:
    with pytest.raises((UsageError, LookupError), match="") as raised:
        parity(first, second, held=held, **PLACE)
    assert sentence in str(raised.value)


def run(*arguments: str) -> int:
    code = cli.main(["parity", *arguments, "--problem", "ellipse", "--steps", "20"], standalone_mode=False)
    assert isinstance(code, int)
    return code


def test_the_command_ends_with_0_where_they_agree_and_with_1_where_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rmsprop-torch", "torch:RMSprop") == 0
    assert "agree to rounding over 20 steps on 1 problem" in capsys.readouterr().out
    assert run("rmsprop", "torch:RMSprop", "--set", "gamma=0.9", "--set", "eps=1e-8", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert [reason["trait"] for reason in told["reasons"]] == ["place of eps"]
    assert told["runs"][0]["parts_at"] == 1
