"""How long a run will take: every problem's own speed, measured for a moment, times the updates ahead."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from benchmarks.loop import train_with

if TYPE_CHECKING:
    from benchmarks.cell import Prepared

__all__ = ["estimate_seconds"]

STEPS = 4
LANES = 32
SAMPLING = 0.004  # seconds a trial: asking and telling, measured for TPE below 100 trials
CELL = 0.15  # seconds: building the cell, its tables and files


def estimate_seconds(cells: Iterable[Prepared], jobs: int) -> float:
    """The expected wall time of ``cells`` in ``jobs`` processes, start-up of the workers included."""
    cells = list(cells)
    costs: dict[str, float] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for cell in cells:
        if cell.plan.problem not in costs:
            costs[cell.plan.problem] = _lane_step_seconds(cell)
    torch.set_num_threads(threads)
    work = sum(cell.lane_steps * costs[cell.plan.problem] + cell.plan.tuning.trials * SAMPLING + CELL for cell in cells)
    return work / min(jobs, max(1, len(cells))) + (3.0 if jobs > 1 and len(cells) > 1 else 0.0)


def _lane_step_seconds(cell: Prepared) -> float:
    """Seconds an update of one run, as measured over a few updates of a few lanes."""
    seeds = cell.seeds(cell.plan.tuning.seeds)
    count = max(1, min(LANES, cell.problem.chunk) // len(seeds))
    knob = cell.space.searched[0]
    values = {knob.name: torch.full((count,), knob.at(0.2), dtype=torch.float64)}
    try:
        train_with(cell.problem, cell.spec, values, seeds, 1)  # loads the data
        began = time.perf_counter()
        train_with(cell.problem, cell.spec, values, seeds, STEPS)
    except Exception:  # a broken rule or problem of the user's says so when its cell runs
        return 0.0
    return (time.perf_counter() - began) / (STEPS * count * len(seeds))
