"""Samplers replayed over a landscape: how fast TPE, GP, CMA-ES or QMC would have found it, without training anything.

A landscape has a value for every point a search over its two axes can ask for, rounded to the grid. A replay is the
study that would have been made (the same samplers, seeded the same way, in blocks); each trial is told the value of the
grid point in whose part of the ranges it lies. As in `analysis.measures.random_search`, each landscape seed is held out
in turn: the other seeds choose the best point, and the held-out one reports its value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.measures.axis import Axis
from analysis.measures.random_search import search_table
from analysis.measures.results import CellResult
from analysis.record.cells import Cell, Record
from analysis.record.columns import check_columns
from benchmarks.errors import UsageError, nearest
from benchmarks.record.folder import landing
from benchmarks.suite.settings import SAMPLERS, Tuning
from benchmarks.tuning.samplers import ask_quietly, make_sampler
from benchmarks.tuning.space import Space
from optimizers import Hyperparameter

__all__ = ["REPLAYED", "USUAL", "replay", "replay_record"]

REPLAYED = tuple(name for name in SAMPLERS if name != "grid")  # a grid over a grid would ask for its own points
USUAL = ("tpe", "cmaes", "qmc")  # random search is known exactly; GP takes up to a second a trial

Array = npt.NDArray[np.float64]


def replay(
    cell: Cell, sampler: str, budget: int = 64, repeats: int = 20, seed: int = 0, *, block: int = 16
) -> pd.DataFrame:
    """Search the landscape of ``cell`` ``repeats`` times with ``sampler``; one row a repeat and k = 1 … ``budget``.

    Columns are those of the record's ``replays``. Equal arguments give equal rows, and a longer budget begins like a
    shorter one of whole blocks. Raises `UsageError` for an unknown sampler, a budget, block or number of repeats below
    one, or a cell without a landscape or with one of a single value. ``seed`` and the number of the repeat seed the
    sampler.
    """
    if sampler not in REPLAYED:
        raise UsageError(f"no sampler {sampler!r} can be replayed{nearest(sampler, REPLAYED)}; there are {REPLAYED}")
    if min(budget, repeats, block) < 1:
        raise UsageError(f"a replay needs a budget, repeats and blocks of at least 1, got {budget}, {repeats}, {block}")
    grid = CellResult.alone(cell).grid
    if grid is None:
        raise UsageError(f"{cell.name} has no landscape: nothing can be replayed")
    axes = [axis for axis in (grid.y, grid.x) if axis is not None]
    for axis in axes:
        if axis.values[0] == axis.values[-1]:
            raise UsageError(f"the landscape of {cell.name} has one value of {axis.name}: nothing can be replayed")
    table = search_table(grid)
    space = Space(tuple(_knob(axis) for axis in axes), {})
    tuning = Tuning(sampler=sampler, trials=budget, block=block)
    rows = []
    for repeat in range(repeats):
        turn = repeat % table.objective.shape[0]
        shape = [axis.values.size for axis in axes]
        told, reported = table.objective[turn].reshape(shape), table.reported[turn].reshape(shape)
        asked = _search(space, tuning, f"{cell.name} {sampler} {seed} {repeat}", told)
        best = _kept(told[asked], reported[asked])
        rows.append(pd.DataFrame({"sampler": sampler, "repeat": repeat, "k": np.arange(1, budget + 1), "best": best}))
    return pd.concat(rows, ignore_index=True)


def replay_record(
    folder: Path,
    samplers: Sequence[str] = USUAL,
    budget: int = 64,
    repeats: int = 20,
    seed: int = 0,
    *,
    on_cell: Callable[[str], None] | None = None,
) -> list[Path]:
    """Replay ``samplers`` over every landscape of the record at ``folder``; the files ``replays.parquet`` it wrote.

    A cell's earlier replays are replaced; ``on_cell`` is told the name of every cell that is done. Raises `UsageError`
    as `replay` does, and where no cell has a landscape; `RecordError` where ``folder`` is no record.
    """
    cells = [cell for cell in Record.load(folder) if cell.landscape_rows]
    if not cells:
        raise UsageError(f"{folder} has no landscape: nothing can be replayed")
    files = []
    for cell in cells:
        parts = [replay(cell, sampler, budget, repeats, seed) for sampler in samplers]
        table = check_columns("replays", pd.concat(parts, ignore_index=True))
        files.append(cell.path / "replays.parquet")
        with landing(files[-1]) as working:
            table.to_parquet(working, compression="zstd", index=False)
        if on_cell is not None:
            on_cell(cell.name)
    return files


def _knob(axis: Axis) -> Hyperparameter:
    """The grid's own axis as a search range."""
    low, high = float(axis.values[0]), float(axis.values[-1])
    return Hyperparameter(axis.name, axis.default, low, high, axis.scale)


def _search(space: Space, tuning: Tuning, study_name: str, told: Array) -> tuple[npt.NDArray[np.int64], ...]:
    """The grid points, one index array an axis, that a study asks for when ``told`` is what the grid answers."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="minimize", study_name=study_name)
    distributions = space.distributions()
    asked: list[tuple[int, ...]] = []
    for number, first in enumerate(range(0, tuning.trials, tuning.block)):
        study.sampler = make_sampler(tuning, distributions, study_name, number)
        trials = [ask_quietly(study, distributions) for _ in range(min(tuning.block, tuning.trials - first))]
        for trial in trials:
            asked.append(_point(space, trial.params, told.shape))
        for trial, point in zip(trials, asked[first:], strict=True):
            study.tell(trial, float(told[point]))
    return tuple(np.array(index) for index in zip(*asked, strict=True))


def _point(space: Space, params: dict[str, Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The grid point of a trial: each range is cut into equal parts, one a point, so that all are equally likely."""
    values = space.from_optuna(params)
    places = (knob.position(values[knob.name]) for knob in space.searched)
    return tuple(min(max(int(place * size), 0), size - 1) for place, size in zip(places, shape, strict=True))


def _kept(told: Array, reported: Array) -> Array:
    """What the best point so far reports ``[K]``; the first of equals is kept."""
    best = np.minimum.accumulate(told)
    changed = np.concatenate([[True], told[1:] < best[:-1]])
    return np.asarray(reported[np.maximum.accumulate(np.where(changed, np.arange(told.size), 0))])
