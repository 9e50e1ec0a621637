"""Tables as files: read, and checked to be what was written or, where nobody noted that, to be possible at all.

A cell lands with the digests of its tables (``digests.json``): a file of the same digest is the file that landed, and
costs a pass over its bytes. A table without a digest is checked row by row, by `analysis.record.columns.TABLES`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from analysis.record.columns import TABLES, Column, check_columns
from analysis.record.errors import RecordError

__all__ = ["DIGESTS", "check_file", "check_rows", "digest", "digests_of", "has_table", "read_json", "read_table"]

DIGESTS: Final = "digests.json"
"""The file of a cell or exhibit that names the digest of each of its tables."""

SETTINGS: Final = ("trials", "landscape")
"""The tables whose further columns are hyperparameters, which every row has."""

HYPERPARAMETER: Final = Column("a hyperparameter")
FURTHER: Final = Column("a second objective, a further metric", missing=True, infinite=True)


def read_json(file: Path) -> object:
    """The content of a JSON file; raises `RecordError` with the fault alone where it is missing or no JSON."""
    try:
        content: object = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecordError(f"{file.name} is missing") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{file.name} is no JSON") from error
    return content


def digest(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def digests_of(folder: Path) -> Mapping[str, str]:
    """The digest of every table that landed in the ``folder`` of a cell or exhibit, by the name of its file.

    Empty where none were noted; raises `RecordError` where they cannot be read.
    """
    if not (folder / DIGESTS).exists():
        return {}
    content = read_json(folder / DIGESTS)
    if not isinstance(content, dict) or not all(isinstance(each, str) for each in content.values()):
        raise RecordError(f"{DIGESTS} should hold a text for each table")
    return content


def check_file(folder: Path, name: str) -> bool:
    """Whether the file ``name`` in ``folder`` is known, by its digest, to be what landed; False where none was noted.

    Raises `RecordError` with the fault alone where the file is missing, no table, or another than landed.
    """
    file, noted = folder / name, digests_of(folder).get(name)
    try:
        pq.read_metadata(file)
        same = noted is None or digest(file) == noted
    except FileNotFoundError as error:
        raise RecordError(f"{name} is missing") from error
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, as a file that may not be read
            raise
        raise RecordError(f"{name} is no table") from error
    if not same:
        raise RecordError(f"{name} is not the table that was written")
    return noted is not None


def has_table(folder: Path, table: str) -> bool:
    """Whether the cell in ``folder`` has ``table``, which only some cells have, or once had it."""
    name = f"{table}.parquet"
    return (folder / name).exists() or name in digests_of(folder)


def read_table(
    folder: Path, table: str, columns: Mapping[str, str] | None = None, only: Collection[str] | None = None
) -> pd.DataFrame:
    """The ``table`` of the cell or exhibit in ``folder``, checked.

    ``columns`` are the required ones of an exhibit's table, those of a cell's table are known. Of a large table
    ``only`` some columns are read, those of them that it has; the words of its ``status`` are categories then. Raises
    `RecordError` that names the file, what is wrong with it and what to do.
    """
    name = f"{table}.parquet"
    try:
        landed = check_file(folder, name)
        if only is None:
            frame = pd.read_parquet(folder / name)
        else:
            held = pq.read_schema(folder / name).names
            check_columns(table, pd.DataFrame(columns=held))
            frame = pq.read_table(
                folder / name, columns=[column for column in held if column in only], read_dictionary=["status"]
            ).to_pandas(split_blocks=True, self_destruct=True)
        if columns is None:
            if only is None:
                check_columns(table, frame)
            if not landed:
                check_rows(table, frame)
        elif missing := [column for column in columns if column not in frame]:
            raise RecordError(f"{table} lacks the column(s) {', '.join(missing)}")
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RecordError(
            f"{folder / name} cannot be read: {error}; delete the folder {folder} and run the suite again"
        ) from error
    return frame


def check_rows(table: str, frame: pd.DataFrame) -> None:
    """Raise `RecordError` with the fault where a value of ``frame``, a cell's ``table``, cannot be, or a row is twice
    there.
    """
    known = TABLES[table]
    if twice := [str(column) for column in frame.columns[frame.columns.duplicated()]]:
        raise RecordError(f"{table} has the column {twice[0]} twice")
    if frame.empty:
        return
    for name in frame.columns:
        more = HYPERPARAMETER if table in SETTINGS and name != "objective_2" else FURTHER
        if fault := _fault(frame[name], known.columns.get(str(name), more)):
            raise RecordError(f"column {name} of {table} {fault}")
    key = [column for column in known.key if column in frame]
    if key and (double := frame.duplicated(key)).any():
        row = frame.loc[double, key].iloc[0]
        where = ", ".join(f"{name} {value}" for name, value in row.items() if not pd.isna(value))
        raise RecordError(f"{table} has the row of {where} twice")


def _fault(values: pd.Series, column: Column) -> str:
    """What is wrong with the ``values`` of a ``column``, as a verb; empty where nothing is."""
    lost = values.isna()
    if not column.missing and lost.any():
        return f"lacks {int(lost.sum())} of {len(values)} values"
    held = values[~lost]
    if column.kind == "word":
        strange = [
            each for each in held.unique().tolist() if not isinstance(each, str) or each not in (column.words or [each])
        ]
        return f"should hold {' | '.join(column.words) or 'texts'}, got {strange[0]!r}" if strange else ""
    if held.empty:
        return ""
    if not is_numeric_dtype(held.dtype) or is_bool_dtype(held.dtype) or held.dtype.kind == "c":
        return f"should hold numbers, got {held.iloc[0]!r}"
    numbers = held.to_numpy(dtype=np.float64)
    if not column.infinite and np.isinf(numbers).any():
        return "should hold finite numbers, got inf"
    if column.kind == "integer" and (numbers != np.floor(numbers)).any():
        return f"should hold integers, got {numbers[numbers != np.floor(numbers)][0]:g}"
    if (numbers < column.low).any():
        return f"should hold no number below {column.low:g}, got {numbers.min():g}"
    return ""
