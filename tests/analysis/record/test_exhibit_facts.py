"""The facts of an exhibit go to JSON and come back; what is missing or wrong in the file is named."""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Mapping
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from analysis.record.errors import RecordError
from analysis.record.exhibits import EXHIBIT_VERSION, SCHEMAS, Exhibit, ExhibitInfo, check_exhibit
from analysis.record.exhibits.gamma_one import GammaOneFacts
from analysis.record.exhibits.memory import MemoryFacts
from analysis.record.exhibits.rotation import RotationFacts
from analysis.record.exhibits.variants import Printed, VariantsFacts

MEMORY = {"steps": 40, "largest_error": 3e-17, "optimizer": "rmsprop"}
ROTATION = RotationFacts(
    angles=(0.0, 90.0),
    conditions=(20.0,),
    points=9,
    low=0.001,
    high=10.0,
    gamma=0.9,
    worst_angle={"rmsprop": 45.0},
    rotation_cost={"rmsprop": 6.0, "adam": None},
    helped_until={"rmsprop": {"1": None, "20": 25.0}},
    invariant=("sgd",),
)
PRINTED = VariantsFacts(0.24, 20, "surrogate", "epochs", Printed(0.245, 0.246))
ONE = GammaOneFacts(0.4, 1e-6, 1000.0, (395.0, 3198.0), 2e7, 49, 4e-4, (-0.9, 0.0), (-0.9, 0.0))


def info(facts: object, **changes: Any) -> dict[str, Any]:
    """The content of an ``exhibit.json``."""
    made = ExhibitInfo(
        EXHIBIT_VERSION, "memory", 1, "How far?", ("So.",), {"steps": 40}, "f", MemoryFacts(1, 0.0, "x"), 2
    )
    return {**made.to_json(), "facts": facts, **changes}


def load(folder: Path, content: Mapping[str, Any]) -> Exhibit[Any]:
    (folder / "exhibit.json").write_text(json.dumps(content), encoding="utf-8")
    return Exhibit.load(folder)


@pytest.mark.parametrize("facts", [MemoryFacts.from_json(MEMORY), ROTATION, PRINTED, ONE])
def test_facts_survive_being_written_and_read(facts: Any) -> None:
    assert type(facts).from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_facts_are_written_in_the_order_of_their_fields_and_nested_as_they_are() -> None:
    assert list(PRINTED.to_json()) == [field.name for field in fields(VariantsFacts)]
    assert PRINTED.to_json()["printed"] == {"scratch": 0.245, "concise": 0.246}
    assert ONE.to_json()["first_point"] == [395.0, 3198.0]


def test_the_file_is_read_back_typed(tmp_path: Path) -> None:
    made = load(tmp_path, info(MEMORY))
    assert made.facts == MemoryFacts(steps=40, largest_error=3e-17, optimizer="rmsprop")
    assert (made.name, made.info.position, made.info.method, made.info.options) == (
        "memory",
        1,
        ("So.",),
        {"steps": 40},
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (info({**MEMORY, "steps": "many"}), r"facts\.steps should be an integer, got 'many'"),
        (info({**MEMORY, "steps": True}), r"facts\.steps should be an integer, got True"),
        (info({**MEMORY, "optimizer": 3}), r"facts\.optimizer should be a text, got 3"),
        (info({"step": 40, "largest_error": 0, "optimizer": "x"}), r"facts\.steps is missing"),
        (info({**MEMORY, "step": 40}), r"facts\.step is unknown; there are steps, largest_error, optimizer"),
        (info([]), r"facts should be an object, got \[\]"),
        (info(MEMORY, method=["So.", 3]), r"method\[1\] should be a text, got 3"),
        (info(MEMORY, seconds="long"), r"seconds should be a number, got 'long'"),
        (info(MEMORY, exhibit="other"), r"exhibit should be one of numbers, memory, .*, and is 'other'"),
        ({name: part for name, part in info(MEMORY).items() if name != "options"}, r"options is missing"),
    ],
)
def test_what_is_missing_or_wrong_in_the_file_is_named_with_the_file(
    tmp_path: Path, content: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecordError, match=rf"exhibit\.json.*{message}"):
        load(tmp_path, content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"helped_until": {"rmsprop": {"20": "far"}}},
            r"facts\.helped_until\.rmsprop\.20 should be a number or null, got 'far'",
        ),
        ({"angles": "all"}, r"facts\.angles should be a list, got 'all'"),
    ],
)
def test_a_wrong_value_deep_inside_is_named_by_its_way(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        RotationFacts.from_json({**ROTATION.to_json(), **change})


def test_a_point_of_three_numbers_is_none() -> None:
    with pytest.raises(RecordError, match=r"facts\.first_point should be a list of 2, got \[1\.0, 2\.0, 3\.0\]"):
        GammaOneFacts.from_json({**ONE.to_json(), "first_point": [1.0, 2.0, 3.0]})


def test_facts_of_another_exhibit_are_refused_before_they_are_written() -> None:
    with pytest.raises(RecordError, match=r"exhibit memory, facts\.steps is missing"):
        check_exhibit("memory", {}, ROTATION)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_fact_is_documented(name: str) -> None:
    kind = SCHEMAS[name].facts
    (body,) = (node.body for node in ast.parse(inspect.getsource(kind)).body if isinstance(node, ast.ClassDef))
    said = {
        field.target.id
        for field, words in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(words, ast.Expr)
    }
    assert said == {field.name for field in fields(kind)}
