"""The fingerprint of an optimizer: another one for whatever changes its steps, the same one for everything else."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import optimizers
from optimizers import BUILTIN, OptimizerSpec
from optimizers.fingerprint import code_of, value_text
from optimizers.rmsprop import RMSProp
from optimizers.sgd import SGD

RULE = '''
"""An optimizer of one's own."""

from dataclasses import dataclass

import fingerprinted.sizes as sizes
from fingerprinted.parts import *
from fingerprinted import parts as others
from optimizers import Hyperparameter, OptimizerSpec
from optimizers.sgd import SGD

FACTOR = 1.0
TABLE = {"a": 1.0}
TABLE["b"] = 2.0
LR = Hyperparameter("lr", default=0.01, low=1e-5, high=10.0, scale="log")

def scaled(g):
    # a comment
    return g * FACTOR * TABLE["b"]

def unused():
    return 3

@dataclass(frozen=True)
class Mine(SGD):
    """Its docstring."""

    power: float = 1.0
    hyperparameters = (LR,)

    def update(self, g, state, hp, t):
        """Another docstring."""
        return -hp["lr"] * shrunk(scaled(g)) * sizes.SIZE * others.OTHER

SPEC = OptimizerSpec("mine", Mine(), ("lr", None), "nobody", "mine")
'''
PARTS = "OTHER = 2\ndef shrunk(g):\n    return inner(g)\ndef inner(g):\n    return g / 2\n"
SIZES = "SIZE = 3.0\nUNUSED = 1\n"

Fingerprint = Callable[[str, str, str], str]


@pytest.fixture
def fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fingerprint:
    """A function that writes a plug-in file and the package that it imports, and gives the fingerprint."""

    def write(rule: str = RULE, parts: str = PARTS, sizes: str = SIZES) -> str:
        package = tmp_path / "fingerprinted"
        package.mkdir(exist_ok=True)
        for name, text in {"__init__": "", "parts": parts, "sizes": sizes}.items():
            (package / f"{name}.py").write_text(text, encoding="utf-8")
        (tmp_path / "own.py").write_text(rule, encoding="utf-8")
        for name in [name for name in sys.modules if name.startswith("fingerprinted")]:
            monkeypatch.delitem(sys.modules, name)
        spec = runpy.run_path(str(tmp_path / "own.py"))["SPEC"]
        assert isinstance(spec, OptimizerSpec)
        return spec.fingerprint()

    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two versions are written within one second
    monkeypatch.syspath_prepend(tmp_path)
    return write


def test_it_is_16_hex_digits(fingerprint: Fingerprint) -> None:
    found = fingerprint()
    assert len(found) == 16
    assert int(found, 16) >= 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('-hp["lr"]', '-2 * hp["lr"]'),
        ("g * FACTOR", "g / FACTOR"),
        ("FACTOR = 1.0", "FACTOR = 1.5"),
        ('TABLE["b"] = 2.0', 'TABLE["b"] = 3.0'),
        ("class Mine(SGD):", "class Mine(SGD):\n    decay = 'coupled'"),
        ("default=0.01", "default=0.02"),
        ("power: float = 1.0", "power: float = 2.0"),
        ("Mine(), (", "Mine(power=3.0), ("),
        ('"nobody", "mine")', '"nobody", "mine", defaults={"lr": 0.5})'),
    ],
)
def test_what_changes_the_steps_changes_it(fingerprint: Fingerprint, old: str, new: str) -> None:
    assert RULE.count(old) == 1
    assert fingerprint(RULE.replace(old, new)) != fingerprint(RULE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another"),
        ("Another docstring.", "Changed."),
        ('    """Its docstring."""\n', ""),
        ("An optimizer of one's own.", "Changed."),
        ('return g * FACTOR * TABLE["b"]', 'return (\n        g * FACTOR * TABLE["b"]\n    )'),
        ("return 3", "return 4"),
        ("low=1e-5, high=10.0", "low=1e-4, high=1.0"),
        ('"nobody", "mine")', '"somebody", "theirs", ranges={"lr": (0.1, 1.0)})'),
        ('OptimizerSpec("mine"', 'OptimizerSpec("another-name"'),
    ],
)
def test_what_changes_no_step_does_not(fingerprint: Fingerprint, old: str, new: str) -> None:
    assert RULE.count(old) == 1
    assert fingerprint(RULE.replace(old, new)) == fingerprint(RULE)


def test_what_it_imports_from_files_of_the_same_author_counts_where_it_is_reached(fingerprint: Fingerprint) -> None:
    before = fingerprint(RULE, PARTS, SIZES)
    assert fingerprint(RULE, PARTS.replace("g / 2", "g / 3"), SIZES) != before
    assert fingerprint(RULE, PARTS.replace("OTHER = 2", "OTHER = 3"), SIZES) != before
    assert fingerprint(RULE, PARTS, SIZES.replace("SIZE = 3.0", "SIZE = 4.0")) != before
    assert fingerprint(RULE, PARTS, SIZES.replace("UNUSED = 1", "UNUSED = 2")) == before


def test_no_two_built_in_optimizers_share_one() -> None:
    prints = {spec.name: spec.fingerprint() for spec in BUILTIN}
    assert len(set(prints.values())) == len(BUILTIN)


@pytest.mark.parametrize("spec", BUILTIN, ids=lambda spec: spec.name)
def test_options_and_defaults_count_and_ranges_and_names_do_not(spec: OptimizerSpec) -> None:
    knob = spec.hyperparameters[0]
    before = spec.fingerprint()
    assert replace(spec, name="other", ranges={knob.name: (knob.low, knob.high / 2)}).fingerprint() == before
    assert replace(spec, defaults={**spec.defaults, knob.name: knob.default / 2}).fingerprint() != before
    assert OptimizerSpec("x", spec.rule, spec.axes, "", "", spec.defaults).fingerprint() == before


def test_another_option_is_another_optimizer() -> None:
    one, other = (OptimizerSpec("x", RMSProp(eps_inside=inside), ("lr", None), "", "") for inside in (True, False))
    assert one.fingerprint() != other.fingerprint()


def test_what_a_rule_calls_in_its_own_package_is_part_of_its_code() -> None:
    code = code_of(RMSProp)
    assert "def leaky_square_(" in code
    assert "def step_(" in code  # of the base class
    assert "SMALLEST: Final" in code  # two functions further
    assert "Hinton" not in code  # a docstring
    assert "high=10.0" not in code  # a range
    assert "class Momentum" not in code


@pytest.mark.slow
def test_it_is_the_same_in_every_process_and_for_every_hash_seed() -> None:
    script = "from optimizers import BUILTIN\nprint(*(spec.fingerprint() for spec in BUILTIN))"
    root = str(Path(optimizers.__file__).parents[1])
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": root}
    out = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert out.split() == [spec.fingerprint() for spec in BUILTIN]


CONSOLE = """
from dataclasses import dataclass
from optimizers import OptimizerSpec
from optimizers.sgd import SGD
FACTOR = 1.0
def scaled(g):
    return g * FACTOR
@dataclass(frozen=True)
class Typed(SGD):
    size: float = 1.0
    def update(self, g, state, hp, t):
        "What it does."
        return scaled(g) * -hp["lr"]
SPEC = OptimizerSpec("typed", Typed(), ("lr", None), "nobody", "typed")
"""


def typed(text: str) -> str:
    """The fingerprint of what is typed into a console."""
    namespace = {"__name__": "console"}
    exec(compile(text, "<console>", "exec", dont_inherit=True), namespace)
    spec = namespace["SPEC"]
    assert isinstance(spec, OptimizerSpec)
    return spec.fingerprint()


def test_where_there_is_no_source_compiled_code_stands_for_it() -> None:
    before = typed(CONSOLE)
    assert typed(CONSOLE) == before
    assert typed(CONSOLE.replace("FACTOR\n", "FACTOR  # as it is\n").replace("What it does", "Steps")) == before
    for old, new in {
        "* FACTOR": "/ FACTOR",
        "FACTOR = 1.0": "FACTOR = 2.0",
        "size: float = 1": "size: float = 2",
    }.items():
        assert CONSOLE.count(old) == 1
        assert typed(CONSOLE.replace(old, new)) != before


def test_what_a_class_takes_from_the_function_around_it_counts(tmp_path: Path) -> None:
    file = tmp_path / "made.py"
    file.write_text(
        "from optimizers.sgd import SGD\n"
        "def make(factor):\n"
        "    class Made(SGD):\n"
        "        def update(self, g, state, hp, t):\n"
        "            return g * -hp['lr'] * factor\n"
        "    return Made\n"
    )
    make = runpy.run_path(str(file))["make"]
    assert code_of(make(1.0)) == code_of(make(1.0)) != code_of(make(2.0))


def test_what_a_rule_that_is_no_dataclass_is_given_counts() -> None:
    class Plain(SGD):
        def __init__(self, size: float) -> None:
            object.__setattr__(self, "size", size)

    one, same, other = (OptimizerSpec("x", Plain(size), ("lr", None), "", "") for size in (1.0, 1.0, 2.0))
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()


def test_values_read_the_same_wherever_they_lie_in_memory() -> None:
    class Thing:
        def __init__(self, size: float) -> None:
            self.size = size

    assert value_text(Thing(1.0)) == value_text(Thing(1.0)) != value_text(Thing(2.0))
    assert value_text({"b", "a"}) == value_text({"a", "b"})
    assert not re.search(r"0x[0-9a-f]{6}", value_text([Thing(1.0), test_it_is_16_hex_digits, len, lambda: 1]))
