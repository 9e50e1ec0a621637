"""Whose code raised, and where: errors of the user's own problems and optimizers as one sentence with their line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import chain
from linecache import getlines
from pathlib import Path
from traceback import walk_tb
from types import CodeType, FrameType
from typing import Any, Final

from benchmarks.errors import OwnCodeError, StepscapeError
from benchmarks.naming.own_code import OURS, is_the_users_file

__all__ = ["blame", "in_one_line", "line_of", "line_raised", "said", "with_line"]

LONGEST: Final = 300  # characters of a foreign message that are shown
NOBODYS: Final = frozenset({*OURS, "torch", "__main__", "builtins"})
"""Packages whose lines help no user, and the name that every script has."""


def blame(error: BaseException, what: str, expected: str, *owners: Any) -> None:
    """Raise `OwnCodeError` where ``error`` comes from the user's code, or from something of ours that it was given to.

    ``what`` begins the sentence, as "problem 'mine': loss"; ``expected`` ends it. ``owners`` are the objects whose code
    it may be, the likeliest first. Nothing is raised where the error is a sentence already, or all code is ours:
    the caller raises it again.
    """
    if isinstance(error, StepscapeError):
        return
    line = line_raised(error, *owners) or next(filter(None, map(line_of, owners)), None)
    if line is not None:
        raise OwnCodeError(f"{what} raised {in_one_line(error)} ({line}); {expected}") from error


def in_one_line(error: BaseException) -> str:
    """The type of an exception and what it says, on one line, cut where it is long."""
    text = "" if isinstance(error, SystemExit) and error.code is None else str(error)
    return said(type(error).__name__, " ".join(text.split()))


def said(kind: str, text: str) -> str:
    """``"ValueError: text"``, or the kind alone where nothing is said."""
    short = text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …"
    return f"{kind}: {short}" if short else kind


def with_line(error: BaseException) -> str:
    """`in_one_line`, with the line of the user's that raised where there is one."""
    line = line_raised(error)
    return f"{in_one_line(error)} ({line})" if line else in_one_line(error)


def line_raised(error: BaseException, *owners: Any) -> str | None:
    """``file:line`` of the innermost line of the user's code that ``error`` came through, None where there is none.

    The user's are files outside of Python, installed packages and this suite; and the packages of ``owners``, where
    those are somebody's installed ones.
    """
    packages = {_package(owner) for owner in owners} - NOBODYS
    frames = [(frame, number) for frame, number in walk_tb(error.__traceback__) if _is_theirs(frame, packages)]
    if not frames:
        return None
    frame, number = frames[-1]
    return f"{_shown(frame.f_code.co_filename)}:{number}"


def line_of(thing: Any) -> str | None:
    """``file:line`` where the user wrote ``thing``: a function, a method, a class, or an object that holds such.

    Of an object it is the line of its class, else of the first function among its fields; None where all is ours.
    """
    theirs = next((code for code in _codes(thing) if _is_users(code)), None)
    if theirs is None:
        return None
    line = None if theirs in _code(thing) else _line_of_class(thing, theirs.co_filename)
    return f"{_shown(theirs.co_filename)}:{line or theirs.co_firstlineno}"


def _line_of_class(thing: Any, file: str) -> int | None:
    """Where the class of ``thing`` begins in ``file``, if it stands there."""
    kind = thing if isinstance(thing, type) else type(thing)
    begins = re.compile(rf"\s*class {re.escape(kind.__name__)}\b")
    return next((number for number, line in enumerate(getlines(file), start=1) if begins.match(line)), None)


def _codes(thing: Any) -> Iterator[CodeType]:
    """The code of ``thing``, of the class it belongs to, and of what its object holds: what says loss comes first."""
    yield from _code(thing)
    holder = getattr(thing, "__self__", thing)
    kind = holder if isinstance(holder, type) else type(holder)
    yield from chain.from_iterable(_code(member) for base in kind.__mro__ for member in vars(base).values())
    if holder is kind or not is_dataclass(kind):
        return
    for field in sorted(fields(kind), key=lambda field: "loss" not in field.name):
        value = getattr(holder, field.name, None)
        for part in value.values() if isinstance(value, Mapping) else [value]:
            yield from _code(part)
            yield from chain.from_iterable(map(_code, vars(type(part)).values()))


def _code(member: Any) -> Iterator[CodeType]:
    """The code of a function, a method or a property; nothing for anything else."""
    for inner in ("__func__", "fget", "func"):
        member = getattr(member, inner, None) or member
    code = getattr(member, "__code__", None)
    if isinstance(code, CodeType):
        yield code


def _is_theirs(frame: FrameType, packages: set[str]) -> bool:
    name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return name in packages or _is_users(frame.f_code)


def _is_users(code: CodeType) -> bool:
    return is_the_users_file(code.co_filename)


def _package(owner: Any) -> str:
    holder = getattr(owner, "__self__", owner)
    kind = holder if isinstance(holder, type) else type(holder)
    return kind.__module__.partition(".")[0]


def _shown(file: str) -> str:
    """A file as the user knows it: from the current folder where it lies there."""
    try:
        return str(Path(file).resolve().relative_to(Path.cwd()))
    except (OSError, ValueError):
        return file
