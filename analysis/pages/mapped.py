"""A comparison that the user asks for between what has different names: other problems, optimizers or schedules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from analysis.measures.pooling import PoolingError
from analysis.pages.compare import Comparison, compare
from analysis.record.cells import Cell, Record
from analysis.words import listing

__all__ = ["compare_mapped"]


def compare_mapped(a: Record, b: Record, names: Mapping[str, str], *, other_search: bool = False) -> Comparison:
    """Record ``b`` against ``a`` as `compare` does, each name of a that is a key of ``names`` standing for its value.

    The names are of problems, optimizers and schedules. Runs of different problems are compared by the gap to the floor
    of each where both are known, else by their losses. Raises `PoolingError` for a name that a or b does not have.
    """
    for record, side, wanted in ((a, "A", names), (b, "B", names.values())):
        _check(record, side, wanted)
    others = {(cell.problem, cell.optimizer, cell.schedule): cell for cell in b}
    cells = []
    for cell in a:
        key = tuple(names.get(name, name) for name in (cell.problem, cell.optimizer, cell.schedule))
        cells.append(_read_as(cell, others[key]) if key in others else cell)
    found = compare(replace(a, cells=tuple(cells)), b, other_search=other_search)
    said = [f"{old} of A stands against {new} of B" for old, new in names.items()]
    problems = {cell.problem for cell in a} & {old for old, new in names.items() if old != new}
    warned = ["Different problems are compared: a smaller gap may be an easier problem."] if problems else []
    if not names:
        return found
    return replace(found, notes=(*found.notes, *warned, f"As asked for, {listing(said)}."))


@dataclass(frozen=True)
class _Moved(Cell):
    """A cell whose losses are read with ``shift`` added."""

    shift: float = 0.0

    def _table(self, name: str) -> pd.DataFrame:
        table = super()._table(name)
        losses = [column for column in table if str(column) == "loss" or str(column).endswith("_loss")]
        return table.assign(**{str(column): table[column] + self.shift for column in losses})


def _read_as(cell: Cell, other: Cell) -> Cell:
    """``cell`` under the names of ``other``, its gaps to its own floor as they were."""
    info, like = cell.info, other.info
    floors = (cell.floor, other.floor)
    shift = 0.0 if floors[0] is None or floors[1] is None else floors[1] - floors[0]
    problem = info.problem
    if cell.problem != other.problem:
        floor = None if None in floors else other.floor
        start_loss = problem.start_loss + shift
        problem = replace(like.problem, minimum=floor, start_loss=start_loss)
        problem = replace(problem, deterministic=info.problem.deterministic and like.problem.deterministic)
    optimizer = info.optimizer if cell.optimizer == other.optimizer else like.optimizer
    named = replace(info, problem=problem, optimizer=optimizer, schedule=like.schedule)
    return _Moved(cell.path, named, shift)


def _check(record: Record, side: str, wanted: Iterable[str]) -> None:
    known = dict.fromkeys(name for cell in record for name in (cell.problem, cell.optimizer, cell.schedule))
    for name in wanted:
        if name not in known:
            raise PoolingError(
                f"record {side} has no problem, optimizer or schedule {name!r}; it has {listing(list(known))}"
            )
