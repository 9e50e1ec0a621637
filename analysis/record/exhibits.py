"""Exhibits: named questions that a suite answers besides its cells, each by a few tables and facts; how to read them.

results/<suite>/exhibits/<name>/     one folder an exhibit; it exists only when finished
    exhibit.json                     what was asked, how it was measured, its facts  -> ``Exhibit.info``
    <table>.parquet                  its tables, as `exhibit_schemas` documents them -> ``Exhibit.table(name)``
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis.record.errors import RecordError
from analysis.record.exhibit_schemas import SCHEMAS

__all__ = ["EXHIBIT_VERSION", "Exhibit", "check_exhibit", "load_exhibits"]

EXHIBIT_VERSION: Final = 1


@dataclass(frozen=True)
class Exhibit:
    """One finished exhibit of a record; its tables are read when asked for.

    ``info`` is ``exhibit.json``::

        schema, exhibit (its name), position (place in the suite, from 0), question
        method:      sentences that say how it was measured
        options:     what the suite could have changed, {name: value}
        fingerprint: of the problems and options it was made from
        facts:       as `exhibit_schemas` documents them
        seconds:     what it took
    """

    path: Path
    info: Mapping[str, Any]

    @classmethod
    def load(cls, path: Path) -> Exhibit:
        """Read ``path/exhibit.json``; raises `RecordError` where it is missing, no JSON or of another version."""
        try:
            info = json.loads((path / "exhibit.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RecordError(f"{path} is not a finished exhibit: {error}") from error
        if not isinstance(info, dict) or info.get("schema") != EXHIBIT_VERSION:
            raise RecordError(f"{path} was written by another version of the record's schema; run the suite again")
        return cls(path, info)

    @property
    def name(self) -> str:
        return str(self.info["exhibit"])

    @property
    def facts(self) -> Mapping[str, Any]:
        """The numbers that sentences are made of."""
        facts: Mapping[str, Any] = self.info["facts"]
        return facts

    def table(self, name: str) -> pd.DataFrame:
        """The table called ``name``; raises `RecordError` where it cannot be read."""
        file = self.path / f"{name}.parquet"
        try:
            return pd.read_parquet(file)
        except (OSError, ValueError) as error:
            raise RecordError(f"{file} cannot be read: {error}") from error


def load_exhibits(folder: Path) -> dict[str, Exhibit]:
    """The finished exhibits of the results folder ``folder`` by name, in the suite's order."""
    found = [Exhibit.load(path) for path in sorted((folder / "exhibits").glob("*")) if not path.name.startswith(".")]
    return {exhibit.name: exhibit for exhibit in sorted(found, key=lambda exhibit: int(exhibit.info["position"]))}


def check_exhibit(name: str, tables: Mapping[str, pd.DataFrame], facts: Mapping[str, Any]) -> None:
    """Raise `RecordError` unless tables, columns and facts are, one for one, those of the schema of ``name``."""
    schema = SCHEMAS[name]
    expected = {f"table {table}": columns.keys() for table, columns in schema.tables.items()}
    found = {f"table {table}": frame.columns for table, frame in tables.items()}
    for part, names in {**expected, "facts": schema.facts.keys()}.items():
        strange = set(names) ^ set(facts if part == "facts" else found.get(part, ()))
        if strange:
            raise RecordError(f"exhibit {name}: {part} and its schema disagree on {', '.join(sorted(strange))}")
    if extra := found.keys() - expected.keys():
        raise RecordError(f"exhibit {name} has no {', '.join(sorted(extra))}")
