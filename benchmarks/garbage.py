"""How often Python looks for reference cycles: rarely, for a command makes half a million objects that all stay."""

from __future__ import annotations

import gc
from typing import Final

__all__ = ["collect_rarely"]

AFTER: Final = 20_000
"""New objects from which on young ones are looked through; Python's own 700 makes a tenth of a small command's time of
it, most of which goes over the half a million objects that importing torch and the others leaves."""


def collect_rarely() -> None:
    """Let this process, which is all ours, collect garbage every 20,000 new objects; all older ones as seldom."""
    gc.set_threshold(AFTER, *gc.get_threshold()[1:])
