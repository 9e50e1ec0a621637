"""What is to be run of a suite: the names of all cells looked up, the suite divided into shards, and what is the user's
own tried in the cells of one shard, or of all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis.record.shard import Shard
from benchmarks.errors import OwnCodeError, StepscapeError, SuiteError
from benchmarks.running.jobs import ExhibitJob, JobResult
from benchmarks.running.prepare import Compute, ReadyCell, load_plugins, look_up, mistakes, try_cell
from benchmarks.running.shards import divided
from benchmarks.suite.suite import CellPlan, Suite
from problems import DataError, Problem

__all__ = ["LookedUp", "Prepared", "prepared"]


@dataclass(frozen=True)
class Prepared:
    """What can be run of a suite, or of a shard of it: cells and exhibits; and how the other cells ended, those whose
    problem or optimizer is the user's and fails. ``shares`` are the costs of all shards, a single one of a whole suite.
    """

    cells: list[ReadyCell]
    exhibits: list[ExhibitJob]
    failed: list[JobResult]
    shares: list[float]


@dataclass
class LookedUp:
    """The cells of a ``suite`` whose names are known, and why those of the others are not; nothing is tried yet."""

    suite: Suite
    data: Path | None
    cells: dict[str, ReadyCell] = field(default_factory=dict)
    failed: dict[str, JobResult] = field(default_factory=dict)
    wrong: dict[str, StepscapeError | DataError] = field(default_factory=dict)

    @classmethod
    def of(cls, suite: Suite, data: Path | None, compute: Compute) -> LookedUp:
        """Look all names of ``suite`` up; ``data`` is the user's data folder."""
        load_plugins(suite.plugins)
        found, made = cls(suite, data), dict[str, Problem]()
        for plan in suite.cells():
            try:
                found.cells[plan.name] = look_up(plan, data, compute, made)
            except (StepscapeError, DataError) as error:
                found.fails(plan, error)
        return found

    def fails(self, plan: CellPlan, error: StepscapeError | DataError) -> None:
        """Note that a cell cannot run; errors of the user's own code are no mistakes in the suite."""
        said = str(error)
        if not isinstance(error, OwnCodeError):
            found = mistakes(plan, error, self.data)
            self.wrong.update({text: error for text in found if text not in self.wrong})
            said = "; ".join(found)
        self.failed[plan.name] = JobResult(plan.name, f"cell {plan.name}", 0.0, said)

    def check(self) -> None:
        """Raise `StepscapeError` with all mistakes that are known, unless the suite says ``on_error = "skip"``."""
        if not self.wrong or self.suite.on_error == "skip":
            return
        if len(self.wrong) == 1:
            raise next(iter(self.wrong.values()))
        raise SuiteError(
            f"{len(self.wrong)} mistakes in {self.suite.name}, and nothing was run: {'; '.join(self.wrong)} "
            '(on_error = "skip" in the suite runs the other cells)'
        )

    def costs(self, exhibits: Sequence[ExhibitJob]) -> Mapping[str, float]:
        """The cost of every cell and exhibit by name; nothing where a cell cannot run."""
        names = [plan.name for plan in self.suite.cells()]
        cells = {name: self.cells[name].cost if name in self.cells else 0.0 for name in names}
        return {**cells, **{job.name: job.cost for job in exhibits}}


def prepared(
    suite: Suite,
    data: Path | None,
    compute: Compute,
    exhibits: Sequence[ExhibitJob] = (),
    landed: Callable[[str], bool] = lambda _: False,
    shard: Shard | None = None,
) -> Prepared:
    """What is to be run of the cells of ``suite`` and of its ``exhibits``: all, or those of a ``shard``.

    The names of all cells are looked up, which divides them into shards; what is the user's own is tried in the cells
    that are to be run, their optimizers where they have not ``landed``. Raises `StepscapeError` for mistakes in the
    suite, with all of them; where it says ``on_error = "skip"`` they cost the cells that have them, each of which
    belongs to one shard.
    """
    found = LookedUp.of(suite, data, compute)
    costs, tried = found.costs(exhibits), dict[str, OwnCodeError | None]()
    parts = divided(costs, shard.count if shard else 1)
    mine = set(parts[shard.number - 1] if shard else costs)
    for name, cell in found.cells.items():
        if name in mine:
            try:
                try_cell(cell, tried, optimizer=not landed(name))
            except (StepscapeError, DataError) as error:
                found.fails(cell.plan, error)
    found.check()
    own = [plan.name for plan in suite.cells() if plan.name in mine]
    return Prepared(
        [found.cells[name] for name in own if name not in found.failed],
        [job for job in exhibits if job.name in mine],
        [found.failed[name] for name in own if name in found.failed],
        [sum(costs[name] for name in part) for part in parts],
    )
