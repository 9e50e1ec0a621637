"""What a run could not make: the cells and exhibits that failed in the last run of a record, with what was said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from analysis.record.errors import RecordError

__all__ = ["failures_of", "in_a_line"]


def failures_of(folder: Path) -> Mapping[str, str]:
    """What failed in the record at ``folder``, by name; empty where nothing did.

    Raises `RecordError` where ``failures.json`` is damaged.
    """
    file = folder / "failures.json"
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(f"{file} cannot be read: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(said, str) for said in content.values()):
        raise RecordError(f"{file} should hold a text for each cell; delete it and run again")
    return content


def in_a_line(said: str) -> str:
    """What failed, without the way there: the last line of a traceback, anything else as it is."""
    lines = said.strip().splitlines()
    return lines[-1] if said.startswith("Traceback") and lines else said
