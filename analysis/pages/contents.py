"""The contents of a page: every problem with a miniature of its outcome."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analysis.figures.overview import Ratios
from analysis.problem_results import ProblemResults
from analysis.words import listing

__all__ = ["MOST_BARS", "Bar", "Miniature", "miniatures"]

MOST_BARS: Final = 12
"""Optimizers that a miniature shows: the best of them."""

TALL: Final = 14
"""The height of the best bar of a miniature, in pixels."""


@dataclass(frozen=True)
class Bar:
    """An optimizer in a miniature: its ``label`` and the ``height`` of its bar in pixels."""

    label: str
    height: float


@dataclass(frozen=True)
class Miniature:
    """The outcome of a problem as bars, best first, as high as their share of the best progress; ``says`` it in
    words.
    """

    bars: tuple[Bar, ...]
    says: str


def miniatures(results: Mapping[str, ProblemResults], ratios: Ratios) -> dict[str, Miniature]:
    """The miniature of every problem of ``results``; one where nothing is compared has no bars."""
    return {name: _miniature(result, ratios) for name, result in results.items()}


def _miniature(result: ProblemResults, ratios: Ratios) -> Miniature:
    if result.problem.name not in ratios.problems or not result.best:
        return Miniature((), "nothing is compared here")
    row = ratios.problems.index(result.problem.name)
    bars = []
    for cell in result.by_result:
        at = ratios.labels.index(cell.label)
        share = 0.0 if math.isinf(ratios.values[row, at]) else float(ratios.shares[row, at])
        if not math.isnan(share):
            bars.append(Bar(cell.label, max(1.0, round(TALL * min(share, 1.0), 1))))
    shown = bars[:MOST_BARS]
    more = f" and {len(bars) - len(shown)} more" if len(bars) > len(shown) else ""
    first = "nobody is told apart from the best; lowest first" if result.undecided else "lowest first"
    return Miniature(tuple(shown), f"{first}: {listing([bar.label for bar in shown])}{more}")
