"""Optimizers over many problems: interquartile means, mean ranks and what difference of ranks is significant.

Scores compare across problems because they are shares of a problem's best progress (see
`analysis.measures.landscape_grid`): 1 is the best contender's median, 0 no better than not to train; a diverged run has
0, the worst there is on this scale. Every problem weighs the same, however many seeds it has. Intervals resample the
studies and the seeds within each problem, and with them the best it is a share of: they say how sure we are on these
problems, not on others; for that, see the ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.measures.landscape_grid import progress
from analysis.measures.pooling import Pool
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import (
    ALPHA,
    SEED,
    Draws,
    Estimate,
    estimate_of,
    interval,
    typical,
)
from analysis.statistics.resamples import CONTENDERS

__all__ = [
    "Ranking",
    "Standing",
    "critical_difference",
    "interquartile_mean",
    "nemenyi",
    "rank_groups",
    "ranking",
    "ranking_frame",
    "ranking_table",
    "ranks_of",
    "scores",
    "standings",
    "stratified",
]


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of contenders over problems (1 is best), and which of them differ significantly.

    ``p_value`` is Friedman's, of all being equal; NaN with fewer than three contenders or two problems. ``critical`` is
    Nemenyi's critical difference at `ALPHA`: mean ranks closer than that are not told apart; ``groups`` are the largest
    sets of labels of which none are, from best to worst.
    """

    labels: tuple[str, ...]
    ranks: tuple[Estimate, ...]
    p_value: float
    critical: float
    groups: tuple[tuple[str, ...], ...]
    problems: int


@dataclass(frozen=True)
class Standing:
    """A contender across ``problems``: the interquartile mean ``iqm`` of its scores over all runs, and its mean rank.

    ``p_best`` is the p-value of Nemenyi's test against the best mean rank; NaN where there is one contender.
    """

    label: str
    iqm: Estimate
    rank: Estimate
    p_best: float
    problems: int


def scores(pool: Pool, setting: str = "tuned") -> list[Array]:
    """For each problem the score ``[A, K, S]`` of every contender's runs; all 0 where none made progress."""
    found = []
    for problem in pool.problems:
        made = progress(pool.measure(problem), pool.finals(problem, setting))
        best = max(float(typical(runs)) for runs in made)
        found.append(made / best if best > 0 else np.zeros_like(made))
    return found


def interquartile_mean(values: Array, weights: Array | None = None) -> Array:
    """The mean of the middle half of ``values`` ``[..., N]``, by weight: ``weights`` ``[..., N]``, default even.

    Where the half ends inside a value, that part of it counts. Source: Agarwal et al. 2021, "Deep Reinforcement
    Learning at the Edge of the Statistical Precipice".
    """
    order = np.argsort(values, kind="stable", axis=-1)
    share = np.ones(values.shape[-1]) if weights is None else weights
    share = np.broadcast_to(share / share.sum(axis=-1, keepdims=True), np.broadcast_shapes(share.shape, values.shape))
    share = np.take_along_axis(share, np.broadcast_to(order, share.shape), axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    end = np.cumsum(share, axis=-1)
    inside = np.clip(np.minimum(end, 0.75) - np.maximum(end - share, 0.25), 0, None)
    return np.asarray((inside * ordered).sum(axis=-1) / inside.sum(axis=-1))


def stratified(values: Sequence[Array], statistic: Callable[[Array, Array], Array]) -> list[Estimate]:
    """``statistic`` of each contender's scores over all problems, with its stratified bootstrap interval.

    ``values`` are the scores ``[A, K, S]`` a problem; ``statistic(values [..., N], weights [..., N])`` gets all of a
    contender's runs. Problems weigh the same. In every resample the seeds of a problem are drawn together for all
    contenders, which shared them, the studies for each on its own, and the scores are shares of the best of that
    resample.
    """
    rng = np.random.default_rng(SEED)
    even = np.concatenate([np.full(array[0].size, 1 / array[0].size) for array in values])
    draws = [Draws.of(array, CONTENDERS, rng) for array in values]
    weights = [each.weights for each in draws]
    best = [np.where((top := each.typical(array).max(axis=1)) > 0, top, 1.0) for each, array in zip(draws, values)]
    found = []
    for place in range(len(values[0])):
        runs = [array[place].ravel() for array in values]
        drawn = np.concatenate([run / top[:, None] for run, top in zip(runs, best)], axis=1)
        shares = np.concatenate([each[:, place] for each in weights], axis=1)
        point = float(statistic(np.concatenate(runs), even))
        found.append(estimate_of(point, statistic(drawn, shares), even.size))
    return found


def ranks_of(medians: Array) -> Array:
    """The ranks ``[..., A]`` of ``medians`` ``[..., A]``: 1 is lowest, ties share their mean, inf ties last."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(medians, axis=-1), dtype=np.float64)


def critical_difference(contenders: int, problems: int, alpha: float = ALPHA) -> float:
    """The difference of two mean ranks over ``problems`` that Nemenyi's test of ``contenders`` finds significant.

    ``alpha`` is the level of the test. Source: Demšar 2006, "Statistical Comparisons of Classifiers over Multiple Data
    Sets", equation in section 3.2.2.
    """
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - alpha, contenders, np.inf)) / np.sqrt(2)
    return float(quantile * np.sqrt(contenders * (contenders + 1) / (6 * problems)))


def nemenyi(ranks: Array, problems: int) -> Array:
    """The p-values ``[A, A]`` of Nemenyi's test from mean ``ranks`` ``[A]`` over so many ``problems``."""
    from scipy.stats import studentized_range

    contenders = ranks.size
    scale = np.sqrt(contenders * (contenders + 1) / (12 * problems))
    return np.asarray(studentized_range.sf(np.abs(ranks[:, None] - ranks) / scale, contenders, np.inf))


def rank_groups(labels: Sequence[str], ranks: Array, critical: float) -> tuple[tuple[str, ...], ...]:
    """The largest sets of two or more labels whose mean ranks lie closer than ``critical``, best first."""
    order = np.argsort(ranks, kind="stable")
    found: list[tuple[int, int]] = []
    for first, place in enumerate(order):
        last = int(np.flatnonzero(ranks[order] - ranks[place] < critical)[-1])
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(tuple(labels[i] for i in order[first : last + 1]) for first, last in found)


def ranking(pool: Pool, setting: str = "tuned") -> Ranking:
    """The mean ranks of the contenders' medians over the problems; equal within rounding is a tie."""
    values = [pool.measure(p).shown(pool.finals(p, setting)) for p in pool.problems]
    ranks = ranks_of(np.stack([[float(typical(runs)) for runs in array] for array in values]))
    count, contenders = ranks.shape
    rng = np.random.default_rng(SEED)
    resampled = [ranks_of(Draws.of(array, CONTENDERS, rng).typical(array)) for array in values]
    low, high = interval(np.mean(resampled, axis=0))
    mean = ranks.mean(axis=0)
    estimates = tuple(Estimate(float(m), float(a), float(b), count) for m, a, b in zip(mean, low, high))
    critical = critical_difference(contenders, count) if contenders > 1 else np.nan
    groups = rank_groups(pool.labels, mean, critical) if contenders > 1 else ()
    return Ranking(pool.labels, estimates, _friedman(ranks), critical, groups, count)


def standings(pool: Pool, ranked: Ranking, setting: str = "tuned") -> list[Standing]:
    """The contenders of ``pool``, best rank first; ``ranked`` is its `ranking`."""
    means = stratified(scores(pool, setting), interquartile_mean)
    ranks = np.array([rank.value for rank in ranked.ranks])
    count = len(ranked.labels)
    p_best = nemenyi(ranks, ranked.problems)[ranks.argmin()] if count > 1 else np.full(count, np.nan)
    found = [
        Standing(label, iqm, rank, float(p), ranked.problems)
        for label, iqm, rank, p in zip(ranked.labels, means, ranked.ranks, p_best, strict=True)
    ]
    return sorted(found, key=lambda standing: standing.rank.value)


def ranking_table(pool: Pool, setting: str = "tuned") -> pd.DataFrame:
    """`ranking_frame` of the contenders of ``pool``."""
    return ranking_frame(standings(pool, ranking(pool, setting), setting))


def ranking_frame(found: Sequence[Standing]) -> pd.DataFrame:
    """One row a contender: interquartile mean score and mean rank with their intervals.

    ``p_best`` is the p-value of Nemenyi's test against the best mean rank; missing where there is one contender.
    """
    rows = []
    for one in found:
        row: dict[str, object] = {"label": one.label}
        for name, estimate in {"iqm": one.iqm, "rank": one.rank}.items():
            row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        rows.append({**row, "p_best": one.p_best, "runs": one.iqm.n, "problems": one.problems})
    return pd.DataFrame(rows)


def _friedman(ranks: Array) -> float:
    """The p-value of Friedman's test; NaN where it has no meaning: few contenders, few problems, all tied."""
    problems, contenders = ranks.shape
    if contenders < 3 or problems < 2 or (ranks == ranks[:, :1]).all():
        return np.nan
    from scipy.stats import friedmanchisquare

    return float(friedmanchisquare(*ranks.T).pvalue)
