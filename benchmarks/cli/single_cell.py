"""A suite of one cell, or of a few, from the options of a command."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.errors import UsageError
from benchmarks.naming.call_syntax import number_of, split_outside_brackets
from benchmarks.suite.suite import Suite

__all__ = ["range_of", "single_cell_suite"]

TOLD: Final = {"true": True, "false": False}
"""What a class from elsewhere may be told of a group, as a suite writes it."""


def single_cell_suite(kind: str, settings: Mapping[str, Any], options: dict[str, Any]) -> Suite:
    """A suite of every problem × optimizer asked for, named by ``kind`` (the command) and by what it runs.

    Several problems or optimizers are separated by commas; ranges and fixed values are those of every optimizer.
    ``settings`` are the suite's tables (``tuning``, ``test``, ``landscape``) that the command sets. The command's
    options of the cell are taken out of ``options``; those of the machine stay in it.

    Raises `UsageError` for a malformed range or value and `SuiteError` for what a suite refuses.
    """
    groups = [_group(text) for text in options.pop("group", ())]
    problems, optimizers = (split_outside_brackets(options.pop(kind), ",") for kind in ("problem", "optimizer"))
    search, fixed = (
        dict(map(range_of, options.pop("search"))),
        dict(number_of(text, "--fix") for text in options.pop("fix")),
    )
    definition: dict[str, Any] = {
        "problems": problems,
        "optimizers": optimizers,
        "schedules": [options.pop("schedule")],
        "plugins": [str(Path(plugin).resolve()) for plugin in options.pop("plugins")],
        "steps": options.pop("steps"),
        "dtype": options.pop("dtype", None),
        **settings,
        "optimizer": {
            optimizer: {"search": search, "fixed": fixed, **({"groups": groups} if groups else {})}
            for optimizer in optimizers
        },
    }
    short = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:6]
    named = (kind, _short(problems), _short(optimizers), short)
    parts = (re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip("_") for part in named)
    return Suite.checked({"name": "-".join(parts), **definition}, "the command")


def _short(names: list[str]) -> str:
    """The only name, or the first and how many more there are; cut where it is longer than a folder's may be."""
    first = names[0][:80] if names else ""
    return first if len(names) == 1 else f"{first}-and-{len(names) - 1}-more"


def range_of(text: str) -> tuple[str, list[float | str]]:
    """The name and the range of ``NAME=LOW:HIGH``, or of ``NAME=LOW:HIGH:SCALE``."""
    name, _, value = text.partition("=")
    try:
        low, high, *scale = value.split(":", 2)
        return name.strip(), [float(low), float(high), *scale]
    except ValueError as error:
        raise UsageError(f"--search is written NAME=LOW:HIGH, as lr=1e-4:1, got {text!r}") from error


def _group(text: str) -> dict[str, Any]:
    """The table of a group written as patterns and ``KEY=VALUE``, separated by spaces."""
    group: dict[str, Any] = {}
    for part in split_outside_brackets(text):
        key, equals, value = part.partition("=")
        try:
            if not equals:
                group.setdefault("parameters", []).append(key)
            elif key == "dims":
                group[key] = [int(each) for each in value.split(",")]
            else:
                group[key] = value if key == "optimizer" else TOLD[value] if value in TOLD else float(value)
        except ValueError as error:
            raise UsageError(
                f"--group is written 'PATTERN KEY=VALUE', as '*.bias weight_decay=0' or 'dims=1 optimizer=torch:AdamW "
                f"lr=0.001', got {text!r}"
            ) from error
    return group
