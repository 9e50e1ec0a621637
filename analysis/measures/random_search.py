"""Random search over a landscape, exactly: the probability that k draws keep a given point, in closed form.

A search draws grid points, each equally likely (the grid is even on the scale that is searched), and keeps the one
with the lowest objective, its mean over the tuning seeds. Each seed of the landscape is held out in turn: the others
choose, the held-out one reports, so that no number comes from the seed it was chosen by. (With one seed, on a
deterministic problem, it does both.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.measures.landscape_grid import Grid, progress
from analysis.measures.measure import Measure
from analysis.statistics.arrays import Array, Integers

__all__ = ["Groups", "SearchTable", "blocks", "chances", "expected_progress", "group_chances", "search_table"]

HELD: Final = 4_000_000
"""Numbers of an array that is held at once, 32 MB of them; a computation over more goes in blocks."""


@dataclass(frozen=True)
class SearchTable:
    """A landscape as a search meets it, ``[T, N]``: T turns of holding out a seed, N points.

    ``objective`` is what the search is told, ``reported`` what the held-out seed says of the point; both are measures,
    inf where a run diverged, and ``reported`` is inf where ``objective`` is: such a point cannot be chosen.
    """

    objective: Array
    reported: Array
    measure: Measure


def search_table(grid: Grid) -> SearchTable:
    """``grid`` as a search meets it: every seed held out in turn."""
    values = grid.measure.shown(grid.values.reshape(grid.n, -1))
    if grid.n == 1:
        return SearchTable(values, values, grid.measure)
    objective = np.stack([np.delete(values, seed, axis=0).mean(axis=0) for seed in range(grid.n)])
    return SearchTable(objective, np.where(np.isinf(objective), np.inf, values), grid.measure)


def chances(
    objective: Array, budgets: Sequence[int], counts: Array | None = None, *, replacement: bool = True
) -> Array:
    """The probability ``[K, N]`` that each point is the one kept after each of ``budgets`` draws.

    Ties in ``objective`` ``[N]`` are broken evenly. ``counts`` ``[N]`` says how often each point is in the urn
    (default: once). Raises `ValueError` for a budget below 1 or, without ``replacement``, above the number of points.
    """
    urn = np.ones(objective.size) if counts is None else counts
    return np.asarray(group_chances(objective, budgets, urn[None], replacement=replacement).of_points[0])


def expected_progress(table: SearchTable, budgets: Sequence[int], *, replacement: bool = True) -> Array:
    """The exact expected progress ``[K]`` of the kept point after each of ``budgets`` random draws.

    Raises as `chances` does.
    """
    made = progress(table.measure, table.reported)
    found = []
    for some in blocks(len(budgets), made.shape[1]):
        of_some = [
            chances(row, budgets[some], replacement=replacement) @ gain for row, gain in zip(table.objective, made)
        ]
        found.append(np.mean(of_some, axis=0))
    return np.concatenate(found)


def blocks(count: int, each: int) -> Iterator[slice]:
    """``count`` parts of ``each`` numbers, as slices that hold no more than `HELD` of them, or one part."""
    size = max(1, HELD // each)
    return (slice(first, min(first + size, count)) for first in range(0, count, size))


@dataclass(frozen=True)
class Groups:
    """Points in rising objective, tied ones in groups: chances ``[B, K, G]`` of groups, counts ``[B, N]`` of points."""

    order: Integers
    begins: Integers
    chance: Array
    counts: Array

    @property
    def within(self) -> Array:
        """``[B, N]``: the chance of each point (in rising order) within its group."""
        totals = np.add.reduceat(self.counts, self.begins, axis=1)
        sizes = np.diff([*self.begins, self.order.size])
        return np.asarray(self.counts / np.maximum(np.repeat(totals, sizes, axis=1), 1))

    @property
    def of_points(self) -> Array:
        """``[B, K, N]``: the chance of each point, in its own place."""
        sizes = np.diff([*self.begins, self.order.size])
        found: Array = np.empty((*self.chance.shape[:2], self.order.size))
        found[..., self.order] = np.repeat(self.chance, sizes, axis=2) * self.within[:, None]
        return found

    def mean(self, values: Array) -> Array:
        """``[B, K]``: the expected ``values`` ``[N]`` of the kept point."""
        group_means = np.add.reduceat(self.within * values[self.order], self.begins, axis=1)
        return np.asarray((self.chance @ group_means[..., None])[..., 0])


def group_chances(objective: Array, budgets: Sequence[int], counts: Array, *, replacement: bool = True) -> Groups:
    """The chances of tied groups in B urns, ``counts`` ``[B, N]``; raises like `chances`.

    A group is kept where every draw misses all better groups, but not this one as well.
    """
    n, k = counts.sum(axis=1)[:, None, None], np.asarray(budgets, dtype=np.float64)[:, None]
    if k.min() < 1 or (not replacement and k.max() > n.min()):
        raise ValueError(f"a budget must be between 1 and the {n.min():.0f} points of the table, got {list(budgets)}")
    order = np.argsort(objective, kind="stable")
    ordered = objective[order]
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    better = np.cumsum(np.add.reduceat(counts[:, order], begins, axis=1), axis=1)[:, None]  # [B, 1, G]
    better = np.concatenate([np.zeros((*better.shape[:2], 1)), better], axis=2)
    if replacement:
        missed = np.maximum(1 - better / n, 0) ** k
    else:
        from scipy.special import gammaln

        left = np.maximum(n - better, 0)
        logarithm = gammaln(left + 1) - gammaln(np.maximum(left - k, 0) + 1) - gammaln(n + 1) + gammaln(n - k + 1)
        missed = np.where(left >= k, np.exp(logarithm), 0.0)
    return Groups(order, begins, missed[..., :-1] - missed[..., 1:], counts[:, order])
