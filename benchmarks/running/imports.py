"""Whose code a suite would have run: what it names that is imported, told without importing anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from benchmarks.naming.call_syntax import unwrapped
from benchmarks.suite.suite import Suite

__all__ = ["imports_of"]


def imports_of(suite: Suite) -> list[str]:
    """The plug-in files of ``suite`` and every ``package.module:OBJECT`` that it names, each once.

    Names are taken wherever a problem or an optimizer may stand, in the options of exhibits too. What is ours, a class
    of torch's, or an installed plug-in, which its owner installed, is none of them.
    """
    options = (text for table in suite.exhibit.values() for text in _texts(table.values()))
    names = (unwrapped(name).partition("(")[0].strip() for name in (*suite.problems, *suite.optimizers, *options))
    modules = (name for name in names if ":" in name and not name.startswith("torch:"))
    return list(dict.fromkeys([*suite.plugins, *modules]))


def _texts(values: Iterable[Any]) -> Iterable[str]:
    """Every text among ``values``, in lists and tables too."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _texts([*value, *value.values()])
        elif isinstance(value, list):
            yield from _texts(value)
