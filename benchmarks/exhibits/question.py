"""What an exhibit is made by: a question with options, and the answer it gives by measuring."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from analysis.record.exhibits import Facts
from benchmarks.suite.settings import Strict
from problems import Problem

__all__ = ["Answer", "Question", "rising"]


@dataclass(frozen=True)
class Answer:
    """Tables and facts, as the exhibit's module in `analysis.record.exhibits` documents them, and sentences that say
    how it was measured.
    """

    tables: Mapping[str, pd.DataFrame]
    facts: Facts
    method: Sequence[str]


def rising(given: list[float]) -> list[float]:
    """A list that rises, for `pydantic.field_validator`; raises `ValueError` for any other."""
    if sorted(set(given)) != given:
        raise ValueError("must rise, each value once")
    return given


class Question(Strict):
    """A question with its options as fields; subclasses define how it is answered. Equal options give equal answers."""

    name: ClassVar[str]
    seconds: ClassVar[float]
    """About how long the answer takes with the default options on one core, for estimates of time."""

    def estimate(self, data: Path | None) -> float:  # noqa: ARG002 - where options change the cost, a class says how
        """About how many seconds the answer takes on one core."""
        return self.seconds

    @abstractmethod
    def answer(self, data: Path | None) -> Answer:
        """Measure everything; ``data`` is the user's folder of data files."""

    @abstractmethod
    def problems(self, data: Path | None) -> list[Problem]:
        """The problems that are trained on, whose instances the answer depends on.

        Raises `StepscapeError` for one that cannot be had.
        """

    def fingerprint(self, data: Path | None) -> str:
        """16 hex digits that name the options and the instances of the problems."""
        inputs = [self.name, self.model_dump(mode="json"), [problem.fingerprint() for problem in self.problems(data)]]
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]
