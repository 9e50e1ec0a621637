"""Progress bars with the remaining time, on a terminal and in a notebook; nothing elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Self

from benchmarks.running.observer import RunObserver

if TYPE_CHECKING:
    from analysis.record.shard import Shard
    from benchmarks.running.jobs import JobResult
    from benchmarks.suite.suite import Suite

__all__ = ["Bar", "SuiteBar"]

TICK: Final = 0.5  # seconds after which the time that has passed is shown anew
KNOWN: Final = "{desc} {percentage:3.0f}% |{bar}| {elapsed} elapsed, {remaining} left"
UNKNOWN: Final = "{desc} {elapsed} elapsed"


class Bar:
    """A bar called ``text`` over ``total``; without one, the time that has passed. It ticks by itself until closed."""

    def __init__(self, text: str, total: float | None = None) -> None:
        from tqdm.auto import tqdm

        shown = False if "ipykernel" in sys.modules else None  # a notebook is no terminal, but shows bars
        form = UNKNOWN if total is None else KNOWN
        self.bar = tqdm(total=total, desc=text, disable=shown, bar_format=form, leave=False, smoothing=0.1)
        self.over = threading.Event()
        if not self.bar.disable:
            threading.Thread(target=self._tick, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.over.set()
        self.bar.close()

    @property
    def done(self) -> float:
        """How much is done."""
        return float(self.bar.n)

    def show(self, done: float, total: float) -> None:
        """Show that ``done`` of ``total`` is done."""
        self.bar.bar_format = KNOWN
        self.bar.total = total
        self.bar.update(done - self.bar.n)

    def _tick(self) -> None:
        while not self.over.wait(TICK):
            self.bar.refresh()


class SuiteBar(Bar, RunObserver):
    """A bar over the estimated cost of a suite's jobs, and then over the parts of MLflow's runs and of the report."""

    def __init__(self, suite: Suite) -> None:
        super().__init__(suite.name, 1.0)
        self.name, self.done_cells = suite.name, 0
        self.cells = len(suite.cells()) + len(suite.exhibits)
        self.more = " and exhibits" if suite.exhibits else ""
        self.cost, self.ended_cost, self.part = 1.0, 0.0, suite.name

    def estimated(self, seconds: Callable[[], float], jobs: int, processes: int) -> None:
        """Nothing is said up front: the bar tells as it goes."""

    def divided(self, shard: Shard, parts: int) -> None:
        """Count the parts of the shard alone."""
        self.name, self.cells = f"{self.name} {shard.number}/{shard.count}", parts

    def started(self, cost: float, kept: int) -> None:
        """Begin the bar at the cells that are finished already."""
        self.done_cells, self.cost = kept, max(cost, 1.0)
        self.show(0, self.cost)

    def inside(self, cost: float) -> None:
        """So much of the jobs that run now is done."""
        self.show(min(self.cost, max(self.done, self.ended_cost + cost)), self.cost)

    def ended(self, result: JobResult, cost: float) -> None:
        """A cell or an exhibit ended."""
        self.done_cells += not result.unfinished
        self.ended_cost += cost
        self.bar.set_description(f"{self.name} {self.done_cells}/{self.cells} cells{self.more}", refresh=False)
        self.inside(0.0)
        self.bar.refresh()  # a cell ends seldom, and the last one may end the bar

    def mirrored(self, done: int, total: int) -> None:
        """The last cells, or the report, are written to MLflow."""
        self._show_part("MLflow", done, total)

    def reported(self, done: int, total: int) -> None:
        """The report is being written."""
        self._show_part("report", done, total)

    def _show_part(self, text: str, done: int, total: int) -> None:
        """Begin the bar anew where another part of the work is meant."""
        if text != self.part:
            self.part = text
            self.bar.set_description(text, refresh=False)
            self.bar.reset(total)
        self.show(done, total)
