"""Landscapes of very many points, for resampling: neighbours in rank become one point that stands for all of them.

Where a search is told what it reports (one seed, on a deterministic problem), neighbours in rank are alike. How often a
resample draws each group of points is multinomial, as it is of single points; so a resample of groups is one of points,
but that every point of a group reports what the middle one does.

How far that is off is bounded in every resample. A group of points that are not tied holds 1 / `RANKS` of its rank r, a
share of all points, so that k draws keep one of them with a chance of about r k (1 - r)^(k - 1) / `RANKS`, at most
1 / `RANKS`. By that share of the range of outcomes the expected one may be off, and by twice the share the chance to
be lower than another. Errors within groups cancel but for a small part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from analysis.measures.random_search import SearchTable
from analysis.statistics.arrays import Array, Integers
from analysis.statistics.resamples import MANY

__all__ = ["RANKS", "thinned"]

RANKS: Final = 1024
"""So many of the lowest points stay what they are; above them a group holds 1 / `RANKS` of its rank, or tied points."""


def thinned(searches: Sequence[SearchTable]) -> Sequence[SearchTable]:
    """``searches`` of one problem, for resampling; the same ones unless one of them has more than `MANY` points.

    The groups are those of the points of all searches together, so that they compare as their points do.
    """
    many = max(search.objective.shape[1] for search in searches) > MANY
    if not many or not all(map(_reports_what_it_is_told, searches)):
        return searches
    every = np.sort(np.concatenate([search.reported[0] for search in searches]))
    first = _groups(every)
    lowest, middle = every[first], every[(first + np.append(first[1:], every.size) - 1) // 2]
    return [_grouped(search, lowest, middle) for search in searches]


def _reports_what_it_is_told(search: SearchTable) -> bool:
    return len(search.objective) == 1 and np.array_equal(search.objective, search.reported)


def _groups(ordered: Array) -> Integers:
    """Where each group of the ``ordered`` values ``[N]`` begins: tied values, and infinite ones, are never parted."""
    tied = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    higher = np.arange(np.log(max(ordered.size / RANKS, 1)) / np.log1p(1 / RANKS))
    ranks = np.concatenate([np.arange(RANKS), RANKS * (1 + 1 / RANKS) ** higher]).astype(np.int64)
    within = np.searchsorted(tied, ranks[ranks < ordered.size], "right")
    begins, ends = tied[within - 1], np.append(tied, ordered.size)[within]
    every = np.concatenate([begins, ends[ends > begins + 1], np.searchsorted(ordered, [np.inf])])
    return np.unique(every[every < ordered.size])


def _grouped(search: SearchTable, lowest: Array, middle: Array) -> SearchTable:
    """The points of ``search`` in the groups that begin with ``lowest`` ``[G]`` and report their ``middle``."""
    ordered = np.sort(search.reported[0])
    sizes = np.diff(np.searchsorted(ordered, lowest), append=ordered.size)
    values = middle[None, sizes > 0]
    return SearchTable(values, values, search.measure, sizes[sizes > 0])
