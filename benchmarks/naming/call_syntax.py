"""How things are written in a suite or on the command line: ``name(key=value)``, ``package.module:OBJECT`` or
``FILE.py:OBJECT``, lists.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import math
import pkgutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from benchmarks.errors import StepscapeError, UsageError, nearest
from benchmarks.naming.own_code import in_standard_library
from benchmarks.naming.sent_files import file_called

__all__ = [
    "check_arguments",
    "import_object",
    "in_words",
    "number_of",
    "parse_around",
    "parse_call",
    "split_outside_brackets",
    "unwrapped",
]


def _is_list_of_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_number, value))


def _is_number(value: Any, kind: Any = int | float) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


KINDS: Final[Mapping[str, tuple[str, Callable[[Any], bool]]]] = {
    "bool": ("True or False", lambda value: isinstance(value, bool)),
    "int": ("a whole number", lambda value: _is_number(value, int)),
    "float": ("a number", lambda value: _is_number(value, int | float)),
    "str": ("a text in quotes", lambda value: isinstance(value, str)),
    "Sequence[float]": ("a list of numbers", _is_list_of_numbers),
    "Sequence[float] | None": (
        "a list of numbers, as (1, -2)",
        lambda value: value is None or _is_list_of_numbers(value),
    ),
    "float | None": ("a number", lambda value: value is None or _is_number(value)),
    "Decay": ("'coupled' or 'decoupled'", lambda value: value in ("coupled", "decoupled")),
    "Decay | None": ("'coupled' or 'decoupled'", lambda value: value in (None, "coupled", "decoupled")),
    "Schedule": ("a schedule's name in quotes", lambda value: isinstance(value, str)),
}
"""What a parameter with this annotation takes: in words, and whether a literal is one."""


def parse_call(text: str) -> tuple[str, dict[str, Any]]:
    """``"name(key=1e-3, other='x')"`` as ``("name", {"key": .001, "other": "x"})``; raises `UsageError` otherwise."""
    name, bracket, rest = text.strip().partition("(")
    if not bracket:
        return name, {}
    given: dict[str, Any] = {}
    try:
        call = ast.parse(f"call({rest}", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError("parameters are written key=value")
        for keyword in call.keywords:
            if keyword.arg is None or keyword.arg in given:
                raise ValueError("each parameter is written once, as key=value")
            given[keyword.arg] = _literal(keyword.arg, keyword.value)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        what = error.msg if isinstance(error, SyntaxError) else str(error) or "too deeply nested"
        raise UsageError(f"{text!r} is not of the form name(key=value, …): {what}") from error
    return name.strip(), given


def parse_around(text: str) -> tuple[str, str, dict[str, Any]]:
    """``"lookahead(rmsprop, every=5)"`` as ``("lookahead", "rmsprop", {"every": 5})``.

    The text of the optimizer inside may be another such call. Raises `UsageError` otherwise.
    """
    name, _, rest = text.strip().partition("(")
    inner, *options = split_outside_brackets(rest.removesuffix(")"), ",") or [""]
    if not rest.endswith(")") or not inner or "=" in inner.partition("(")[0]:
        raise UsageError(f"{text!r} is not of the form name(OPTIMIZER, key=value, …), as {name.strip()}(rmsprop)")
    return name.strip(), inner, parse_call(f"{name}({', '.join(options)})")[1]


def unwrapped(text: str) -> str:
    """The text of the optimizer that stands inside of all wrappers; ``text`` itself where there is none."""
    from optimizers import WRAPPERS  # here, for what only reads names needs no torch

    while text.partition("(")[0].strip() in WRAPPERS and "(" in text:
        text = parse_around(text)[1]
    return text


def number_of(text: str, option: str) -> tuple[str, float]:
    """The name and the number of ``NAME=VALUE``, which was given as ``option``; raises `UsageError` otherwise."""
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError as error:
        raise UsageError(f"{option} is written NAME=VALUE, as eps=1e-8, got {text!r}") from error


def _literal(key: str, node: ast.expr) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{key} is a number, a text in quotes, True, False, None or a list of such") from error
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{key} is not finite")
    return value


def check_arguments(what: str, given: Mapping[str, Any], known: Mapping[str, inspect.Parameter]) -> None:
    """Raise `UsageError` where ``given`` has a name that is not ``known`` or a value of another kind than annotated.

    ``what`` names the thing that takes the arguments, for the message.
    """
    for key, value in given.items():
        if key not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise UsageError(f"{what} has no parameter {key!r}{nearest(key, known)}; {has}")
        annotation = known[key].annotation
        name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
        words, fits = KINDS.get(name, ("", None))
        if fits is not None and not fits(value):
            raise UsageError(f"{what}: {key} is {words}, got {value!r}")


def import_object(path: str) -> Any:
    """The object ``package.module:NAME``, or ``folder/file.py:NAME`` of a file; raises `UsageError` where the module
    fails or the name is missing.

    Nothing of Python's own library is imported: it has neither problems nor optimizers, and its modules act when run.
    """
    module, _, name = path.rpartition(":")
    try:
        if not module.endswith(".py") and in_standard_library(module):
            raise UsageError(f"{module} is part of Python, which has neither problems nor optimizers")
        found = _of_file(file_called(module)) if module.endswith(".py") else importlib.import_module(module)
    except (Exception, SystemExit) as error:
        near = _nearest_module(error.name) if isinstance(error, ModuleNotFoundError) and error.name else ""
        raise UsageError(f"{path!r} cannot be imported: {in_words(error)}{near}") from error
    try:
        return getattr(found, name)
    except (Exception, SystemExit) as error:
        what = f"{module} defines no {name!r}" if module.endswith(".py") else in_words(error)
        raise UsageError(f"{path!r} cannot be imported: {what}{nearest(name, vars(found))}") from error


def _of_file(path: Path) -> ModuleType:
    """The module in a Python file, which may import what lies beside it; the one that is there, where it is loaded."""
    file = path.resolve()
    if not file.is_file():
        raise UsageError(f"there is no file {str(path)!r}")
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))  # last, to shadow nothing
    name = path.stem if _is_free_or_of(path.stem, file) else f"{path.stem} of {file.parent}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None, "a file that ends in .py can be loaded"
        assert spec.loader is not None, "a file has a loader"
        sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(sys.modules[name])
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _is_free_or_of(name: str, file: Path) -> bool:
    """Whether a module's name is nobody's yet, or that of ``file``."""
    there = sys.modules.get(name)
    if there is not None:
        origin = getattr(there, "__file__", None)
        return origin is not None and Path(origin).resolve() == file
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return True
    return found is None or (found.origin is not None and Path(found.origin).resolve() == file)


def _nearest_module(missing: str) -> str:
    """The installed module most like the one that is ``missing``, as `nearest` says it."""
    package, _, name = missing.rpartition(".")
    try:
        places = importlib.import_module(package).__path__ if package else None
    except (Exception, SystemExit):
        return ""
    known = {module.name for module in pkgutil.iter_modules(places)} - sys.stdlib_module_names
    return nearest(name, sorted(known), alike=0.7)  # of hundreds of modules one is always a little alike


def in_words(error: BaseException) -> str:
    """What an exception says; its type too, where the message alone may say too little."""
    plain = isinstance(error, StepscapeError | ImportError | AttributeError | ValueError | RuntimeError)
    return str(error) if plain else f"{type(error).__name__}: {error}"


def split_outside_brackets(text: str, separator: str = " ") -> list[str]:
    """``text`` cut at every ``separator`` outside of brackets and quotes."""
    parts, depth, quote = [""], 0, ""
    for character in text.strip():
        if quote:
            quote = "" if character == quote else quote
        elif depth and character in "'\"":
            quote = character
        else:
            depth += (character in "([") - (character in ")]")
        if character == separator and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]
