"""The record: writes a results folder by the schema of `analysis.record.cells`, one cell at a time, each by one atomic
rename.

What exists under ``cells/`` is finished. Whatever stops a run, at any moment, leaves finished cells and at most a
hidden temporary folder, which the next run removes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.record.cell_info import CellInfo
from analysis.record.columns import check_columns
from analysis.record.exhibits import ExhibitInfo
from analysis.record.tables import DIGESTS, digest
from benchmarks.record.folder import RecordFolder, landing
from benchmarks.redaction import redacted

__all__ = ["write_cell", "write_exhibit"]


Parts = pd.DataFrame | Iterator[pd.DataFrame]


def write_cell(folder: RecordFolder, info: CellInfo, tables: Mapping[str, Parts]) -> Path:
    """Land one finished cell in ``folder`` and return its folder; a cell that is already there stays.

    ``info`` becomes ``cell.json``, each of ``tables`` (by name; whole, or parts that become row groups) a parquet file,
    whose digest is noted. Raises `RecordError` where a table lacks a required column.
    """
    checked = {table: _checked(table, frame) for table, frame in tables.items()}
    return _land(folder.cell(info.cell), "cell.json", info.to_json(), checked)


def write_exhibit(folder: RecordFolder, info: ExhibitInfo[Any], tables: Mapping[str, pd.DataFrame]) -> Path:
    """Land one finished exhibit as `write_cell` lands a cell; ``info`` becomes ``exhibit.json``."""
    return _land(folder.exhibit(info.exhibit), "exhibit.json", info.to_json(), tables)


def _checked(table: str, frame: Parts) -> Parts:
    """A ``table`` whose required columns are there, in every part of it."""
    if isinstance(frame, pd.DataFrame):
        return check_columns(table, frame)
    return (check_columns(table, part) for part in frame)


def _small(frame: pd.DataFrame) -> dict[str, Any]:
    """The options by which the table of ``frame`` becomes a small file.

    Measured numbers (int16 are codes of such) hardly repeat, and resemble each other in their first bytes: those are
    kept together. All other
    columns, seeds and settings and hyperparameters, are kept as numbers of what they repeat.
    """
    measured = [name for name in frame.select_dtypes(["float", "int16"]) if 2 * frame[name].nunique() > len(frame)]
    others = [name for name in frame.columns if name not in measured]
    encoding = dict.fromkeys(measured, "BYTE_STREAM_SPLIT")
    return {"compression": "zstd", "use_dictionary": others, "column_encoding": encoding or None}


def _write_parts(file: Path, parts: Iterator[pd.DataFrame]) -> None:
    """Write one part after another, each a row group; of one part the file is that of the whole table."""
    frame = next(parts)
    first = pa.Table.from_pandas(frame, preserve_index=False)
    with pq.ParquetWriter(file, first.schema, **_small(frame)) as writer:
        writer.write_table(first)
        for part in parts:
            writer.write_table(pa.Table.from_pandas(part, schema=first.schema, preserve_index=False))


def _land(final: Path, file: str, info: Mapping[str, Any], tables: Mapping[str, Parts]) -> Path:
    """Write ``info`` and ``tables`` to the folder ``final``, whole or not at all, unless that is there already."""
    with landing(final) as working:
        working.mkdir()
        for table, frame in tables.items():
            if isinstance(frame, pd.DataFrame):
                frame.to_parquet(working / f"{table}.parquet", index=False, **_small(frame))
            else:
                _write_parts(working / f"{table}.parquet", frame)
        text = json.dumps(info, indent=2, allow_nan=False, ensure_ascii=False)
        (working / file).write_text(redacted(text) + "\n", encoding="utf-8")
        noted = {f"{table}.parquet": digest(working / f"{table}.parquet") for table in sorted(tables)}
        (working / DIGESTS).write_text(json.dumps(noted, indent=2) + "\n", encoding="utf-8")
    return final
