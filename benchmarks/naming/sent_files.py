"""Python files that a driver named and sent to this process: where each lies here, by the name it has there."""

from __future__ import annotations

from pathlib import Path

__all__ = ["file_called", "keep_sent"]

_SENT: dict[Path, Path] = {}


def file_called(name: str | Path) -> Path:
    """The file that a suite calls ``name``: the one that was sent under that name, else the one of this machine."""
    return _SENT.get(Path(name), Path(name))


def keep_sent(name: str | Path, file: Path) -> None:
    """From now on ``file`` is what a suite calls ``name``."""
    _SENT[Path(name)] = file
