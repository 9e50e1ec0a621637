"""Values of JSON as frozen dataclasses, and back: the fields' types are the schema, and what does not fit is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from analysis.record.errors import RecordError

__all__ = ["from_json", "to_json"]

T = TypeVar("T")

WORDS: Final[Mapping[type, str]] = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def to_json(value: object) -> Any:
    """The JSON of ``value``: a dataclass is an object of its fields in their order, a tuple a list."""
    if is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {name: to_json(part) for name, part in value.items()}
    return [to_json(part) for part in value] if isinstance(value, list | tuple) else value


def from_json(kind: type[T], content: object, where: str, **types: Any) -> T:
    """The dataclass ``kind`` made of the JSON object ``content``; ``types`` stand in for the types of some fields.

    Fields are numbers, texts, tuples, mappings from texts, dataclasses, any of these or None, and ``object`` for what
    is kept as it is. Raises `RecordError` with ``where`` in front for a key that is missing or unknown, or a value of
    another type.
    """
    hints = {name: types.get(name, hint) for name, hint in get_type_hints(kind).items()}
    if not isinstance(content, dict):
        raise RecordError(f"{where} should be an object with {', '.join(hints)}, and is {content!r}")
    strange = [f"{name} (missing)" for name in hints if name not in content]
    strange += [f"{name} (unknown)" for name in content if name not in hints]
    if strange:
        raise RecordError(f"{where} and its schema disagree on {', '.join(strange)}")
    return kind(**{name: _value(hint, content[name], f"{where}.{name}") for name, hint in hints.items()})


def _value(hint: Any, content: object, where: str) -> Any:
    """The value of type ``hint`` that ``content`` stands for."""
    if hint is object:
        return content
    if is_dataclass(hint):
        return from_json(hint, content, where)  # type: ignore[arg-type]  # a hint that is a dataclass is its type
    origin, parts = get_origin(hint), get_args(hint)
    if NoneType in parts:
        return None if content is None else _value(parts[0], content, where)
    if origin is tuple and isinstance(content, list):
        kinds = [parts[0]] * len(content) if parts[-1] is Ellipsis else list(parts)
        if len(kinds) == len(content):
            return tuple(_value(kind, part, f"{where}[{i}]") for i, (kind, part) in enumerate(zip(kinds, content)))
    elif origin is Mapping and isinstance(content, dict):
        return {name: _value(parts[1], part, f"{where}.{name}") for name, part in content.items()}
    elif hint is float and isinstance(content, int) and not isinstance(content, bool):
        return float(content)
    elif origin is None and type(content) is hint:
        return content
    raise RecordError(f"{where} should be {WORDS.get(hint, hint)}, and is {content!r}")
