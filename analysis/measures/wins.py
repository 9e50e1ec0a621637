"""The probability that an optimizer wins at a tuning budget: independent random searches against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.measures.random_search import Ordered, SearchTable, blocks
from analysis.measures.thinned import thinned
from analysis.statistics.arrays import Array, Integers
from analysis.statistics.bootstrap import SEED, bootstrap_weights, interval
from analysis.statistics.resamples import WINS

__all__ = ["win_probability"]


def win_probability(searches: Mapping[str, SearchTable], budgets: Sequence[int]) -> Mapping[str, Array]:
    """For each optimizer ``[3, K]``: the probability to win, and the ends of its interval.

    Each optimizer makes its own search of k draws; the lowest outcome on the same held-out seed wins, ties share. Where
    every search has found nothing none wins, so that the probabilities may sum to less than 1. The interval resamples
    seeds and points. ``budgets`` are the numbers of draws ``[K]``. Raises `ValueError` where the searches have
    different numbers of seeds.
    """
    turns = {search.objective.shape[0] for search in searches.values()}
    if len(turns) != 1:
        raise ValueError(f"the landscapes have different numbers of seeds: {sorted(turns)}")
    count, rng = turns.pop(), np.random.default_rng(SEED)
    every = [*searches.values()]
    duels = [_Duel(every, turn) for turn in range(count)]
    value = np.mean([duel.wins(budgets, None) for duel in duels], axis=0)
    drawn_from = thinned(every)
    if drawn_from is not every:
        duels = [_Duel(drawn_from, turn) for turn in range(count)]
    resampled = np.zeros((WINS, len(searches), len(budgets)))
    for resample, weights in enumerate(bootstrap_weights(count, WINS, rng) / max(count - 1, 1)):
        urns = [search.resampled(1, rng)[0] for search in drawn_from]
        resampled[resample] = sum(w * duel.wins(budgets, urns) for w, duel in zip(weights, duels) if w)
    low, high = interval(resampled)
    return {label: np.stack([value[i], low[i], high[i]]) for i, label in enumerate(searches)}


class _Duel:
    """One turn of searches against each other: the place of every outcome of one among those of the others.

    Outcomes are kept in rising order, those that found nothing left out: they win nothing.
    """

    def __init__(self, searches: Sequence[SearchTable], turn: int) -> None:
        self.searches = [Ordered.of(search.objective[turn]) for search in searches]
        reported = [search.reported[turn] for search in searches]
        orders = [np.argsort(values, kind="stable") for values in reported]
        ordered = [values[order] for values, order in zip(reported, orders)]
        self.finite = [int(np.isfinite(values).sum()) for values in reported]
        self.places = [places[order] for places, order in zip(map(_places, self.searches), orders)]
        self.beside = [
            [
                (np.searchsorted(other, own[:finite], "left"), np.searchsorted(other, own[:finite], "right"))
                for other in ordered
            ]
            for own, finite in zip(ordered, self.finite)
        ]
        tied = any(
            (left != right).any() for i, row in enumerate(self.beside) for j, (left, right) in enumerate(row) if i != j
        )
        nodes, weights = np.polynomial.legendre.leggauss((len(searches) + 1) // 2 if tied else 1)
        self.nodes, self.weights = (nodes + 1) / 2, weights / 2

    def wins(self, budgets: Sequence[int], urns: Sequence[Array] | None) -> Array:
        """``[A, K]``: the probability that each search ends lowest, ties shared."""
        points = max(search.order.size for search in self.searches)
        parts = blocks(len(budgets), points * max(1, self.nodes.size))
        return np.concatenate([self._wins(budgets[some], urns) for some in parts], axis=1)

    def _wins(self, budgets: Sequence[int], urns: Sequence[Array] | None) -> Array:
        """`wins` for as many budgets as can be held at once.

        With T others tied the share is 1 / (1 + T), the integral of u^T over [0, 1]: so the expected share is that of
        the product over the others of P(higher) + u P(equal), a polynomial that Gauss's rule integrates exactly.
        """
        kept = []
        for i, (search, places) in enumerate(zip(self.searches, self.places)):
            urn = np.ones(places.size) if urns is None else urns[i]
            kept.append(search.chances(budgets, urn[None])[0][:, places])
        if len(kept) == 1:  # nobody is lower than what it finds
            return np.asarray(np.ascontiguousarray(kept[0][:, : self.finite[0]]).sum(axis=1)[None])
        reached = [_cumulated(chance) for chance in kept]
        found = np.zeros((len(kept), len(budgets)))
        for i, own in enumerate(kept):
            share = np.ones((self.nodes.size, len(budgets), self.finite[i]))
            for j, cumulated in enumerate(reached):
                if j != i:
                    left, right = self.beside[i][j]
                    upto = cumulated[:, right]
                    higher = np.maximum(1 - upto, 0)
                    share *= higher + self.nodes[:, None, None] * (upto - cumulated[:, left])
            found[i] = (np.tensordot(self.weights, share, axes=1) * own[:, : self.finite[i]]).sum(axis=1)
        return found


def _places(search: Ordered) -> Integers:
    """Where each point stands in the order of its objective."""
    places = np.empty_like(search.order)
    places[search.order] = np.arange(search.order.size)
    return places


def _cumulated(chance: Array) -> Array:
    """``[K, N + 1]``: the chance of the first 0, 1, …, N of ``chance`` ``[K, N]``."""
    return np.concatenate([np.zeros((chance.shape[0], 1)), np.cumsum(chance, axis=1)], axis=1)
