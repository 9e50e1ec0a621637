"""Progress bars with the remaining time on a terminal, and lines where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from benchmarks.redaction import redacted
from benchmarks.running.bars import Bar, SuiteBar

if TYPE_CHECKING:
    from benchmarks.running.jobs import JobResult
    from benchmarks.suite.suite import Suite

__all__ = ["Bar", "SuiteProgress", "counted", "duration", "say", "terminal_width"]


class SuiteProgress(SuiteBar):
    """A bar over the estimated cost of a suite's jobs; without a terminal, a line for each that ended."""

    def __init__(self, suite: Suite) -> None:
        from benchmarks.running.decide import what_decides

        super().__init__(suite)
        self.decides = what_decides(suite.cells())

    def estimated(self, seconds: Callable[[], float], jobs: int, processes: int) -> None:
        """Say up front how long it will take, and what it can decide."""
        where = "one process" if processes == 1 else f"{processes} processes"
        about = f"about {duration(seconds())} in {where}"
        say(f"{self.name}: {counted(jobs, 'cell')}{self.more} to run, {about}", err=True)
        if self.decides:
            say(f"{self.name}: {self.decides}", err=True)

    def noted(self, sentence: str) -> None:
        """Say what the user is to know."""
        say(f"stepscape: {sentence}", err=True)

    def ended(self, result: JobResult, cost: float) -> None:
        """A cell or an exhibit ended."""
        super().ended(result, cost)
        if self.bar.disable and not result.unfinished:  # of those one line at the end tells
            state = "failed" if result.error else f"{result.seconds:.1f} s"
            say(f"[{self.done_cells}/{self.cells}] {result.name} {state}", err=True)


def duration(seconds: float) -> str:
    """``"45 s"``, ``"12 min"``, ``"3 h 20 min"``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def say(text: str, *, err: bool = False) -> None:
    """Print ``text``, on stderr if ``err``; everything a command says is said here, without passwords."""
    click.echo(redacted(text), err=err)


def counted(number: int, thing: str) -> str:
    """``"1 cell"``, ``"4 cells"``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def terminal_width() -> int:
    """The columns of the terminal, 100 where there is none; at least 40, for no line can be cut to less."""
    import shutil

    return max(40, shutil.get_terminal_size((100, 24)).columns)
