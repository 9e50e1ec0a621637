"""A translation for a terminal: the line to copy, every setting on both sides, and how far the path deviates."""

from __future__ import annotations

import textwrap

from analysis.words import listing, number
from benchmarks.implementations.parity_text import share_text, table_text
from benchmarks.implementations.translate import Deviation, Translation

__all__ = ["translation_text"]


def translation_text(found: Translation, width: int) -> str:
    """Everything that is known of a translation; the line of code stands alone, whatever its length."""
    rows = [(found.source, found.target, ""), *((each.here, each.there, each.how) for each in found.settings)]
    wide = [max(len(row[place]) for row in rows) for place in (0, 1)]
    settings = "\n".join(f"{here.ljust(wide[0])}  {there.ljust(wide[1])}  {how}".rstrip() for here, there, how in rows)
    parts = [found.code, settings, *(textwrap.fill(each, width) for each in _error(found))]
    if not found.exact:
        parts.append(table_text([("problem", "at most", "after step"), *map(_row, found.deviations)]))
    return "\n\n".join(parts)


def _error(found: Translation) -> list[str]:
    """How well the target does what the source does, in sentences."""
    problems = listing([each.problem for each in found.deviations])
    measured = f"over {found.steps} steps on {problems}, under the same gradients"
    if found.exact and found.under_schedule:
        return [f"Exact: the path is the same to rounding, {measured}, and where lr falls."]
    apart = "; ".join(f"here {here}, there {there}" for here, there in found.remains)
    if found.exact:
        return [
            f"Exact at a constant lr: the path is the same to rounding, {measured}. Where lr falls it is not, by up to "
            f"{share_text(found.falling)} of the way in the constructed case ({apart})."
        ]
    furthest = max(found.deviations, key=lambda each: each.largest)
    cannot = f"Not the same: {apart}. " if apart else ""
    return [
        f"{cannot}The path deviates by {share_text(furthest.largest)} of the way gone at most, {measured}, and a "
        f"coordinate by {share_text(found.worst)} at worst, where gradients are about {number(found.worst_size, 2)}."
    ]


def _row(each: Deviation) -> tuple[str, ...]:
    return (each.problem, share_text(each.largest), str(each.at_step))
