"""What it takes to claim a difference, as text: for the terminal, and as the line of a report."""

from __future__ import annotations

import math
from typing import Final

import pandas as pd

from analysis.measures.power import detectable, effect_of, spread_of
from analysis.problem_results import ProblemResults
from analysis.statistics.bootstrap import ALPHA
from analysis.words import number, times

__all__ = ["plan_text", "sufficed_text"]

NONE: Final = "none"
HEAD: Final = (
    "problem",
    "studies",
    "seeds",
    "power",
    "smallest found",
    "studies needed",
    "seeds needed",
    "worth steps",
)
TWOFOLD: Final = 0.5
"""The effect that a report asks for: half of the other's result."""


def plan_text(frame: pd.DataFrame, share: float, power: float) -> str:
    """The frame of `analysis.measures.power.plan_frame` as aligned text, the verdict last."""
    rows = [HEAD]
    for row in frame.to_dict("records"):
        counts = (row["studies_needed"], row["seeds_needed"])
        needed = [NONE if pd.isna(count) else f"{count:,}" for count in counts]
        worth = number(row["worth_steps"]) if math.isfinite(row["worth_steps"]) else "-"
        found = _size(row["detectable"], logarithmic=row["unit"] == "decades")
        rows.append(
            (row["problem"], str(row["studies"]), str(row["seeds"]), f"{row['power']:.0%}", found, *needed, worth)
        )
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(wide[0]), *(cell.rjust(size) for cell, size in zip(row[1:], wide[1:], strict=True))])
        for row in rows
    ]
    return "\n".join(
        [
            f"To tell apart a result that is {share:.0%} lower, {power:.0%} of the times:",
            *lines,
            f"The studies and seeds sufficed on {int(frame['sufficed'].sum())} of {len(frame)} problems. Needed are "
            "studies, or seeds, the others as they are; none: no number of them is enough.",
        ]
    )


def sufficed_text(results: ProblemResults) -> str:
    """Whether studies and seeds suffice to tell a result from one twice as good; empty where that is not known."""
    spread = spread_of(results.cells)
    if spread is None or results.unequal:
        return ""
    tuned = sum(cell.tuned is not None for cell in results.cells)
    smallest, effect = detectable(spread, ALPHA / math.comb(tuned, 2)), effect_of(results.cells, TWOFOLD)
    if math.isinf(smallest):
        return ""
    asked = "half as high" if results.measure.log else "better by half of the progress"
    enough = "suffice" if smallest <= effect else "do not suffice"
    found = _size(smallest, logarithmic=results.measure.log)
    return (
        f"The {spread.studies} studies{f' and {spread.seeds} seeds' if spread.seeds > 1 else ''} {enough} to find, "
        f"4 times in 5, that a result is {asked}: the smallest difference found is {found}."
    )


def _size(difference: float, *, logarithmic: bool) -> str:
    """A difference in words: a factor, or its amount."""
    if math.isinf(difference):
        return NONE
    return times(10**difference) if logarithmic and difference < 300 else number(difference)
