"""One ready cell to its cell result: studies, test runs of their winners on fresh seeds, and a landscape."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from analysis.record.cell_info import Seconds, StepCost
from benchmarks.engine.cost import step_cost
from benchmarks.engine.engines import Used
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import train
from benchmarks.record.checkpoints import Checkpoints
from benchmarks.running.prepare import ReadyCell
from benchmarks.tuning.landscape import GridMap, Groups
from benchmarks.tuning.space import Space
from benchmarks.tuning.study import tune
from benchmarks.tuning.trials import Study

__all__ = ["FinishedCell", "SettingRuns", "groups_of", "run_cell", "searched_space", "study_of"]

Made = TypeVar("Made")


@dataclass(frozen=True)
class SettingRuns:
    """The runs of one setting on the test seeds: its hyperparameters and their trace ``[1, S]``.

    ``setting`` is "tuned", the winner of the ``study`` of that number, or "default", of no study.
    """

    setting: str
    study: int | None
    values: Mapping[str, float]
    trace: Trace


@dataclass(frozen=True)
class FinishedCell:
    """All that a cell made: its studies, the runs of its settings, and its landscape (None where the plan has none).

    ``studies`` is empty where nothing is tuned. ``space`` holds all that was searched. The defaults are the last
    setting; the runs of the winners come before them, for studies that have one. ``cost`` is that of a step.
    """

    studies: Sequence[Study]
    space: Space
    settings: Sequence[SettingRuns]
    grid: GridMap | None
    tuning_seconds: float
    test_seconds: float
    cost: StepCost

    @property
    def default(self) -> SettingRuns:
        """The runs of the defaults."""
        return self.settings[-1]

    @property
    def seconds(self) -> Seconds:
        """What each part took; sampling is part of tuning."""
        mapped = self.grid.seconds if self.grid else 0.0
        sampling = sum(study.sampling_seconds for study in self.studies)
        return Seconds(self.tuning_seconds, sampling, self.test_seconds, mapped)

    @property
    def lane_steps(self) -> int:
        """The number of updates of single runs that were made."""
        return sum(trace.lane_steps for trace in self._traces) + (self.grid.lane_steps if self.grid else 0)

    @property
    def engines(self) -> list[Used]:
        """What advanced the lanes, more than one where a run was gone on with elsewhere."""
        return sorted({trace.engine for trace in self._traces} | (self.grid.engines if self.grid else frozenset()))

    @property
    def _traces(self) -> list[Trace]:
        blocks = [block for study in self.studies for block in study.blocks]
        return [*(block.trace for block in blocks), *(runs.trace for runs in self.settings)]


def run_cell(cell: ReadyCell, checkpoints: Checkpoints, storage: str | None = None) -> FinishedCell:
    """Tune the optimizer in independent studies, test their winners and the defaults on fresh seeds, and map the
    landscape.

    The studies are kept in the Optuna ``storage`` where one is given. Raises `OutOfTime` where the deadline of
    ``checkpoints`` came first; a later call goes on from the blocks that were made.
    """
    studies, tuning_seconds = _timed(lambda: _tune(cell, checkpoints, storage))
    settings, test_seconds = _timed(lambda: _test(cell, studies))
    space = _joined(cell, studies)
    grid = _landscape(cell, space, checkpoints)
    cost = step_cost(cell.training(cell.seeds(cell.plan.test.seeds), None), settings[-1].values)
    made = sum(study.seconds for study in studies)  # of which some was made before, or by others
    return FinishedCell(studies, space, settings, grid, max(tuning_seconds, made), test_seconds, cost)


def study_of(cell: ReadyCell, number: int, checkpoints: Checkpoints, storage: str | None = None) -> Study:
    """Study ``number`` of the cell, from 0: it has a name, which seeds its sampler, and tuning seeds of its own."""
    tuning = cell.plan.tuning
    name = cell.plan.name if storage is None else _shared_name(cell)
    training = cell.training(cell.seeds(tuning.seeds_of(number)), cell.evaluate_trials)
    own = f"{name} study {number + 1}" if number else name
    kept = checkpoints.within(f"study-{number + 1}")
    return tune(own, training, cell.space, tuning, kept, storage, cell.space.defaults(cell.spec))


def groups_of(cell: ReadyCell, space: Space) -> Groups:
    """The cell's landscape over ``space``, in the groups that are trained by one call each."""
    return Groups.of(cell.mapping, space, cell.plan.landscape.grid)


def searched_space(cell: ReadyCell, checkpoints: Checkpoints) -> Space:
    """All that the cell searches, which is known beforehand unless its studies may widen it: they are made then, or
    read where they are kept.
    """
    tuning = cell.plan.tuning
    return _joined(cell, _tune(cell, checkpoints, None) if tuning.enabled and tuning.widen else [])


def _joined(cell: ReadyCell, studies: Sequence[Study]) -> Space:
    return Space.joined([study.space for study in studies]) if studies else cell.space


def _tune(cell: ReadyCell, checkpoints: Checkpoints, storage: str | None) -> list[Study]:
    """The studies of the cell."""
    tuning = cell.plan.tuning
    return [study_of(cell, number, checkpoints, storage) for number in range(tuning.studies * tuning.enabled)]


def _shared_name(cell: ReadyCell) -> str:
    """The name of the cell's study in a storage; it differs where the trials would mean something else."""
    parts = {"steps", "evaluations", "spacing", "tuning", "searching"}
    grows = {"tuning": {"trials", "studies"}}  # more trials may join the same, and more studies stand beside it
    meaning = cell.plan.model_dump_json(include=parts, exclude=grows)
    prints = f"{cell.problem.fingerprint()}\n{cell.fingerprint}"
    digest = hashlib.sha256(f"{prints}\n{meaning}".encode()).hexdigest()[:16]
    return f"{cell.plan.suite}/{cell.plan.name}/{digest}"


def _test(cell: ReadyCell, studies: Sequence[Study]) -> list[SettingRuns]:
    """The winner of every study that has one, and the defaults, trained on the test seeds, all at once."""
    settings: list[tuple[str, int | None, Mapping[str, float]]] = [
        ("tuned", place, study.winner.values) for place, study in enumerate(studies) if study.winner
    ]
    settings.append(("default", None, cell.space.defaults(cell.spec)))
    names = settings[-1][2]
    values = {name: torch.tensor([own[name] for *_, own in settings], dtype=torch.float64) for name in names}
    planar = cell.problem.dim == 2
    seeds = cell.seeds(cell.plan.test.seeds)
    training = cell.training(seeds, 1 if planar else cell.evaluate, keep_path=planar)
    trace = train(training, values)
    return [SettingRuns(setting, study, own, trace.of(place)) for place, (setting, study, own) in enumerate(settings)]


def _landscape(cell: ReadyCell, space: Space, checkpoints: Checkpoints) -> GridMap | None:
    """The map of all that was searched: where ranges were widened, winners would lie beyond the first ones."""
    return GridMap.of(groups_of(cell, space), checkpoints) if cell.plan.landscape.enabled else None


def _timed(part: Callable[[], Made]) -> tuple[Made, float]:
    began = time.perf_counter()
    made = part()
    return made, time.perf_counter() - began
