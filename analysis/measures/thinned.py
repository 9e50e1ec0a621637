"""Landscapes of very many points for resampling: neighbours in the order of the outcome as one point, many times there.

Where a search is told what it reports (one seed, on a deterministic problem), it keeps one of the lowest points it
drew, whichever of two neighbours in rank. The draws of a group of points are multinomial as those of single points
are, so that a resample of groups is a resample of points, each of which reports what the middle of its group does.

How far that is off is bounded, resample by resample. A group of points that are not tied is at most 1 / `RANKS` of its
rank r, so that it holds what k draws keep with a chance of at most r k (1 - r)^(k - 1) / `RANKS`, which is 1 / `RANKS`
for one draw and less for more: by that share of the range of outcomes the expected one may be off, and by twice that
share the chance to win against another. Within groups errors cancel in good part.
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
"""The lowest so many points stay themselves; of higher ones a group is 1 / `RANKS` of its rank, but at least tied ones."""


def thinned(searches: Sequence[SearchTable]) -> Sequence[SearchTable]:
    """``searches`` of one problem, for resampling; the same ones unless one of them has more than `MANY` points.

    The groups are of all points of all searches together, so that what is compared between searches is kept apart
    wherever it is in ranks.
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
    """The points of ``search`` in the groups that begin with ``lowest`` ``[G]``, each of which reports its ``middle``."""
    ordered = np.sort(search.reported[0])
    sizes = np.diff(np.searchsorted(ordered, lowest), append=ordered.size)
    values = middle[None, sizes > 0]
    return SearchTable(values, values, search.measure, sizes[sizes > 0])
