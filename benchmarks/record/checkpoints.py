"""Checkpoints of a cell: traces kept as they are made, so that an interrupted cell loses at most one block.

Training is deterministic, so a trace read back is the trace that would be made again, to the bit.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from benchmarks.engine.inputs import Configurations
from benchmarks.engine.trace import Trace
from benchmarks.record.folder import landing

__all__ = ["Checkpoints", "OutOfTime"]

WORTH_KEEPING: Final = 0.5  # seconds of training below which making it again is as quick as reading it


class OutOfTime(Exception):  # noqa: N818 - no error: the user's budget ended
    """The wall-clock budget is used up; the traces made so far are kept."""


@dataclass(frozen=True)
class Checkpoints:
    """Where a cell keeps the traces of its parts until it lands, and until when it may train.

    ``folder`` None keeps nothing; ``deadline`` is a ``time.time()``, None for no limit.
    """

    folder: Path | None = None
    deadline: float | None = None

    def trace(self, name: str, configurations: Configurations, make: Callable[[Configurations], Trace]) -> Trace:
        """The trace of ``configurations``: the one kept under ``name``, else the one that ``make`` returns.

        Raises `OutOfTime` where it is not kept and the deadline has passed.
        """
        path = None if self.folder is None else self.folder / f"{name}-{_digest(configurations)}.pt"
        if path is not None and path.exists():
            return Trace(**torch.load(path, weights_only=True))
        if self.deadline is not None and time.time() > self.deadline:
            raise OutOfTime
        trace = make(configurations)
        if path is not None and trace.seconds >= WORTH_KEEPING:
            _keep(trace, path)
        return trace

    def within(self, name: str) -> Checkpoints:
        """Those of a part ``name`` of the cell, in a folder of their own."""
        return Checkpoints(None if self.folder is None else self.folder / name, self.deadline)

    def forget(self) -> None:
        """Remove what was kept, once the cell has landed."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


def _keep(trace: Trace, path: Path) -> None:
    """Write ``trace`` to ``path``, or nothing where the disk refuses it: the trace can be made again."""
    with suppress(OSError, RuntimeError):  # a full disk is torch's RuntimeError
        path.parent.mkdir(parents=True, exist_ok=True)
        with landing(path) as working:
            torch.save({field.name: getattr(trace, field.name) for field in fields(trace)}, working)


def _digest(configurations: Configurations) -> str:
    """Eight hex digits that name the values to the bit, so that a trace of other values is never read instead."""
    hasher = hashlib.sha256()
    for name, value in sorted(configurations.values.items()):
        numbers = value.tolist() if isinstance(value, Tensor) else [value]
        hasher.update(f"{name}={numbers!r}\n".encode())
    return hasher.hexdigest()[:8]
