"""The check before every aggregate across problems: what may be pooled, and the sentence that says why not.

Numbers of different problem instances, of contenders that met different problems, or of unequal budgets answer
different questions. They are never aggregated; a pool of them raises instead and names the cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.measures.comparable import PoolingError, check_budgets, check_instances
from analysis.measures.measure import Measure
from analysis.measures.results import CellResult, cell_results
from analysis.record.cells import Cell
from analysis.statistics.arrays import Array
from analysis.words import named_first

__all__ = ["Pool", "PoolingError", "met_all", "pool"]


@dataclass(frozen=True)
class Pool:
    """Cells that may be aggregated: every contender, by label, met every problem, one instance each, equal budgets."""

    problems: tuple[str, ...]
    labels: tuple[str, ...]
    cells: Mapping[tuple[str, str], CellResult]

    @classmethod
    def of(cls, cells: Iterable[CellResult]) -> Pool:
        """``cells`` as a pool; raises `PoolingError` where they must not be aggregated, and says why."""
        found = list(cells)
        if not found:
            raise PoolingError("there is no cell to aggregate")
        check_instances([result.cell for result in found])
        named: dict[tuple[str, str], CellResult] = {}
        for result in found:
            key = result.problem, result.label
            if key in named:
                paths = f"{result.cell.path} and {named[key].cell.path}"
                raise PoolingError(f"{paths} are two results of {key[1]} on {key[0]}")
            named[key] = result
        problems = tuple(dict.fromkeys(problem for problem, _ in named))
        labels = tuple(dict.fromkeys(label for _, label in named))
        _check_complete(named, problems, labels)
        for problem in problems:
            check_budgets([named[problem, label].cell for label in labels])
        return cls(problems, labels, named)

    def of_problem(self, problem: str) -> tuple[CellResult, ...]:
        """The cells ``[A]`` of a problem, in the order of ``labels``."""
        return tuple(self.cells[problem, label] for label in self.labels)

    def measure(self, problem: str) -> Measure:
        """The measure that the cells of a problem share."""
        return self.cells[problem, self.labels[0]].measure

    def finals(self, problem: str, setting: str = "tuned") -> Array:
        """The measure ``[A, K, S]`` after the last step of every study on every test seed; inf where it diverged.

        A contender none of whose trials survived has nothing to test: all of its runs count as diverged. Raises
        `PoolingError` where no contender of the problem was run under ``setting``.
        """
        found = [result.settings.get(setting) for result in self.of_problem(problem)]
        shape = next((one.values.shape for one in found if one is not None), None)
        if shape is None:
            raise PoolingError(f"no contender on {problem} was run under the {setting} setting")
        return np.stack([np.full(shape, np.inf) if one is None else one.values for one in found])


def pool(cells: Iterable[Cell]) -> Pool:
    """``cells``, or those of a record, as a pool; raises as `Pool.of` does."""
    found = list(cells)
    check_instances(found)  # before the measure, which two instances do not share
    return Pool.of(cell_results(found))


def met_all(cells: Sequence[CellResult]) -> tuple[Sequence[CellResult], str]:
    """Those of ``cells`` whose optimizer met every problem, and a sentence that names the others, empty where there are
    none.

    Where fewer than two optimizers met every problem it is all of them, and `Pool.of` says what is missing.
    """
    problems = {result.problem for result in cells}
    met: dict[str, set[str]] = {}
    for result in cells:
        met.setdefault(result.label, set()).add(result.problem)
    missed = [label for label, of in met.items() if of != problems]
    if not missed or len(met) - len(missed) < 2:
        return cells, ""
    verb = "is" if len(missed) == 1 else "are"
    return (
        [result for result in cells if result.label not in missed],
        f"{named_first(missed)} {verb} left out across problems, of {len(met)}: not met with every problem.",
    )


def _check_complete(
    named: Mapping[tuple[str, str], CellResult], problems: tuple[str, ...], labels: tuple[str, ...]
) -> None:
    missing = [f"{label} on {problem}" for problem in problems for label in labels if (problem, label) not in named]
    if missing:
        raise PoolingError(
            f"not every optimizer met every problem (missing: {named_first(missing)}): an average over unequal "
            "problems compares problems, not optimizers"
        )
