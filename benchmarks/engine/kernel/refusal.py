"""What is said of code that is not compiled."""

from __future__ import annotations

from benchmarks.errors import StepscapeError

__all__ = ["NotCompiledError"]


class NotCompiledError(StepscapeError):
    """Something is left to torch; the message says what, in a few words."""
