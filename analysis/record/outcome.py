"""How a run ends: one enumeration for the engine's codes and the record's words."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Outcome"]


class Outcome(IntEnum):
    """How a run ended. Its number is the code in the engine's tensors, its ``word`` that in every table of a record."""

    FINISHED = 0
    DIVERGED = 1
    PRUNED = 2

    @property
    def word(self) -> str:
        """``finished``, ``diverged`` or ``pruned``."""
        return self.name.lower()
