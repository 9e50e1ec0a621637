"""The mirror beside the work: finished cells are handed to it in a thread of its own, which nothing waits for long."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.errors import StepscapeError

__all__ = ["BUDGET", "LATE", "Mirroring"]

BUDGET: Final = 60.0  # seconds that mirroring may take after the last cell, and again after the report
LATE: Final = 5.0  # the same, where the user's time is up


class Mirroring:
    """Hands what it is given to a mirror, one after another, until the mirror fails once or its time is up.

    ``warnings`` is told of either, once. ``deadline`` is a ``time.time()``, None for no limit. ``progress`` is called
    with (parts done, parts given) while they are waited for.
    """

    def __init__(
        self,
        folder: Path,
        warnings: list[str],
        deadline: float | None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.folder, self.warnings, self.deadline, self.progress = folder, warnings, deadline, progress
        self.waiting: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self.given, self.ended, self.stopped = 0, 0, False
        self.bug: Exception | None = None
        self.changed = threading.Condition()

    def give(self, action: Callable[[], object]) -> None:
        """Have ``action`` done after what was given before; nothing, once the mirror failed."""
        if self.stopped:
            return
        if self.given == 0:
            threading.Thread(target=self._work, daemon=True).start()
        self.given += 1
        self.waiting.put(action)

    def finish(self) -> None:
        """Wait for what was given, within the budget; what is left then is left to ``stepscape sync``."""
        limit = BUDGET
        if self.deadline is not None:
            limit = min(BUDGET, max(self.deadline - time.time(), LATE))
        with self.changed:
            in_time = self.changed.wait_for(self._all_done, limit)
            if not in_time:
                self.stopped = True
                self.warnings.append(
                    f"MLflow is slow: {self.given - self.ended} of {self.given} parts were not mirrored in time; the "
                    f"record is safe, and `stepscape sync {self.folder}` (and the URI of your store) mirrors the rest"
                )
        if self.bug is not None:
            raise self.bug

    def _all_done(self) -> bool:
        """Whether nothing more is to be waited for; tells how far it is."""
        if self.given and self.progress is not None:
            self.progress(self.ended, self.given)
        return self.stopped or self.ended == self.given

    def _work(self) -> None:
        while True:
            action = self.waiting.get()
            failed: Exception | None = None
            if self.stopped:
                return
            try:
                action()
            except StepscapeError as error:
                failed = error
            except Exception as error:
                failed = self.bug = error
            with self.changed:
                self.ended += 1
                if failed is not None and not self.stopped:
                    self.stopped = True
                    if self.bug is None:
                        self.warnings.append(str(failed))
                self.changed.notify_all()
