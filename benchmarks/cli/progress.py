"""Progress bars with the remaining time on a terminal, and lines where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from benchmarks.running.run_suite import CellRun
    from benchmarks.suite.suite import Suite

__all__ = ["Bar", "SuiteProgress", "counted", "terminal_width"]


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
        """So much of ``total`` is done."""
        self.bar.total = total
        self.bar.update(done - self.bar.n)


class SuiteProgress(Bar):
    """A bar over the estimated work of a suite's cells; without a terminal, a line for each cell that ended."""

    def __init__(self, suite: Suite) -> None:
        super().__init__(suite.name, 1.0)
        self.name, self.ended = suite.name, 0
        self.cells = len(suite.cells()) + len(suite.exhibits)
        self.more = " and exhibits" if suite.exhibits else ""

    def estimate(self, seconds: float, cells: int, jobs: int) -> None:
        """Say up front how long it will take."""
        time = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
        processes = "one process" if min(jobs, cells) == 1 else f"{min(jobs, cells)} processes"
        click.echo(f"{self.name}: {counted(cells, 'cell')}{self.more} to run, about {time} in {processes}", err=True)

    def start(self, cost: float, kept: int) -> None:
        """The work ahead, and the cells that stand."""
        self.ended = kept
        self.show(0, cost)

    def cell(self, cell: CellRun, cost: float) -> None:
        """A cell ended."""
        self.ended += not cell.unfinished
        self.bar.set_description(f"{self.name} {self.ended}/{self.cells} cells{self.more}", refresh=False)
        self.bar.update(cost)
        if self.bar.disable and not cell.unfinished:  # of those one line at the end tells
            state = "failed" if cell.error else f"{cell.seconds:.1f} s"
            click.echo(f"[{self.ended}/{self.cells}] {cell.name} {state}", err=True)

    def report(self, done: int, total: int) -> None:
        """The report is being written."""
        self.bar.set_description("report", refresh=False)
        if done == 0:
            self.bar.reset(total)
        self.show(done, total)


def counted(number: int, thing: str) -> str:
    """``"1 cell"``, ``"4 cells"``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def terminal_width() -> int:
    """The columns of the terminal, 100 where there is none."""
    import shutil

    return shutil.get_terminal_size((100, 24)).columns
