"""How a record and a cell show themselves in a notebook: a title, a sentence, a table."""

from __future__ import annotations

from html import escape

import pandas as pd

__all__ = ["as_html"]

MOST_ROWS = 30
"""Rows of a table in a notebook; of more the first and the last are shown."""


def as_html(title: str, sentence: str, rows: pd.DataFrame) -> str:
    """A ``title``, a ``sentence`` and a table of ``rows`` as HTML; everything in them is escaped."""
    table = rows.to_html(index=False, border=0, max_rows=MOST_ROWS, na_rep="", justify="left")
    return f"<div><strong>{escape(title)}</strong><br>{escape(sentence)}{table}</div>"
