"""The table of built-in optimizers: complete, documented, with sensible ranges; and what a spec refuses."""

import dataclasses
import math

import pytest
import torch

from optimizers import BUILTIN, SCHEDULES, OptimizerSpec, RuleOptimizer
from optimizers.rmsprop import RMSProp
from optimizers.sgd import SGD

NAMES = [
    "sgd", "momentum", "momentum-ema", "nesterov", "signsgd", "signum", "adagrad", "adagrad-torch", "adagrad-averaged",
    "sc-adagrad", "rmsprop", "rmsprop-torch", "rmsprop-tf1", "rmsprop-centered", "rmsprop-graves", "rmsprop-momentum",
    "rmsprop-corrected", "rmsprop-amsgrad", "rmsprop-mh", "sc-rmsprop", "rprop", "adadelta", "adam", "adamw", "amsgrad",
    "nadam", "yogi", "adabelief", "lion", "adagrad-full", "shampoo", "soap", "adafactor", "muon", "lars", "lamb",
    "adamw-cautious", "schedule-free-sgd", "schedule-free-adamw", "dog",
    "prodigy", "dadapt-adam",
]  # fmt: skip

DEFAULTS = {
    "adagrad": {"lr": 0.1, "eps": 1e-6},
    "adagrad-torch": {"lr": 0.01, "eps": 1e-10},
    "sc-adagrad": {"lr": 0.01, "eps": 0.1},
    "rmsprop": {"lr": 0.01, "gamma": 0.9, "eps": 1e-6},
    "rmsprop-torch": {"lr": 0.01, "gamma": 0.99, "eps": 1e-8},
    "rmsprop-tf1": {"lr": 0.01, "gamma": 0.9, "eps": 1e-10},
    "rmsprop-centered": {"lr": 0.01, "gamma": 0.99, "eps": 1e-8},
    "rmsprop-graves": {"lr": 1e-4, "gamma": 0.95, "momentum": 0.9, "eps": 1e-4},
    "rmsprop-mh": {"lr": 0.01, "gamma": 0.9, "eps": 1e-8},
    "sc-rmsprop": {"lr": 0.01, "gamma": 0.9, "eps": 0.1},
    "adadelta": {"lr": 1.0, "gamma": 0.9, "eps": 1e-6},
    "adam": {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    "adamw": {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01},
    "nadam": {"lr": 2e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    "yogi": {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-3},
    "adabelief": {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-16},
    "lion": {"lr": 1e-4, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0},
    "soap": {"lr": 3e-3, "beta1": 0.95, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.01},
    "adafactor": {"lr": 0.01, "eps": 2.0**-23, "weight_decay": 0.0},
    "muon": {"lr": 1e-3, "momentum": 0.95, "weight_decay": 0.1},
    "lamb": {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-6, "weight_decay": 0.01},
    "adamw-cautious": {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01},
    "schedule-free-sgd": {"lr": 1.0, "momentum": 0.9},
    "schedule-free-adamw": {"lr": 2.5e-3, "gamma": 0.999, "eps": 1e-8, "weight_decay": 0.0, "momentum": 0.9},
    "dog": {"lr": 1.0, "eps": 1e-8},
    "prodigy": {"lr": 1.0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0},
    "dadapt-adam": {"lr": 1.0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
}

every_optimizer = pytest.mark.parametrize("spec", BUILTIN, ids=lambda spec: spec.name)


def test_every_promised_name_is_there_once() -> None:
    assert [spec.name for spec in BUILTIN] == NAMES


@pytest.mark.parametrize("name", DEFAULTS)
def test_defaults_are_those_of_the_source(name: str) -> None:
    spec = next(spec for spec in BUILTIN if spec.name == name)
    assert {knob.name: knob.default for knob in spec.hyperparameters} == DEFAULTS[name]


@every_optimizer
def test_hyperparameters_have_the_fields_standard_names(spec: OptimizerSpec) -> None:
    allowed = {"lr", "gamma", "momentum", "beta1", "beta2", "eps", "weight_decay"}
    assert {knob.name for knob in spec.hyperparameters} <= allowed


@every_optimizer
def test_every_default_lies_inside_its_range(spec: OptimizerSpec) -> None:
    for knob in spec.hyperparameters:
        assert knob.low <= knob.default <= knob.high


@every_optimizer
def test_a_landscape_begins_with_lr_over_at_least_five_decades(spec: OptimizerSpec) -> None:
    lr = spec.hyperparameter("lr")
    assert spec.axes[0] == "lr"
    assert lr.scale == "log"
    assert math.log10(lr.high / lr.low) >= 5
    assert spec.searched == tuple(axis for axis in spec.axes if axis)


@every_optimizer
def test_every_optimizer_cites_its_source_and_says_what_sets_it_apart(spec: OptimizerSpec) -> None:
    assert spec.reference
    assert 10 < len(spec.description) < 80
    assert "\n" not in spec.description


@every_optimizer
def test_a_rule_is_a_frozen_value(spec: OptimizerSpec) -> None:
    assert spec.rule == dataclasses.replace(spec.rule)
    assert hash(spec.rule) == hash(dataclasses.replace(spec.rule))
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.rule.anything = 1  # type: ignore[attr-defined]


def test_no_two_optimizers_are_the_same() -> None:
    kinds = {(repr(spec.rule), repr([knob.default for knob in spec.hyperparameters])) for spec in BUILTIN}
    assert len(kinds) == len(BUILTIN)


def test_descriptions_are_all_different() -> None:
    assert len({spec.description for spec in BUILTIN}) == len(BUILTIN)


def test_a_spec_makes_a_torch_optimizer_with_its_own_defaults() -> None:
    spec = next(spec for spec in BUILTIN if spec.name == "rmsprop-torch")
    optimizer = spec.torch([torch.zeros(1, requires_grad=True)], lr=0.5)
    assert isinstance(optimizer, RuleOptimizer)
    assert {key: optimizer.param_groups[0][key] for key in ("lr", "gamma", "eps")} == {
        "lr": 0.5,
        "gamma": 0.99,
        "eps": 1e-8,
    }


def test_a_spec_replaces_defaults_and_ranges_of_its_rule() -> None:
    spec = OptimizerSpec("mine", RMSProp(), ("lr", "gamma"), "me", "mine", {"lr": 0.5}, {"lr": (0.1, 1.0)})
    lr = spec.hyperparameter("lr")
    assert (lr.default, lr.low, lr.high) == (0.5, 0.1, 1.0)
    assert spec.hyperparameter("gamma") == RMSProp().hyperparameters[1]


def test_an_unknown_hyperparameter_of_a_spec_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        BUILTIN[0].hyperparameter("gamma")


@pytest.mark.parametrize(
    ("axes", "options", "message"),
    [
        (("lr", "gamma"), {}, "mine: the rule has no hyperparameter gamma"),
        (("lr", None), {"defaults": {"eps": 1.0}}, "mine: the rule has no hyperparameter eps"),
        (("lr", None), {"ranges": {"beta1": (0.0, 0.9)}}, "mine: the rule has no hyperparameter beta1"),
        (("lr", "lr"), {}, "mine: a landscape needs two different axes, got lr twice"),
        (("lr", None), {"ranges": {"lr": (1.0, 0.1)}}, "lr: the range needs low < high"),
        (("lr", None), {"defaults": {"lr": -1.0}}, "lr must be finite and at least 0"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(
    axes: tuple[str, str | None], options: dict[str, dict[str, object]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        OptimizerSpec("mine", SGD(), axes, "me", "mine", **options)  # type: ignore[arg-type]


def test_every_promised_schedule_is_there() -> None:
    assert list(SCHEDULES) == [
        "constant",
        "inverse-sqrt",
        "inverse",
        "step",
        "multi-step",
        "exponential",
        "linear",
        "polynomial",
        "cosine",
        "one-cycle",
        "knots",
        "warmup",
        "warmup-stable-decay",
        "one-minus-inverse",
        "one-minus-gamma-over-t",
        "one-minus-power",
        "capped-average",
        "bias-correction",
        "gamma-linear",
        "gamma-cosine",
        "gamma-knots",
    ]
