"""What may be compared: one instance of a problem, under equal budgets; and the sentence that says why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from analysis.record.cells import Cell
from analysis.words import named_first

__all__ = ["BUDGET", "PoolingError", "check_budgets", "check_instances", "shortened", "unequal_budgets"]

BUDGET: Final = (
    "steps", "studies", "trials", "sampler", "block", "pruner", "objective",
    "aggregate", "tuning_seeds", "test_seeds", "evaluate_every",
)  # fmt: skip
"""Entries of a cell's protocol that must agree among the contenders of a problem."""


class PoolingError(ValueError):
    """Cells that must not be aggregated; the message names them and says why."""


def check_instances(cells: Iterable[Cell]) -> None:
    """Raise `PoolingError` where one problem name stands for two instances, or two names stand for one instance."""
    by_name: dict[str, dict[str, list[str]]] = {}
    names: dict[str, str] = {}
    for cell in cells:
        fingerprint = cell.info.problem.fingerprint
        by_name.setdefault(cell.problem, {}).setdefault(fingerprint, []).append(cell.name)
        other = names.setdefault(fingerprint, cell.problem)
        if other != cell.problem:
            raise PoolingError(f"{other} and {cell.problem} are one and the same instance: it would be counted twice")
    for problem, instances in by_name.items():
        if len(instances) > 1:
            parts = [f"{named_first(held)} have {fingerprint}" for fingerprint, held in instances.items()]
            raise PoolingError(
                f"{problem} stands for {len(instances)} different instances (fingerprints: {'; '.join(parts)}): "
                "their numbers cannot be compared"
            )


def check_budgets(cells: Sequence[Cell], fields: Sequence[str] = BUDGET) -> None:
    """Raise `PoolingError` where one of ``fields`` of the protocol differs among the cells of one problem."""
    for field in fields:
        values = {cell.name: repr(cell.info.protocol.to_json()[field]) for cell in cells}
        counts = Counter(values.values())
        if len(counts) > 1:
            usual = counts.most_common(1)[0][0]
            odd = [f"{name} has {value}" for name, value in values.items() if value != usual]
            raise PoolingError(
                f"the budgets on {cells[0].problem} are unequal: {field.replace('_', ' ')} is {usual}, "
                f"but {named_first(odd)}"
            )


def unequal_budgets(cells: Sequence[Cell]) -> str:
    """The sentence that says why the budgets of one problem's cells are unequal; empty where they are equal."""
    try:
        check_budgets(cells)
    except PoolingError as error:
        return str(error)
    return ""


def shortened(unmatched: Sequence[str]) -> list[str]:
    """The reasons ``unmatched``, those of cells that one side lacks joined in one line that names the first few."""
    lines = []
    for kind, group in groupby((text.partition(": ") for text in unmatched), key=lambda parts: parts[0]):
        found = [text for _, _, text in group]
        lines += [f"{kind}: {text}" for text in ([named_first(found)] if kind.startswith("only") else found)]
    return lines
