"""How much memory a suite takes: said before it starts, and kept within what it may have."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.engine.inputs import evaluation_steps
from benchmarks.errors import UsageError
from benchmarks.running.prepare import ReadyCell
from benchmarks.running.slices import landscape_runs, slices_of
from benchmarks.tuning.landscape import group_numbers, lane_numbers
from benchmarks.tuning.samplers import trial_count

__all__ = ["cell_bytes", "fitting_jobs", "memory_size", "size_text"]

MIB: Final = 2**20
PROCESS: Final = 600 * MIB
"""A process with torch, pandas, matplotlib and MLflow, and the figures of a report on a small grid."""

RUN: Final = 1100
"""Bytes a run of a landscape, at the worst moment of its report, as measured (docs/performance.md)."""

KEPT: Final = 150
"""Of them, bytes a run that are kept while the other cells of the problem are read."""

ROW: Final = 300
"""Bytes a row of the curves, and the columns it is copied to before it is in the file."""

NUMBER: Final = 8
"""Bytes of a number."""

UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def memory_size(text: str) -> int:
    """The bytes of a size such as ``2GiB``, ``1.5G`` or ``800 MB``, all in powers of 1024; raises `UsageError`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if found is None or float(found[1]) <= 0:
        raise UsageError(f"--memory is a size, as 2GiB or 800MiB, got {text!r}")
    return int(float(found[1]) * UNITS[found[2].upper()])


def size_text(size: float) -> str:
    """Bytes in words."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / MIB:.0f} MiB"


def cell_bytes(cell: ReadyCell) -> int:
    """The memory that a process needs, itself included, to run the cell and to report it."""
    return slice_bytes(cell) + RUN * landscape_runs(cell)


def slice_bytes(cell: ReadyCell) -> int:
    """The memory that a process needs for any part of the cell, which does not hold the whole landscape."""
    tuning, test = cell.plan.tuning, len(cell.seeds(cell.plan.test.seeds))
    studies = tuning.studies if tuning.enabled else 0
    tested = cell.training(cell.seeds(cell.plan.test.seeds), cell.evaluate)
    lanes, trial_rows = (studies + 1) * test, 0
    if tuning.enabled:
        seeds = len(cell.seeds(tuning.seeds))
        lanes = max(lanes, tuning.block * seeds)
        each = len(evaluation_steps(cell.steps, cell.evaluate_trials))
        trial_rows = studies * (1 + trial_count(tuning, cell.space)) * seeds * each
    rows = trial_rows + (studies + 1) * test * len(tested.evaluations)
    if cell.problem.dim == 2:
        rows += (studies + 1) * test * cell.steps
    held, runs = lanes * lane_numbers(tested), landscape_runs(cell)
    if runs:
        mapped = cell.mapping
        held = max(held, min(group_numbers(mapped), runs * lane_numbers(mapped)))
    return PROCESS + NUMBER * held + ROW * rows


def fitting_jobs(cells: Sequence[ReadyCell], jobs: int, memory: int | None, storage: str | None = None) -> int:
    """How many of ``jobs`` processes may work at once on the ``cells``, cut into slices where that is worth it, and on
    their report within ``memory`` bytes.

    Without a bound it is what the machine has. Raises `UsageError`, which says the estimate, where not even one may.
    """
    if not cells:
        return jobs
    bound = _machine() if memory is None else memory
    parts = sorted(((cell_bytes(cell), cell.plan.name) for cell in cells), reverse=True)
    of_problems = sorted(_reports(cells), reverse=True)
    together = min(jobs, sum(map(len, _in_pieces(cells, jobs, storage))))
    for count in range(together, 0, -1):
        pieces = sorted((size for own in _in_pieces(cells, count, storage) for size in own), reverse=True)
        needed = max(sum(pieces[:count]), sum(size for size, _ in parts[:count]), sum(of_problems[:count]))
        if needed + (PROCESS if count > 1 else 0) <= bound:
            return jobs if count == together else count
    largest = next(cell for cell in cells if cell.plan.name == parts[0][1])
    runs = landscape_runs(largest)
    mapped = f" ({runs:,} runs of its landscape)" if runs else ""
    owner = "this machine has" if memory is None else "--memory allows"
    raise UsageError(
        f"{cells[0].plan.suite} needs about {size_text(max(parts[0][0], of_problems[0]))}, most of it for "
        f"{parts[0][1]}{mapped}, and {owner} {size_text(bound)}; give a smaller grid, fewer seeds or more memory"
    )


def _in_pieces(cells: Sequence[ReadyCell], jobs: int, storage: str | None) -> list[list[int]]:
    """The bytes of what may be at work at the same time of every cell: itself, or its slices."""
    cut = slices_of(cells, jobs, storage)
    sliced = {name: len(slices) for name, slices in cut.items()}
    return [
        [slice_bytes(cell)] * sliced[cell.plan.name] if cell.plan.name in sliced else [cell_bytes(cell)]
        for cell in cells
    ]


def _reports(cells: Iterable[ReadyCell]) -> list[int]:
    """The bytes that the report of each problem needs, all its landscapes at hand."""
    runs: dict[str, list[int]] = {}
    for cell in cells:
        runs.setdefault(cell.plan.problem, []).append(landscape_runs(cell))
    return [PROCESS + RUN * max(each) + KEPT * (sum(each) - max(each)) for each in runs.values()]


def _machine() -> int:
    """The bytes of memory of this machine, or of the container that this process is in."""
    found = [2**62]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found.append(int(Path(file).read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such file here, or "max"
            continue
    return min(found)
