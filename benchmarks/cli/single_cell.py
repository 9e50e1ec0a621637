"""A suite of one cell, or of a few, from the options of a command."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.errors import UsageError
from benchmarks.naming.call_syntax import split_outside_brackets
from benchmarks.suite.suite import Suite

__all__ = ["single_cell_suite"]


def single_cell_suite(kind: str, settings: Mapping[str, Any], options: dict[str, Any]) -> Suite:
    """A suite of every problem × optimizer asked for, named by ``kind`` (the command) and by what it runs.

    Several problems or optimizers are separated by commas; ranges and fixed values are those of every optimizer.
    ``settings`` are the suite's tables (``tuning``, ``test``, ``landscape``) that the command sets. The command's
    options of the cell are taken out of ``options``; those of the machine stay in it.

    Raises `UsageError` for a malformed range or value and `SuiteError` for what a suite refuses.
    """
    problems, optimizers = (split_outside_brackets(options.pop(kind), ",") for kind in ("problem", "optimizer"))
    search, fixed = dict(map(_range, options.pop("search"))), dict(map(_value, options.pop("fix")))
    definition: dict[str, Any] = {
        "problems": problems,
        "optimizers": optimizers,
        "schedules": [options.pop("schedule")],
        "plugins": [str(Path(plugin).resolve()) for plugin in options.pop("plugins")],
        "steps": options.pop("steps"),
        "dtype": options.pop("dtype", None),
        **settings,
        "optimizer": {optimizer: {"search": search, "fixed": fixed} for optimizer in optimizers},
    }
    short = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:6]
    named = (kind, _short(problems), _short(optimizers), short)
    parts = (re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip("_") for part in named)
    return Suite.checked({"name": "-".join(parts), **definition}, "the command")


def _short(names: list[str]) -> str:
    """The only name, or the first and how many more there are; cut where it is longer than a folder's may be."""
    first = names[0][:80] if names else ""
    return first if len(names) == 1 else f"{first}-and-{len(names) - 1}-more"


def _range(text: str) -> tuple[str, list[float | str]]:
    """The name and the range of ``NAME=LOW:HIGH``, or of ``NAME=LOW:HIGH:SCALE``."""
    name, _, value = text.partition("=")
    try:
        low, high, *scale = value.split(":", 2)
        return name.strip(), [float(low), float(high), *scale]
    except ValueError as error:
        raise UsageError(f"--search is written NAME=LOW:HIGH, as lr=1e-4:1, got {text!r}") from error


def _value(text: str) -> tuple[str, float]:
    """The name and the number of ``NAME=VALUE``."""
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError as error:
        raise UsageError(f"--fix is written NAME=VALUE, as eps=1e-8, got {text!r}") from error
