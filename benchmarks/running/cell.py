"""One cell from plan to record: its names looked up, its study, test runs and landscape, and what is written."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from analysis.record.cells import Cell
from benchmarks.mlflow_mirror.overview import draw_overview, overview_path
from benchmarks.record.checkpoints import Work
from benchmarks.record.folder import finished
from benchmarks.record.surface import surface_table
from benchmarks.record.writer import write_cell
from benchmarks.running import cell_tables as tables
from benchmarks.running.describe import Tests, describe
from benchmarks.running.prepare import Prepared, prepare
from benchmarks.suite.suite import CellPlan
from benchmarks.tuning.landscape import GridMap, landscape
from benchmarks.tuning.space import Space
from benchmarks.tuning.study import tune
from benchmarks.tuning.trials import Study

__all__ = ["Order", "run_cell"]


@dataclass(frozen=True)
class Order:
    """What a worker is sent: a cell's plan, the folder it lands in, and where and until when to work."""

    plan: CellPlan
    folder: Path
    data: Path | None = None
    storage: str | None = None
    deadline: float | None = None
    draw: bool = False  # the picture that the mirror will want

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def finished(self) -> bool:
        """Whether the cell stands in the folder."""
        return bool(finished(self.folder, [self.plan]))


def run_cell(order: Order) -> Path:
    """Run one cell and land it: tune, test winner and defaults on fresh seeds, map the landscape.

    Raises `OutOfTime` where the deadline came first; a later call goes on from the blocks that were made.
    """
    torch.set_num_threads(1)
    plan = order.plan
    cell = prepare(plan, order.data)
    kept = order.folder / "unfinished" / f"{plan.name}-{cell.problem.fingerprint()}"
    work = Work(kept, order.deadline)
    study, tuning_seconds = _timed(lambda: _tune(cell, work, order.storage))
    tests, test_seconds = _timed(lambda: _test(cell, study))
    grid = _landscape(cell, study.space, work)
    made = {
        "trials": tables.trials_table(study),
        **_run_tables(cell, study, tests),
        "landscape": _landscape_table(cell, grid),
        **_picture_tables(cell, tests),
    }
    seconds = {"tuning": tuning_seconds, "sampling": study.sampling_seconds, "test": test_seconds,
               "landscape": grid.seconds if grid else 0.0}  # fmt: skip
    traces = [*(block.trace for block in study.blocks), *(trace for _, trace in tests.values())]
    lane_steps = sum(trace.lane_steps for trace in traces) + (grid.lane_steps if grid else 0)
    info = describe(cell, study, tests, seconds, lane_steps)
    path = write_cell(order.folder, plan.name, info, made)
    work.forget()
    if order.draw:
        draw_overview(Cell.load(path), overview_path(order.folder, plan.name))
    return path


def _tune(cell: Prepared, work: Work, storage: str | None) -> Study:
    tuning = cell.plan.tuning
    if not tuning.enabled:
        return Study(cell.space, [], None, 0, 0.0)
    task = cell.task(cell.seeds(tuning.seeds), cell.evaluate)
    if storage is not None:
        task = replace(task, name=_shared_name(cell))
    return tune(task, cell.space, tuning, work, storage)


def _shared_name(cell: Prepared) -> str:
    """The name of the cell's study in a storage, other where its trials would mean something else."""
    parts = {"steps", "evaluations", "spacing", "tuning", "searching"}
    meaning = cell.plan.model_dump_json(include=parts, exclude={"tuning": {"trials"}})  # more trials may join the same
    digest = hashlib.sha256(f"{cell.problem.fingerprint()}\n{meaning}".encode()).hexdigest()[:16]
    return f"{cell.plan.suite}/{cell.plan.name}/{digest}"


def _test(cell: Prepared, study: Study) -> Tests:
    settings = {"tuned": study.winner.values} if study.winner else {}
    settings["default"] = cell.space.defaults(cell.spec)
    planar = cell.problem.dim == 2
    task = cell.task(cell.seeds(cell.plan.test.seeds), 1 if planar else cell.evaluate)
    return {name: (values, task.train(dict(values), keep_path=planar)) for name, values in settings.items()}


def _landscape(cell: Prepared, space: Space, work: Work) -> GridMap | None:
    """The map of the ranges last searched: where they were widened, the winner would lie beyond the first ones."""
    plan = cell.plan.landscape
    if not plan.enabled:
        return None
    task = cell.task(cell.seeds(plan.seeds), max(1, cell.steps // plan.evaluations))
    return landscape(task, space, plan.grid, work=work)


def _landscape_table(cell: Prepared, grid: GridMap | None) -> pd.DataFrame:
    if grid is None:
        return tables.empty_table("landscape")
    return tables.landscape_table(grid, cell.seeds(cell.plan.landscape.seeds))


def _run_tables(cell: Prepared, study: Study, tests: Tests) -> dict[str, pd.DataFrame]:
    tuning_seeds, test_seeds = cell.seeds(cell.plan.tuning.seeds), cell.seeds(cell.plan.test.seeds)
    fixed = cell.space.fixed
    runs = [tables.runs_table("trial", b.trace, b.values, fixed, tuning_seeds, b.trial_numbers) for b in study.blocks]
    curves = [tables.curves_table("trial", b.trace, tuning_seeds, b.trial_numbers) for b in study.blocks]
    for setting, (values, trace) in tests.items():
        runs.append(tables.runs_table(setting, trace, {}, values, test_seeds))
        curves.append(tables.curves_table(setting, trace, test_seeds))
    return {"runs": pd.concat(runs, ignore_index=True), "curves": pd.concat(curves, ignore_index=True)}


def _picture_tables(cell: Prepared, tests: Tests) -> dict[str, pd.DataFrame]:
    """Paths and surface of a 2-D problem; nothing for others."""
    surface = surface_table(cell.problem)
    if cell.problem.dim != 2 or surface is None:
        return {}
    seeds = cell.seeds(cell.plan.test.seeds)
    paths = [tables.paths_table(setting, trace, seeds) for setting, (_, trace) in tests.items()]
    return {"paths": pd.concat(paths, ignore_index=True), "surface": surface}


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began
