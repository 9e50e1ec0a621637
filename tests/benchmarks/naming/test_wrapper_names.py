"""Wrappers and the options of all rules, as a suite writes them: what they make, and what is said of mistakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from analysis import Record
from benchmarks import run
from benchmarks.engine.training import Training, train
from benchmarks.errors import StepscapeError
from benchmarks.naming.call_syntax import parse_around, unwrapped
from benchmarks.naming.registry import OPTIMIZERS, make_optimizer
from benchmarks.running.imports import imports_of
from benchmarks.suite.suite import Suite
from benchmarks.testing import check_optimizer
from optimizers import OptimizerSpec
from optimizers.adam import Adam, AdamW
from optimizers.averages import Averaged, Lookahead, ScheduleFree
from optimizers.delayed import Delayed
from optimizers.rmsprop import RMSProp
from optimizers.sgd import SGD, Momentum
from optimizers.wrappers import ClippedByNorm, ClippedByValue, Decayed, Maximized

TORCHS = RMSProp(eps_inside=False)
MEANT: list[tuple[str, Any, dict[str, float]]] = [
    ("rmsprop-torch(weight_decay=0.02)", Decayed(TORCHS), {"weight_decay": 0.02, "gamma": 0.99}),
    ("rmsprop-torch(decay='decoupled')", Decayed(TORCHS, "decoupled"), {"weight_decay": 0.01}),
    ("adamw(weight_decay=0.3)", AdamW(), {"weight_decay": 0.3}),
    ("sgd(maximize=True)", Maximized(SGD()), {"lr": 0.01}),
    ("optimizers.rmsprop:RMSProp(eps_inside=False, weight_decay=1e-3)", Decayed(TORCHS), {"weight_decay": 1e-3}),
    ("clip(adam, norm=0.5)", ClippedByNorm(Adam()), {"norm": 0.5}),
    ("clip(adam, value=2)", ClippedByValue(Adam()), {"value": 2.0}),
    ("clip(adam)", ClippedByNorm(Adam()), {"norm": 1.0}),
    ("lookahead( rmsprop-torch , every=3, alpha=0.8)", Lookahead(TORCHS, every=3), {"alpha": 0.8, "gamma": 0.99}),
    ("ema(momentum, memory=0.9)", Averaged(Momentum()), {"memory": 0.9, "momentum": 0.9}),
    ("delayed(sgd, by=3)", Delayed(SGD(), by=3), {"lr": 0.01}),
    ("schedule-free(optimizers.sgd:SGD)", ScheduleFree(SGD()), {"momentum": 0.9}),
    (
        "lookahead(clip(adam(weight_decay=0.1, decay='decoupled'), norm=0.1))",
        Lookahead(ClippedByNorm(Decayed(Adam(), "decoupled"))),
        {"weight_decay": 0.1, "norm": 0.1, "alpha": 0.5},
    ),
]


@pytest.mark.parametrize(("text", "rule", "defaults"), MEANT, ids=[text for text, *_ in MEANT])
def test_a_call_makes_the_rule_it_says(text: str, rule: object, defaults: dict[str, float]) -> None:
    spec = make_optimizer(text)
    assert isinstance(spec, OptimizerSpec)
    assert (spec.name, spec.rule) == (text, rule)
    assert {name: spec.default_values[name] for name in defaults} == defaults


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("adamw(decay='coupled')", "AdamW has decoupled weight decay of its own, which cannot be 'coupled'"),
        ("adam(decay='strong')", "decay is 'coupled' or 'decoupled', got 'strong'"),
        ("adam(weight_decay='much')", "weight_decay is a number, got 'much'"),
        ("adam(weight_decay=-1)", "weight_decay must be finite and at least 0, got -1"),
        ("adam(maximize=1)", "maximize is True or False, got 1"),
        ("adam(lr=0.1)", "takes no options, got lr; weight_decay, decay, maximize are written so of any rule"),
        ("clip(torch:Adam)", "clip goes around our own rules only, and torch:Adam is somebody else's optimizer"),
        ("clip()", r"is not of the form name\(OPTIMIZER, key=value, …\), as clip\(rmsprop\)"),
        ("clip", r"is not of the form name\(OPTIMIZER"),
        ("clip(adam", r"is not of the form name\(OPTIMIZER"),
        ("clip(norm=1.0)", r"is not of the form name\(OPTIMIZER"),
        ("clip(adamm)", "unknown optimizer 'adamm', did you mean 'adam'"),
        ("lookahead(adam, evry=3)", "has no parameter 'evry', did you mean 'every'.; it has alpha, every"),
        ("lookahead(adam, every=0.5)", "every is a whole number, got 0.5"),
        ("lookahead(adam, sgd)", "parameters are written key=value"),
        ("clip(adam, norm=1, value=1)", "of norm, value clip takes one; nest two of them instead"),
        ("ema(adam, memory=2)", r"memory is a memory and must be in \[0, 1\], got 2"),
        ("ema(ema(sgd))", "has a 'memory' already, so Averaged cannot be around it"),
        ("cautious(ema(sgd))", "put Cautious inside of it"),
    ],
)
def test_a_mistake_in_a_call_is_said(text: str, words: str) -> None:
    with pytest.raises(StepscapeError, match=words):
        make_optimizer(text)


@pytest.mark.parametrize(
    "text",
    [
        "rmsprop(weight_decay=0.01)",
        "nesterov(decay='decoupled')",
        "clip(rmsprop, value=0.1)",
        "ema(schedule-free(sgd))",
        "lookahead(clip(adam, norm=0.5), every=3)",
        "mechanic(momentum)",
        "clip(muon, norm=0.5)",
        "cautious(lamb)",
        "schedule-free(shampoo(weight_decay=0.1))",
    ],
)
def test_what_a_call_makes_conforms_as_every_optimizer_does(text: str) -> None:
    report = check_optimizer(text)
    assert [finding for finding in report.findings if finding.complaint] == []


def test_what_is_inside_of_wrappers_is_found_however_deep() -> None:
    assert parse_around("lookahead(clip(a(b='c, d'), norm=1), every=5)") == (
        "lookahead",
        "clip(a(b='c, d'), norm=1)",
        {"every": 5},
    )
    assert unwrapped("lookahead(clip(my.module:Rule(x=1), norm=1), every=5)") == "my.module:Rule(x=1)"
    assert unwrapped("torch:SGD(momentum=0.9)") == "torch:SGD(momentum=0.9)"


def test_code_that_a_wrapper_would_import_is_named_with_all_other() -> None:
    suite = Suite(name="theirs", problems=["ellipse"], optimizers=["ema(lookahead(their.module:Rule))", "ema(sgd)"])
    assert imports_of(suite) == ["their.module:Rule"]


def test_the_wrapped_rules_hyperparameters_and_the_wrappers_own_are_searched() -> None:
    spec = make_optimizer("clip(rmsprop)", {"norm": [0.1, 10.0], "gamma": [0.5, 0.9]})
    assert spec.axes == ("lr", "gamma")
    assert [(knob.name, knob.low, knob.high) for knob in spec.hyperparameters if knob.name != "eps"] == [
        ("lr", 1e-5, 10.0),
        ("gamma", 0.5, 0.9),
        ("norm", 0.1, 10.0),
    ]
    with pytest.raises(StepscapeError, match="has no hyperparameter 'nrm', did you mean 'norm'"):
        make_optimizer("clip(rmsprop)", {"nrm": [0.1, 10.0]})


def test_each_lane_has_a_norm_and_a_weight_decay_of_its_own() -> None:
    training = Training("quadratic", "clip(sgd(weight_decay=0.1))", [1, 2], 20, dtype=torch.float64)
    lanes = {name: torch.tensor(v, dtype=torch.float64) for name, v in (("norm", [0.1, 1.0]), ("weight_decay", [0, 1]))}
    together = train(training, {"lr": 0.1, **lanes})
    for c in range(2):
        alone = train(training, {"lr": 0.1, **{name: float(values[c]) for name, values in lanes.items()}})
        assert torch.equal(alone.final_loss[0], together.final_loss[c])
    assert len(together.final_loss.unique()) == 4


def test_a_suite_tunes_wrapped_optimizers_beside_plain_ones(tmp_path: Path) -> None:
    names = ["rmsprop", "rmsprop(weight_decay=0.01)", "lookahead(rmsprop, every=3)", "schedule-free-sgd"]
    suite = Suite(
        name="wrapped",
        problems=["ellipse"],
        optimizers=names,
        steps=20,
        tuning={"trials": 4, "block": 4},
        test={"seeds": 2},
        landscape={"grid": "3x2"},
        optimizer={"lookahead(rmsprop, every=3)": {"search": {"alpha": [0.2, 0.9]}}},
    )
    run(suite, tmp_path / "wrapped")
    cells = {cell.info.optimizer.name: cell for cell in Record.load(tmp_path / "wrapped").cells}
    assert set(cells) == set(names)
    winner = cells["lookahead(rmsprop, every=3)"].info.winner
    assert winner is not None
    assert 0.2 <= winner.hyperparameters["alpha"] <= 0.9
    assert len({cell.info.optimizer.fingerprint for cell in cells.values()}) == len(names)


def test_wrappers_are_listed_shown_and_checked_by_the_command_line(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("list", "wrappers") == 0
    assert "lookahead" in capsys.readouterr().out
    assert call("show", "lookahead") == 0
    assert "alpha=0.5, every=5" in capsys.readouterr().out
    assert call("show", "lookahead(rmsprop, every=3)") == 0
    told = capsys.readouterr().out
    assert "slow <- slow + alpha (x - slow)" in told
    assert "s <- gamma s + (1 - gamma) g²" in told
    assert call("check", "ema(signsgd)") == 0
    assert "ema(signsgd): 14 of 14 checks passed" in capsys.readouterr().out
    assert not {"lookahead", "ema"} & set(OPTIMIZERS)
