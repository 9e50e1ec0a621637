"""The tables of a cell, as `analysis.record.cells` documents them, made of what was trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from analysis.record.columns import COLUMNS
from analysis.record.outcome import Outcome
from benchmarks.engine.trace import Trace
from benchmarks.record.surface import surface_table
from benchmarks.running.cell import FinishedCell
from benchmarks.running.prepare import ReadyCell
from benchmarks.tuning.landscape import GridMap
from benchmarks.tuning.trials import Study, Trial

__all__ = ["cell_tables"]


def cell_tables(cell: ReadyCell, result: FinishedCell) -> dict[str, pd.DataFrame | Iterator[pd.DataFrame]]:
    """Every table of ``cell`` by name: trials, runs, curves and landscape, of 2-D problems paths and surface too.

    The landscape may have millions of rows and is made as it is written, a part at a time.
    """
    landscape_seeds = cell.seeds(cell.plan.landscape.seeds)
    return {
        "trials": trials_table(result.studies),
        **_tables_of_runs(cell, result),
        "landscape": landscape_table(result.grid, landscape_seeds) if result.grid else empty_table("landscape"),
        **({"anytime": anytime_table(result.grid)} if result.grid and result.grid.horizons else {}),
        **_tables_of_the_plane(cell, result),
    }


def _tables_of_runs(cell: ReadyCell, result: FinishedCell) -> dict[str, pd.DataFrame]:
    runs, curves = [], []
    for number, study in enumerate(result.studies):
        seeds = cell.seeds(cell.plan.tuning.seeds_of(number))
        for block in study.blocks:
            of = Origin("trial", number, block.trial_numbers)
            runs.append(runs_table(of, block.trace, block.values, cell.space.fixed, seeds))
            curves.append(curves_table(of, block.trace, seeds))
    seeds = cell.seeds(cell.plan.test.seeds)
    for made in result.settings:
        of = Origin(made.setting, made.study)
        runs.append(runs_table(of, made.trace, {}, made.values, seeds))
        curves.append(curves_table(of, made.trace, seeds))
    return {"runs": pd.concat(runs, ignore_index=True), "curves": pd.concat(curves, ignore_index=True)}


def _tables_of_the_plane(cell: ReadyCell, result: FinishedCell) -> dict[str, pd.DataFrame]:
    """Paths and surface of a 2-D problem; nothing for others."""
    surface = surface_table(cell.problem)
    if cell.problem.dim != 2 or surface is None:
        return {}
    seeds = cell.seeds(cell.plan.test.seeds)
    paths = [paths_table(Origin(made.setting, made.study), made.trace, seeds) for made in result.settings]
    return {"paths": pd.concat(paths, ignore_index=True), "surface": surface}


ROWS = 131_072  # of a landscape that are in memory at once, and in a row group of the file
OBJECTIVES = ("objective", "objective_2")
UNTRAINED = {"block": -1, "seeds": 0, "diverged": 0}  # of a trial that another process trained


@dataclass(frozen=True)
class Origin:
    """Where runs come from: their ``setting`` ("trial", "tuned" or "default"), the number of their ``study``, None for
    the defaults, and the numbers of the ``trials`` of C, None where they are not trials.
    """

    setting: str
    study: int | None
    trials: Sequence[int] | None = None

    def columns(self, count: int, repeats: int) -> dict[str, Any]:
        """The columns of ``count`` configurations with ``repeats`` rows each."""
        rows = count * repeats
        trial = [pd.NA] * rows if self.trials is None else np.repeat(np.asarray(self.trials), repeats)
        study = pd.NA if self.study is None else self.study
        return {
            "setting": self.setting,
            "study": pd.array([study] * rows, dtype="Int64"),
            "trial": pd.array(trial, dtype="Int64"),
        }


def trials_table(studies: Sequence[Study]) -> pd.DataFrame:
    """One row a trial, study by study, with every hyperparameter's value; trials of other processes in a shared study
    have no block.
    """
    frames = [frame for number, study in enumerate(studies) for frame in _trials_of(number, study)]
    return pd.concat(frames, ignore_index=True) if frames else empty_table("trials")


def _trials_of(number: int, study: Study) -> list[pd.DataFrame]:
    blocks, fixed = study.blocks, study.space.fixed
    frames = [
        pd.DataFrame(
            {
                "study": number,
                "trial": block.trial_numbers,
                "block": block.number,
                "state": [state.value for state in block.states],
                **_objective_columns(block.objective),
                "seeds": block.trace.status.shape[1],
                "diverged": block.diverged.numpy(),
                **_columns(block.values, fixed, len(block.trial_numbers)),
            }
        )
        for block in blocks
    ]
    if study.others:
        own = [{"study": number, **_other_row(other), **fixed, **UNTRAINED} for other in study.others]
        frames.append(pd.DataFrame(own))
    return frames


def runs_table(
    of: Origin, trace: Trace, values: Mapping[str, Tensor], fixed: Mapping[str, float], seeds: Sequence[int]
) -> pd.DataFrame:
    """One row a run of ``trace`` ``[C, S]``.

    ``values`` are the searched hyperparameters ``{name: [C]}``, ``fixed`` the others; ``seeds`` are those of S.
    """
    count = len(trace.status)
    each = {name: np.repeat(column, len(seeds)) for name, column in _columns(values, fixed, count).items()}
    best = trace.loss.nan_to_num(torch.inf).amin(-1)
    return pd.DataFrame(
        {
            **of.columns(count, len(seeds)),
            "seed": np.tile(seeds, count),
            "status": _status_column(trace.status),
            "stopped_at": trace.stopped_at.flatten().numpy(),
            "start_loss": trace.loss[..., 0].flatten().numpy(),
            "final_loss": trace.final_loss.flatten().numpy(),
            "best_loss": best.where(best.isfinite(), torch.nan).flatten().numpy(),
            **each,
        }
    )


def curves_table(of: Origin, trace: Trace, seeds: Sequence[int]) -> pd.DataFrame:
    """One row a run and evaluation: the loss and the problem's further metrics."""
    count, evaluations = len(trace.status), len(trace.step)
    return pd.DataFrame(
        {
            **of.columns(count, len(seeds) * evaluations),
            "seed": np.tile(np.repeat(seeds, evaluations), count),
            "step": np.tile(trace.step.numpy(), count * len(seeds)),
            **{name: metric.flatten().numpy() for name, metric in trace.metrics.items()},
        }
    )


def landscape_table(grid: GridMap, seeds: Sequence[int]) -> Iterator[pd.DataFrame]:
    """One row a grid point and seed, `ROWS` rows or so at a time."""
    size = max(1, ROWS // len(seeds))
    for first in range(0, len(grid.status), size):
        part = slice(first, first + size)
        count, best = len(grid.status[part]), grid.best_loss[part]
        yield pd.DataFrame(
            {
                **{name: np.repeat(value[part].numpy(), len(seeds)) for name, value in grid.values.items()},
                "seed": np.tile(seeds, count),
                "status": _status_column(grid.status[part]),
                "stopped_at": grid.stopped_at[part].flatten().numpy(),
                "start_loss": grid.start_loss[part].flatten().numpy(),
                "final_loss": grid.final_loss[part].flatten().numpy(),
                "best_loss": best.where(best.isfinite(), torch.nan).flatten().numpy(),
            }
        )


def anytime_table(grid: GridMap) -> Iterator[pd.DataFrame]:
    """What the rows of `landscape_table` were after fewer steps: a column of codes for each horizon, by its number."""
    assert grid.anytime is not None, "whoever asks has looked"
    codes = grid.anytime.flatten(0, 1).numpy()
    size = max(1, ROWS // grid.anytime.shape[1]) * grid.anytime.shape[1]
    names = [str(step) for step in grid.horizons]
    for first in range(0, len(codes), size):
        yield pd.DataFrame(codes[first : first + size], columns=names)


def paths_table(of: Origin, trace: Trace, seeds: Sequence[int]) -> pd.DataFrame:
    """The parameters of 2-D runs at every evaluation, for one configuration: one row a step."""
    assert trace.path is not None
    path = trace.path[0]  # [S, E, 2]
    evaluations = len(trace.step)
    origin = of.columns(1, len(seeds) * evaluations)
    return pd.DataFrame(
        {
            "setting": origin["setting"],
            "study": origin["study"],
            "seed": np.repeat(seeds, evaluations),
            "step": np.tile(trace.step.numpy(), len(seeds)),
            "x1": path[..., 0].flatten().double().numpy(),
            "x2": path[..., 1].flatten().double().numpy(),
        }
    )


def empty_table(name: str) -> pd.DataFrame:
    """The table of that name without a row."""
    words = ("setting", "state", "status")
    return pd.DataFrame({column: pd.Series(dtype="str" if column in words else "float64") for column in COLUMNS[name]})


def _objective_columns(objective: Tensor) -> dict[str, Any]:
    """``objective``, and ``objective_2`` where there are two."""
    return {name: column.numpy() for name, column in zip(OBJECTIVES, objective.unbind(-1), strict=False)}


def _other_row(trial: Trial) -> dict[str, Any]:
    """The trial of another process, as far as its study tells."""
    objectives = dict(zip(OBJECTIVES, trial.objectives, strict=False))
    return {"trial": trial.number, "state": trial.state.value, **objectives, **trial.values}


def _columns(values: Mapping[str, Tensor], fixed: Mapping[str, float], count: int) -> dict[str, Any]:
    return {**{name: v.numpy() for name, v in values.items()}, **{name: np.full(count, v) for name, v in fixed.items()}}


def _status_column(status: Tensor) -> Any:
    words = np.asarray([outcome.word for outcome in Outcome], dtype=object)
    return words[status.flatten().numpy()]
