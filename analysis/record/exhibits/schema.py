"""What the module of every exhibit states: its question, the class of its facts, and its tables, column by column.

Everywhere: a *range* is the 5% and the 95% quantile over runs, in the columns ``low`` and ``high``; ``gap`` is the loss
minus the problem's floor; a value that a diverged run does not have is missing (NaN), and ``status`` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from analysis.record.typed_json import from_json, to_json

__all__ = ["OPTIMIZER", "POINT", "SPREAD", "STATUS", "ExhibitSchema", "Facts"]

F = TypeVar("F", bound="Facts")


@dataclass(frozen=True)
class Facts:
    """The numbers that an exhibit's sentences are made of: a subclass a question, its fields ordered as in the file."""

    def to_json(self) -> dict[str, Any]:
        """What ``exhibit.json`` holds under ``facts``."""
        content: dict[str, Any] = to_json(self)
        return content

    @classmethod
    def from_json(cls: type[F], content: object, where: str = "facts") -> F:
        """The facts that ``exhibit.json`` holds; raises `RecordError` that names what is missing or wrong."""
        return from_json(cls, content, where)


@dataclass(frozen=True)
class ExhibitSchema:
    """What an exhibit holds: the question it answers, ``{table: {column: meaning}}`` and the class of its facts; and on
    which ``page`` it is answered, that of the book's chapter or that of all other questions.
    """

    name: str
    question: str
    tables: Mapping[str, Mapping[str, str]]
    facts: type[Facts]
    page: Literal["chapter", "questions"] = "questions"


OPTIMIZER: Final = "registered name of the optimizer"
STATUS: Final = "finished | diverged"
POINT: Final[Mapping[str, str]] = {"x1": "first parameter", "x2": "second parameter"}
SPREAD: Final[Mapping[str, str]] = {
    "mean": "mean over seeds",
    "deviation": "standard deviation over seeds",
    "low": "5% quantile",
    "median": "median",
    "high": "95% quantile",
    "seeds": "number of seeds",
    "diverged": "number of them that diverged; left out of the rest",
}
"""How the values of several seeds lie."""
