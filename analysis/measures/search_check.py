"""What the search found beside what the landscape holds: two answers to one question, which may differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analysis.measures.results import CellResult
from analysis.words import hyperparameter_text, times

__all__ = ["APART", "SearchCheck", "search_check"]

APART: Final = 2.0
"""How many times one of the two is as high as the other from which on they are said to differ."""


@dataclass(frozen=True)
class SearchCheck:
    """The tuned result of ``label`` over the lowest point of its grid: ``ratio`` is above 1 where the grid is lower.

    ``lowest`` is the grid's setting as text, ``trials`` the number of each study; ``wider`` names the hyperparameters
    that were searched and are no axis of the grid; ``to_rounding`` says that the lower of the two is rounding, a ratio
    to which means nothing.
    """

    label: str
    ratio: float
    lowest: str
    trials: int
    wider: tuple[str, ...]
    to_rounding: bool

    @property
    def lower(self) -> str:
        """How much lower the lower of the two is, in words."""
        return "down to rounding" if self.to_rounding else f"{times(max(self.ratio, 1 / self.ratio))} lower"

    @property
    def missed(self) -> bool:
        """Whether the grid holds a setting more than `APART` times lower than what tuning found."""
        return self.ratio > APART

    @property
    def finer(self) -> bool:
        """Whether tuning found a setting more than `APART` times lower than any of the grid."""
        return self.ratio < 1 / APART


def search_check(result: CellResult) -> SearchCheck | None:
    """Search and landscape of a cell; None where one of them is missing, or a measure has no ratios.

    What lies below rounding counts as equal. A tuned median that diverged is infinitely high.
    """
    tuned, landscape, measure = result.tuned, result.landscape, result.measure
    if tuned is None or landscape is None or landscape.best is None or not measure.log:
        return None
    ratio = float(measure.ratio(tuned.value, landscape.best_value))
    if math.isnan(ratio):
        return None
    info = result.info
    axes = [axis for axis in (landscape.x, landscape.y) if axis is not None]
    setting: Mapping[str, float] = {
        axis.name: float(axis.values[place]) for axis, place in zip(axes, reversed(landscape.best), strict=False)
    }
    wider = tuple(name for name in info.optimizer.searched if name not in setting)
    text = hyperparameter_text(result.cell, setting)
    to_rounding = min(tuned.value, landscape.best_value) < measure.smallest
    return SearchCheck(result.label, ratio, text, info.protocol.trials, wider, to_rounding)
