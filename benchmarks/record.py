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
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.exhibits import EXHIBIT_VERSION
from analysis.tables import SCHEMA_VERSION, check_columns
from benchmarks.errors import SuiteError, UsageError
from benchmarks.suite import CellPlan, Suite

__all__ = [
    "commit_of",
    "exhibit_path",
    "finished",
    "open_folder",
    "write_cell",
    "write_exhibit",
]

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


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _land(final: Path, file: str, info: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Path:
    """Write ``info`` and ``tables`` to a hidden folder and rename it to ``final``, unless that is there already."""
    working = final.with_name(f".{final.name}.{os.getpid()}")
    working.mkdir()
    try:
        for table, frame in tables.items():
            frame.to_parquet(working / f"{table}.parquet", compression="zstd", index=False)
        text = json.dumps(info, indent=2, allow_nan=False, ensure_ascii=False)
        (working / file).write_text(text + "\n", encoding="utf-8")
        if not final.exists():
            working.rename(final)
    finally:
        shutil.rmtree(working, ignore_errors=True)
    return final


def _write_text(path: Path, text: str) -> None:
    working = path.with_name(f".{path.name}.{os.getpid()}")
    working.write_text(text, encoding="utf-8")
    working.replace(path)
