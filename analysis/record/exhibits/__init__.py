"""Exhibits: named questions that a suite answers besides its cells, each by a few tables and facts; how to read them.

results/<suite>/exhibits/<name>/     one folder an exhibit; it exists only when finished
    exhibit.json                     what was asked, how it was measured, its facts  -> ``Exhibit.info``
    <table>.parquet                  its tables, as its schema documents them        -> ``Exhibit.table(name)``

Each question has a module that states its facts and its tables; `SCHEMAS` lists them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import pandas as pd

from analysis.record.errors import OtherSchemaError, RecordError
from analysis.record.exhibits.curvature import CURVATURE
from analysis.record.exhibits.effective_rates import EFFECTIVE_RATES
from analysis.record.exhibits.gamma_one import GAMMA_ONE
from analysis.record.exhibits.gamma_schedules import GAMMA_SCHEDULES
from analysis.record.exhibits.ladder import LADDER
from analysis.record.exhibits.memory import MEMORY
from analysis.record.exhibits.memory_laws import MEMORY_LAWS
from analysis.record.exhibits.numbers import NUMBERS
from analysis.record.exhibits.real_problem import REAL_PROBLEM
from analysis.record.exhibits.rotation import ROTATION
from analysis.record.exhibits.scale_laws import SCALE_LAWS
from analysis.record.exhibits.schedules_found import SCHEDULES_FOUND
from analysis.record.exhibits.schema import ExhibitSchema, Facts
from analysis.record.exhibits.stall import STALL
from analysis.record.exhibits.tuning_free import TUNING_FREE
from analysis.record.exhibits.unit_tests import UNIT_TESTS
from analysis.record.exhibits.variants import VARIANTS
from analysis.record.tables import read_json, read_table
from analysis.record.typed_json import from_json, to_json

__all__ = [
    "EXHIBIT_VERSION",
    "SCHEMAS",
    "Exhibit",
    "ExhibitInfo",
    "ExhibitSchema",
    "Facts",
    "check_exhibit",
    "load_exhibits",
]

F = TypeVar("F", bound=Facts)

EXHIBIT_VERSION: Final = 1

SCHEMAS: Final[Mapping[str, ExhibitSchema]] = {
    schema.name: schema
    for schema in (
        NUMBERS,
        MEMORY,
        STALL,
        VARIANTS,
        GAMMA_ONE,
        ROTATION,
        REAL_PROBLEM,
        GAMMA_SCHEDULES,
        SCHEDULES_FOUND,
        CURVATURE,
        EFFECTIVE_RATES,
        LADDER,
        TUNING_FREE,
        MEMORY_LAWS,
        SCALE_LAWS,
        UNIT_TESTS,
    )
}
"""Every exhibit of ours by name."""


@dataclass(frozen=True)
class ExhibitInfo(Generic[F]):
    """What ``exhibit.json`` says, in its order."""

    schema: int
    """`EXHIBIT_VERSION` of the code that wrote it."""
    exhibit: str
    """Name of the exhibit, as in `SCHEMAS`."""
    position: int
    """Place in the suite, from 0."""
    question: str
    """The question, in words."""
    method: tuple[str, ...]
    """Sentences that say how it was measured."""
    options: Mapping[str, object]
    """What the suite could have changed, ``{name: value}`` with values as JSON has them."""
    fingerprint: str
    """Of the problems and options it was made from."""
    facts: F
    """The numbers that sentences are made of."""
    seconds: float
    """What it took."""

    def to_json(self) -> dict[str, Any]:
        """What ``exhibit.json`` holds."""
        content: dict[str, Any] = to_json(self)
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, object], where: str) -> ExhibitInfo[Any]:
        """What the object ``content`` says; raises `RecordError` with ``where`` that names what is missing or wrong."""
        name = content.get("exhibit")
        if name not in SCHEMAS:
            raise RecordError(f"{where}: exhibit should be one of {', '.join(SCHEMAS)}, and is {name!r}")
        try:
            return from_json(cls, content, facts=SCHEMAS[str(name)].facts)
        except RecordError as error:
            raise RecordError(f"{where}: {error}") from error


@dataclass(frozen=True)
class Exhibit(Generic[F]):
    """One finished exhibit of a record, ``F`` the class of its facts; its tables are read when asked for."""

    path: Path
    info: ExhibitInfo[F]

    @classmethod
    def load(cls, path: Path) -> Exhibit[Any]:
        """Read ``path/exhibit.json``; raises `RecordError` where it is missing, damaged or of another version."""
        file = path / "exhibit.json"
        try:
            content = read_json(file)
        except (OSError, RecordError) as error:
            raise RecordError(
                f"{path} is not a finished exhibit: {error}; delete this folder and run the suite again"
            ) from error
        if not isinstance(content, dict) or content.get("schema") != EXHIBIT_VERSION:
            raise OtherSchemaError(f"{path} was written by another version of the record's schema; run the suite again")
        return cls(path, ExhibitInfo.from_json(content, str(file)))

    @property
    def name(self) -> str:
        """The name of its question."""
        return self.info.exhibit

    @property
    def facts(self) -> F:
        """The numbers that sentences are made of."""
        return self.info.facts

    def table(self, name: str) -> pd.DataFrame:
        """The table called ``name``; raises `RecordError` where it cannot be read."""
        return read_table(self.path, name, SCHEMAS[self.name].tables.get(name, {}))


def load_exhibits(folder: Path) -> dict[str, Exhibit[Any]]:
    """The finished exhibits of the results folder ``folder`` by name, in the suite's order."""
    found = [Exhibit.load(path) for path in sorted((folder / "exhibits").glob("*")) if not path.name.startswith(".")]
    return {exhibit.name: exhibit for exhibit in sorted(found, key=lambda exhibit: exhibit.info.position)}


def check_exhibit(name: str, tables: Mapping[str, pd.DataFrame], facts: Facts) -> None:
    """Raise `RecordError` unless facts, tables and columns are, one for one, those of the schema of ``name``.

    Facts are read back from the JSON that they will be, so that what is written can be read.
    """
    schema = SCHEMAS[name]
    schema.facts.from_json(facts.to_json(), f"exhibit {name}, facts")
    for table, columns in schema.tables.items():
        strange = set(columns) ^ set(tables[table].columns if table in tables else ())
        if strange:
            raise RecordError(f"exhibit {name}: table {table} and its schema disagree on {', '.join(sorted(strange))}")
    if extra := tables.keys() - schema.tables.keys():
        raise RecordError(f"exhibit {name} has no {', '.join(f'table {table}' for table in sorted(extra))}")
