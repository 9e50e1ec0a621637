"""How soon targets are reached: expected running time, performance and data profiles, and the share of targets by step.

A run that never reaches a target is *censored*: all that is known is that the steps it made were not enough. They count
as spent, and no time is ever imputed. Answers are as fine as the evaluations are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.measures.measure import Measure, steps_to_target
from analysis.measures.pooling import Pool
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import SEED, Draws, interval, typical
from analysis.statistics.resamples import GRID

__all__ = [
    "Hits",
    "NoProgressError",
    "Profile",
    "data_profile",
    "expected_running_time",
    "hits",
    "performance_profile",
    "profiles",
    "running_time_table",
    "solved_share",
    "targets_of",
]

TARGETS: Final = 25


class NoProgressError(ValueError):
    """No run got below its start, so that there is no target to reach."""


Weights = Sequence[Array]
"""How much each run counts, ``[A, R]`` a problem."""


@dataclass(frozen=True)
class Hits:
    """When the runs of one problem first reached its ``targets`` ``[T]`` (measures, falling).

    ``first`` ``[A, R, T]`` in steps, inf where never (censored); ``spent`` ``[A, R]`` the steps a run made, fewer than
    its ``budget`` where it diverged. The R runs are those of ``studies`` studies on every test seed, study by study.
    """

    problem: str
    targets: Array
    first: Array
    spent: Array
    budget: int
    studies: int = 1

    @property
    def runs(self) -> int:
        """Number of runs of each contender."""
        return int(self.spent.shape[1])


@dataclass(frozen=True)
class Profile:
    """Curves ``[A, R]`` of shares ``over`` ``[R]`` with the ends of their pointwise bootstrap band over the seeds.

    ``name`` is "performance" (over times as slow as the fastest), "data" (over steps) or "solved" (over the share of
    the budget); the shares are of ``pairs`` of a problem and a target.
    """

    name: str
    labels: tuple[str, ...]
    over: Array
    value: Array
    low: Array
    high: Array
    pairs: int


def targets_of(measure: Measure, lowest: float, count: int = TARGETS) -> Array:
    """``count`` targets ``[T]``, falling evenly from the start (itself left out) to ``lowest``.

    Even on a logarithmic scale where the measure has one. Raises `NoProgressError` where nothing got below the start.
    """
    low = float(measure.shown(lowest))
    if not low < measure.start:
        raise NoProgressError(f"no run got below the start ({measure.start}), so there is no target to reach")
    steps = np.arange(1, count + 1) / count
    if measure.log:
        return np.asarray(measure.start * (low / measure.start) ** steps)
    return np.asarray(measure.start + (low - measure.start) * steps)


def hits(pool: Pool, problem: str, setting: str = "tuned", targets: Array | None = None) -> Hits:
    """When every contender of ``pool`` reached the targets of a problem.

    By default they fall from the start to the lowest value any contender's median run reached. A contender none of
    whose trials survived reached nothing and spent its whole budget. Raises as `targets_of` and `Pool.finals` do.
    """
    measure, cells = pool.measure(problem), pool.of_problem(problem)
    _, studies, seeds = pool.finals(problem, setting).shape
    curves = [result.curves.get(setting) for result in cells]
    if targets is None:
        reached = (measure(curve[1]).min(axis=-1) for curve in curves if curve is not None)
        lowest = min((float(typical(values)) for values in reached), default=np.inf)
        targets = targets_of(measure, lowest)
    slack = targets * (1 + 1e-12) if measure.log else targets  # the last target is a value that was reached
    budget = cells[0].info.protocol.steps
    runs = studies * seeds
    first, spent = np.full((len(cells), runs, targets.size), np.inf), np.full((len(cells), runs), float(budget))
    for place, (result, curve) in enumerate(zip(cells, curves)):
        if curve is not None:
            steps, values = curve[0], measure(curve[1]).reshape(runs, -1)
            hit = np.stack([steps_to_target(steps, values, target) for target in slack], axis=-1)
            first[place] = np.maximum(hit, 1)  # a seed may start below a target: no time is 0, so that ratios exist
            made = result.stopped_at(setting).ravel()
            spent[place] = np.where(np.isnan(made), budget, made)
    return Hits(problem, targets, first, spent, budget, studies)


def expected_running_time(first: Array, spent: Array, weights: Array | None = None) -> Array:
    """The expected running time ``[A, T]`` in steps: all steps spent, over the number of runs that succeeded.

    ``first`` ``[A, R, T]`` are hitting times, inf where censored, and ``spent`` ``[A, R]`` the steps such runs made:
    what restarting until success would cost. inf where none succeeded. ``weights`` ``[A, R]`` count the runs.
    Source: COCO's ERT (Hansen et al. 2016, "COCO: Performance Assessment", aRT).
    """
    share = np.ones(first.shape[:2]) if weights is None else weights
    reached = np.isfinite(first)
    cost = np.einsum("ar,art->at", share, np.where(reached, first, spent[..., None]))
    successes = np.einsum("ar,art->at", share, reached.astype(np.float64))
    return np.asarray(np.divide(cost, successes, out=np.full(cost.shape, np.inf), where=successes > 0))


def performance_profile(times: Array, ratios: npt.ArrayLike) -> Array:
    """The share ``[A, R]`` of problems that each solves within ``ratios`` ``[R]`` of the fastest's time.

    ``times`` is ``[A, Q]``, inf where unsolved; a problem that no contender solves counts as unsolved by all.
    Source: Dolan and Moré 2002, "Benchmarking optimization software with performance profiles".
    """
    best = times.min(axis=0)
    solved = np.isfinite(best)
    relative = np.divide(times, best, out=np.full(times.shape, np.inf), where=solved)
    return data_profile(relative, np.asarray(ratios, dtype=np.float64) * (1 + 1e-12))


def data_profile(times: Array, budgets: npt.ArrayLike) -> Array:
    """The share ``[A, R]`` of problems each solves within ``budgets`` ``[R]`` steps, from ``times`` ``[A, Q]``.

    Source: Moré and Wild 2009, "Benchmarking derivative-free optimization algorithms"; one step is one gradient.
    """
    limits = np.asarray(budgets, dtype=np.float64)
    return np.asarray((times[..., None] <= limits).mean(axis=1))


def solved_share(found: Hits, shares: npt.ArrayLike, weights: Array | None = None) -> Array:
    """The share ``[A, R]`` of a problem's (run, target) pairs that are reached by ``shares`` of the budget.

    This is the empirical distribution of running times; ``weights`` ``[A, R]`` count the runs.
    """
    counts = np.ones(found.spent.shape) if weights is None else weights
    limits = np.asarray(shares, dtype=np.float64) * found.budget * (1 + 1e-12)
    reached = (found.first[..., None] <= limits).mean(axis=2)
    return np.asarray(np.einsum("as,asr->ar", counts / counts.sum(axis=1, keepdims=True), reached))


def profiles(pool: Pool, setting: str = "tuned") -> list[Profile]:
    """The performance profile, the data profile and the share of targets solved, over all problems of ``pool``.

    Times are expected running times, one for each (problem, target); bands resample studies and seeds within each
    problem. A problem on which no run got below the start has no targets and is left out; empty where there is no
    other. Raises `PoolingError` where no contender was run under ``setting``.
    """
    found = []
    for problem in pool.problems:
        with suppress(NoProgressError):
            found.append(hits(pool, problem, setting))
    if not found:
        return []
    longest = max(each.budget for each in found)
    ratios, steps = np.geomspace(1, 100, 81), np.geomspace(1, longest, 81)
    shares = np.linspace(0, 1, 101)

    def times(weights: Weights) -> Array:
        parts = [expected_running_time(each.first, each.spent, w) for each, w in zip(found, weights)]
        return np.concatenate(parts, axis=1)

    def solved(weights: Weights) -> Array:
        return np.asarray(np.mean([solved_share(each, shares, w) for each, w in zip(found, weights)], axis=0))

    pairs = sum(each.targets.size for each in found)
    curves: dict[str, tuple[Array, Callable[[Weights], Array]]] = {
        "performance": (ratios, lambda weights: performance_profile(times(weights), ratios)),
        "data": (steps, lambda weights: data_profile(times(weights), steps)),
        "solved": (shares, solved),
    }
    return [Profile(name, pool.labels, at, *_banded(curve, found), pairs) for name, (at, curve) in curves.items()]


def running_time_table(pool: Pool, setting: str = "tuned") -> pd.DataFrame:
    """The expected running time to each problem's own target: one row a problem and contender.

    Problems without a target are left out. ``ert`` is in steps, inf where no seed succeeded; ``low`` and ``high`` are
    the ends of its bootstrap interval over studies and seeds, ``successes`` of ``n`` runs reached the target.
    """
    rows = []
    for problem in pool.problems:
        target = pool.of_problem(problem)[0].info.problem.target
        if target is None:
            continue
        found = hits(pool, problem, setting, pool.measure(problem)(np.array([float(target)])))
        value, low, high = _banded(partial(_running_time, found), [found])
        successes = np.isfinite(found.first[..., 0]).sum(axis=1)
        keys = {"problem": problem, "label": pool.labels, "target": float(target)}
        columns = {"ert": value[:, 0], "low": low[:, 0], "high": high[:, 0], "successes": successes, "n": found.runs}
        rows.append(pd.DataFrame({**keys, **columns}))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def _running_time(found: Hits, weights: Weights) -> Array:
    return expected_running_time(found.first, found.spent, weights[0])


def _banded(curve: Callable[[Weights], Array], found: Sequence[Hits]) -> tuple[Array, Array, Array]:
    """``curve`` of the runs as they are, and the ends of its pointwise band over resampled studies and seeds."""
    rng = np.random.default_rng(SEED)
    value = curve([np.ones(each.spent.shape) for each in found])
    if max(each.runs for each in found) == 1:
        return value, value, value
    runs = [each.spent.reshape(len(each.spent), each.studies, -1) for each in found]
    weights = [Draws.of(each, GRID, rng).weights for each in runs]
    resampled = np.stack([curve(each) for each in zip(*weights)])
    return value, *interval(resampled)
