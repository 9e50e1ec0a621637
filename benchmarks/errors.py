"""Mistakes a user can make, as one family: the command line turns them into one line on stderr and exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from benchmarks.redaction import redacted

__all__ = [
    "OwnCodeError",
    "StepscapeError",
    "SuiteError",
    "TrackingError",
    "UnknownNameError",
    "UsageError",
    "nearest",
]


class StepscapeError(Exception):
    """A mistake of the caller; the message says what was expected, what came and what to do, without passwords."""

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))


class UnknownNameError(StepscapeError, LookupError):
    """A name that is not registered; the message offers the nearest one."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}{nearest(name, known)}; `stepscape list {kind}s` shows all")


class SuiteError(StepscapeError, ValueError):
    """A suite file that is no TOML, or whose content is wrong."""


class UsageError(StepscapeError, ValueError):
    """An argument out of its range, or a folder, file or port that cannot be used."""


class OwnCodeError(UsageError):
    """A problem or an optimizer of the user's own that raised, or gave what nobody can use; their line is named.

    It costs a run the cells that need it, and no others.
    """


class TrackingError(StepscapeError, RuntimeError):
    """The MLflow store could not be reached or written; the record itself is safe."""


def nearest(name: str, known: Iterable[str], alike: float = 0.5) -> str:
    """``", did you mean 'x'?"`` for the known name most like ``name``, or nothing where none is ``alike`` (of 1)."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=alike)
    return f", did you mean {close[0]!r}?" if close else ""
