"""One optimizer against each of the others: where it wins, ties and loses, and how many times as high it ends."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from analysis.measures.paired_tests import holm
from analysis.measures.pairs import paired_table
from analysis.measures.pooling import Pool
from analysis.record.cells import Cell
from analysis.record.errors import RecordError
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import ALPHA, SEED, Draws, Estimate, estimate_of, median, typical
from analysis.statistics.resamples import CONTENDERS

__all__ = ["Against", "against_each", "against_frame", "focused"]

FAR: Final = 300.0
"""Decades beyond any ratio of finite results: a run that diverged ends so much higher than one that did not."""


@dataclass(frozen=True)
class Against:
    """The optimizer ``mine`` against ``other``: the problems on which it ends lower, neither, or higher.

    ``ratio`` is how many times as high mine ends, the median over the ``rated`` problems whose measure has a scale
    (None where there is none), with an interval over studies and seeds. ``studies`` is their number a side.
    """

    mine: str
    other: str
    wins: tuple[str, ...]
    ties: tuple[str, ...]
    losses: tuple[str, ...]
    ratio: Estimate | None
    rated: int
    studies: int


def focused(cells: Iterable[Cell], names: str | Sequence[str], *, there: bool = True) -> tuple[str, ...]:
    """The labels of the optimizer that each of ``names`` calls, or the one label that it is.

    Raises `RecordError` where there is none; one that need not be ``there`` is passed over instead.
    """
    found = list(cells)
    wanted = [names] if isinstance(names, str) else names
    if not there:
        known = {name for cell in found for name in (cell.optimizer, cell.label)}
        wanted = [name for name in wanted if name in known]
    return tuple(dict.fromkeys(label for name in wanted for label in _labels_of(found, name)))


def _labels_of(found: Sequence[Cell], name: str) -> tuple[str, ...]:
    labels = tuple(dict.fromkeys(cell.label for cell in found if name in (cell.optimizer, cell.label)))
    if labels:
        return labels
    known = list(dict.fromkeys([cell.optimizer for cell in found] + [cell.label for cell in found]))
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    near = f", did you mean {close[0]!r}?" if close else ""
    has = ", ".join(dict.fromkeys(cell.optimizer for cell in found))
    raise RecordError(f"no optimizer {name!r} to focus on{near}; the record has {has}")


def against_each(pool: Pool, mine: Sequence[str]) -> list[Against]:
    """Each of ``mine`` against every other contender under the same schedule, in the order of ``pool.labels``.

    A win or a loss is a difference that the test of `paired_table` finds, adjusted by Holm's method for all
    comparisons that are made here: the chance of one false among them is 5%.
    """
    schedules = {label: pool.cells[pool.problems[0], label].cell.schedule for label in pool.labels}
    pairs = [(a, b) for a in mine for b in pool.labels if b not in mine and schedules[a] == schedules[b]]
    if not pairs:
        return []
    rows = {(row["problem"], row["a"], row["b"]): row for row in paired_table(pool).to_dict("records")}
    met: list[tuple[str, str, str]] = []
    found: list[tuple[float, float, str]] = []
    for a, b in pairs:
        for problem in pool.problems:
            # the table has each pair once: where the other is its a, the change is that of mine
            forward = (problem, b, a) in rows
            row = rows[(problem, b, a) if forward else (problem, a, b)]
            met.append((problem, a, b))
            found.append((float(row["p"]), float(row["change"]) * (1 if forward else -1), str(row["verdict"])))
    adjusted = holm([p_value for p_value, *_ in found])
    ended = {key: _ended(float(p), *each) for key, p, each in zip(met, adjusted, found, strict=True)}
    ratios = _ratios(pool)
    places = {label: place for place, label in enumerate(pool.labels)}
    studies = pool.finals(pool.problems[0]).shape[1]

    def where(a: str, b: str, kind: str) -> tuple[str, ...]:
        return tuple(problem for problem in pool.problems if ended[problem, a, b] == kind)

    return [
        Against(
            a,
            b,
            wins=where(a, b, "win"),
            ties=where(a, b, "tie"),
            losses=where(a, b, "loss"),
            ratio=_ratio(ratios, places[a], places[b]) if ratios else None,
            rated=len(ratios),
            studies=studies,
        )
        for a, b in pairs
    ]


def against_frame(found: Sequence[Against]) -> pd.DataFrame:
    """One row a comparison, for the CSV files of a report."""
    rows = [
        {
            "mine": each.mine,
            "other": each.other,
            "wins": len(each.wins),
            "ties": len(each.ties),
            "losses": len(each.losses),
            "won": "; ".join(each.wins),
            "lost": "; ".join(each.losses),
            "ratio": each.ratio.value if each.ratio else np.nan,
            "low": each.ratio.low if each.ratio else np.nan,
            "high": each.ratio.high if each.ratio else np.nan,
            "rated": each.rated,
            "studies": each.studies,
        }
        for each in found
    ]
    return pd.DataFrame(rows)


def _ended(adjusted: float, p_value: float, change: float, verdict: str) -> str:
    """What became of one comparison: ``change`` is how much higher mine ends; without a test it is exact."""
    untested = math.isnan(p_value)
    if verdict == "equal" or change == 0 or not (untested or adjusted <= ALPHA):
        return "tie"
    return "loss" if change > 0 else "win"


def _ratios(pool: Pool) -> list[tuple[Array, Array]]:
    """For each problem whose measure has a scale the typical results ``[A]`` and their resamples ``[B, A]``, in
    decades.
    """
    rng = np.random.default_rng(SEED)
    found = []
    for problem in pool.problems:
        measure, runs = pool.measure(problem), pool.finals(problem)
        if measure.log:
            shown = measure.shown(runs)
            drawn = Draws.of(shown, CONTENDERS, rng).typical(shown)
            point = np.array([float(typical(each)) for each in shown])
            found.append((np.log10(point), np.log10(drawn)))
    return found


def _ratio(ratios: Sequence[tuple[Array, Array]], mine: int, other: int) -> Estimate:
    """The median over problems of the ratio mine over other."""
    point = median(np.array([_apart(each[mine], each[other]) for each, _ in ratios]))
    drawn = median(np.stack([_apart(each[:, mine], each[:, other]) for _, each in ratios]))
    found = estimate_of(float(point), drawn, len(ratios))
    low, value, high = (_linear(end) for end in (found.low, found.value, found.high))
    return Estimate(value, low, high, found.n)


def _apart(mine: Array, other: Array) -> Array:
    """``mine - other`` in decades; 0 where both diverged, and as far as `FAR` where one did."""
    apart = np.subtract(mine, other, out=np.zeros(np.shape(mine)), where=np.asarray(mine != other))
    return np.asarray(np.clip(apart, -FAR, FAR))


def _linear(decades: float) -> float:
    return math.inf if decades > FAR / 4 else 0.0 if decades < -FAR / 4 else 10.0**decades
