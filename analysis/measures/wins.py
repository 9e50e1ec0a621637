"""The probability that an optimizer wins at a tuning budget: independent random searches against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.measures.random_search import SearchTable, blocks, chances
from analysis.statistics.arrays import Array
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
    duels = [_Duel(list(searches.values()), turn) for turn in range(count)]
    resampled = np.zeros((WINS, len(searches), len(budgets)))
    for resample, weights in enumerate(bootstrap_weights(count, WINS, rng) / max(count - 1, 1)):
        urns = [bootstrap_weights(search.objective.shape[1], 1, rng)[0] for search in searches.values()]
        resampled[resample] = sum(w * duel.wins(budgets, urns) for w, duel in zip(weights, duels) if w)
    low, high = interval(resampled)
    value = np.mean([duel.wins(budgets, None) for duel in duels], axis=0)
    return {label: np.stack([value[i], low[i], high[i]]) for i, label in enumerate(searches)}


class _Duel:
    """One turn of searches against each other: the place of every outcome of one among those of the others."""

    def __init__(self, searches: Sequence[SearchTable], turn: int) -> None:
        self.objectives = [search.objective[turn] for search in searches]
        reported = [search.reported[turn] for search in searches]
        self.orders = [np.argsort(values, kind="stable") for values in reported]
        self.finite = [np.isfinite(values) for values in reported]
        ordered = [values[order] for values, order in zip(reported, self.orders)]
        self.places = [
            [(np.searchsorted(other, values, "left"), np.searchsorted(other, values, "right")) for other in ordered]
            for values in reported
        ]
        self.nodes, weights = np.polynomial.legendre.leggauss((len(searches) + 1) // 2)
        self.nodes, self.weights = (self.nodes + 1) / 2, weights / 2

    def wins(self, budgets: Sequence[int], urns: Sequence[Array] | None) -> Array:
        """``[A, K]``: the probability that each search ends lowest, ties shared."""
        points = max(objective.size for objective in self.objectives)
        parts = blocks(len(budgets), points * max(1, self.nodes.size))
        return np.concatenate([self._wins(budgets[some], urns) for some in parts], axis=1)

    def _wins(self, budgets: Sequence[int], urns: Sequence[Array] | None) -> Array:
        """`wins` for as many budgets as can be held at once.

        With T others tied the share is 1 / (1 + T), the integral of u^T over [0, 1]: so the expected share is that of
        the product over the others of P(higher) + u P(equal), a polynomial that Gauss's rule integrates exactly.
        """
        kept = [
            chances(objective, budgets, None if urns is None else urns[i])
            for i, objective in enumerate(self.objectives)
        ]
        reached = [_cumulated(chance[:, order]) for chance, order in zip(kept, self.orders)]
        found = np.zeros((len(kept), len(budgets)))
        for i, own in enumerate(kept):
            share = np.ones((self.nodes.size, *own.shape))
            for j, cumulated in enumerate(reached):
                if j != i:
                    left, right = self.places[i][j]
                    equal = cumulated[:, right] - cumulated[:, left]
                    share *= np.maximum(1 - cumulated[:, right], 0) + self.nodes[:, None, None] * equal
            found[i] = (np.tensordot(self.weights, share, axes=1) * own)[:, self.finite[i]].sum(axis=1)
        return found


def _cumulated(chance: Array) -> Array:
    """``[K, N + 1]``: the chance of the first 0, 1, …, N of ``chance`` ``[K, N]``."""
    return np.concatenate([np.zeros((chance.shape[0], 1)), np.cumsum(chance, axis=1)], axis=1)
