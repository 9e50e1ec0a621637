"""Two records against each other, cell by cell and overall, as text for people and as JSON for machines."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from analysis.measures.comparable import shortened
from analysis.measures.comparison import SHARE, Compared, Pair, compared
from analysis.measures.paired_tests import FEWEST_STUDIES, resolved, seeds_to_decide
from analysis.record.cells import Record
from analysis.statistics.bootstrap import ALPHA, Estimate
from analysis.words import named_first, number

__all__ = ["Comparison", "compare"]

NARROW: Final = 0.1
"""A difference that is no more than this is small."""

MARKS: Final = {"better": "+", "worse": "!", "equal": "=", "undecided": " "}


@dataclass(frozen=True)
class Comparison(Compared):
    """`Compared` as it is told; ``notes`` are for people."""

    notes: tuple[str, ...]

    def to_json(self) -> str:
        """The comparison as JSON; what is infinite (a diverged side) or no test (p-values of exact results) is null."""
        facts = {**asdict(self), "counts": dict(self.counts), "verdict": self.verdict, "worsened": self.worsened}
        return json.dumps(_finite(facts), indent=2, allow_nan=False, ensure_ascii=False)

    def text(self, width: int = 100) -> str:
        """The comparison as aligned plain text of at most ``width`` columns, the verdict last."""
        header = ("", "problem", "optimizer", "A", "B", "B against A", "verdict")
        lines = [header, *(_line(pair) for pair in self.pairs)]
        wide = [max(len(line[i]) for line in lines) for i in range(len(header))]
        out = ["  ".join(part.ljust(size) for part, size in zip(line, wide)).rstrip() for line in lines]
        table = [line if len(line) <= width else f"{line[: width - 1].rstrip()}…" for line in out]
        words = [*shortened(self.unmatched), *([""] if self.unmatched else []), *self.notes, self._summary()]
        return "\n".join([*table, "", *(textwrap.fill(text, width) for text in words)])

    def _summary(self) -> str:
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items() if count)
        chance = f"{self.better.value:.0%} [{self.better.low:.0%}, {self.better.high:.0%}]"
        p_value = min(1.0, 2 * min(self.p_better, self.p_worse))
        test = "" if math.isnan(self.p_better) else f" (p {number(p_value, 2)} over all cells)"
        return f"B is {self.verdict}: {counts}; a run of B ends lower with probability {chance}{test}."


def compare(a: Record, b: Record, *, other_search: bool = False) -> Comparison:
    """Record ``b`` compared with record ``a``, as `compared` does it; raises `PoolingError` where nothing can be."""
    found = compared(a, b, other_search=other_search)
    return Comparison(**vars(found), notes=tuple(_notes(found)))


def _notes(found: Compared) -> list[str]:
    """What the comparison can and cannot tell."""
    notes = []
    tuned = [each for each in found.pairs if each.setting == "tuned"]
    fewest = min((each.studies for each in tuned), default=FEWEST_STUDIES)
    if fewest < FEWEST_STUDIES:
        notes.append(
            f"{'One study' if fewest == 1 else 'Two studies'} a side: the differences are of the settings found, which "
            f"are luck of the search in good part, and say nothing of the optimizers; {FEWEST_STUDIES} studies would."
        )
    elif tuned:
        away = resolved(fewest, len(tuned), SHARE)
        notes.append(
            f"With {fewest} studies a side a cell alone is told apart, 4 times in 5, where it differs by "
            f"{number(away, 2)} standard deviations among its studies."
        )
        notes.append(_sufficed(tuned))
    tested = [each for each in found.pairs if each.setting == "default" and not each.exact]
    if tested:
        seeds = min(each.change.n for each in tested)
        needed = seeds_to_decide(len(tested), SHARE)
        if seeds < needed:
            notes.append(
                f"With {seeds} test seeds none of {len(tested)} cells can be decided alone at {ALPHA:.0%}; "
                f"{needed} would do."
            )
    if found.other_code:
        notes.append(f"The code of {named_first(found.other_code)} differs between A and B.")
    if found.other_search:
        notes.append(
            f"Searched otherwise in A and B, as asked for: {named_first(found.other_search)}. "
            "The difference is what the other search bought, at the same number of trials."
        )
    return notes


def _sufficed(tuned: Sequence[Pair]) -> str:
    """In how many cells there were studies and seeds enough: what differs is known, or that it hardly does."""
    known = [pair for pair in tuned if pair.verdict != "undecided" or _narrow(pair)]
    return (
        f"Studies and seeds sufficed in {len(known)} of {len(tuned)} cells: decided, or known to differ by less than "
        f"{NARROW:.0%}; `stepscape plan` says how many it takes."
    )


def _narrow(pair: Pair) -> bool:
    """Whether the whole interval lies within `NARROW`."""
    reach = math.log10(1 + NARROW) if pair.unit == "decades" else NARROW * abs(pair.a.value)
    return max(abs(pair.change.low), abs(pair.change.high)) <= reach


def _line(pair: Pair) -> tuple[str, ...]:
    return (
        MARKS[pair.verdict],
        pair.problem,
        pair.label,
        _level(pair.a),
        _level(pair.b),
        _change(pair),
        pair.verdict if math.isnan(pair.p_holm) else f"{pair.verdict} (p {number(pair.p_holm, 2)})",
    )


def _level(side: Estimate) -> str:
    return "diverged" if math.isinf(side.value) else number(side.value)


def _change(pair: Pair) -> str:
    def shown(value: float) -> str:
        if pair.unit != "decades":
            return f"{value:+.3g}"
        return f"{'∞' if value > 300 else number(10.0**value)}×"

    interval = "" if pair.exact else f" [{shown(pair.change.low)}, {shown(pair.change.high)}]"
    return f"{shown(pair.change.value)}{interval}{' exact' if pair.exact else '' if pair.paired else ' unpaired'}"


def _finite(value: Any) -> Any:
    """``value`` with every number that JSON cannot hold replaced by None."""
    if isinstance(value, Mapping):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
