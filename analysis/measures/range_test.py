"""What an lr range test suggests: one short run whose learning rate rises by the same factor at every step.

Smith 2017 (arXiv 1506.01186) as fastai does it (``fastai.callback.schedule``: ``lr_find``, and the suggestions
``valley``, ``steep`` and ``minimum``); Lightning's differs in ranges and ends. The loss of every batch is smoothed by a
bias-corrected leaky average, the run ends once that is 4 times its lowest, and a suggestion looks at all but the first
tenth and the last five points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from analysis.statistics.arrays import Array

__all__ = ["SUGGESTIONS", "smoothed", "suggested"]

BETA: Final = 0.98
STOPS: Final = 4.0
"""The run ends where the smoothed loss is so many times its lowest so far."""
SKIPPED: Final = 5
"""Points at the end that no suggestion looks at."""


def smoothed(losses: Array, beta: float = BETA) -> Array:
    """The leaky average ``[T]`` of ``losses`` ``[T]``, divided by the weight that it has so far."""
    average, values = 0.0, np.empty(losses.size)
    for place, loss in enumerate(losses.tolist()):
        average = beta * average + (1 - beta) * loss
        values[place] = average / (1 - beta ** (place + 1))
    return values


def suggested(name: str, lrs: Array, losses: Array) -> float:
    """The learning rate that the suggestion ``name`` makes of the ``losses`` ``[T]`` of batches, each before the step
    at ``lrs`` ``[T]``; NaN where too little is left to look at.
    """
    kept = smoothed(losses)
    with np.errstate(invalid="ignore"):
        ended = np.flatnonzero(kept > STOPS * np.fmin.accumulate(kept))
    ran = int(ended[0]) + 1 if ended.size else losses.size
    seen = slice(losses.size // 10, max(ran - SKIPPED, 0))
    values = kept[seen]
    invalid = np.flatnonzero(~np.isfinite(values))
    values = values[: int(invalid[0])] if invalid.size else values
    if values.size < 2:
        return math.nan
    return SUGGESTIONS[name](lrs[seen][: values.size], values)


def _valley(lrs: Array, losses: Array) -> float:
    """Half of the way down the longest sequence of falling points: it begins as many points before its end as it has,
    and a third and half a third of them on, each rounded down, is taken.
    """
    lengths = np.ones(losses.size, dtype=np.int64)
    for place in range(1, losses.size):
        higher = lengths[:place][losses[:place] > losses[place]]
        lengths[place] = 1 + higher.max(initial=0)
    end = int(lengths.argmax())
    start = end - int(lengths[end]) if end else 0
    third = (end - start) / 3
    return float(lrs[max(start + int(third) + int(third / 2), 0)])


def _steep(lrs: Array, losses: Array) -> float:
    """Where the loss falls fastest over log lr."""
    return float(lrs[int(np.argmin(np.diff(losses) / np.diff(np.log(lrs))))])


def _minimum(lrs: Array, losses: Array) -> float:
    """A tenth of where the loss is lowest."""
    return float(lrs[int(np.argmin(losses))]) / 10


SUGGESTIONS: Final[Mapping[str, Callable[[Array, Array], float]]] = MappingProxyType(
    {"valley": _valley, "steep": _steep, "minimum": _minimum}
)
"""The ways to read a learning rate off a range test, fastai's default first."""
