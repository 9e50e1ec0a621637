"""Asking before the code of a suite that may be somebody else's is imported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from benchmarks.suite.suite import Suite

__all__ = ["check_trusted"]


def check_trusted(source: str, suite: Suite) -> None:
    """Ask on a terminal whether ``suite``, loaded from ``source``, may import what it names.

    Built-in suites are not asked about, nor files in the current folder or below. Raises `UsageError` where the answer
    is no, or there is no terminal to ask on. Nothing is imported to find out.
    """
    from benchmarks.errors import UsageError
    from benchmarks.running.imports import imports_of
    from benchmarks.suite.suite import builtin_suites

    own = source in builtin_suites() or Path(source).resolve().is_relative_to(Path.cwd().resolve())
    imported = [] if own else imports_of(suite)
    if not imported:
        return
    what = f"{source} lies outside the current folder and imports {', '.join(imported)}, which may do anything"
    if not sys.stdin.isatty():
        raise UsageError(f"{what}: read that first, and say --trust; nothing was imported")
    if not click.confirm(f"stepscape: {what}. Import it?", err=True):
        raise UsageError("nothing was imported and nothing run")
