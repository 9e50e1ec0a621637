"""What advances the lanes of a rule."""

from __future__ import annotations

from typing import Final, Literal, get_args

__all__ = ["ENGINES", "Engine", "Used"]

Engine = Literal["auto", "eager", "kernel"]
"""What is asked for: torch an operation at a time, a compiled kernel, or the one that pays."""
ENGINES: Final[tuple[Engine, ...]] = get_args(Engine)

Used = Literal["eager", "kernel", "native"]
"""What it was: torch an operation at a time, a compiled kernel, or the steps of a foreign optimizer's own."""
