"""The record: writes a results folder by the schema of `analysis.tables`, one cell at a time, each by one atomic
rename.

What exists under ``cells/`` is finished. Whatever stops a run, at any moment, leaves finished cells and at most a
hidden temporary folder, which the next run removes.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from analysis.exhibits import EXHIBIT_VERSION
from analysis.tables import COLUMNS, SCHEMA_VERSION, check_columns
from benchmarks.errors import SuiteError, UsageError
from benchmarks.landscape import GridMap
from benchmarks.lanes import PRUNED, STATUS, Trace
from benchmarks.study import Study
from benchmarks.suite import CellPlan, Suite
from problems import Problem

__all__ = [
    "commit_of",
    "curves_table",
    "empty_table",
    "exhibit_path",
    "finished",
    "landscape_table",
    "open_folder",
    "paths_table",
    "runs_table",
    "surface_table",
    "trials_table",
    "write_cell",
    "write_exhibit",
]

SURFACE_POINTS = 121  # along each axis: fine enough for contours, 15,000 rows
OURS = {"suite.toml", "environment.json", "cells", "exhibits", "unfinished", "report", "mlflow.db", "mlartifacts"}


def open_folder(folder: Path, suite: Suite) -> None:
    """Make ``folder`` the record of ``suite``, or take up the one that is there.

    Raises `UsageError` where the folder cannot be written, is not a record of ours, or is that of another suite
    definition; nothing is changed then.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; choose a folder with --out")
    stored = folder / "suite.toml"
    if stored.is_file():
        try:
            same = Suite.parse(stored.read_text(encoding="utf-8"), str(stored)) == suite
        except SuiteError:
            same = False
        if not same:
            raise UsageError(
                f"{folder} holds the record of another definition of a suite (see {stored}); "
                "choose another folder with --out, or remove this one"
            )
    elif folder.is_dir() and not {item.name for item in folder.iterdir() if not item.name.startswith(".")} <= OURS:
        raise UsageError(f"{folder} holds other files and no record; choose an empty or new folder with --out")
    try:
        for part in ("cells", *(["exhibits"] if suite.exhibits else [])):
            (folder / part).mkdir(parents=True, exist_ok=True)
            for rest in (folder / part).glob(".*"):
                shutil.rmtree(rest, ignore_errors=True)
        if not stored.is_file():
            _write_text(folder / "environment.json", json.dumps(environment(), indent=2) + "\n")
            _write_text(stored, suite.to_toml())
        elif not os.access(folder / "cells", os.W_OK):
            raise PermissionError(13, "Permission denied", str(folder))
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}; choose another with --out") from error


def finished(folder: Path, plans: Iterable[CellPlan]) -> set[str]:
    """The names of the plans' cells that stand finished in ``folder``."""
    return {plan.name for plan in plans if (folder / "cells" / plan.name / "cell.json").is_file()}


def write_cell(folder: Path, name: str, info: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Path:
    """Land one finished cell: written to a hidden folder, then renamed; a cell that is already there stays."""
    checked = {table: check_columns(table, frame) for table, frame in tables.items()}
    return _land(folder / "cells" / name, "cell.json", {"schema": SCHEMA_VERSION, "cell": name, **info}, checked)


def write_exhibit(folder: Path, name: str, info: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Path:
    """Land one finished exhibit, as a cell lands."""
    path = exhibit_path(folder, name)
    return _land(path.parent, path.name, {"schema": EXHIBIT_VERSION, "exhibit": name, **info}, tables)


def exhibit_path(folder: Path, name: str) -> Path:
    """The file that exists where the exhibit called ``name`` is finished."""
    return folder / "exhibits" / name / "exhibit.json"


def environment() -> dict[str, Any]:
    """Versions and machine, for whoever reads the record later."""
    packages = ["stepscape", "torch", "numpy", "scipy", "scikit-learn", "optuna", "cmaes", "mlflow", "pandas"]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "git_commit": commit_of(Path(__file__)),
        "packages": {name: _version(name) for name in packages},
    }


def commit_of(file: Path) -> str | None:
    """The commit that ``file`` stands at, "-dirty" behind it where the checkout differs; None where it is in none.

    An installed copy inside somebody's project is not of that project's commit: the file itself must be tracked.
    """
    git = ["git", "-C", str(file.parent)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", file.name], check=True, capture_output=True)
        described = subprocess.run(
            [*git, "describe", "--always", "--dirty", "--exclude=*", "--abbrev=40"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()


def trials_table(study: Study) -> pd.DataFrame:
    """One row a trial, with every hyperparameter's value; trials of other processes in a shared study have no block."""
    blocks, fixed = study.blocks, study.space.fixed
    frames = [
        pd.DataFrame(
            {
                "trial": block.trials,
                "block": block.number,
                "state": block.states,
                **_objective_columns(block.objective),
                "seeds": block.trace.status.shape[1],
                "diverged": block.diverged.numpy(),
                **_columns(block.values, fixed, len(block.trials)),
            }
        )
        for block in blocks
    ]
    if study.others:
        rows = [{**other, **other["values"], **fixed, "block": -1, "seeds": 0, "diverged": 0} for other in study.others]
        frames.append(pd.DataFrame(rows).drop(columns="values"))
    return pd.concat(frames, ignore_index=True) if frames else empty_table("trials")


def runs_table(
    setting: str, trace: Trace, values: Mapping[str, Tensor], fixed: Mapping[str, float], seeds: Sequence[int],
    trials: Sequence[int] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """One row a run of ``trace``, with every hyperparameter's value; ``trials`` numbers its configurations."""
    count = len(trace.status)
    each = {name: np.repeat(column, len(seeds)) for name, column in _columns(values, fixed, count).items()}
    best = trace.loss.nan_to_num(torch.inf).amin(-1)
    return pd.DataFrame(
        {
            "setting": setting,
            "trial": _trial_column(trials, count, len(seeds)),
            "seed": np.tile(seeds, count),
            "status": _status_column(trace.status),
            "stopped_at": trace.stopped_at.flatten().numpy(),
            "start_loss": trace.loss[..., 0].flatten().numpy(),
            "final_loss": trace.final_loss.flatten().numpy(),
            "best_loss": best.where(best.isfinite(), torch.nan).flatten().numpy(),
            **each,
        }
    )


def curves_table(setting: str, trace: Trace, seeds: Sequence[int], trials: Sequence[int] | None = None) -> pd.DataFrame:
    """One row a run and evaluation: the loss and the problem's further metrics."""
    count, evaluations = len(trace.status), len(trace.step)
    return pd.DataFrame(
        {
            "setting": setting,
            "trial": _trial_column(trials, count, len(seeds) * evaluations),
            "seed": np.tile(np.repeat(seeds, evaluations), count),
            "step": np.tile(trace.step.numpy(), count * len(seeds)),
            **{name: metric.flatten().numpy() for name, metric in trace.metrics.items()},
        }
    )


def landscape_table(grid: GridMap, seeds: Sequence[int]) -> pd.DataFrame:
    """One row a grid point and seed."""
    count = len(grid.status)
    best = grid.best_loss.where(grid.best_loss.isfinite(), torch.nan)
    return pd.DataFrame(
        {
            **{name: np.repeat(value.numpy(), len(seeds)) for name, value in grid.values.items()},
            "seed": np.tile(seeds, count),
            "status": _status_column(grid.status),
            "stopped_at": grid.stopped_at.flatten().numpy(),
            "start_loss": grid.start_loss.flatten().numpy(),
            "final_loss": grid.final_loss.flatten().numpy(),
            "best_loss": best.flatten().numpy(),
        }
    )


def paths_table(setting: str, trace: Trace, seeds: Sequence[int]) -> pd.DataFrame:
    """The parameters of 2-D runs at every evaluation, for one configuration: one row a step."""
    assert trace.path is not None
    path = trace.path[0]  # [S, E, 2]
    evaluations = len(trace.step)
    return pd.DataFrame(
        {
            "setting": setting,
            "seed": np.repeat(seeds, evaluations),
            "step": np.tile(trace.step.numpy(), len(seeds)),
            "x1": path[..., 0].flatten().double().numpy(),
            "x2": path[..., 1].flatten().double().numpy(),
        }
    )


def surface_table(problem: Problem) -> pd.DataFrame | None:
    """The full-data loss on a grid over the problem's frame; None for problems without one."""
    if problem.dim != 2 or problem.frame is None:
        return None
    x1, x2 = (torch.linspace(low, high, SURFACE_POINTS, dtype=torch.float64) for low, high in problem.frame)
    points = torch.cartesian_prod(x1, x2)
    loss = problem.evaluate(points.to(problem.dtype))["loss"].double()
    return pd.DataFrame({"x1": points[:, 0].numpy(), "x2": points[:, 1].numpy(), "loss": loss.numpy()})


def empty_table(name: str) -> pd.DataFrame:
    """The table of that name without a row."""
    words = ("setting", "state", "status")
    return pd.DataFrame({column: pd.Series(dtype="str" if column in words else "float64") for column in COLUMNS[name]})


def _objective_columns(objective: Tensor) -> dict[str, Any]:
    """``objective``, and ``objective_2`` where there are two."""
    names = ["objective", "objective_2"]
    return {name: column.numpy() for name, column in zip(names, objective.unbind(-1), strict=False)}


def _columns(values: Mapping[str, Tensor], fixed: Mapping[str, float], count: int) -> dict[str, Any]:
    return {**{name: v.numpy() for name, v in values.items()}, **{name: np.full(count, v) for name, v in fixed.items()}}


def _trial_column(trials: Sequence[int] | None, count: int, repeats: int) -> Any:
    if trials is None:
        return pd.array([pd.NA] * (count * repeats), dtype="Int64")
    return pd.array(np.repeat(np.asarray(trials), repeats), dtype="Int64")


def _status_column(status: Tensor) -> Any:
    assert int(status.max()) <= PRUNED
    return np.asarray(STATUS, dtype=object)[status.flatten().numpy()]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _land(final: Path, file: str, info: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Path:
    """Write ``info`` and ``tables`` to a hidden folder and rename it to ``final``, unless that is there already."""
    working = final.with_name(f".{final.name}.{os.getpid()}")
    shutil.rmtree(working, ignore_errors=True)
    working.mkdir()
    for table, frame in tables.items():
        frame.to_parquet(working / f"{table}.parquet", compression="zstd", index=False)
    text = json.dumps(info, indent=2, allow_nan=False, ensure_ascii=False)
    (working / file).write_text(text + "\n", encoding="utf-8")
    if final.exists():
        shutil.rmtree(working)
    else:
        working.rename(final)
    return final


def _write_text(path: Path, text: str) -> None:
    working = path.with_name(f".{path.name}.{os.getpid()}")
    working.write_text(text, encoding="utf-8")
    working.replace(path)
