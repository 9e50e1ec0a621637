"""A suite divided into parts of about equal cost, the same on every machine: no clock and no number of cores counts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from analysis.record.shard import Shard
from benchmarks.errors import UsageError

__all__ = ["divided", "parse_shard"]


def parse_shard(given: str | tuple[int, int] | Shard) -> Shard:
    """The shard written ``3/16``, or given as its number and the count; raises `UsageError` for one that is none."""
    number, count = 0, 0
    if isinstance(given, Shard):
        number, count = given.number, given.count
    elif not isinstance(given, str):
        number, count = given
    elif found := re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", given):
        number, count = int(found[1]), int(found[2])
    if not 1 <= number <= count:
        raise UsageError(
            f"a shard is a number and how many there are, as 3/16, the first being 1/16, got {_written(given)}"
        )
    return Shard(number, count)


def _written(given: str | tuple[int, int] | Shard) -> str:
    return given if isinstance(given, str) else str(given) if isinstance(given, Shard) else "/".join(map(str, given))


def divided(costs: Mapping[str, float], count: int) -> list[list[str]]:
    """The names of ``costs`` in ``count`` parts of about equal cost, each part in the order of ``costs``.

    The costliest first, each goes to the part that costs the least so far: names decide between equal costs, and of
    parts that cost the same the one with fewer names, then the first. No part costs more than 4/3 of the smallest
    possible maximum (R. L. Graham, Bounds on multiprocessing timing anomalies, SIAM J. Appl. Math. 17, 1969).
    """
    parts: list[list[str]] = [[] for _ in range(count)]
    sums = [0.0] * count
    for name in sorted(costs, key=lambda name: (-costs[name], name)):
        place = min(range(count), key=lambda place: (sums[place], len(parts[place]), place))
        parts[place].append(name)
        sums[place] += costs[name]
    order = {name: place for place, name in enumerate(costs)}
    return [sorted(part, key=order.__getitem__) for part in parts]
