"""What pydantic says of wrong settings, as sentences: where, what, and the nearest key for an unknown one."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from benchmarks.errors import nearest

__all__ = ["sentences"]

WRITTEN = {
    "name": "made of letters, digits, dots, hyphens and underscores, and begins with a letter or digit",
    "aggregate": "mean, median or a quantile as q0.9",
    "pruner": "hyperband, halving, median, none or optuna:NAME",
}
"""How those values are written that follow a pattern."""


def sentences(table: type[BaseModel], error: ValidationError) -> str:
    """Every mistake in the settings ``table``, separated by semicolons."""
    return "; ".join(_sentence(table, each) for each in error.errors())


def _sentence(table: type[BaseModel], error: Any) -> str:
    """One error as ``where: what``, with the nearest key for an unknown one."""
    path = [str(part) for part in error["loc"]]
    where = ".".join(path)
    if error["type"] == "extra_forbidden":
        return f"unknown key {where!r}{nearest(path[-1], _keys_beside(table, path))}"
    if error["type"] == "missing":
        return f"the key {where!r} is missing"
    if error["type"] == "string_pattern_mismatch":
        return f"{where}: it is {WRITTEN[path[-1]]}, got {error['input']!r}"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] in ("literal_error", "enum"):
        message += f", got {error['input']!r}"
    return f"{where}: {message[0].lower()}{message[1:]}" if where else message


def _keys_beside(table: type[BaseModel], path: list[str]) -> list[str]:
    """The known keys of the table at ``path``, in which an unknown key was found."""
    for part in path[:-1]:
        field = table.model_fields.get(part)
        table = (field and _table_in(field.annotation)) or table
    return list(table.model_fields)


def _table_in(annotation: Any) -> type[BaseModel] | None:
    """The table that a field holds, or holds many of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _table_in(part))), None)
