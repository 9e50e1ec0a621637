"""The record: writes a results folder by the schema of `analysis.record.cells`, one cell at a time, each by one atomic
rename.

What exists under ``cells/`` is finished. Whatever stops a run, at any moment, leaves finished cells and at most a
hidden temporary folder, which the next run removes.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.record.cell_info import CellInfo
from analysis.record.columns import check_columns
from analysis.record.exhibits import ExhibitInfo
from benchmarks.record.folder import exhibit_path

__all__ = ["write_cell", "write_exhibit"]


def write_cell(folder: Path, info: CellInfo, tables: Mapping[str, pd.DataFrame]) -> Path:
    """Land one finished cell: written to a hidden folder, then renamed; a cell that is already there stays."""
    checked = {table: check_columns(table, frame) for table, frame in tables.items()}
    return _land(folder / "cells" / info.cell, "cell.json", info.to_json(), checked)


def write_exhibit(folder: Path, info: ExhibitInfo[Any], tables: Mapping[str, pd.DataFrame]) -> Path:
    """Land one finished exhibit, as a cell lands."""
    path = exhibit_path(folder, info.exhibit)
    return _land(path.parent, path.name, info.to_json(), tables)


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
