"""How things are written in a suite or on the command line: ``name(key=value)``, ``package.module:OBJECT``, lists."""

from __future__ import annotations

import ast
import importlib
from typing import Any

from benchmarks.errors import UsageError

__all__ = ["import_object", "parse_call", "split_outside_brackets"]


def parse_call(text: str) -> tuple[str, dict[str, Any]]:
    """``"name(key=1e-3, other='x')"`` as ``("name", {"key": .001, "other": "x"})``; raises `UsageError` otherwise."""
    name, bracket, rest = text.strip().partition("(")
    if not bracket:
        return name, {}
    try:
        call = ast.parse(f"call({rest}", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError("parameters are written key=value")
        return name, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{text!r} is not of the form name(key=value, …): {error}") from error


def import_object(path: str) -> Any:
    """The object ``package.module:NAME``; raises `UsageError` where the module or the name is missing."""
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"{path!r} cannot be imported: {error}") from error


def split_outside_brackets(text: str) -> list[str]:
    """``text`` cut at spaces that stand outside of brackets."""
    parts, depth = [""], 0
    for character in text.strip():
        depth += (character == "(") - (character == ")")
        if character == " " and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part]
