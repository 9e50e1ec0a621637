"""Did a change help? The cells of two records matched, tested one by one, and judged over all of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.measures.convergence import measure_of
from analysis.measures.measure import Measure
from analysis.measures.paired_tests import FEWEST_STUDIES, Difference, difference, holm, unpaired_difference
from analysis.measures.pairs import improvement
from analysis.measures.pooling import PoolingError
from analysis.measures.results import final_values
from analysis.record.cells import Cell, Record
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import (
    ALPHA,
    SEED,
    Draws,
    Estimate,
    bootstrap_weights,
    estimate_of,
    estimate_of_studies,
)
from analysis.statistics.resamples import CONTENDERS
from analysis.words import named_first

__all__ = ["SHARE", "Compared", "Pair", "compared"]

SAME: Final = ("steps", "studies", "trials", "sampler", "block", "objective", "aggregate", "pruner")
"""Entries of the protocol that must agree for two cells to answer the same question; seeds may differ."""

SHARE: Final = ALPHA / 2
"""The level of the cells' tests together, and that of the overall test: a false claim of any kind has `ALPHA` in all.
"""

LARGEST: Final = 8.0
"""A certain difference, in deviations of a normal: none of a few is to outvote the other cells by itself."""

PERMUTATIONS: Final = 2000

VERDICTS: Final = ("better", "worse", "equal", "undecided")


@dataclass(frozen=True)
class Pair:
    """One cell in both records: the results ``a`` and ``b``, and how much higher b ends
    (`analysis.measures.paired_tests`).

    ``studies`` is the number of studies a side, 0 where the defaults are compared; of fewer than three nothing is said
    of the optimizers, and the p-values are NaN. ``paired`` says whether both sides were tested on the same seeds;
    ``exact`` that the problem is deterministic. ``p_holm`` is adjusted for all pairs of the comparison. ``verdict`` is
    of b: better, worse, equal or undecided.
    """

    problem: str
    label: str
    setting: str
    studies: int
    unit: str
    a: Estimate
    b: Estimate
    change: Estimate
    paired: bool
    exact: bool
    p_value: float
    p_holm: float
    verdict: str


@dataclass(frozen=True)
class Compared:
    """Record b against record a. ``better`` is the probability that a run of b ends lower, over all pairs.

    ``p_better`` and ``p_worse`` are the chances that an unchanged b would end as low, or as high, as this over all
    cells together (see `_chances`); NaN where no pair can be tested. ``unmatched`` says of every cell that could not be
    compared why; ``other_code`` are the optimizers whose code, options or defaults differ. ``other_search``
    says of each optimizer which hyperparameters were searched otherwise.
    """

    a: str
    b: str
    pairs: tuple[Pair, ...]
    better: Estimate
    p_better: float
    p_worse: float
    unmatched: tuple[str, ...]
    other_code: tuple[str, ...]
    other_search: tuple[str, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many pairs are better, worse, equal and undecided."""
        found = Counter(pair.verdict for pair in self.pairs)
        return {verdict: found[verdict] for verdict in VERDICTS}

    @property
    def worsened(self) -> bool:
        """Whether b is significantly worse in any cell, or overall."""
        return self.counts["worse"] > 0 or self.p_worse <= SHARE / 2

    @property
    def verdict(self) -> str:
        """Whether b is better, worse, mixed, equal or undecided over all cells.

        The overall test decides; cells that contradict it make it mixed. Where no pair can be tested, as of defaults on
        deterministic problems, whose order is exact, the cells do: all that differ one way.
        """
        counts, better, worse = self.counts, self.p_better <= SHARE / 2, self.p_worse <= SHARE / 2
        if math.isnan(self.p_better):
            better, worse = counts["better"] > 0, counts["worse"] > 0
        if better or worse:
            against = counts["worse" if better else "better"] > 0
            return "mixed" if against or (better and worse) else "better" if better else "worse"
        if counts["better"] and counts["worse"]:
            return "mixed"
        return "equal" if counts["equal"] == len(self.pairs) else "undecided"


def compared(a: Record, b: Record, *, other_search: bool = False) -> Compared:
    """Compare record ``b`` with record ``a``: tuned results on the test seeds, defaults where nothing was tuned.

    Cells are matched by problem, optimizer and schedule, and compared where the instance (fingerprint), the budget, the
    sampler with its blocks and the searched ranges agree; where the code of the optimizer differs, which may be the
    question, that is said. Tuned results are told apart by their studies, three or more a side. Differences are paired
    where the test seeds are the same; p-values are adjusted by Holm's method for all pairs that have a test, which
    share half of the level; the overall test has the other half. With ``other_search`` cells are compared whose studies
    searched other hyperparameters or ranges, which is said: the difference is what that bought. Raises `PoolingError`
    where nothing can be compared.
    """
    left, right = ({(cell.problem, cell.label): cell for cell in record} for record in (a, b))
    unmatched = [f"only in A: {cell.name}" for key, cell in left.items() if key not in right]
    unmatched += [f"only in B: {cell.name}" for key, cell in right.items() if key not in left]
    matched: list[tuple[Cell, Cell]] = []
    for key in (key for key in left if key in right):
        reason = _why_incomparable(left[key], right[key])
        if not reason and not other_search and (search := _other_search(left[key], right[key])):
            reason = f"was searched in other ranges ({search})"
        if reason:
            unmatched.append(f"not compared: {left[key].name} {reason}")
        else:
            matched.append((left[key], right[key]))
    if not matched:
        why = named_first(sorted(unmatched, key=lambda text: not text.startswith("not compared")))
        raise PoolingError(f"no cell of {b.path} can be compared with one of {a.path}{_how(unmatched)}: {why}")
    runs = [_runs(x, y) for x, y in matched]
    adjusted = holm([each.p_value for each in runs])
    pairs = tuple(each.pair(float(p)) for each, p in zip(runs, adjusted))
    edited = [x.label for x, y in matched if x.info.optimizer.fingerprint != y.info.optimizer.fingerprint]
    other_code = tuple(dict.fromkeys(edited))
    searched = tuple(dict.fromkeys(f"{x.label}: {search}" for x, y in matched if (search := _other_search(x, y))))
    numbers = (pairs, _overall(runs), *_chances(runs))
    return Compared(str(a.path), str(b.path), *numbers, tuple(unmatched), other_code, searched)


@dataclass(frozen=True)
class _Runs:
    """The test runs of a matched pair of cells."""

    cell: Cell
    setting: str
    measure: Measure
    a: Array
    b: Array
    seeds: tuple[int, ...] | None
    difference: Difference

    @property
    def studies(self) -> int:
        """The number of studies a side; 0 where the defaults are compared, which none found."""
        return len(self.a) if self.setting == "tuned" else 0

    @property
    def decides(self) -> bool:
        """Whether the difference says something of the optimizers, and not only of the settings that were found."""
        return self.setting == "default" or self.studies >= FEWEST_STUDIES

    @property
    def p_value(self) -> float:
        return self.difference.p_value if self.decides else math.nan

    def pair(self, p_holm: float) -> Pair:
        found, log = self.difference, self.measure.log
        return Pair(
            self.cell.problem,
            self.cell.label,
            self.setting,
            self.studies,
            "decades" if log else self.measure.name,
            estimate_of_studies(self.a),
            estimate_of_studies(self.b),
            found.change,
            self.seeds is not None,
            found.exact and self.decides,
            self.p_value,
            p_holm,
            found.verdict(p_holm, SHARE) if self.decides else "undecided",
        )


def _runs(a: Cell, b: Cell) -> _Runs:
    measure = measure_of((a, b))
    tuned = [final_values(cell, "tuned", measure) for cell in (a, b)]
    setting = "tuned" if any(side.size for side in tuned) else "default"
    left, right = tuned if setting == "tuned" else [final_values(cell, "default", measure) for cell in (a, b)]
    # a side none of whose trials survived has nothing to test: all of its runs count as diverged
    lost = [np.full((cell.info.protocol.studies, len(cell.info.protocol.test_seeds)), np.inf) for cell in (a, b)]
    left, right = (side if side.size else nothing for side, nothing in zip((left, right), lost))
    tested = [cell.info.protocol.test_seeds for cell in (a, b)]
    if tested[0] != tested[1]:
        return _Runs(a, setting, measure, left, right, None, unpaired_difference(left, right, measure))
    exact = a.info.problem.deterministic
    return _Runs(a, setting, measure, left, right, tested[0], difference(left, right, measure, exact=exact))


def _how(unmatched: Sequence[str]) -> str:
    """How cells of one side only can be compared after all, where both sides have some."""
    sides = {text[: len("only in A")] for text in unmatched}
    return (
        " (--map OLD=NEW pairs different names, as --map rmsprop=adam)" if {"only in A", "only in B"} <= sides else ""
    )


def _why_incomparable(a: Cell, b: Cell) -> str:
    """The reason that two cells cannot be compared; empty where they can."""
    prints = [cell.info.problem.fingerprint for cell in (a, b)]
    if prints[0] != prints[1]:
        return f"is another instance of its problem (fingerprints {prints[0]} and {prints[1]})"
    for field in SAME:
        values = [cell.info.protocol.to_json()[field] for cell in (a, b)]
        if values[0] != values[1]:
            return f"had another budget ({field}: {values[0]} and {values[1]})"
    counts = [len(cell.info.protocol.tuning_seeds) for cell in (a, b)]
    if counts[0] != counts[1]:
        return f"had another budget (tuning seeds: {counts[0]} and {counts[1]})"
    return ""


def _other_search(a: Cell, b: Cell) -> str:
    """The hyperparameters that a and b searched otherwise, each with its two ranges; empty where there are none."""
    ranges = [_ranges(cell) for cell in (a, b)]
    both = {
        name: [searched.get(name, "not searched") for searched in ranges]
        for name in dict.fromkeys((*ranges[0], *ranges[1]))
    }
    return "; ".join(f"{name}: {ends[0]} and {ends[1]}" for name, ends in both.items() if ends[0] != ends[1])


def _ranges(cell: Cell) -> dict[str, str]:
    """The searched ranges as text; none where nothing was tuned, or where studies widened them as they went."""
    if not cell.info.studies or any(study.widened for study in cell.info.studies):
        return {}
    searched = [each for each in cell.info.optimizer.hyperparameters if each.name in cell.info.optimizer.searched]
    return {each.name: f"{each.low:g} to {each.high:g} ({each.scale})" for each in searched}


def _overall(runs: Sequence[_Runs]) -> Estimate:
    """The mean probability over pairs that a run of b ends lower; seeds that cells share are resampled together.

    Where sides are paired a run meets the other side's runs of the same seed, else all of them. Ties count half.
    """
    rng = np.random.default_rng(SEED)
    weights: dict[tuple[int, ...], Array] = {}
    value, resampled = 0.0, np.zeros(CONTENDERS)
    for each in runs:
        a, b = each.measure.shown(each.a), each.measure.shown(each.b)
        if each.difference.exact:
            won = 0.5 if each.difference.equal else float(each.difference.change.value < 0)
            value, resampled = value + won, resampled + won
        elif each.seeds is not None:
            if each.seeds not in weights:
                drawn = bootstrap_weights(len(each.seeds), CONTENDERS, rng)
                weights[each.seeds] = drawn / drawn.sum(axis=1, keepdims=True)
            of_a, of_b = (bootstrap_weights(len(side), CONTENDERS, rng) for side in (a, b))
            lower = (b < a[:, None]) + 0.5 * (b == a[:, None])  # [K of a, K of b, S]
            value += float(lower.mean())
            scale = of_a.sum(axis=1) * of_b.sum(axis=1)
            resampled += np.einsum("ri,rj,rs,ijs->r", of_a, of_b, weights[each.seeds], lower, optimize=True) / scale
        else:
            sides = [Draws.of(side[None], CONTENDERS, rng).weights[:, 0] for side in (b, a)]
            value += float(improvement(b.ravel(), a.ravel()))
            resampled += improvement(b.ravel(), a.ravel(), *sides)
    return estimate_of(value / len(runs), resampled / len(runs), len(runs))


def _chances(runs: Sequence[_Runs]) -> tuple[float, float]:
    """The chances that b, were it no other than a, would end as low, and as high, over all cells.

    Tuned cells have studies of their own: their p-values are put together by Stouffer's method, each as the deviation
    of a normal, with the sign of its difference. Defaults have none; see `_permuted`. NaN where nothing can be tested.
    """
    tuned = [each for each in runs if each.setting == "tuned" and each.decides]
    if not tuned:
        return _permuted([each for each in runs if each.setting == "default" and not each.difference.exact])
    from scipy.special import ndtr, ndtri

    away = [min(LARGEST, -float(ndtri(each.p_value / 2))) for each in tuned]
    signs = [np.sign(each.difference.change.value) for each in tuned]
    total = float(np.dot(signs, away)) / math.sqrt(len(tuned))
    return float(ndtr(total)), float(ndtr(-total))


def _permuted(tested: Sequence[_Runs]) -> tuple[float, float]:
    """The chances of one setting a side, by a permutation test: where sides are paired a seed's two runs change sides,
    in all cells at once, for cells that share a seed are not independent; else all runs are dealt anew. A few seeds
    have few such permutations, so that they cannot decide anything.
    """
    rng = np.random.default_rng(SEED)
    flips: dict[int, Array] = {}
    deals: dict[tuple[int, int], Array] = {}
    seen, drawn = 0.0, np.zeros(PERMUTATIONS)
    for each in tested:
        a, b = each.measure.shown(each.a[0]), each.measure.shown(each.b[0])
        if each.seeds is None:
            sizes, every = (a.size, b.size), np.concatenate([a, b])
            if sizes not in deals:
                deals[sizes] = rng.permuted(np.tile(np.arange(every.size) < a.size, (PERMUTATIONS, 1)), axis=1)
            won = (every[:, None] > every).astype(np.float64) - (every[:, None] < every)
            on_a = deals[sizes].astype(np.float64)
            seen += float(won[: a.size, a.size :].mean())
            drawn += np.einsum("pi,ij,pj->p", on_a, won, 1 - on_a, optimize=True) / (a.size * b.size)
        else:
            for seed in each.seeds:
                if seed not in flips:
                    flips[seed] = rng.choice([-1.0, 1.0], PERMUTATIONS)
            won = (b < a).astype(np.float64) - (b > a)
            seen += float(won.mean())
            drawn += np.stack([flips[seed] for seed in each.seeds], axis=1) @ won / won.size
    if not tested:
        return math.nan, math.nan
    as_high, as_low = (int(found.sum()) for found in (drawn >= seen - 1e-9, drawn <= seen + 1e-9))
    return (1 + as_high) / (1 + PERMUTATIONS), (1 + as_low) / (1 + PERMUTATIONS)
