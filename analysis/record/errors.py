"""What is wrong with a results folder, as one kind of error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

__all__ = ["RecordError"]


class RecordError(ValueError):
    """A results folder, or a file in it, is missing, foreign or damaged; the message says which and what to do."""
