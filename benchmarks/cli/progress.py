"""Progress bars with the remaining time on a terminal, and lines where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import click

from benchmarks.redaction import redacted
from benchmarks.running.observer import RunObserver

if TYPE_CHECKING:
    from benchmarks.running.jobs import JobResult
    from benchmarks.suite.suite import Suite

__all__ = ["Bar", "SuiteProgress", "counted", "say", "terminal_width"]


class Bar:
    """A progress bar with the remaining time on a terminal, nothing elsewhere."""

    def __init__(self, text: str, total: float | None = None) -> None:
        from tqdm import tqdm

        form = "{desc} {percentage:3.0f}% |{bar}| {elapsed} elapsed, {remaining} left"
        self.bar = tqdm(total=total, desc=text, disable=None, bar_format=form, leave=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.close()

    @property
    def done(self) -> float:
        """How much is done."""
        return float(self.bar.n)

    def show(self, done: float, total: float) -> None:
        """Show that ``done`` of ``total`` is done."""
        self.bar.total = total
        self.bar.update(done - self.bar.n)


class SuiteProgress(Bar, RunObserver):
    """A bar over the estimated cost of a suite's jobs; without a terminal, a line for each that ended."""

    def __init__(self, suite: Suite) -> None:
        super().__init__(suite.name, 1.0)
        self.name, self.done_cells = suite.name, 0
        self.cells = len(suite.cells()) + len(suite.exhibits)
        self.more = " and exhibits" if suite.exhibits else ""

    def estimated(self, seconds: Callable[[], float], jobs: int, processes: int) -> None:
        """Say up front how long it will take."""
        expected, used = seconds(), min(processes, jobs)
        time = f"{expected:.0f} s" if expected < 100 else f"{expected / 60:.0f} min"
        where = "one process" if used == 1 else f"{used} processes"
        say(f"{self.name}: {counted(jobs, 'cell')}{self.more} to run, about {time} in {where}", err=True)

    def noted(self, sentence: str) -> None:
        """Say what the user is to know."""
        say(f"stepscape: {sentence}", err=True)

    def started(self, cost: float, kept: int) -> None:
        """Begin the bar at the cells that are finished already."""
        self.done_cells = kept
        self.show(0, cost)

    def ended(self, result: JobResult, cost: float) -> None:
        """A cell or an exhibit ended."""
        self.done_cells += not result.unfinished
        self.bar.set_description(f"{self.name} {self.done_cells}/{self.cells} cells{self.more}", refresh=False)
        self.bar.update(cost)
        if self.bar.disable and not result.unfinished:  # of those one line at the end tells
            state = "failed" if result.error else f"{result.seconds:.1f} s"
            say(f"[{self.done_cells}/{self.cells}] {result.name} {state}", err=True)

    def reported(self, done: int, total: int) -> None:
        """The report is being written."""
        self.bar.set_description("report", refresh=False)
        if done == 0:
            self.bar.reset(total)
        self.show(done, total)


def say(text: str, *, err: bool = False) -> None:
    """Print ``text``, on stderr if ``err``; everything a command says is said here, without passwords."""
    click.echo(redacted(text), err=err)


def counted(number: int, thing: str) -> str:
    """``"1 cell"``, ``"4 cells"``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def terminal_width() -> int:
    """The columns of the terminal, 100 where there is none."""
    import shutil

    return shutil.get_terminal_size((100, 24)).columns
