"""The record: writes a results folder by the schema of `analysis.record.cells`, one cell at a time, each by one atomic
rename.

What exists under ``cells/`` is finished. Whatever stops a run, at any moment, leaves finished cells and at most a
hidden temporary folder, which the next run removes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.record.cell_info import CellInfo
from analysis.record.columns import check_columns
from analysis.record.exhibits import ExhibitInfo
from analysis.record.tables import DIGESTS, digest
from benchmarks.record.folder import RecordFolder, landing
from benchmarks.redaction import redacted

__all__ = ["write_cell", "write_exhibit"]


def write_cell(folder: RecordFolder, info: CellInfo, tables: Mapping[str, pd.DataFrame]) -> Path:
    """Land one finished cell in ``folder`` and return its folder; a cell that is already there stays.

    ``info`` becomes ``cell.json``, each of ``tables`` (by name) a parquet file, whose digest is noted. Raises
    `RecordError` where a table lacks a required column.
    """
    checked = {table: check_columns(table, frame) for table, frame in tables.items()}
    return _land(folder.cell(info.cell), "cell.json", info.to_json(), checked)


def write_exhibit(folder: RecordFolder, info: ExhibitInfo[Any], tables: Mapping[str, pd.DataFrame]) -> Path:
    """Land one finished exhibit as `write_cell` lands a cell; ``info`` becomes ``exhibit.json``."""
    return _land(folder.exhibit(info.exhibit), "exhibit.json", info.to_json(), tables)


def _land(final: Path, file: str, info: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> Path:
    """Write ``info`` and ``tables`` to the folder ``final``, whole or not at all, unless that is there already."""
    with landing(final) as working:
        working.mkdir()
        for table, frame in tables.items():
            frame.to_parquet(working / f"{table}.parquet", compression="zstd", index=False)
        text = json.dumps(info, indent=2, allow_nan=False, ensure_ascii=False)
        (working / file).write_text(redacted(text) + "\n", encoding="utf-8")
        noted = {f"{table}.parquet": digest(working / f"{table}.parquet") for table in sorted(tables)}
        (working / DIGESTS).write_text(json.dumps(noted, indent=2) + "\n", encoding="utf-8")
    return final
