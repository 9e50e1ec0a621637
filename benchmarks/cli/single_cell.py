"""A suite of one cell, from the options of a command."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.errors import UsageError
from benchmarks.suite.suite import Suite

__all__ = ["single_cell_suite"]


def single_cell_suite(kind: str, settings: Mapping[str, Any], options: dict[str, Any]) -> Suite:
    """A suite of one cell, named by ``kind`` (the command) and by what it runs.

    ``settings`` are the suite's tables (``tuning``, ``test``, ``landscape``) that the command sets. The command's
    options of the cell are taken out of ``options``; those of the machine stay in it.

    Raises `UsageError` for a malformed range or value and `SuiteError` for what a suite refuses.
    """
    problem, optimizer = options.pop("problem"), options.pop("optimizer")
    search, fixed = dict(map(_range, options.pop("search"))), dict(map(_value, options.pop("fix")))
    definition: dict[str, Any] = {
        "problems": [problem],
        "optimizers": [optimizer],
        "schedules": [options.pop("schedule")],
        "plugins": [str(Path(plugin).resolve()) for plugin in options.pop("plugins")],
        "steps": options.pop("steps"),
        **settings,
        "optimizer": {optimizer: {"search": search, "fixed": fixed}},
    }
    short = hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:6]
    parts = (re.sub(r"[^A-Za-z0-9._-]+", "_", part).strip("_") for part in (kind, problem, optimizer, short))
    return Suite.checked({"name": "-".join(parts), **definition}, "the command")


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
