"""The report's sections, drawn ahead by the workers that train: each when the last cell of its problem has landed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analysis.record.cell_info import label_of
from analysis.record.cells import Cell
from benchmarks.record.folder import RecordFolder
from benchmarks.suite.suite import CellPlan

if TYPE_CHECKING:
    from analysis.pages.problem_section import Section

__all__ = ["Ahead"]

FEW: Final = 50_000
"""Runs of a problem's landscapes up to which drawing takes no memory to speak of, beside others that train."""


@dataclass(frozen=True)
class Ahead:
    """What a worker must know of a suite to draw the section of a problem.

    ``problems`` are the names of every problem's cells, ``labels`` those of all cells, both in the suite's order;
    ``focus`` names the optimizers in focus, if any.
    """

    folder: RecordFolder
    problems: Mapping[str, Sequence[str]]
    labels: Sequence[str]
    focus: str | Sequence[str] = ()

    @classmethod
    def of(cls, folder: RecordFolder, plans: Sequence[CellPlan], focus: str | Sequence[str]) -> Ahead:
        """What is known of the cells of ``plans``."""
        problems: dict[str, list[str]] = {}
        for plan in plans:
            problems.setdefault(plan.problem, []).append(plan.name)
        return cls(folder, problems, [label_of(plan.optimizer, plan.schedule) for plan in plans], focus)

    def section_after(self, cell: str) -> Section | None:
        """The section of the problem of ``cell``, which has landed; None where others of its cells have not, or landed
        after it.

        Nor is there one where it cannot be drawn, or its landscapes are large: the report draws it, and says what is
        wrong.
        """
        own = next((names for names in self.problems.values() if cell in names), [])
        if not own or not all(map(self.folder.has_cell, own)):
            return None
        if max(own, key=lambda name: (self._landed_at(name), name)) != cell:  # of two at once, one draws
            return None
        try:
            from analysis.pages.report import section_ahead

            cells = [Cell.load(self.folder.cell(name)) for name in own]
            if sum(each.landscape_rows for each in cells) > FEW:
                return None
            return section_ahead(cells, [*self.problems], self.labels, self.focus)
        except Exception:
            return None

    def _landed_at(self, name: str) -> int:
        return (self.folder.cell(name) / "cell.json").stat().st_mtime_ns
