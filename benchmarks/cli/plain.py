"""Output that any terminal, file or pipe takes: what its encoding does not have is written in plain letters."""

from __future__ import annotations

import codecs
import sys
import unicodedata
from collections.abc import Mapping
from typing import Final

__all__ = ["encode_anything"]

PLAIN: Final[Mapping[str, str]] = {
    "×": "x", "γ": "gamma", "β": "beta", "α": "alpha", "σ": "sigma", "Σ": "sum", "Π": "prod", "π": "pi", "√": "sqrt",
    "½": "1/2", "¼": "1/4", "²": "^2", "³": "^3", "⁴": "^4", "⁶": "^6", "≤": "<=", "≥": ">=", "±": "+-", "∞": "inf",
    "…": "...", "·": "*", "→": "->", "−": "-", "–": "-", "—": "-", "⁻": "^-", "µ": "u",
}  # fmt: skip
"""How the signs that we print are written without them."""

HANDLER: Final = "stepscape-plain"


def encode_anything() -> None:
    """Let standard output and standard error write every text, whatever their encoding is."""
    codecs.register_error(HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a notebook's stream, or none at all, has none to change
        if reconfigure is not None:
            reconfigure(errors=HANDLER)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What stands for the characters that cannot be encoded."""
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(_spelled, error.object[error.start : error.end])), error.end


def _spelled(character: str) -> str:
    if character in PLAIN:
        return PLAIN[character]
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return letters or "?"
