"""What is said of code that is not compiled."""

from __future__ import annotations

from benchmarks.errors import StepscapeError

__all__ = ["DiffersError", "NotCompiledError"]


class NotCompiledError(StepscapeError):
    """Something is left to torch; the message says what, in a few words."""


class DiffersError(NotCompiledError):
    """What was compiled gives other numbers than torch."""
