"""`stepscape show` tells everything known of a name, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.cli.show import GOOD_FOR, everything, names
from benchmarks.naming.registry import PROBLEMS, make_problem

Call = Callable[..., int]


@pytest.fixture
def shown(call: Call, capsys: pytest.CaptureFixture[str]) -> Callable[[str], dict[str, Any]]:
    def told(name: str) -> dict[str, Any]:
        assert call("show", name, "--json") == 0
        return dict(json.loads(capsys.readouterr().out))

    return told


def test_a_problem_shows_its_parameters_with_types_defaults_and_ranges(shown: Callable[[str], Any]) -> None:
    told = shown("quadratic")
    assert told["kind"] == "problem"
    assert told["parameters"]["dim"] == {
        "type": "int",
        "default": 100,
        "range": "quadratic needs 1 <= dim <= 1000000",
    }
    assert told["parameters"]["noise"]["range"] == "gaussian, student-t, multiplicative, sparse, none"
    assert told["minimum"] == 0
    assert told["source"]


def test_the_tensors_of_a_network_are_shown_and_a_rule_that_sees_them_has_no_layout_of_its_own(
    shown: Callable[[str], Any],
) -> None:
    assert shown("digits-mlp")["tensors"][:2] == ["layer 1 weight [32, 64]", "layer 1 bias [32]"]
    assert shown("ellipse")["tensors"] == []
    assert shown("shampoo")["options"] == {"every": 1}


def test_a_description_follows_the_parameters(shown: Callable[[str], Any]) -> None:
    told = shown("rosenbrock(start=(-1, 2))")
    assert told["start"] == [-1, 2]
    assert told["loss at start"] == 104
    assert told["description"].endswith("here with start=(-1, 2)")
    assert "here with" not in shown("rosenbrock")["description"]


def test_an_optimizer_shows_its_update_and_what_is_searched(shown: Callable[[str], Any]) -> None:
    told = shown("rmsprop")
    assert told["kind"] == "optimizer"
    assert told["update"].startswith("s <- gamma s + (1 - gamma) g²")
    assert told["hyperparameters"][1] == {
        "name": "gamma",
        "default": 0.9,
        "low": 0.0,
        "high": 0.9999,
        "scale": "log1m",
    }
    assert told["axes"] == ["lr", "gamma"]
    assert told["options"]["eps_inside"] is True


def test_an_optimizer_from_elsewhere_is_shown_too(shown: Callable[[str], Any]) -> None:
    assert shown("torch:Adam")["axes"] == ["lr", "beta2"]


@pytest.mark.parametrize("name", ["warmup", "smoke", "memory"])
def test_schedules_suites_and_exhibits_are_shown(name: str, shown: Callable[[str], Any]) -> None:
    assert shown(name)["description"]


def test_an_unknown_name_is_refused_with_the_nearest_of_all_kinds(
    call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("show", "rmsporp") == 2
    assert "did you mean 'rmsprop'?" in capsys.readouterr().err


def test_every_name_means_one_thing() -> None:
    every = [name for kind in names().values() for name in kind]
    assert len(every) == len(set(every))


def test_what_every_tag_is_good_for_is_said() -> None:
    tags = {tag for name in PROBLEMS for tag in make_problem(name).tags}
    assert tags == set(GOOD_FOR)


def test_a_text_fits_its_width_and_names_every_parameter(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("show", "quadratic") == 0
    text = capsys.readouterr().out
    assert text.startswith("problem quadratic\n")
    assert all(f"  {name} " in text for name in everything("quadratic")[1]["parameters"])


def test_the_column_of_dimensions_is_called_so(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list", "problems") == 0
    assert capsys.readouterr().out.split()[:4] == ["problem", "dim", "floor", "steps"]
