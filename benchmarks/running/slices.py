"""Slices: parts of a cell too large for one worker, each a job of its own.

A slice is some groups of a landscape, or some of the cell's studies: what neither needs nor changes anything of the
cell's other parts. What it trains it keeps among the checkpoints of the cell, where the cell's own job finds it: so a
cell is the same to the bit in one piece or in any number of slices, made by whomever, or lost and made again.

Which cells are cut follows from estimates of their work, never from a clock, so that every process cuts alike.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.engine.kernel_lanes import WORTH_IT
from benchmarks.naming.foreign import ForeignSpec
from benchmarks.running.prepare import ReadyCell
from benchmarks.tuning.landscape import grid_axes, group_size
from benchmarks.tuning.samplers import trial_count

__all__ = ["LEAST", "SHARE", "WHOLE", "Slice", "Slices", "landscape_runs", "slices_of"]

SHARE: Final = 8
"""A slice is at most one worker's work divided by this, if it can be: workers then end about together."""

WHOLE: Final = 4
"""Cells of less than one worker's work divided by this stay whole."""

LEAST: Final = 2.0
"""Estimated seconds from which on a slice is worth a job, to prepare which takes a tenth of one."""

BEGIN: Final = 6
"""So many slices are worth it to start workers for a cell that one process, this one, could make: they take seconds."""

KERNEL: Final = 0.25  # of torch's time on few parameters, as measured


@dataclass(frozen=True)
class Slice:
    """Some ``studies`` of a cell, by number, or some ``groups`` of its landscape, of ``size`` configurations; ``share``
    is that of the cell's work, ``updates`` those of single runs. Where ``waits``, the studies must be known first.
    """

    share: float
    updates: float
    studies: tuple[int, ...] = ()
    groups: range = range(0)
    size: int = 1
    waits: bool = False

    def concerns(self, file: str) -> bool:
        """Whether a checkpoint of the cell, by its place in the cell's folder, is read or made by this slice."""
        if found := re.fullmatch(r"landscape-(\d+)-.*", file):
            return int(found[1]) // self.size in self.groups
        found = re.fullmatch(r"study-(\d+)/.*", file)
        return found is not None and (self.waits or int(found[1]) - 1 in self.studies)


Slices = Mapping[str, Sequence[Slice]]
"""The slices of every cell that is cut, by its name."""


def slices_of(cells: Sequence[ReadyCell], jobs: int, storage: str | None = None, others: float = 0.0) -> Slices:
    """How ``cells`` are cut for ``jobs`` workers, which have ``others`` seconds of work besides; an empty mapping where
    nothing is gained, as on a GPU, which all would share.

    Studies in a ``storage`` are of all who share it, and stay with their cell.
    """
    if jobs < 2 or any(cell.compute.device != "cpu" for cell in cells):
        return {}
    works = [_Work.of(cell) for cell in cells]
    each = (sum(work.seconds for work in works) + others) / jobs
    cut: dict[str, Sequence[Slice]] = {}
    for cell, work in zip(cells, works, strict=True):
        if work.seconds > max(each / WHOLE, BEGIN * LEAST):
            found = _cut(cell, work, max(each / SHARE, LEAST), storage)
            if len(found) > 1:
                cut[cell.plan.name] = found
    return cut


def _cut(cell: ReadyCell, work: _Work, longest: float, storage: str | None) -> list[Slice]:
    """The slices of one cell, of about ``longest`` seconds each, or what cannot be cut smaller."""
    found, tuning = list[Slice](), cell.plan.tuning
    if work.studies and storage is None:
        together = [range(work.studies)] if work.study < LEAST else [range(n, n + 1) for n in range(work.studies)]
        for numbers in together:
            share, updates = work.study / work.seconds * len(numbers), work.study_updates * len(numbers)
            found.append(Slice(share, updates, studies=tuple(numbers)))
    widens = tuning.enabled and tuning.widen > 0
    if work.landscape > longest and not (widens and storage is not None):
        count = min(work.groups, math.ceil(work.landscape / longest))
        ends = [round(work.groups * place / count) for place in range(count + 1)]
        for groups in itertools.starmap(range, itertools.pairwise(ends)):
            part = len(groups) / work.groups
            share, updates = part * work.landscape / work.seconds, part * work.landscape_updates
            found.append(Slice(share, updates, groups=groups, size=work.size, waits=widens))
    return found


@dataclass(frozen=True)
class _Work:
    """The estimated seconds of a cell in all, of each of its ``studies`` and of its ``landscape`` of so many
    ``groups`` of ``size`` configurations; and the updates of single runs in both.
    """

    seconds: float
    studies: int
    study: float
    study_updates: float
    groups: int
    size: int
    landscape: float
    landscape_updates: float

    @classmethod
    def of(cls, cell: ReadyCell) -> _Work:
        plan, tuning, each = cell.plan, cell.plan.tuning, _seconds_a_step(cell)
        studies = tuning.studies if tuning.enabled else 0
        trials = (1 + trial_count(tuning, cell.space)) * len(cell.seeds(tuning.seeds)) if studies else 0
        tests = (studies + 1) * len(cell.seeds(plan.test.seeds))
        mapped, groups, size = landscape_runs(cell), 0, 1
        if mapped:
            training = cell.mapping
            size = group_size(training)
            groups = math.ceil(mapped / len(training.seeds) / size)
        study, test, landscape = (lanes * cell.steps * each for lanes in (trials, tests, mapped))
        seconds = studies * study + test + landscape
        return cls(seconds, studies, study, trials * cell.steps, groups, size, landscape, mapped * cell.steps)


def _seconds_a_step(cell: ReadyCell) -> float:
    """A rough estimate of the seconds that a step of one run takes."""
    seconds = cell.seconds_a_step(native=cell.native is not None)
    if cell.native is not None or isinstance(cell.spec, ForeignSpec) or cell.compute.engine == "eager":
        return seconds
    return seconds * (KERNEL if cell.training([0], None).planned >= WORTH_IT else 1.0)


def landscape_runs(cell: ReadyCell) -> int:
    """The number of runs of the cell's landscape; 0 where the suite asks for none."""
    wanted = cell.plan.landscape
    if not wanted.enabled:
        return 0
    points = math.prod(count for _, count in grid_axes(cell.spec, cell.space, wanted.grid))
    return points * len(cell.seeds(wanted.seeds))
