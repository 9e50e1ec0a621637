"""A comparison in sentences and a table, for a terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from analysis.words import listing, number
from benchmarks.implementations.parity import Parity, Reason, Run, Twin

__all__ = ["parity_text", "share_text", "table_text"]

COLUMNS = ("problem", "parts at", "by", "at most", "own gradients", "loss", "loss of the other")


def parity_text(found: Parity, width: int) -> str:
    """Everything that came of a comparison: the verdict, a line for each problem, why, and what was measured."""
    rows = [_row(run, run.constructed or run.steps == found.steps) for run in found.runs]
    parts = [_wrapped(_verdict(found), width), table_text([COLUMNS, *rows]), _note(width)]
    if not found.agree:
        parts.append("\n".join(_why(found, width)))
        rows = [(fact.what, number(fact.first), number(fact.second)) for fact in found.facts]
        parts.append(table_text([("measured, in multiples of lr", "first", "second"), *rows]))
    return "\n\n".join(parts)


def share_text(share: float) -> str:
    """A share of the way gone: "12%", "3.1e-9", "17 times", "nothing"; "∞" where one left the finite numbers."""
    if not math.isfinite(share):
        return "∞"
    if share == 0:
        return "nothing"
    if share >= 10:
        return f"{share:.3g} times"
    return f"{100 * share:.3g}%" if share >= 1e-3 else number(share, 2)


def table_text(rows: Sequence[Sequence[str]]) -> str:
    """Rows, the first a header, in aligned columns: the first to the left, the others to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def _verdict(found: Parity) -> str:
    problems = [run for run in found.runs if not run.constructed]
    many = f"{len(problems)} problem{'s' * (len(problems) != 1)}"
    steps = max(run.steps for run in problems)
    agreed = f"to rounding over {steps} steps on {many}"
    parting = found.parting
    if parting is None:
        return f"{found.first} and {found.second} agree {agreed} and under constructed gradients."
    if parting.constructed:
        return (
            f"{found.first} and {found.second} agree {agreed}, and part under {parting.problem}: at step "
            f"{parting.parts_at}, by {share_text(parting.by)} of the way gone."
        )
    return (
        f"{found.first} and {found.second} part at step {parting.parts_at} on {parting.problem}, by "
        f"{share_text(parting.by)} of the way gone."
    )


def _row(run: Run, whole: bool) -> tuple[str, ...]:
    name = run.problem if whole else f"{run.problem}, {run.steps} steps until it left the numbers"
    at = "-" if run.parts_at is None else f"step {run.parts_at}"
    own = "-" if run.own is None else share_text(run.own)
    losses = ("-", "-") if run.losses is None else tuple(number(loss, 6) for loss in run.losses)
    return (name, at, share_text(run.by) if run.parts_at else "-", share_text(run.largest), own, *losses)


def _note(width: int) -> str:
    return _wrapped(
        "Both under the gradients of the first one's path, in double precision; how far apart they are is a share of "
        "the way gone so far. They part where rounding cannot explain it: 64 times what a unit in the last place of "
        "every gradient and setting does. Own gradients: at the end of two runs of their own, with their losses.",
        width,
    )


def _why(found: Parity, width: int) -> list[str]:
    """What each of them does and in what they differ, as far as experiments tell."""
    lines = []
    for name, twin in zip((found.first, found.second), found.twins, strict=True):
        lines.append(_wrapped(_twin(name, twin), width))
    if found.reasons:
        lines += ["", "They differ in:"]
        wide = max(len(_words(reason)) for reason in found.reasons)
        lines += [f"  {_words(reason).ljust(wide)}  {_alone(reason)}" for reason in found.reasons]
    elif all(found.twins):
        well = [twin.well for twin in found.twins if twin and twin.well != "to rounding"]
        lines.append(_wrapped(f"They are one rule; one of them follows it {listing(well)} only.", width))
    return lines


def _twin(name: str, twin: Twin | None) -> str:
    if twin is None:
        return f"{name}: no variant of our rules takes its steps; what was measured is below."
    values = ", ".join(f"{key} {value:.6g}" for key, value in twin.values.items())
    well = {
        "to rounding": "to rounding",
        "to single precision": "as closely as single precision allows: it seems to keep a quantity in that",
        "at a constant lr": "to rounding as long as lr stays; where lr changes it does something else",
    }
    return f"{name}: takes the steps of {twin.form} with {values}, {well[twin.well]}."


def _words(reason: Reason) -> str:
    return f"{reason.first} against {reason.second}"


def _alone(reason: Reason) -> str:
    if reason.effect is None:
        return "" if reason.trait == "rule" else "(only together with another)"
    if reason.effect == 0:
        return "alone: nothing beyond rounding"
    return f"alone: {share_text(reason.effect)} of the way at most ({reason.where})"


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
