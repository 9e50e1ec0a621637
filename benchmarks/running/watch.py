"""A look at the running cells every half second, for whoever shows how far they are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self

from benchmarks.record.meter import forget_meters, read_meters
from benchmarks.running.observer import RunObserver

__all__ = ["Watch"]

EVERY: Final = 0.5  # seconds


class Watch:
    """Tells ``observer`` how much of the jobs in ``costs`` is done that run at this moment, while it is entered.

    Jobs that run here write meters into ``unfinished``; of others ``elsewhere()`` tells.
    """

    def __init__(
        self,
        unfinished: Path,
        costs: Mapping[str, float],
        observer: RunObserver,
        elsewhere: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self.unfinished, self.costs, self.observer, self.elsewhere = unfinished, costs, observer, elsewhere
        self.kept: dict[str, float] = {}  # the cost of the slices that are made, by the cell that did not end yet
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        forget_meters(self.unfinished)
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.over.set()
        self.thread.join()
        forget_meters(self.unfinished)

    def keep(self, cell: str, cost: float) -> None:
        """Count a slice of a ``cell`` that is made, until the cell has ended."""
        self.kept[cell] = self.kept.get(cell, 0.0) + cost

    def forget(self, cell: str) -> None:
        """The ``cell`` has ended, and is counted by others."""
        self.kept.pop(cell, None)

    def _look(self) -> None:
        while not self.over.wait(EVERY):
            shares = {**self.elsewhere(), **read_meters(self.unfinished)}
            running = sum(self.costs.get(name, 0.0) * share for name, share in shares.items())
            self.observer.inside(running + sum(list(self.kept.values())))
