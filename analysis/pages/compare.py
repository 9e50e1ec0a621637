"""Did a change help? Two records, cell by cell and overall, with intervals, for people and for machines."""

from __future__ import annotations

import json
import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from analysis.measures.comparable import shortened
from analysis.measures.convergence import measure_of
from analysis.measures.measure import Measure
from analysis.measures.paired_tests import Difference, difference, holm, seeds_to_decide, unpaired_difference
from analysis.measures.pairs import improvement
from analysis.measures.pooling import PoolingError
from analysis.measures.results import final_values
from analysis.record.cells import Cell, Record
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import ALPHA, SEED, Estimate, bootstrap_median, bootstrap_weights, estimate_of
from analysis.statistics.resamples import CONTENDERS
from analysis.words import named_first, number

__all__ = ["Comparison", "Pair", "compare"]

SAME: Final = ("steps", "trials", "objective", "aggregate", "pruner")
"""Entries of the protocol that must agree for two cells to answer the same question; seeds may differ."""

PERMUTATIONS: Final = 2000

MARKS: Final = {"better": "+", "worse": "!", "equal": "=", "undecided": " "}


@dataclass(frozen=True)
class Pair:
    """One cell in both records: the medians of ``a`` and ``b``, and how much higher b ends (`analysis.measures.pairs`).

    ``paired`` says whether both sides were tested on the same seeds; ``exact`` that the problem is deterministic.
    ``p_holm`` is adjusted for all pairs of the comparison. ``verdict`` is of b: better, worse, equal or undecided.
    """

    problem: str
    label: str
    setting: str
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
class Comparison:
    """Record b against record a. ``better`` is the probability that a run of b ends lower, over all pairs.

    ``p_better`` and ``p_worse`` are the chances that the runs of an unchanged b would end lower, or higher, at least as
    often (see `_chances`); NaN where no pair needs a test. ``unmatched`` says of every cell that could not be compared
    why; ``other_code`` are the optimizers whose code, options or defaults differ. ``notes`` are for people.
    """

    a: str
    b: str
    pairs: tuple[Pair, ...]
    better: Estimate
    p_better: float
    p_worse: float
    unmatched: tuple[str, ...]
    other_code: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many pairs are better, worse, equal and undecided."""
        found = Counter(pair.verdict for pair in self.pairs)
        return {verdict: found[verdict] for verdict in MARKS}

    @property
    def worsened(self) -> bool:
        """Whether b is significantly worse in any cell, or overall."""
        return self.counts["worse"] > 0 or self.p_worse <= ALPHA / 2

    @property
    def verdict(self) -> str:
        """Whether b is better, worse, mixed (better here, worse there), equal or undecided."""
        improved = self.counts["better"] > 0 or self.p_better <= ALPHA / 2
        if self.worsened:
            return "mixed" if improved else "worse"
        if improved:
            return "better"
        return "equal" if self.counts["equal"] == len(self.pairs) else "undecided"

    def to_json(self) -> str:
        """The comparison as JSON; what is infinite (a diverged side) or no test (p-values of exact results) is null."""
        facts = {**asdict(self), "counts": dict(self.counts), "verdict": self.verdict, "worsened": self.worsened}
        return json.dumps(_finite(facts), indent=2, allow_nan=False, ensure_ascii=False)

    def text(self, width: int = 100) -> str:
        """The comparison as aligned plain text of at most ``width`` columns, the verdict last."""
        header = ("", "problem", "optimizer", "A", "B", "B against A", "verdict")
        lines = [header, *(_line(pair) for pair in self.pairs)]
        wide = [max(len(line[i]) for line in lines) for i in range(len(header))]
        out = ["  ".join(part.ljust(size) for part, size in zip(line, wide)).rstrip() for line in lines]
        table = [line if len(line) <= width else f"{line[: width - 1].rstrip()}…" for line in out]
        words = [*shortened(self.unmatched), *([""] if self.unmatched else []), *self.notes, self._summary()]
        return "\n".join([*table, "", *(textwrap.fill(text, width) for text in words)])

    def _summary(self) -> str:
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items() if count)
        chance = f"{self.better.value:.0%} [{self.better.low:.0%}, {self.better.high:.0%}]"
        p_value = min(1.0, 2 * min(self.p_better, self.p_worse))
        test = "" if math.isnan(self.p_better) else f" (p {number(p_value, 2)} over all cells)"
        return f"B is {self.verdict}: {counts}; a run of B ends lower with probability {chance}{test}."


def compare(a: Record, b: Record) -> Comparison:
    """Compare record ``b`` with record ``a``: tuned results on the test seeds, defaults where nothing was tuned.

    Cells are matched by problem, optimizer and schedule, and compared where the instance (fingerprint) and the budget
    agree; where the code of the optimizer differs, which may be the question, that is said. Differences are paired
    where the test seeds are the same; p-values are adjusted by Holm's method for all pairs that need a test. Raises
    `PoolingError` where nothing can be compared.
    """
    left, right = ({(cell.problem, cell.label): cell for cell in record} for record in (a, b))
    unmatched = [f"only in A: {cell.name}" for key, cell in left.items() if key not in right]
    unmatched += [f"only in B: {cell.name}" for key, cell in right.items() if key not in left]
    matched: list[tuple[Cell, Cell]] = []
    for key in (key for key in left if key in right):
        reason = _why_incomparable(left[key], right[key])
        if reason:
            unmatched.append(f"not compared: {left[key].name} {reason}")
        else:
            matched.append((left[key], right[key]))
    if not matched:
        why = named_first(sorted(unmatched, key=lambda text: not text.startswith("not compared")))
        raise PoolingError(f"no cell of {b.path} can be compared with one of {a.path}{_how(unmatched)}: {why}")
    runs = [_runs(x, y) for x, y in matched]
    found = [each.difference for each in runs]
    adjusted = holm([each.p_value for each in found])
    pairs = tuple(each.pair(float(p)) for each, p in zip(runs, adjusted))
    edited = [x.label for x, y in matched if x.info.optimizer.fingerprint != y.info.optimizer.fingerprint]
    other_code = tuple(dict.fromkeys(edited))
    notes = (*_notes(runs), *([f"The code of {named_first(other_code)} differs between A and B."] if edited else []))
    return Comparison(
        str(a.path), str(b.path), pairs, _overall(runs), *_chances(runs), tuple(unmatched), other_code, notes
    )


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

    def pair(self, p_holm: float) -> Pair:
        found, log = self.difference, self.measure.log
        return Pair(
            self.cell.problem,
            self.cell.label,
            self.setting,
            "decades" if log else self.measure.name,
            bootstrap_median(self.a),
            bootstrap_median(self.b),
            found.change,
            self.seeds is not None,
            found.exact,
            found.p_value,
            p_holm,
            found.verdict(p_holm),
        )


def _runs(a: Cell, b: Cell) -> _Runs:
    measure = measure_of((a, b))
    tuned = [final_values(cell, "tuned", measure) for cell in (a, b)]
    setting = "tuned" if any(side.size for side in tuned) else "default"
    left, right = tuned if setting == "tuned" else [final_values(cell, "default", measure) for cell in (a, b)]
    tested = [cell.info.protocol.test_seeds for cell in (a, b)]
    # a side none of whose trials survived has nothing to test: all of its runs count as diverged
    left, right = (side if side.size else np.full(len(seeds), np.inf) for side, seeds in zip((left, right), tested))
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
    return "" if counts[0] == counts[1] else f"had another budget (tuning seeds: {counts[0]} and {counts[1]})"


def _overall(runs: Sequence[_Runs]) -> Estimate:
    """The mean probability over pairs that a run of b ends lower; seeds that cells share are resampled together.

    Where sides are paired a run meets the other side's run of the same seed, else all of them. Ties count half.
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
                weights[each.seeds] = bootstrap_weights(a.size, CONTENDERS, rng) / a.size
            lower = (b < a) + 0.5 * (b == a)
            value, resampled = value + float(lower.mean()), resampled + weights[each.seeds] @ lower
        else:
            sides = [bootstrap_weights(side.size, CONTENDERS, rng) for side in (b, a)]
            value, resampled = value + float(improvement(b, a)), resampled + improvement(b, a, *sides)
    return estimate_of(value / len(runs), resampled / len(runs), len(runs))


def _chances(runs: Sequence[_Runs]) -> tuple[float, float]:
    """The chances that b, were it no other than a, would win at least and at most as often over all cells.

    A permutation test: where sides are paired a seed's two runs change sides, in all cells at once, for cells that
    share a seed are not independent; else all runs are dealt anew. A few seeds have few such permutations, so that they
    cannot decide anything. Exact results need no test. NaN where there are none but those.
    """
    rng = np.random.default_rng(SEED)
    tested = [each for each in runs if not each.difference.exact]
    flips: dict[int, Array] = {}
    deals: dict[tuple[int, int], Array] = {}
    seen, drawn = 0.0, np.zeros(PERMUTATIONS)
    for each in tested:
        a, b = each.measure.shown(each.a), each.measure.shown(each.b)
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


def _notes(runs: Sequence[_Runs]) -> list[str]:
    tested = [each for each in runs if not each.difference.exact]
    if not tested:
        return []
    fewest, needed = min(min(each.a.size, each.b.size) for each in tested), seeds_to_decide(len(tested))
    if fewest >= needed:
        return []
    return [
        f"With {fewest} test seeds none of {len(tested)} cells can be decided alone at {ALPHA:.0%}; {needed} would do."
    ]


def _line(pair: Pair) -> tuple[str, ...]:
    return (
        MARKS[pair.verdict],
        pair.problem,
        pair.label,
        _level(pair.a),
        _level(pair.b),
        _change(pair),
        pair.verdict if math.isnan(pair.p_holm) else f"{pair.verdict} (p {number(pair.p_holm, 2)})",
    )


def _level(side: Estimate) -> str:
    return "diverged" if math.isinf(side.value) else number(side.value)


def _change(pair: Pair) -> str:
    def shown(value: float) -> str:
        if pair.unit != "decades":
            return f"{value:+.3g}"
        return f"{'∞' if value > 300 else number(10.0**value)}×"

    interval = "" if pair.exact else f" [{shown(pair.change.low)}, {shown(pair.change.high)}]"
    return f"{shown(pair.change.value)}{interval}{' exact' if pair.exact else '' if pair.paired else ' unpaired'}"


def _finite(value: Any) -> Any:
    """``value`` with every number that JSON cannot hold replaced by None."""
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
