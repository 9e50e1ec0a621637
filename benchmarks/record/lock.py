"""One process at a time in a results folder; what killed ones left half there is removed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.errors import UsageError

__all__ = ["HALF", "alone"]

HALF: Final = ("cells/.*", "exhibits/.*", ".suite.toml.*", ".environment.json.*", ".mlflow.db.*", ".report-*")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Work in the results folder ``folder`` as its only process; what killed ones left half there is removed first.

    Raises `UsageError` where another is at work. Where folders cannot be locked (Windows, some network drives), it is
    trusted that none is.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(place)
        raise UsageError(f"another stepscape is at work in {folder}; wait for it, or choose another folder") from None
    except OSError:
        pass
    try:
        for pattern in HALF:
            for rest in folder.glob(pattern):
                shutil.rmtree(rest) if rest.is_dir() else rest.unlink()
        yield
    finally:
        os.close(place)
