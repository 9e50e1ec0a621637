"""Random search over a landscape, exactly: the probability that k draws keep a given point, in closed form.

A search draws grid points, each equally likely (the grid is even on the scale that is searched), and keeps the one
with the lowest objective, its mean over the tuning seeds. Each seed of the landscape is held out in turn: the others
choose, the held-out one reports, so that no number comes from the seed it was chosen by. (With one seed, on a
deterministic problem, it does both.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from analysis.measures.landscape_grid import Grid, progress
from analysis.measures.measure import Measure
from analysis.statistics.arrays import Array, Integers
from analysis.statistics.bootstrap import bootstrap_weights

__all__ = ["Ordered", "SearchTable", "blocks", "chances", "expected_progress", "search_table"]

HELD: Final = 4_000_000
"""Numbers of an array that is held at once, 32 MB of them; a computation over more goes in blocks."""


@dataclass(frozen=True)
class SearchTable:
    """A landscape as a search meets it, ``[T, N]``: T turns of holding out a seed, N points.

    ``objective`` is what the search is told, ``reported`` what the held-out seed says of the point; both are measures,
    inf where a run diverged, and ``reported`` is inf where ``objective`` is: such a point cannot be chosen. ``sizes``
    ``[N]`` says how many points of the grid each stands for; None: itself.
    """

    objective: Array
    reported: Array
    measure: Measure
    sizes: Integers | None = None

    def resampled(self, resamples: int, rng: np.random.Generator) -> Array:
        """Counts ``[B, N]``, drawn by ``rng``: how often each point, or one it stands for, occurs in each resample."""
        if self.sizes is None:
            return bootstrap_weights(self.objective.shape[1], resamples, rng)
        points = self.sizes.sum()
        return rng.multinomial(points - 1, self.sizes / points, size=resamples).astype(np.float64)


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
    return Ordered.of(objective).of_points(budgets, counts, replacement=replacement)


def expected_progress(table: SearchTable, budgets: Sequence[int], *, replacement: bool = True) -> Array:
    """The exact expected progress ``[K]`` of the kept point after each of ``budgets`` random draws.

    Raises as `chances` does.
    """
    made, ordered = progress(table.measure, table.reported), [Ordered.of(row) for row in table.objective]
    found = []
    for some in blocks(len(budgets), made.shape[1]):
        of_some = [
            row.of_points(budgets[some], replacement=replacement) @ gain
            for row, gain in zip(ordered, made, strict=True)
        ]
        found.append(np.mean(of_some, axis=0))
    return np.concatenate(found)


def blocks(count: int, each: int) -> Iterator[slice]:
    """``count`` parts of ``each`` numbers, as slices that hold no more than `HELD` of them, or one part."""
    size = max(1, HELD // each)
    return (slice(first, min(first + size, count)) for first in range(0, count, size))


@dataclass(frozen=True, eq=False)
class Ordered:
    """The N points of a search in rising objective (``order``), the G groups of tied ones by where each ``begins``."""

    order: Integers
    begins: Integers

    @classmethod
    def of(cls, objective: Array) -> Ordered:
        """The points of ``objective`` ``[N]``."""
        order = np.argsort(objective, kind="stable")
        ordered = objective[order]
        return cls(order, np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])))

    def chances(self, budgets: Sequence[int], counts: Array, *, replacement: bool = True) -> Array:
        """``[B, K, N]``: the chance of each point, in rising objective, to be kept of the B urns ``counts`` ``[B, N]``.

        Raises as `chances` does.
        """
        urns = np.take(counts, self.order, axis=1)
        kept = np.stack([*self._kept(budgets, urns, replacement=replacement)], axis=1)
        if self._untied:
            return kept
        return np.asarray(np.repeat(kept, self._sizes, axis=2) * self._within(urns)[:, None])

    def of_points(self, budgets: Sequence[int], counts: Array | None = None, *, replacement: bool = True) -> Array:
        """`chances` ``[K, N]`` of the points as they were before they were ordered."""
        urn = np.ones(self.order.size) if counts is None else counts
        found: Array = np.empty((len(budgets), self.order.size))
        found[:, self.order] = self.chances(budgets, urn[None], replacement=replacement)[0]
        return found

    def mean(self, values: Array, budgets: Sequence[int], counts: Array) -> Array:
        """``[B, K]``: the expected ``values`` ``[N]`` of the point kept of the B urns ``counts`` ``[B, N]``."""
        urns, held = np.take(counts, self.order, axis=1), values[self.order]
        if self._untied:
            return np.stack([kept @ held for kept in self._kept(budgets, urns)], axis=1)
        of_groups = np.add.reduceat(self._within(urns) * held, self.begins, axis=1)
        return np.stack([np.einsum("bg,bg->b", kept, of_groups) for kept in self._kept(budgets, urns)], axis=1)

    @property
    def _untied(self) -> bool:
        return self.begins.size == self.order.size

    @cached_property
    def _sizes(self) -> Integers:
        return np.diff(self.begins, append=self.order.size)

    def _within(self, urns: Array) -> Array:
        """``[B, N]``: the chance of each point within its group."""
        totals = np.add.reduceat(urns, self.begins, axis=1)
        return np.asarray(urns / np.maximum(np.repeat(totals, self._sizes, axis=1), 1))

    def _kept(self, budgets: Sequence[int], urns: Array, *, replacement: bool = True) -> Iterator[Array]:
        """``[B, G]`` for each budget: the chance of each group, that every draw misses all better ones, but not this
        one as well.
        """
        n = urns.sum(axis=1)[:, None]
        if min(budgets) < 1 or (not replacement and max(budgets) > n.min()):
            raise ValueError(
                f"a budget must be between 1 and the {n.min():.0f} points of the table, got {list(budgets)}"
            )
        better = np.zeros((len(urns), self.begins.size + 1))
        np.cumsum(urns if self._untied else np.add.reduceat(urns, self.begins, axis=1), axis=1, out=better[:, 1:])
        if replacement:
            all_missed = _powers(np.maximum(1 - better / n, 0, out=better), budgets)
        else:
            all_missed = (_missed_without_replacement(better, n, budget) for budget in budgets)
        for missed in all_missed:
            yield missed[:, :-1] - missed[:, 1:]


def _missed_without_replacement(better: Array, n: Array, budget: int) -> Array:
    """The chance that ``budget`` draws without replacement miss the ``better`` of ``n`` points."""
    from scipy.special import gammaln

    left = np.maximum(n - better, 0)
    logarithm = gammaln(left + 1) - gammaln(np.maximum(left - budget, 0) + 1)
    logarithm += gammaln(n - budget + 1) - gammaln(n + 1)
    return np.where(left >= budget, np.exp(logarithm), 0.0)


def _power(exponent: int, known: dict[int, Array]) -> Array:
    """A power of ``known[1]``, entered into what is known; no inner function, whose cycle would hold the arrays."""
    if exponent not in known:
        half, base = _power(exponent // 2, known), known[1]
        known[exponent] = half * half if exponent % 2 == 0 else half * half * base
    return known[exponent]


def _powers(base: Array, exponents: Sequence[int]) -> Iterator[Array]:
    """``base`` to each of the whole ``exponents``, by products of what is known: doubled ones cost one product."""
    known = {1: base}
    for exponent in exponents:
        yield _power(exponent, known)
        for smaller in [each for each in known if 1 < each < exponent]:  # their memory is given back
            del known[smaller]
