"""The gate before every aggregate across problems: what may be pooled, and the sentence that says why not.

Numbers of different problem instances, of contenders that met different problems, or of unequal budgets answer
different questions. They are never aggregated; `pool` raises instead and names the cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from analysis.measures.comparable import PoolingError, check_budgets, check_instances
from analysis.measures.convergence import measure_of
from analysis.measures.measure import Measure
from analysis.measures.results import cell_label, final_values
from analysis.record.cells import Cell
from analysis.statistics.arrays import Array
from analysis.words import named_first

__all__ = ["Pool", "PoolingError", "pool"]


@dataclass(frozen=True)
class Pool:
    """Cells that may be aggregated: every contender, by label, met every problem, one instance each, equal budgets."""

    problems: tuple[str, ...]
    labels: tuple[str, ...]
    cells: Mapping[tuple[str, str], Cell]
    measures: Mapping[str, Measure]

    def of_problem(self, problem: str) -> tuple[Cell, ...]:
        """The cells ``[A]`` of a problem, in the order of ``labels``."""
        return tuple(self.cells[problem, label] for label in self.labels)

    def finals(self, problem: str, setting: str = "tuned") -> Array:
        """The measure ``[A, S]`` after the last step on every test seed; inf where it diverged.

        A contender none of whose trials survived has nothing to test: all of its runs count as diverged. Raises
        `PoolingError` where no contender of the problem was run under ``setting``.
        """
        measure = self.measures[problem]
        values = [final_values(cell, setting, measure) for cell in self.of_problem(problem)]
        seeds = max(array.size for array in values)
        if seeds == 0:
            raise PoolingError(f"no contender on {problem} was run under the {setting} setting")
        return np.stack([array if array.size else np.full(seeds, np.inf) for array in values])


def pool(cells: Iterable[Cell]) -> Pool:
    """Return ``cells`` as a pool; raises `PoolingError` where they must not be aggregated, and says why."""
    found = list(cells)
    if not found:
        raise PoolingError("there is no cell to aggregate")
    check_instances(found)
    named: dict[tuple[str, str], Cell] = {}
    for cell in found:
        key = cell.problem, cell_label(cell)
        if key in named:
            raise PoolingError(f"{cell.path} and {named[key].path} are two results of {key[1]} on {key[0]}")
        named[key] = cell
    problems = tuple(dict.fromkeys(problem for problem, _ in named))
    labels = tuple(dict.fromkeys(label for _, label in named))
    _check_complete(named, problems, labels)
    for problem in problems:
        check_budgets([named[problem, label] for label in labels])
    measures = {problem: measure_of(tuple(named[problem, label] for label in labels)) for problem in problems}
    return Pool(problems, labels, named, measures)


def _check_complete(named: Mapping[tuple[str, str], Cell], problems: tuple[str, ...], labels: tuple[str, ...]) -> None:
    missing = [f"{label} on {problem}" for problem in problems for label in labels if (problem, label) not in named]
    if missing:
        raise PoolingError(
            f"not every optimizer met every problem (missing: {named_first(missing)}): an average over unequal "
            "problems compares problems, not optimizers"
        )
