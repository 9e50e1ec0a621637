"""What a power cut or a broken disk leaves of a finished cell or exhibit: found, so that it is run again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from analysis.record.cells import Cell
from analysis.record.errors import OtherSchemaError, RecordError
from analysis.record.exhibits import Exhibit
from analysis.record.tables import check_file, digests_of, read_json
from benchmarks.record.folder import RecordFolder

__all__ = ["damaged"]

TABLES: Final = ("trials", "runs", "curves", "landscape")  # that every cell has


def damaged(record: RecordFolder) -> Iterator[tuple[Path, str]]:
    """The folders of cells and exhibits that cannot be read, each with the fault in words.

    Every file is checked as it is when read: a table to be the one that landed, by its digest, which costs a pass over
    its bytes. What another version of the schema wrote is not damaged, nor is what cannot be looked at now.
    """
    for kind, tables in (("cell", TABLES), ("exhibit", ())):
        for folder in sorted((record.path / f"{kind}s").glob("[!.]*")):
            try:
                _check(folder, f"{kind}.json", tables)
            except OtherSchemaError:
                continue
            except RecordError as error:
                yield folder, str(error)


def _check(folder: Path, file: str, tables: tuple[str, ...]) -> None:
    """Raise `RecordError` with the fault where a file of ``folder`` cannot be read."""
    read_json(folder / file)
    noted = digests_of(folder)
    for name in {f"{table}.parquet": None for table in tables} | dict.fromkeys(noted):
        check_file(folder, name)
    for table in sorted(folder.glob("*.parquet")):
        check_file(folder, table.name)
    Cell.load(folder) if file == "cell.json" else Exhibit.load(folder)
