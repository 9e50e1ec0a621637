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
import torch
from torch import Tensor

from analysis.record.exhibits import Facts
from benchmarks.suite.settings import Strict
from problems import Problem

__all__ = ["Answer", "Question", "spread"]


@dataclass(frozen=True)
class Answer:
    """Tables and facts, as the exhibit's module in `analysis.record.exhibits` documents them, and sentences that say
    how it was measured.
    """

    tables: Mapping[str, pd.DataFrame]
    facts: Facts
    method: Sequence[str]


class Question(Strict):
    """A question with its options as fields; subclasses define how it is answered. Equal options give equal answers."""

    name: ClassVar[str]
    seconds: ClassVar[float]
    """About how long the answer takes with the default options on one core, for estimates of time."""

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


def spread(values: Tensor) -> dict[str, float]:
    """How ``values [S]`` of several seeds lie: mean, deviation, 5% quantile, median, 95% quantile, and counts.

    A seed that diverged (NaN) is counted and left out; everything is NaN where none is left.
    """
    kept = values[values.isfinite()].double()
    counts = {"seeds": len(values), "diverged": len(values) - len(kept)}
    if len(kept) == 0:
        return dict.fromkeys(("mean", "deviation", "low", "median", "high"), float("nan")) | counts
    low, median, high = torch.quantile(kept, torch.tensor([0.05, 0.5, 0.95], dtype=torch.float64)).tolist()
    deviation = float(kept.std()) if len(kept) > 1 else 0.0
    return {"mean": float(kept.mean()), "deviation": deviation, "low": low, "median": median, "high": high, **counts}
