"""Where two implementations part and why: torch's own, and small classes written here from the traits they have."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.cli.main import cli
from benchmarks.errors import UsageError
from benchmarks.implementations.parity import Parity, parity
from benchmarks.implementations.parity_text import parity_text

PLACE: dict[str, Any] = {"problems": ("ellipse",), "steps": 30}


class Plain(torch.optim.Optimizer):
    """What the optimizers below share: they take a closure, and step by `move`."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        if closure is not None:
            with torch.enable_grad():
                closure()
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                state["t"] = state.get("t", 0) + 1
                self.move(p, p.grad, state, group)

    def move(self, p: Tensor, g: Tensor, state: dict[str, Any], own: dict[str, Any]) -> None:
        raise NotImplementedError


class FromZero(Plain):
    """RMSProp as Keras writes it, which starts its average at 0."""

    def __init__(self, params: Any, lr: float = 0.01, rho: float = 0.9, epsilon: float = 1e-6) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "epsilon": epsilon})

    def start(self, g: Tensor) -> Tensor:
        return torch.zeros_like(g)

    def move(self, p: Tensor, g: Tensor, state: dict[str, Any], own: dict[str, Any]) -> None:
        s = state["s"] if state["t"] > 1 else self.start(g)
        state["s"] = own["rho"] * s + (1 - own["rho"]) * g**2
        p -= own["lr"] * g / (state["s"] + own["epsilon"]).sqrt()


class FromOne(FromZero):
    def start(self, g: Tensor) -> Tensor:
        return torch.ones_like(g)


class FromFirst(FromZero):
    def start(self, g: Tensor) -> Tensor:
        return g**2


class NothingNamed(Plain):
    def __init__(self, params: Any, lr: float = 0.01) -> None:
        super().__init__(params, {"lr": lr})

    def move(self, p: Tensor, g: Tensor, state: dict[str, Any], own: dict[str, Any]) -> None:
        state["s"] = 0.9 * state.get("s", 0) + 0.1 * g**2
        p -= own["lr"] * g / (state["s"].sqrt() + 1e-8)


class StepsInTheBuffer(Plain):
    def __init__(self, params: Any, lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    def move(self, p: Tensor, g: Tensor, state: dict[str, Any], own: dict[str, Any]) -> None:
        state["v"] = own["momentum"] * state.get("v", 0) - own["lr"] * g
        p += state["v"]


class AdamInOneFormula(Plain):
    """Adam with both corrections taken together, powers for products, and averages by their differences."""

    def __init__(self, params: Any, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999) -> None:
        super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2})

    def move(self, p: Tensor, g: Tensor, state: dict[str, Any], own: dict[str, Any]) -> None:
        m, s, t = state.get("m", 0), state.get("s", 0), state["t"]
        state["m"] = m + (1 - own["beta1"]) * (g - m)
        state["s"] = s + (1 - own["beta2"]) * (g**2 - s)
        seen = math.sqrt(1 - own["beta2"] ** t)
        p -= own["lr"] * seen / (1 - own["beta1"] ** t) * state["m"] / (state["s"].sqrt() + 1e-8 * seen)


class AdamUncorrected(Plain):
    """Adam whose averages are taken as they are, as some language models were trained."""

    def __init__(self, params: Any, lr: float = 0.001, beta1: float = 0.9, beta2: float = 0.999) -> None:
        super().__init__(params, {"lr": lr, "beta1": beta1, "beta2": beta2})

    def move(self, p: Tensor, g: Tensor, state: dict[str, Any], own: dict[str, Any]) -> None:
        state["m"] = own["beta1"] * state.get("m", 0) + (1 - own["beta1"]) * g
        state["s"] = own["beta2"] * state.get("s", 0) + (1 - own["beta2"]) * g**2
        p -= own["lr"] * state["m"] / (state["s"].sqrt() + 1e-8)


class SignAndRoot(Plain):
    def __init__(self, params: Any, lr: float = 0.01) -> None:
        super().__init__(params, {"lr": lr})

    def move(self, p: Tensor, g: Tensor, state: dict[str, Any], own: dict[str, Any]) -> None:
        p -= own["lr"] * g.sign() * g.abs().sqrt()


def written(kind: type[Plain]) -> str:
    """How a class of this file is called."""
    return f"{__name__}:{kind.__name__}"


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
        ("sgd(lr=0.001, maximize=True)", "torch:SGD(maximize=True)"),
        ("rmsprop-torch(weight_decay=0.1)", "torch:RMSprop(weight_decay=0.1)"),
        ("clip(adam, norm=1e9)", "torch:Adam"),
    ],
)
def test_what_is_one_rule_agrees_to_rounding(ours: str, theirs: str) -> None:
    found = parity(ours, theirs, **PLACE)
    assert found.agree, found.runs
    assert found.reasons == ()
    assert f"{ours} and {theirs} agree" in " ".join(parity_text(found, 100).split())


@pytest.mark.slow
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
        ("adam(lr=0.01, beta2=0.99)", "torch:RMSprop", {"beta1", "start"}),
        ("sgd", "torch:Adagrad", {"rule"}),
        ("sgd(lr=0.001)", "torch:SGD(maximize=True)", {"direction"}),
        ("rmsprop-torch(weight_decay=0.1, decay='decoupled')", "torch:RMSprop(weight_decay=0.1)", {"weight decay"}),
    ],
)
def test_why_two_part_is_found_by_experiment(first: str, second: str, expected: set[str]) -> None:
    found = parity(first, second, **PLACE)
    assert not found.agree
    assert traits(found) == expected


STARTS = {FromZero: "rmsprop", FromOne: "rmsprop-tf1(eps=1e-6)", FromFirst: "rmsprop(first_square=True)"}


@pytest.mark.parametrize("kind", STARTS)
def test_how_an_average_starts_is_told_by_its_first_steps(kind: type[Plain]) -> None:
    for ours in STARTS.values():
        found = parity(ours, written(kind), **PLACE)
        assert traits(found) == (set() if ours == STARTS[kind] else {"start"})
        assert found.agree == (ours == STARTS[kind])


def test_averages_that_are_not_corrected_are_told_as_such() -> None:
    assert parity("adam(corrected=False)", written(AdamUncorrected), **PLACE).agree
    assert traits(parity("adam", written(AdamUncorrected), **PLACE)) == {"start"}


def test_values_that_a_class_does_not_name_are_found_too() -> None:
    found = parity("rmsprop-torch", written(NothingNamed), **PLACE)
    assert traits(found) == {"gamma"}
    assert [(reason.first, reason.second) for reason in found.reasons] == [("gamma 0.99", "gamma 0.9")]


def test_a_buffer_of_steps_parts_only_once_lr_falls() -> None:
    found = parity("momentum", written(StepsInTheBuffer), **PLACE)
    assert [run.problem for run in found.runs if run.parts_at is not None] == ["constructed gradients, lr falls"]
    assert found.parting is not None
    assert found.parting.parts_at == 13  # lr falls after the twelfth of 24 steps
    assert traits(found) == {"lr and buffer"}


def test_another_order_of_operations_is_rounding_on_every_default_problem() -> None:
    found = parity("adam", written(AdamInOneFormula), steps=60)
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


def test_what_is_no_variant_of_ours_is_said_to_be_none_with_what_was_measured() -> None:
    found = parity("sgd", written(SignAndRoot), **PLACE)
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
    assert f"rosenbrock, {found.runs[0].steps} steps until it left the numbers" in parity_text(found, 200)


def test_one_that_has_not_moved_is_the_whole_way_of_the_other_apart() -> None:
    found = parity("soap", "torch:Adam", **PLACE)  # whose first step only looks at the gradient
    assert (found.runs[0].parts_at, found.runs[0].by) == (1, pytest.approx(1.0, rel=1e-2))


def test_a_module_that_has_no_vector_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="'digits-convnet' has no parameter vector to compare on, for BatchNorm2d"):
        parity("sgd", "torch:SGD", ["digits-convnet"], 5)


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
    with pytest.raises((UsageError, LookupError)) as raised:
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
