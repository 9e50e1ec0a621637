"""Which part of a suite a record holds, where it was made to hold one part only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from analysis.record.errors import RecordError
from analysis.record.tables import read_json

__all__ = ["SHARD", "Shard", "shard_of_record"]

SHARD: Final = "shard.json"
"""The file that says which part a record holds; the record of a whole suite has none."""


@dataclass(frozen=True)
class Shard:
    """Part ``number``, from 1, of the ``count`` parts that a suite is divided into."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"shard {self.number} of {self.count}"

    def to_json(self) -> Mapping[str, int]:
        """The content of ``shard.json``."""
        return {"number": self.number, "count": self.count}


def shard_of_record(folder: Path) -> Shard | None:
    """The part that the record at ``folder`` holds, None where it is that of a whole suite.

    Raises `RecordError` where ``shard.json`` is damaged.
    """
    file = folder / SHARD
    if not file.is_file():
        return None
    content = read_json(file)
    if isinstance(content, dict) and set(content) == {"number", "count"}:
        number, count = content["number"], content["count"]
        if isinstance(number, int) and isinstance(count, int) and 1 <= number <= count:
            return Shard(number, count)
    raise RecordError(f"{file} should hold a number and a count, as 3 and 16; delete it where the record is whole")
