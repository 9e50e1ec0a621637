"""The gate before every aggregate across problems: what may be pooled, and the sentence that says why not.

Numbers of different problem instances, of contenders that met different problems, or of unequal budgets answer
different questions. They are never aggregated; `pool` raises instead and names the cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.convergence import measure_of
from analysis.metrics import Array, Measure
from analysis.results import cell_label, final_values
from analysis.tables import Cell

__all__ = ["BUDGET", "Pool", "PoolingError", "check_budgets", "check_instances", "pool"]

BUDGET: Final = (
    "steps", "trials", "pruner", "objective", "aggregate", "tuning_seeds", "test_seeds", "evaluate_every",
)  # fmt: skip
"""Entries of a cell's protocol that must agree among the contenders of a problem."""

MOST_NAMED: Final = 4
"""Cells a message names before it counts the rest."""


class PoolingError(ValueError):
    """Cells that must not be aggregated were; the message names them and says why."""


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


def check_instances(cells: Iterable[Cell]) -> None:
    """Raise `PoolingError` where one problem name stands for two instances, or two names stand for one instance."""
    by_name: dict[str, dict[str, list[str]]] = {}
    names: dict[str, str] = {}
    for cell in cells:
        fingerprint = str(cell.info["problem"]["fingerprint"])
        by_name.setdefault(cell.problem, {}).setdefault(fingerprint, []).append(cell.name)
        other = names.setdefault(fingerprint, cell.problem)
        if other != cell.problem:
            raise PoolingError(f"{other} and {cell.problem} are one and the same instance: it would be counted twice")
    for problem, instances in by_name.items():
        if len(instances) > 1:
            parts = [f"{_listed(held)} have {fingerprint}" for fingerprint, held in instances.items()]
            raise PoolingError(
                f"{problem} stands for {len(instances)} different instances (fingerprints: {'; '.join(parts)}): "
                "their numbers cannot be compared"
            )


def check_budgets(cells: Sequence[Cell], fields: Sequence[str] = BUDGET) -> None:
    """Raise `PoolingError` where one of ``fields`` of the protocol differs among the cells of one problem."""
    for field in fields:
        values = {cell.name: repr(cell.info["protocol"].get(field)) for cell in cells}
        counts = Counter(values.values())
        if len(counts) > 1:
            usual = counts.most_common(1)[0][0]
            odd = [f"{name} has {value}" for name, value in values.items() if value != usual]
            raise PoolingError(
                f"the budgets on {cells[0].problem} are unequal: {field.replace('_', ' ')} is {usual}, "
                f"but {_listed(odd)}"
            )


def _check_complete(named: Mapping[tuple[str, str], Cell], problems: tuple[str, ...], labels: tuple[str, ...]) -> None:
    missing = [f"{label} on {problem}" for problem in problems for label in labels if (problem, label) not in named]
    if missing:
        raise PoolingError(
            f"not every optimizer met every problem (missing: {_listed(missing)}): an average over unequal problems "
            "compares problems, not optimizers"
        )


def _listed(words: list[str]) -> str:
    more = len(words) - MOST_NAMED
    return ", ".join(words[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
