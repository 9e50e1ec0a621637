"""The command `speed`: what is measured, with a bar, and how it is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.cli.progress import Bar
from benchmarks.engine.speed import goals
from benchmarks.engine.speed.landscape import LandscapeSpeed, landscape_speed
from benchmarks.engine.speed.machine import Machine, one_core
from benchmarks.engine.speed.measure import Speed, all_speeds
from benchmarks.engine.speed.table import markdown, text
from benchmarks.errors import UsageError

__all__ = ["Measured", "measured", "said"]


@dataclass(frozen=True)
class Measured:
    """What was measured, and of which machine: a table, or a landscape."""

    machine: Machine | None
    all: Sequence[Speed] | Sequence[LandscapeSpeed]


def measured(problems: Sequence[str], repeats: int, landscape: bool) -> Measured:
    """The goals of ``problems`` (none: of all), medians of ``repeats``; or the landscape alone.

    Raises `UsageError` for a problem that is not measured.
    """
    known = list(dict.fromkeys(goal.problem for goal in goals.GOALS))
    for strange in sorted(set(problems) - set(known)):
        raise UsageError(f"speed measures {', '.join(known)}, and not {strange!r}")
    if landscape:
        with Bar("speed"):
            return Measured(None, [landscape_speed()])
    chosen = [goal for goal in goals.GOALS if not problems or goal.problem in problems]
    with Bar("speed", len(chosen)) as bar:
        with one_core():
            machine = Machine.measured()
        return Measured(machine, all_speeds(chosen, machine, repeats, lambda done: bar.show(done, len(chosen))))


def said(results: Measured, *, as_json: bool, as_markdown: bool) -> str:
    """The measurements as JSON, in Markdown or as text."""
    if as_json:
        return json.dumps([result.as_dict() for result in results.all], indent=2)
    if results.machine is None:
        return "\n".join(map(str, results.all))
    speeds = [result for result in results.all if isinstance(result, Speed)]
    return (markdown if as_markdown else text)(speeds, results.machine)
