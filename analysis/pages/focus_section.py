"""The part of a report on the optimizer in focus: where it wins, ties and loses against each of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from analysis.measures.focus import Against, against_each, against_frame
from analysis.measures.paired_tests import FEWEST_STUDIES
from analysis.measures.pooling import Pool, PoolingError, met_all
from analysis.problem_results import ProblemResults
from analysis.statistics.bootstrap import ALPHA
from analysis.words import listing, named_first

__all__ = ["Focus", "focus_of"]


@dataclass(frozen=True)
class Focus:
    """What a page says of the labels ``mine``: a row a comparison, or in ``refused`` why there is none.

    ``problems`` is their number; ``left_out`` says which others were not met everywhere; ``tables`` become CSV files.
    """

    mine: Sequence[str]
    problems: int
    rows: Sequence[Against] = ()
    left_out: str = ""
    refused: Sequence[str] = ()
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def several(self) -> bool:
        """Whether one optimizer is in focus under several schedules."""
        return len(self.mine) > 1

    @property
    def title(self) -> str:
        """The heading."""
        return f"{listing(self.mine)} against the others"

    @property
    def reading(self) -> list[str]:
        """The sentences on how often each of ``mine`` wins."""
        sentences = []
        for label in self.mine:
            own = [row for row in self.rows if row.mine == label]
            won, lost = sum(len(row.wins) for row in own), sum(len(row.losses) for row in own)
            made = sum(len(row.wins) + len(row.ties) + len(row.losses) for row in own)
            better = [row.other for row in own if row.losses]
            sentences.append(
                f"{label} ends significantly lower than another optimizer in {won} of {made} comparisons, "
                f"significantly higher in {lost}; {made - won - lost} are ties."
                + (f" Lower than it ended {named_first(better)}." if better else "")
            )
        return [*sentences, self.left_out] if self.left_out else sentences

    @property
    def facts(self) -> str:
        """How the table was made."""
        row = self.rows[0]
        over = f"{self.problems} problem{'s' * (self.problems != 1)}"
        text = f"Tuned results on the test seeds of {over}, under the same schedule. "
        if row.studies >= FEWEST_STUDIES:
            text += f"A win or a loss is told by the test of the {row.studies} studies a side, "
        elif row.studies == 1:
            text += "One study a side: a win or a loss is of the settings found and says nothing of the optimizers, "
        else:
            text += f"Fewer than {FEWEST_STUDIES} studies a side tell nobody apart, "
        text += f"with Holm's correction for all comparisons of this table ({ALPHA:.0%}). "
        rated = "" if row.rated == self.problems else f" of the {row.rated} whose measure has a scale"
        return (
            f"{text}The ratio is the median over problems{rated}, below 1 where {listing(self.mine)} "
            f"{'end' if self.several else 'ends'} lower [interval over studies and seeds]."
        )


def focus_of(results: Mapping[str, ProblemResults], mine: Sequence[str]) -> Focus | None:
    """The part on the labels ``mine`` of a record; None where nothing is in focus, or there is nothing beside it.

    Nothing here raises for a record that cannot be pooled: the part then says why.
    """
    cells = [cell for one in results.values() for cell in one.cells]
    if not mine or {cell.label for cell in cells} <= set(mine):
        return None
    try:
        complete, left_out = met_all(cells)
        if not set(mine) <= {cell.label for cell in complete}:
            complete, left_out = cells, ""
        rows = against_each(Pool.of(complete), mine)
    except PoolingError as error:
        return Focus(mine, len(results), refused=[f"{listing(mine)} cannot be held against the others: {error}."])
    if not rows:
        return None
    return Focus(mine, len(results), rows, left_out, tables={"focus": against_frame(rows)})
