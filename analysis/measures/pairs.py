"""Optimizers against each other: every pair on every problem, and the probability of improvement over all of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from analysis.measures.paired_tests import Side, difference, holm, study_difference
from analysis.measures.pooling import Pool
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import SEED, Draws, interval
from analysis.statistics.resamples import CONTENDERS

__all__ = ["improvement", "improvement_matrix", "paired_table"]


def improvement(a: Array, b: Array, weights_a: Array | None = None, weights_b: Array | None = None) -> Array:
    """The probability ``[...]`` that a run of a ends lower than one of b, ties counting half.

    This is the Mann-Whitney statistic over all pairs of runs ``a`` ``[S]`` and ``b`` ``[S']``; two diverged runs tie.
    ``weights_a`` ``[..., S]`` and ``weights_b`` count the runs.
    """
    wins = (a[:, None] < b).astype(np.float64) + 0.5 * (a[:, None] == b)
    left = np.ones(a.size) if weights_a is None else weights_a
    right = np.ones(b.size) if weights_b is None else weights_b
    total = left.sum(axis=-1) * right.sum(axis=-1)
    return np.asarray(((left @ wins) * right).sum(axis=-1) / total)


def improvement_matrix(pool: Pool, setting: str = "tuned") -> tuple[Array, Array, Array]:
    """The probability ``[A, A]`` that the row ends lower than the column, and the ends of its interval.

    Rows and columns are the contenders A in the order of ``pool.labels``, ``setting`` is "tuned" or "default". The
    mean over problems (rounding ties); the interval resamples the seeds within each problem, the same for both
    sides, which shared them, and the studies of each side.
    """
    rng, contenders = np.random.default_rng(SEED), len(pool.labels)
    value = np.full((contenders, contenders), 0.5)
    resampled = np.full((CONTENDERS, contenders, contenders), 0.0)
    for problem in pool.problems:
        runs = pool.measure(problem).shown(pool.finals(problem, setting))
        weights = Draws.of(runs, CONTENDERS, rng).weights
        flat = runs.reshape(contenders, -1)
        for i, j in combinations(range(contenders), 2):
            won = float(improvement(flat[i], flat[j])) - 0.5
            value[i, j], value[j, i] = value[i, j] + won / len(pool.problems), value[j, i] - won / len(pool.problems)
            drawn = improvement(flat[i], flat[j], weights[:, i], weights[:, j])
            resampled[:, i, j] += (drawn - 0.5) / len(pool.problems)
    resampled += 0.5 - np.swapaxes(resampled, 1, 2)
    return value, *interval(resampled)


def paired_table(pool: Pool, setting: str = "tuned") -> pd.DataFrame:
    """Every pair of contenders on every problem: one row a problem and pair (a, b).

    ``change`` with ``low`` and ``high`` as in `Difference`, ``p_holm`` adjusted for the pairs of the problem,
    ``verdict`` of b ("worse": a ends lower), ``n`` seeds. Of one study a contender the verdict is of the settings
    found.
    """
    rows: list[dict[str, object]] = []
    for problem in pool.problems:
        measure, runs = pool.measure(problem), pool.finals(problem, setting)
        exact = pool.of_problem(problem)[0].info.problem.deterministic
        pairs = list(combinations(range(len(pool.labels)), 2))
        if runs.shape[1] > 1:
            sides = [Side.of(each, measure) for each in runs]
            found = [study_difference(sides[i], sides[j], measure) for i, j in pairs]
        else:
            found = [difference(runs[i], runs[j], measure, exact=exact) for i, j in pairs]
        adjusted = holm([each.p_value for each in found])
        for (i, j), each, p_holm in zip(pairs, found, adjusted):
            change = each.change
            rows.append(
                {
                    "problem": problem,
                    "a": pool.labels[i],
                    "b": pool.labels[j],
                    "unit": "decades" if measure.log else measure.name,
                    "change": change.value,
                    "low": change.low,
                    "high": change.high,
                    "p": each.p_value,
                    "p_holm": p_holm,
                    "verdict": each.verdict(p_holm),
                    "studies": runs.shape[1],
                    "n": change.n,
                }
            )
    return pd.DataFrame(rows)
