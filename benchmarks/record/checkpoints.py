"""Checkpoints of a cell: traces kept as they are made, so that an interrupted cell loses at most one block.

Training is deterministic, so a trace read back is the trace that would be made again, to the bit. What a job keeps is
read by whoever makes the cell: that is all that a slice of it does (`benchmarks.running.slices`).
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import ClassVar, Final, Protocol, TypeVar

import torch

from benchmarks.engine.inputs import Configurations
from benchmarks.engine.trace import Trace
from benchmarks.record.folder import landing
from benchmarks.record.meter import Meter

__all__ = ["Checkpoints", "Keepable", "OutOfTime"]

WORTH_KEEPING: Final = 0.5  # seconds of training below which making it again is as quick as reading it


class OutOfTime(Exception):  # noqa: N818 - no error: the user's budget ended
    """The wall-clock budget is used up; the traces made so far are kept."""


class Keepable(Protocol):
    """A dataclass of tensors, numbers and words that was trained in so many ``seconds``, by so many ``updates``."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]

    @property
    def seconds(self) -> float:
        """Seconds of training."""

    @property
    def updates(self) -> int:
        """Updates of single runs."""


Made = TypeVar("Made", bound=Keepable)


@dataclass(frozen=True)
class Checkpoints:
    """Where a cell keeps the traces of its parts until it lands, and until when it may train.

    ``folder`` None keeps nothing; ``deadline`` is a ``time.time()``, None for no limit. ``meter`` is told of the
    updates that are made. ``made`` are the names of the traces made by this process. Where ``everything``, what
    takes no time to make is kept too.
    """

    folder: Path | None = None
    deadline: float | None = None
    meter: Meter | None = None
    made: list[str] = field(default_factory=list, compare=False)
    everything: bool = False

    def trace(self, name: str, configurations: Configurations, make: Callable[[Configurations], Trace]) -> Trace:
        """The trace of ``configurations``: the one kept under ``name``, else the one that ``make`` returns.

        Raises `OutOfTime` where it is not kept and the deadline has passed.
        """
        return self.part(name, configurations, make, Trace)

    def part(
        self, name: str, configurations: Configurations, make: Callable[[Configurations], Made], kind: type[Made]
    ) -> Made:
        """The same of another ``kind`` of what was trained: of which less is kept than a trace."""
        path = None if self.folder is None else self.folder / f"{name}-{_digest(configurations)}.pt"
        if path is not None and (kept := _kept(path, kind)) is not None:
            self.count(kept.updates)
            return kept
        if self._late:
            raise OutOfTime
        made = make(configurations)
        self.made.append(name)
        if path is not None and (self.everything or made.seconds >= WORTH_KEEPING):
            _keep(made, path)
        return made

    def count(self, updates: int) -> None:
        """So many ``updates`` of single runs were made within a trace."""
        if self.meter is not None:
            self.meter.add(updates)

    def passed(self, updates: int) -> None:
        """Count ``updates``, and raise `OutOfTime` after the deadline: what the trace had is lost, and made again.

        The first trace that a process makes is finished all the same, so that every run gets further, however short its
        budget.
        """
        self.count(updates)
        if self.made and self._late:
            raise OutOfTime

    @property
    def _late(self) -> bool:
        return self.deadline is not None and time.time() > self.deadline

    def within(self, name: str) -> Checkpoints:
        """Those of a part ``name`` of the cell, in a folder of their own."""
        return replace(self, folder=None if self.folder is None else self.folder / name)

    def forget(self) -> None:
        """Remove what was kept, once the cell has landed."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def _kept(path: Path, kind: type[Made]) -> Made | None:
    """What is kept at ``path``; None where there is nothing that can be read: it can be made again."""
    if not path.exists():
        return None
    try:
        return kind(**torch.load(path, weights_only=True))
    except Exception:  # torch raises anything for a file that a power cut left empty or short
        return None


def _keep(made: Keepable, path: Path) -> None:
    """Write what was ``made`` to ``path``, or nothing where the disk refuses it: it can be made again."""
    with suppress(OSError, RuntimeError):  # a full disk is torch's RuntimeError
        path.parent.mkdir(parents=True, exist_ok=True)
        with landing(path) as working:
            torch.save({each.name: getattr(made, each.name) for each in fields(made)}, working)


def _digest(configurations: Configurations) -> str:
    """Eight hex digits that name the values to the bit, so that a trace of other values is never read instead."""
    hasher = hashlib.sha256()
    for name, value in sorted(configurations.values.items()):
        numbers = torch.as_tensor(value, dtype=torch.float64).numpy()
        hasher.update(f"{name}={numbers.shape}\n".encode() + numbers.tobytes())
    return hasher.hexdigest()[:8]
