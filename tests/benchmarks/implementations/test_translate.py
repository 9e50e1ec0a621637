"""Settings in other frameworks: the lines that are printed, executed in those frameworks once, and what is measured."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import OPTIMIZERS
from benchmarks.cli.main import cli
from benchmarks.errors import UsageError
from benchmarks.implementations.frameworks import FRAMEWORKS
from benchmarks.implementations.paths import Ride, coordinates_apart, forced
from benchmarks.implementations.probes import CONSTRUCTED, rides
from benchmarks.implementations.translate import Translation, counterpart, translate
from benchmarks.implementations.translate_text import translation_text

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("framework_updates.json").read_text())
START = torch.tensor(GOLDEN["start"], dtype=torch.float64)
GRADIENTS = torch.tensor(GOLDEN["gradients"], dtype=torch.float64)
SINGLE_POWERS = 3e-5
"""TensorFlow brings Adam's betas, and their powers, through single precision: 1 - 0.999 loses that much of itself."""


def translated(source: str, to: str, **settings: Any) -> Translation:
    return translate(source, to, settings, ("ellipse", "rosenbrock"), 30)


@pytest.mark.parametrize("record", GOLDEN["records"], ids=[f"{r['code']} by {r['by']}" for r in GOLDEN["records"]])
def test_the_printed_line_does_in_its_framework_what_the_rule_that_stands_for_it_does(record: dict[str, Any]) -> None:
    *_, spelling, form = counterpart(record["source"], record["to"], record["settings"])
    assert spelling.written(form) == record["code"]
    if record["to"] == "tf1":  # which keeps its settings in single precision
        form = replace(form, values={name: torch.tensor(value).item() for name, value in form.values.items()})
    path = forced(form, Ride(START, GRADIENTS))
    made = torch.cat([START.unsqueeze(0), torch.tensor(record["x"], dtype=torch.float64)])
    in_single = record["by"].startswith("tensorflow") and "Adam" in record["code"]
    assert coordinates_apart(made, path).max() < (SINGLE_POWERS if in_single else 1e-12)


@pytest.mark.parametrize(
    ("source", "settings"),
    [
        ("keras:SGD", {"momentum": 0.9}),
        ("keras:RMSprop", {"momentum": 0.9, "centered": True}),
        ("keras:AdamW", {}),
        ("optax:rmsprop", {"eps_in_sqrt": False}),
        ("optax:adam", {"eps_root": 1e-6}),
        ("tf1:AdagradOptimizer", {"learning_rate": 0.1}),
        ("d2l:momentum", {}),
        ("stepscape:rmsprop-corrected", {"gamma": 0.95}),
        ("torch:SGD", {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
        ("torch:Adam", {"betas": (0.8, 0.99), "amsgrad": True, "weight_decay": 0.1}),
    ],
)
def test_a_line_for_torch_makes_the_optimizer_that_was_measured(source: str, settings: dict[str, Any]) -> None:
    *_, spelling, form = counterpart(source, "torch", settings)
    params = [START.clone().requires_grad_()]
    optimizer = eval(spelling.written(form), {"torch": torch, "params": params})
    for g in GRADIENTS:
        params[0].grad = g.clone()
        optimizer.step()
    expected = forced(form, Ride(START, GRADIENTS))[-1]
    assert torch.allclose(params[0].detach(), expected, rtol=1e-12, atol=1e-20)


@pytest.mark.parametrize("spelling", FRAMEWORKS["stepscape"], ids=lambda each: each.name)
def test_a_line_for_ours_makes_the_optimizer_of_that_name(spelling: Any) -> None:
    form = spelling.form({}, {})
    params = [START.clone().requires_grad_()]
    optimizer = eval(spelling.written(form), {"OPTIMIZERS": OPTIMIZERS, "params": params})
    for g in GRADIENTS:
        params[0].grad = g.clone()
        optimizer.step()
    assert torch.allclose(params[0].detach(), forced(form, Ride(START, GRADIENTS))[-1], rtol=1e-14, atol=1e-30)


@pytest.mark.parametrize(
    ("source", "to", "settings", "code"),
    [
        ("rmsprop", "keras", {}, "keras.optimizers.RMSprop(learning_rate=0.01, rho=0.9, epsilon=1e-06)"),
        ("rmsprop-tf1", "optax", {}, "optax.rmsprop(learning_rate=0.01, decay=0.9, eps=1e-10, initial_scale=1.0)"),
        ("momentum-ema", "torch", {"lr": 0.001}, "torch.optim.SGD(params, lr=0.0001, momentum=0.9)"),
        ("rmsprop-corrected", "torch", {}, "torch.optim.Adam(params, lr=0.01, betas=(0.0, 0.9), eps=1e-08)"),
        ("torch:RMSprop", "stepscape", {}, 'OPTIMIZERS["rmsprop-torch"].torch(params, lr=0.01, gamma=0.99, eps=1e-08)'),
        (
            "keras:RMSprop",
            "chapter",
            {"epsilon": 1e-6},
            "d2l.train_ch11(rmsprop, init_rmsprop_states(feature_dim), {'lr': 0.001, 'gamma': 0.9}, data_iter, "
            "feature_dim)",
        ),
    ],
)
def test_other_names_and_conventions_of_one_rule_are_exact(
    source: str, to: str, settings: dict[str, Any], code: str
) -> None:
    found = translated(source, to, **settings)
    assert (found.code, found.exact, found.under_schedule) == (code, True, True)
    assert found.remains == ()
    assert max(each.largest for each in found.deviations) < 1e-14
    assert "Exact: the path is the same to rounding" in translation_text(found, 200)


def test_eps_under_the_root_is_the_square_of_eps_beside_it_and_the_error_is_measured() -> None:
    found = translated("rmsprop-torch", "keras", lr=0.01, gamma=0.9, eps=1e-8)
    assert found.code == "keras.optimizers.RMSprop(learning_rate=0.01, rho=0.9, epsilon=1e-16)"
    assert not found.exact
    assert found.remains == (("eps outside the root", "eps inside the root"),)
    # √(s + eps²) against √s + eps differ most, by 1 - 1/√2, where √s is eps; and for large s by eps/√s
    assert 0.25 < found.worst < 1 - 1 / math.sqrt(2) + 0.05
    assert 1e-9 < found.worst_size < 1e-7
    ellipse = found.deviations[0]
    first_step = 1e-8 / (math.sqrt(0.1) * 1.0)  # of the flatter coordinate, whose gradient is 0.2 * 5
    assert ellipse.at_step == 1
    assert first_step / 2 < ellipse.largest < first_step
    assert "coordinate by" in translation_text(found, 200)


def test_the_square_is_nearer_than_the_same_eps() -> None:
    found = translated("rmsprop-torch", "keras", eps=1e-4)
    source, same = (counterpart("rmsprop-torch", "keras", {"eps": 1e-4})[place] for place in (1, 3))
    same = replace(same, values={**same.values, "eps": 1e-4})
    ride = rides([1e-4])[CONSTRUCTED]
    assert float(coordinates_apart(forced(source, ride), forced(same, ride)).max()) > 2 * found.worst


def test_a_buffer_of_steps_is_exact_only_while_lr_stays() -> None:
    found = translated("torch:SGD", "keras", lr=0.001, momentum=0.9)
    assert (found.exact, found.under_schedule) == (True, False)
    assert found.falling > 0.1
    assert "Exact at a constant lr" in translation_text(found, 200)


def test_what_cannot_be_asked_for_is_said_with_what_it_costs() -> None:
    found = translated("rmsprop-tf1", "torch")
    assert ("the average starts at 1", "the average starts at 0, not corrected for it") in found.remains
    assert max(each.largest for each in found.deviations) > 0.1
    assert "here the average starts at 1, there the average starts at 0" in translation_text(found, 400)


def test_what_the_chapter_fixes_is_said_to_be_fixed() -> None:
    found = translated("rmsprop-torch", "d2l")
    assert [each.how for each in found.settings] == ["the same", "the same", "fixed there at another value"]


@pytest.mark.parametrize(
    ("source", "to", "settings", "sentence"),
    [
        ("rmsprop", "kears", {}, "no framework is called 'kears', did you mean 'keras'?"),
        ("tourch:Adam", "keras", {}, "no framework is called 'tourch', did you mean 'torch'?"),
        ("torch:Adamm", "keras", {}, "torch has no 'Adamm'"),
        ("lion", "keras", {}, "stepscape has no 'lion' among the families of SGD, Adagrad, RMSProp and Adam"),
        ("torch:RMSprop", "keras", {"alhpa": 0.9}, "'torch:RMSprop' has no setting 'alhpa', did you mean 'alpha'?"),
        ("rmsprop", "keras", {"gamma": 1.5}, "gamma is a memory and must be in [0, 1], got 1.5"),
        ("rmsprop", "keras", {"gamma": "x"}, "gamma is a number, got 'x'"),
        ("torch:RMSprop", "d2l", {"momentum": 0.9}, "d2l cannot express momentum of torch:RMSprop"),
        ("torch:AdamW", "d2l", {}, "d2l cannot express weight_decay of torch:AdamW"),
    ],
)
def test_bad_input_is_one_sentence(source: str, to: str, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        translated(source, to, **settings)
    assert sentence in str(raised.value)


def test_the_command_prints_the_line_first(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--problem", "ellipse", "--steps", "10"]
    cli.main(["translate", "rmsprop-torch", "--to", "keras", "lr=0.01", "gamma=0.9", *few], standalone_mode=False)
    first = "keras.optimizers.RMSprop(learning_rate=0.01, rho=0.9, epsilon=1e-16)"
    assert capsys.readouterr().out.splitlines()[0] == first
    cli.main(["translate", "torch:Adam(lr=0.1)", "--to", "tf", "--json", *few], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert told["target"] == "tensorflow:Adam"
    assert told["code"].startswith("tf.keras.optimizers.Adam(learning_rate=0.1, ")
