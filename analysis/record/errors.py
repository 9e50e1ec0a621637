"""What is wrong with a results folder, as one kind of error."""

from __future__ import annotations

__all__ = ["OtherSchemaError", "RecordError"]


class RecordError(ValueError):
    """A results folder, or a file in it, is missing, foreign or damaged; the message says which and what to do."""


class OtherSchemaError(RecordError):
    """A cell or exhibit written by another version of the record's schema: it is not damaged, and never removed."""
