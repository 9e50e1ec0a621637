"""The measurements as a table, on a terminal and in Markdown."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Final

import torch

from benchmarks.engine.speed.machine import Machine, cpu_name
from benchmarks.engine.speed.measure import Speed

__all__ = ["duration", "markdown", "text"]

COLUMNS: Final = (
    "problem",
    "lanes",
    "plain loop",
    "eager",
    "kernel",
    "JAX",
    "/ plain",
    "/ eager",
    "/ JAX",
    "limit",
    "goals",
)


def text(speeds: Sequence[Speed], machine: Machine) -> str:
    """The measurements as a table of aligned columns, and what they are of."""
    rows = [COLUMNS, *(_row(speed) for speed in speeds)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    lines = []
    for row in rows:
        first, *middle, last = row
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(middle, widths[1:-1], strict=True))]
        lines.append("  ".join([*cells, last]).rstrip())
    return "\n".join([*lines, *_notes(speeds, machine)])


def markdown(speeds: Sequence[Speed], machine: Machine) -> str:
    """The same as a table in Markdown."""
    rows = [COLUMNS, ("---", *("---:",) * (len(COLUMNS) - 2), "---"), *(_row(speed) for speed in speeds)]
    return "\n".join([*(f"| {' | '.join(row)} |" for row in rows), "", *_notes(speeds, machine)])


def duration(seconds: float | None) -> str:
    """A time of a step in the unit that suits it, "-" for None."""
    if seconds is None:
        return "-"
    for unit, size in (("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:#.3g} {unit}".replace(". ", " ")
    return f"{seconds * 1e9:#.3g} ns".replace(". ", " ")


def _row(speed: Speed) -> tuple[str, ...]:
    return (
        speed.goal.problem,
        f"{speed.goal.lanes:,}",
        duration(speed.plain_seconds),
        duration(speed.eager),
        duration(speed.kernel),
        duration(speed.jax),
        _times(speed.plain_seconds, speed.lane_seconds),
        "-" if speed.kernel is None else _times(speed.eager, speed.kernel),
        "-" if speed.jax is None else _times(speed.jax, speed.lane_seconds),
        f"{speed.share:.0%} of {speed.limit.of}",
        ", ".join(map(str, speed.verdicts)),
    )


def _times(other: float, ours: float) -> str:
    """How many times as long another takes, as a ratio."""
    ratio = other / ours
    return f"{ratio:,.0f}x" if ratio >= 100 else f"{ratio:.3g}x"


def _notes(speeds: Sequence[Speed], machine: Machine) -> list[str]:
    first = [
        f"{name}: {', '.join(f'{s.ready[name]:.1f}' for s in speeds if name in s.ready)} s"
        for name in ("kernel", "jax")
        if any(name in s.ready for s in speeds)
    ]
    return [
        "CPU time of one update of one run; kernel, or eager where there is none, against the others",
        "goals: so many times a plain loop; JAX, to be faster than that; eager, to be no slower",
        f"{machine}; {cpu_name() or platform.machine()}, torch {torch.__version__}",
        *([f"before the first step, row by row (compilation; not counted above): {'; '.join(first)}"] if first else []),
    ]
