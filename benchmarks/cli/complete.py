"""What the shell completes: the names of problems, optimizers, schedules and suites, also after a comma."""

from __future__ import annotations

from collections.abc import Callable

import click
from click.shell_completion import CompletionItem

__all__ = ["completing"]

Completion = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def completing(*kinds: str, several: bool = False) -> Completion:
    """A function for click that completes names of the ``kinds``, as ``"problems"``; of ``several``, the last one."""

    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from benchmarks.cli.show import names

        before, comma, begun = incomplete.rpartition(",") if several else ("", "", incomplete)
        known = names()
        every = [name for kind in kinds or known for name in known[kind]]
        items = [CompletionItem(f"{before}{comma}{name}") for name in every if name.startswith(begun)]
        return items or [CompletionItem(incomplete, type="file")]

    return complete
