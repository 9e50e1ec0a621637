"""One ready cell to its cell result: a study, test runs on fresh seeds, and a landscape."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from analysis.record.cell_info import Seconds
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import train
from benchmarks.record.checkpoints import Checkpoints
from benchmarks.running.prepare import ReadyCell
from benchmarks.tuning.landscape import GridMap, landscape
from benchmarks.tuning.space import Space
from benchmarks.tuning.study import tune
from benchmarks.tuning.trials import Study

__all__ = ["FinishedCell", "SettingRuns", "run_cell"]

Made = TypeVar("Made")


@dataclass(frozen=True)
class SettingRuns:
    """The runs of one setting, "tuned" or "default", on the test seeds: its hyperparameters and their trace
    ``[1, S]``.
    """

    setting: str
    values: Mapping[str, float]
    trace: Trace


@dataclass(frozen=True)
class FinishedCell:
    """All that a cell made: its study, the runs of its settings, and its landscape (None where the plan has none).

    The defaults are the last setting; the winner's runs come before them where there is a winner.
    """

    study: Study
    settings: Sequence[SettingRuns]
    grid: GridMap | None
    tuning_seconds: float
    test_seconds: float

    @property
    def default(self) -> SettingRuns:
        """The runs of the defaults."""
        return self.settings[-1]

    @property
    def seconds(self) -> Seconds:
        """What each part took; sampling is part of tuning."""
        mapped = self.grid.seconds if self.grid else 0.0
        return Seconds(self.tuning_seconds, self.study.sampling_seconds, self.test_seconds, mapped)

    @property
    def lane_steps(self) -> int:
        """The number of updates of single runs that were made."""
        traces = [*(block.trace for block in self.study.blocks), *(runs.trace for runs in self.settings)]
        return sum(trace.lane_steps for trace in traces) + (self.grid.lane_steps if self.grid else 0)


def run_cell(cell: ReadyCell, checkpoints: Checkpoints, storage: str | None = None) -> FinishedCell:
    """Tune the optimizer, test its winner and its defaults on fresh seeds, and map the landscape.

    The study is kept in the Optuna ``storage`` where one is given. Raises `OutOfTime` where the deadline of
    ``checkpoints`` came first; a later call goes on from the blocks that were made.
    """
    study, tuning_seconds = _timed(lambda: _tune(cell, checkpoints, storage))
    settings, test_seconds = _timed(lambda: _test(cell, study))
    grid = _landscape(cell, study.space, checkpoints)
    return FinishedCell(study, settings, grid, tuning_seconds, test_seconds)


def _tune(cell: ReadyCell, checkpoints: Checkpoints, storage: str | None) -> Study:
    tuning = cell.plan.tuning
    if not tuning.enabled:
        return Study(cell.space, [], None, 0, 0.0)
    name = cell.plan.name if storage is None else _shared_name(cell)
    training = cell.training(cell.seeds(tuning.seeds), cell.evaluate)
    return tune(name, training, cell.space, tuning, checkpoints, storage)


def _shared_name(cell: ReadyCell) -> str:
    """The name of the cell's study in a storage; it differs where the trials would mean something else."""
    parts = {"steps", "evaluations", "spacing", "tuning", "searching"}
    meaning = cell.plan.model_dump_json(include=parts, exclude={"tuning": {"trials"}})  # more trials may join the same
    prints = f"{cell.problem.fingerprint()}\n{cell.fingerprint}"
    digest = hashlib.sha256(f"{prints}\n{meaning}".encode()).hexdigest()[:16]
    return f"{cell.plan.suite}/{cell.plan.name}/{digest}"


def _test(cell: ReadyCell, study: Study) -> list[SettingRuns]:
    """The winner, where there is one, and the defaults, trained on the test seeds."""
    settings = {"tuned": study.winner.values} if study.winner else {}
    settings["default"] = cell.space.defaults(cell.spec)
    planar = cell.problem.dim == 2
    seeds = cell.seeds(cell.plan.test.seeds)
    training = cell.training(seeds, 1 if planar else cell.evaluate, keep_path=planar)
    return [SettingRuns(setting, values, train(training, values)) for setting, values in settings.items()]


def _landscape(cell: ReadyCell, space: Space, checkpoints: Checkpoints) -> GridMap | None:
    """The map of the ranges last searched: where they were widened, the winner would lie beyond the first ones."""
    wanted = cell.plan.landscape
    if not wanted.enabled:
        return None
    training = cell.training(cell.seeds(wanted.seeds), max(1, cell.steps // wanted.evaluations))
    return landscape(training, space, wanted.grid, checkpoints=checkpoints)


def _timed(part: Callable[[], Made]) -> tuple[Made, float]:
    began = time.perf_counter()
    made = part()
    return made, time.perf_counter() - began
