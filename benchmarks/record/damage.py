"""What a power cut or a broken disk leaves of a finished cell or exhibit: found, so that it is run again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow.parquet

from benchmarks.record.folder import RecordFolder

__all__ = ["damaged"]

TABLES: Final = ("trials", "runs", "curves", "landscape")  # that every cell has


def damaged(record: RecordFolder) -> Iterator[tuple[Path, str]]:
    """The folders of cells and exhibits that cannot be read, each with the fault in words.

    Only the ends of tables are read, where what they hold is described: a file that is empty, cut off or overwritten
    has none.
    """
    for kind, tables in (("cell", TABLES), ("exhibit", ())):
        for folder in sorted((record.path / f"{kind}s").glob("[!.]*")):
            if fault := _fault(folder, f"{kind}.json", tables):
                yield folder, fault


def _fault(folder: Path, file: str, tables: tuple[str, ...]) -> str | None:
    """What is wrong with the files of ``folder``; None where all can be read."""
    try:
        json.loads((folder / file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"{file} is missing"
    except ValueError:
        return f"{file} is no JSON"
    for table in (*(folder / f"{name}.parquet" for name in tables), *folder.glob("*.parquet")):
        try:
            pyarrow.parquet.read_metadata(table)
        except FileNotFoundError:
            return f"{table.name} is missing"
        except pyarrow.ArrowException:
            return f"{table.name} is no table"
    return None
