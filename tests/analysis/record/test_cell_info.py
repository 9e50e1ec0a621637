"""``cell.json`` as values: read and written back it is the same text, and what is wrong in it is named by its path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from analysis.record.cell_info import CellInfo
from analysis.record.cells import Cell
from analysis.record.errors import RecordError

CONTENT: dict[str, Any] = {
    "schema": 3,
    "cell": "airfoil--rmsprop",
    "suite": "smoke",
    "position": 3,
    "problem": {
        "name": "airfoil",
        "description": "the book's linear regression",
        "dim": 6,
        "minimum": 0.25,
        "target": 1,
        "steps": 300,
        "tags": ["chapter", "convex"],
        "deterministic": False,
        "fingerprint": "57d86f71882e4bee",
        "start_loss": 0.5,
        "metrics": ["accuracy"],
        "sharpness": 2.5,
        "minimisers": [[1.0, 2.0], [3, 4]],
    },
    "optimizer": {
        "name": "rmsprop",
        "description": "the chapter's",
        "reference": "Hinton 2012",
        "axes": ["lr", None],
        "searched": ["lr"],
        "fixed": {"gamma": 0.9},
        "hyperparameters": [{"name": "lr", "default": 0.01, "low": 1e-05, "high": 10.0, "scale": "log"}],
        "fingerprint": "b382b2f339e02e03",
    },
    "schedule": "constant",
    "protocol": {
        "studies": 1,
        "sampler": "tpe",
        "trials": 16,
        "block": 8,
        "objective": "final and best",
        "aggregate": "mean",
        "pruner": "hyperband",
        "tuning_seeds": [1, 2],
        "test_seeds": [1001],
        "landscape_seeds": [2001],
        "grid": [12, 8],
        "steps": 300,
        "evaluate_every": 30,
    },
    "studies": [
        {
            "study": 0,
            "tuning_seeds": [1, 2],
            "trials": 17,
            "widened": 0,
            "winner": {"trial": 0, "objective": 0.24, "hyperparameters": {"lr": 0.004}, "at_edge": []},
        }
    ],
    "defaults": {"lr": 0.01},
    "seconds": {"tuning": 0.5, "sampling": 0.1, "test": 0.4, "landscape": 0.3},
    "lane_steps": 69000,
    "engine": "eager",
    "device": "cpu",
    "dtype": "float32",
    "cost": {"seconds": 0.0002, "optimizer_share": 0.25, "state_bytes": 16},
}
"""Every key there is, in the order of the file."""

NULLABLE = {
    "problem.minimum",
    "problem.target",
    "problem.sharpness",
    "optimizer.axes[1]",
    "protocol.grid",
    "protocol.evaluate_every",
    "studies[0].winner",
}
BY_NAME = {"fixed", "defaults", "hyperparameters"}  # objects whose keys are names of hyperparameters

Place = tuple[str | int, ...]


def places(content: Any, above: Place = ()) -> Iterator[Place]:
    """Where every value of ``content`` stands, from the outside in."""
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in parts:
        yield (*above, key)
        yield from places(value, (*above, key))


def path_of(place: Place) -> str:
    """A place as messages call it: problem.minimum, protocol.tuning_seeds[1]."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place).removeprefix(".")


def holder(content: Any, place: Place) -> Any:
    """The object or list that holds ``place``."""
    for key in place[:-1]:
        content = content[key]
    return content


def named(place: Place) -> bool:
    """Whether the schema names the last key of ``place``; names of hyperparameters and list items may be any."""
    return isinstance(place[-1], str) and not (len(place) > 1 and place[-2] in BY_NAME)


EVERYWHERE = [place for place in places(CONTENT) if place != ("schema",)]
KEYS = [place for place in EVERYWHERE if named(place)]


def refused(content: Any) -> str:
    with pytest.raises(RecordError) as caught:
        CellInfo.from_json(content)
    return str(caught.value)


def test_what_was_read_is_written_with_the_same_keys_in_the_same_order_and_the_same_numbers() -> None:
    assert json.dumps(CellInfo.from_json(CONTENT).to_json()) == json.dumps(CONTENT)


def test_what_was_not_known_or_not_made_is_null() -> None:
    content = deepcopy(CONTENT)
    for place in EVERYWHERE:
        if path_of(place) in NULLABLE:
            holder(content, place)[place[-1]] = None
    assert CellInfo.from_json(content).to_json() == content


def test_the_objectives_are_apart() -> None:
    assert CellInfo.from_json(CONTENT).protocol.objectives == ("final", "best")
    assert CellInfo.from_json(CONTENT).protocol.to_json() == CONTENT["protocol"]


@pytest.mark.parametrize("place", KEYS, ids=path_of)
def test_a_missing_key_is_named(place: Place) -> None:
    content = deepcopy(CONTENT)
    del holder(content, place)[place[-1]]
    assert refused(content) == f"{path_of(place)} is missing"


@pytest.mark.parametrize("place", KEYS, ids=path_of)
def test_an_unknown_key_is_named(place: Place) -> None:
    content = deepcopy(CONTENT)
    holder(content, place)["surprise"] = 1
    assert refused(content).startswith(f"{path_of((*place[:-1], 'surprise'))} is unknown; there are ")


@pytest.mark.parametrize("place", EVERYWHERE, ids=path_of)
def test_a_value_of_another_type_is_named(place: Place) -> None:
    content = deepcopy(CONTENT)
    inside, key = holder(content, place), place[-1]
    inside[key] = 3 if isinstance(inside[key], str | None) else "x"  # the null of CONTENT is in a text's place
    assert refused(content).startswith(f"{path_of(place)} should be ")


@pytest.mark.parametrize("place", [place for place in EVERYWHERE if path_of(place) not in NULLABLE], ids=path_of)
def test_null_is_no_value_where_one_is_always_known(place: Place) -> None:
    content = deepcopy(CONTENT)
    holder(content, place)[place[-1]] = None
    assert refused(content).startswith(f"{path_of(place)} should be ")
    assert refused(content).endswith(", got None")


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("problem", "minimum"), "x", "problem.minimum should be a number or null, got 'x'"),
        (("problem", "start_loss"), True, "problem.start_loss should be a number, got True"),
        (("problem", "dim"), 6.0, "problem.dim should be an integer, got 6.0"),
        (("problem", "dim"), False, "problem.dim should be an integer, got False"),
        (("problem", "deterministic"), 1, "problem.deterministic should be true or false, got 1"),
        (("problem", "minimisers", 1, 0), "x", "problem.minimisers[1][0] should be a number, got 'x'"),
        (("problem", "tags"), "convex", "problem.tags should be a list, got 'convex'"),
        (("optimizer", "name"), 1, "optimizer.name should be a text, got 1"),
        (("optimizer", "axes"), ["lr"], "optimizer.axes should be a list of 2, got ['lr']"),
        (("optimizer", "fixed", "gamma"), "x", "optimizer.fixed.gamma should be a number, got 'x'"),
        (
            ("optimizer", "hyperparameters", 0, "scale"),
            "cubic",
            "optimizer.hyperparameters[0].scale should be one of linear, log, log1m, got 'cubic'",
        ),
        (("protocol", "objective"), ["final"], "protocol.objective should be a text, got ['final']"),
        (("studies", 0, "winner"), [], "studies[0].winner should be an object or null, got []"),
        (("seconds",), 3, "seconds should be an object, got 3"),
    ],
)
def test_the_message_says_what_was_expected_and_what_came(place: Place, value: Any, words: str) -> None:
    content = deepcopy(CONTENT)
    holder(content, place)[place[-1]] = value
    assert refused(content) == words


@pytest.mark.parametrize("content", [[], "text", None, {**CONTENT, "schema": 0}, {"cell": "no schema"}])
def test_another_version_of_the_schema_asks_for_a_new_run(content: Any) -> None:
    assert refused(content) == "written by another version of the record's schema; run the suite again"


def test_a_damaged_cell_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "cell.json").write_text(json.dumps({**CONTENT, "lane_steps": "many"}), encoding="utf-8")
    with pytest.raises(RecordError) as caught:
        Cell.load(tmp_path)
    assert str(caught.value) == f"{tmp_path / 'cell.json'}: lane_steps should be an integer, got 'many'"


def test_a_hyperparameter_has_the_scale_it_was_searched_on_and_a_strange_name_is_linear() -> None:
    optimizer = CellInfo.from_json(CONTENT).optimizer
    assert (optimizer.scale("lr"), optimizer.scale("other")) == ("log", "linear")


def test_of_a_setting_those_values_are_searched_that_the_tuning_chose() -> None:
    assert CellInfo.from_json(CONTENT).optimizer.searched_of({"gamma": 0.9, "lr": 0.1}) == {"lr": 0.1}


@pytest.mark.parametrize(("schedule", "label"), [("constant", "rmsprop"), ("cosine", "rmsprop · cosine")])
def test_a_cell_is_called_by_its_optimizer_and_any_schedule(schedule: str, label: str) -> None:
    assert CellInfo.from_json({**CONTENT, "schedule": schedule}).label == label


def test_what_only_some_cells_have_is_written_there_and_read_as_none_elsewhere() -> None:
    plain = CellInfo.from_json(CONTENT)
    assert (plain.native, plain.optimizer.groups) == (None, ())
    assert "native" not in plain.to_json()
    assert "groups" not in plain.to_json()["optimizer"]

    grouped = {**CONTENT, "native": "it is asked for", "optimizer": {**CONTENT["optimizer"], "groups": ["*: lr=1"]}}
    assert CellInfo.from_json(grouped).to_json() == grouped
    assert refused({**CONTENT, "native": 1}) == "native should be a text or null, got 1"
