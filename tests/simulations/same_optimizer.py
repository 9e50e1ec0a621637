"""How often one optimizer is told apart from itself, by real studies: copies are dealt from a cell of many studies.

    stepscape run tests/simulations/same_optimizer.toml --out results/same-optimizer
    python tests/simulations/same_optimizer.py results/same-optimizer [--deals 200]

Of every cell's studies twice K are drawn, K a side, which are two records of one optimizer. Printed are the share of
cells in which the sides are told apart (5% at most is right), of overall verdicts, of any claim in a comparison, the
coverage of the interval of a tuned result; and the power: how often two optimizers on one problem are told apart.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from analysis.measures.measure import Measure
from analysis.measures.paired_tests import Difference, Side, holm, study_difference
from analysis.problem_results import results_of
from analysis.record.cells import Record
from analysis.statistics.bootstrap import ALPHA, covered, estimate_of_studies, typical

Array = npt.NDArray[np.float64]


def cells_of(folder: Path) -> dict[tuple[str, str], tuple[Array, Measure]]:
    """The runs ``[K, S]`` of every tuned cell of the record, with the measure of its problem."""
    results = results_of(Record.load(folder)).values()
    cells = [cell for found in results for cell in found.cells if cell.tuned is not None]
    return {(cell.problem, cell.label): (cell.tuned.values, cell.measure) for cell in cells if cell.tuned is not None}


def compared(a: Array, b: Array, measure: Measure) -> Difference:
    """The two sides as a comparison takes them."""
    return study_difference(Side.of(a, measure), Side.of(b, measure), measure)


def copies(cells: dict[tuple[str, str], tuple[Array, Measure]], studies: int, deals: int) -> None:
    """Print how often copies are told apart, with so many studies a side."""
    rng = np.random.default_rng(studies)
    told: dict[tuple[str, str], int] = dict.fromkeys(cells, 0)
    anywhere = overall = either = 0
    for _ in range(deals):
        p_values, away = [], []
        for key, (runs, measure) in cells.items():
            dealt = rng.permutation(len(runs))
            found = compared(runs[dealt[:studies]], runs[dealt[studies : 2 * studies]], measure)
            told[key] += found.p_value <= ALPHA
            p_values.append(found.p_value)
            away.append(np.sign(found.change.value) * -norm.ppf(found.p_value / 2))
        cell = bool((holm(p_values) <= ALPHA / 2).any())
        total = 2 * norm.sf(abs(sum(away)) / np.sqrt(len(away))) <= ALPHA / 2
        anywhere, overall, either = anywhere + cell, overall + total, either + (cell or total)
    shares = {key: count / deals for key, count in told.items()}
    print(f"\n{studies} studies a side, {deals} deals of {len(cells)} cells, level {ALPHA:.0%}")
    print(f"  cells told apart: {np.mean(list(shares.values())):.1%} (most: {max(shares.values()):.1%})")
    print(
        f"  comparisons in which a cell is: {anywhere / deals:.1%}; overall verdicts that are not 'undecided': ", end=""
    )
    print(f"{overall / deals:.1%}; either: {either / deals:.1%}")
    held = []
    for runs, _ in cells.values():
        truth = float(typical(runs))
        drawn = [runs[rng.permutation(len(runs))[:studies]] for _ in range(deals // 2)]
        ends = [estimate_of_studies(each, resamples=400) for each in drawn]
        held.append(np.mean([each.low <= truth <= each.high for each in ends]))
    print(
        f"  intervals that hold the median of all studies: {np.mean(held):.1%}, stated {covered(studies):.0%}", end=""
    )
    print(f" (least: {min(held):.1%})")


def power(cells: dict[tuple[str, str], tuple[Array, Measure]], studies: int, deals: int) -> None:
    """Print how often optimizers on one problem are told apart, with so many studies a side."""
    rng = np.random.default_rng(studies)
    print(f"\nTwo optimizers, {studies} studies a side: told apart at {ALPHA:.0%}")
    for (one, other), ((a, measure), (b, _)) in zip(
        combinations(cells, 2), combinations(cells.values(), 2), strict=True
    ):
        if one[0] == other[0]:
            found = [
                compared(a[rng.permutation(len(a))[:studies]], b[rng.permutation(len(b))[:studies]], measure)
                for _ in range(deals // 2)
            ]
            apart = np.mean([each.p_value <= ALPHA for each in found])
            gap = abs(np.mean([each.change.value for each in found]))
            print(f"  {one[0]:20s} {one[1]} and {other[1]}: {apart:.0%} ({gap:.2f} decades apart)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", type=Path, help="a record with many studies a cell")
    parser.add_argument("--deals", type=int, default=200, help="copies dealt (default: 200)")
    asked = parser.parse_args()
    made = cells_of(asked.record)
    for count in (3, 5, 10):
        if all(2 * count <= len(runs) for runs, _ in made.values()):
            copies(made, count, asked.deals)
            power(made, count, asked.deals)
