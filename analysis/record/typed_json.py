"""Frozen dataclasses from JSON and back: every field is a key, and what does not fit is named by its path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from math import isfinite
from reprlib import repr as shortened
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

from analysis.record.errors import RecordError

__all__ = ["from_json", "joined", "to_json"]

T = TypeVar("T")

PLAIN: Final[Mapping[Any, tuple[tuple[type, ...], str]]] = {
    str: ((str,), "a text"),
    int: ((int,), "an integer"),
    float: ((float, int), "a number"),
    bool: ((bool,), "true or false"),
}
"""For a field's type: the exact types of the JSON values it takes, and what to call them."""

AND: Final = " and "


def joined(key: str) -> Mapping[str, str]:
    """The metadata of a field of type ``tuple[str, ...]`` that the file holds under ``key`` as "a and b"."""
    return {"joined": key}


def from_json(kind: type[T], content: Any, path: str = "", **types: Any) -> T:
    """The dataclass ``kind`` with the values of the JSON object ``content``, which is at ``path`` in a file.

    Fields are text, numbers, truth values, tuples, mappings by text, literals, dataclasses of these, or None for null;
    a number is kept as it was written, 1 as well as 1.0, and what a field of type ``object`` holds is kept as it is.
    A field with a default may be missing, and is not written where it holds it.
    ``types`` replace the types of some fields, by name. Raises `RecordError` for the first key that is missing,
    unknown or of another type, as "problem.minimum should be a number or null, got 'x'".
    """
    if not isinstance(content, Mapping):
        raise RecordError(f"{path or 'the content'} should be an object, got {shortened(content)}")
    shape: Any = kind
    known = {_key(field): (field.name, "joined" in field.metadata, hint) for field, hint in _typed_fields(shape)}
    before = f"{path}." if path else ""
    for field, _ in _typed_fields(shape):
        if _key(field) not in content and field.default is MISSING:
            raise RecordError(f"{before}{_key(field)} is missing")
    for key in content:
        if key not in known:
            raise RecordError(f"{before}{key} is unknown; there are {', '.join(known)}")
    values = {}
    for key, (name, is_joined, hint) in known.items():
        if key not in content:
            continue
        value = _value(str if is_joined else types.get(name, hint), content[key], f"{before}{key}")
        values[name] = tuple(value.split(AND)) if is_joined else value
    return kind(**values)


def to_json(value: Any) -> Any:
    """A dataclass as the object that `from_json` reads, its keys in the order of the fields."""
    if is_dataclass(value):
        held = [(field, getattr(value, field.name)) for field in fields(value)]
        return {
            _key(field): _written(field, one) for field, one in held if field.default is MISSING or one != field.default
        }
    if isinstance(value, Mapping):
        return {name: to_json(part) for name, part in value.items()}
    return [to_json(part) for part in value] if isinstance(value, tuple | list) else value


def _key(field: Field[Any]) -> str:
    return str(field.metadata.get("joined", field.name))


def _written(field: Field[Any], value: Any) -> Any:
    return AND.join(value) if "joined" in field.metadata else to_json(value)


@cache
def _typed_fields(kind: Any) -> tuple[tuple[Field[Any], Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field, hints[field.name]) for field in fields(kind))


def _value(hint: Any, value: Any, path: str) -> Any:
    """The JSON value at ``path`` as the type ``hint``."""
    if hint is object:
        return value
    kind = _without_null(hint)
    if value is None and kind is not hint:
        return None
    origin, parts = get_origin(kind), get_args(kind)
    if kind in PLAIN and type(value) in PLAIN[kind][0] and not (kind is float and not isfinite(value)):
        return value
    if origin is Literal and value in parts:
        return value
    if is_dataclass(kind) and isinstance(value, Mapping):
        return from_json(kind, value, path)  # type: ignore[arg-type]
    if origin is Mapping and isinstance(value, Mapping):
        return {name: _value(parts[1], part, f"{path}.{name}") for name, part in value.items()}
    if origin is tuple and isinstance(value, list):
        each = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        if len(each) == len(value):
            return tuple(_value(part, item, f"{path}[{at}]") for at, (part, item) in enumerate(zip(each, value)))
    raise RecordError(f"{path} should be {_words(hint)}, got {shortened(value)}")


def _without_null(hint: Any) -> Any:
    """``X`` for the type ``X | None``, any other as it is."""
    return next(part for part in get_args(hint) if part is not NoneType) if isinstance(hint, UnionType) else hint


def _words(hint: Any) -> str:
    """A type as a sentence about a file calls it."""
    kind = _without_null(hint)
    if kind is not hint:
        return f"{_words(kind)} or null"
    if kind in PLAIN:
        return PLAIN[kind][1]
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) is tuple:
        return "a list" if get_args(kind)[-1] is Ellipsis else f"a list of {len(get_args(kind))}"
    return "an object"
