"""One process at a time in a results folder; half-written files of killed processes are removed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.errors import UsageError
from benchmarks.record.folder import RecordFolder, remove

__all__ = ["alone"]


@contextmanager
def alone(folder: RecordFolder) -> Iterator[None]:
    """Work in the results folder ``folder`` as its only process, within a ``with`` block.

    Half-written files that killed processes left are removed first. Raises `UsageError` where another process works in
    it. Where folders cannot be locked (Windows, some network drives), it is trusted that none is.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    place = os.open(folder.path, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(place)
        raise UsageError(
            f"another stepscape is at work in {folder.path}; wait for it, or choose another folder"
        ) from None
    except OSError:
        pass
    try:
        for rest in list(folder.half_written()):
            remove(rest)
        yield
    finally:
        os.close(place)
