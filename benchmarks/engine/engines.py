"""What advances the lanes of a rule."""

from __future__ import annotations

from typing import Final, Literal, get_args

__all__ = ["ENGINES", "Engine", "Used"]

Engine = Literal["auto", "eager", "kernel", "native"]
"""What is asked for: the one that pays, torch an operation at a time, a compiled kernel, or modules as they are."""
ENGINES: Final[tuple[Engine, ...]] = get_args(Engine)

Used = Literal["eager", "kernel", "native"]
"""What it was: torch an operation at a time, a compiled kernel, or one run at a time, a module as it is or a foreign
optimizer's own steps."""
