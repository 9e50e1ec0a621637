"""How far a cell is, told by the worker that runs it to whoever watches: a number in a small file of the record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["Meter", "forget_meters", "read_meters"]

SUFFIX: Final = ".progress"
EVERY: Final = 0.4  # seconds between two writings


class Meter:
    """Counts the updates of a cell, of ``total``, and writes their share to ``folder`` under the cell's ``name``.

    What the disk refuses is not written: nothing but a bar reads it.
    """

    def __init__(self, folder: Path, name: str, total: float) -> None:
        self.path, self.total = folder / f"{name}{SUFFIX}", max(total, 1.0)
        self.done, self.written = 0.0, time.monotonic()

    def add(self, updates: float) -> None:
        """Count ``updates`` of single runs that are made."""
        self.done += updates
        if time.monotonic() - self.written >= EVERY:
            self.written = time.monotonic()
            with suppress(OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.path.write_text(f"{min(1.0, self.done / self.total):.4f}", encoding="ascii")

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def read_meters(folder: Path) -> Mapping[str, float]:
    """The share of every cell that is being run, by its name; without those that are written at this moment."""
    found: dict[str, float] = {}
    for file in folder.glob(f"*{SUFFIX}"):
        with suppress(OSError, ValueError):
            found[file.name.removesuffix(SUFFIX)] = float(file.read_text(encoding="ascii"))
    return found


def forget_meters(folder: Path) -> None:
    """Remove the files that killed workers left."""
    for file in folder.glob(f"*{SUFFIX}"):
        file.unlink(missing_ok=True)
