"""The results folder: made, taken up again, and what stands finished in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from benchmarks.errors import SuiteError, UsageError
from benchmarks.record.environment import environment
from benchmarks.suite.suite import CellPlan, Suite

__all__ = ["OURS", "exhibit_path", "finished", "open_folder"]

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


def exhibit_path(folder: Path, name: str) -> Path:
    """The file that exists where the exhibit called ``name`` is finished."""
    return folder / "exhibits" / name / "exhibit.json"


def _write_text(path: Path, text: str) -> None:
    working = path.with_name(f".{path.name}.{os.getpid()}")
    working.write_text(text, encoding="utf-8")
    working.replace(path)
