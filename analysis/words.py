"""Numbers, settings and lists as people write them: every formatter of the reports, figures and tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from analysis.record.cells import Cell

__all__ = [
    "MOST_NAMED",
    "Interval",
    "bytes_text",
    "duration_text",
    "estimate_text",
    "held_text",
    "hyperparameter_text",
    "interval_text",
    "listing",
    "metric_text",
    "named_first",
    "number",
    "plain",
    "times",
    "value_text",
]


def number(value: float, digits: int = 3, smallest: float = 1e-4) -> str:
    """``value`` as people write it, to ``digits`` digits: 0.0032, 12.5, ∞, and 3.1e-9 below ``smallest``."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if smallest <= abs(value) < 10 ** max(digits, 5):
        return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:,.0f}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}" if mantissa != "1" else f"1e{int(exponent)}"


def metric_text(name: str) -> str:
    """A metric's name in words: "held-out accuracy"."""
    return name.replace("heldout", "held-out").replace("_", " ")


def value_text(value: float, scale: str) -> str:
    """A hyperparameter value as text; a memory (``scale`` log1m) gets as many digits as tell it from 1."""
    if scale == "log1m" and 0 < value < 1:
        digits = max(3, math.ceil(-math.log10(1 - value) - 1e-9) + 1)
        return f"{value:.{digits}f}".rstrip("0")
    return number(value)


def hyperparameter_text(cell: Cell, values: Mapping[str, float]) -> str:
    """Hyperparameters as "lr 0.12, gamma 0.93", each with the digits that its scale needs."""
    scale = cell.info.optimizer.scale
    return ", ".join(f"{name} {value_text(value, scale(name))}" for name, value in values.items())


class Interval(Protocol):
    """A value over ``n`` seeds with the ends of its interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def n(self) -> int: ...


def interval_text(
    found: Interval,
    diverged: int,
    runs: int,
    smallest: float,
    *,
    exact: bool,
    interval: bool = True,
    lost: bool = True,
) -> str:
    """A median over ``runs`` test runs with its interval and, where ``lost``, how many of the runs ``diverged``.

    What lies below ``smallest`` is rounding; an ``exact`` result, of a setting on a deterministic problem, has no
    interval.
    """
    counts = f"{'all' if diverged == runs > 1 else f'{diverged} of {runs}'} diverged"
    if math.isinf(found.value):
        return counts if runs > 1 else "diverged"
    text = held_text(found.value, smallest)
    if exact:
        text += " exact" if interval else ""
    elif interval and runs > 1 and not max(found.value, found.high) < smallest:  # all of it is rounding
        text += f" [{held_text(found.low, smallest)}, {held_text(found.high, smallest)}]"
    return f"{text} ({counts})" if diverged and lost else text


def estimate_text(found: Interval | None, form: Callable[[float], str] = number) -> str:
    """A value with its interval beside it, if it has one, both written by ``form``; a dash where there is no value."""
    if found is None or math.isnan(found.value):
        return "–"
    ends = found.value, found.low, found.high
    scale = max((abs(each) for each in ends if math.isfinite(each)), default=0.0)
    value, low, high = (form(0.0 if abs(each) < DUST * scale else each) for each in ends)
    return value if value == low == high else f"{value} [{low}, {high}]"


def held_text(value: float, smallest: float) -> str:
    """A measure as text; what lies below ``smallest``, its rounding, is given as that bound."""
    return f"<{number(smallest, 1)}" if value < smallest else number(value)


def duration_text(seconds: float) -> str:
    """A time in the unit that suits it, to two digits: "12 µs", "3.4 ms", "1.5 s", "12 min"; a dash for NaN."""
    if math.isnan(seconds):
        return "–"
    for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3)):
        if seconds >= size * (2 if size >= 60 else 1):
            return f"{number(seconds / size, 2)} {unit}"
    return f"{number(seconds / 1e-6, 2)} µs"


def bytes_text(count: int) -> str:
    """A number of bytes: "0 B", "160 B", "4.9 kB", "12 MB"."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{number(count / size, 2)} {unit}"
    return f"{count} B"


def times(ratio: float) -> str:
    """A ratio as people say it: "1.4 times", "3,200 times", "over a million times"."""
    return "over a million times" if ratio > 1e6 else f"{number(ratio, 2)} times"


def listing(words: Sequence[str]) -> str:
    """Words as a list in a sentence: "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def plain(value: Any) -> str:
    """A JSON value as a person would write it; a run of integers as "3 to 12"."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        whole = len(value) > 3 and all(isinstance(part, int) for part in value)
        if whole and list(value) == list(range(value[0], value[-1] + 1)):
            return f"{value[0]} to {value[-1]}"
        return ", ".join(plain(part) for part in value) or "none"
    if isinstance(value, float):
        return number(value)
    return "none" if value is None else str(value)


DUST: Final = 1e-9
"""Share of an interval's scale below which a number is rounding, and written as 0."""

MOST_NAMED: Final = 4
"""Cells a message names before it counts the rest."""


def named_first(words: Sequence[str]) -> str:
    """The first few ``words`` as a list, and how many more there are."""
    more = len(words) - MOST_NAMED
    return ", ".join(words[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
