"""What a part of a page of answers is made of: a question, plates of panels, an answer in sentences, tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pandas as pd
from matplotlib.figure import Figure

from analysis.pages.live_maps import LiveMaps
from analysis.record.exhibits import Exhibit
from analysis.words import number

__all__ = [
    "NAMES",
    "Part",
    "Plate",
    "Row",
    "TextTable",
    "capital",
    "count",
    "exactly",
    "lost_text",
    "name_of",
    "question_of",
    "seeds_text",
]

Row = Mapping[str, str]

NAMES: Final = {
    "sgd": "gradient descent",
    "momentum": "momentum",
    "adagrad": "Adagrad",
    "adagrad-full": "full-matrix Adagrad",
    "adagrad-averaged": "averaged Adagrad",
    "rmsprop": "RMSProp",
    "rmsprop-torch": "torch's RMSProp",
    "rmsprop-tf1": "TensorFlow 1's RMSProp",
    "rmsprop-centered": "centred RMSProp",
    "rmsprop-graves": "Graves's RMSProp",
    "rmsprop-momentum": "RMSProp with momentum",
    "rmsprop-corrected": "bias-corrected RMSProp",
    "rmsprop-amsgrad": "AMSGrad-style RMSProp",
    "rmsprop-mh": "RMSProp of Mukkamala and Hein",
    "sc-rmsprop": "SC-RMSProp",
    "adadelta": "Adadelta",
    "adam": "Adam",
}
"""How sentences call the registered optimizers."""


@dataclass(frozen=True)
class TextTable:
    """A table of words and numbers as text: ``columns`` ``{key: heading}``; a row's ``mark`` names its kind."""

    columns: Mapping[str, str]
    rows: Sequence[Row]
    caption: str = ""
    folded: str = ""
    """What a reader clicks to see the table; the table is open where this is empty."""


@dataclass(frozen=True)
class Plate:
    """Panels ``{name: figure}`` beside each other under one caption; ``says`` are their text alternatives and
    ``finds`` what they show, their titles, by name; ``table`` follows below them.

    A panel moves below its neighbour where the screen is narrow, so each is drawn at most half a page wide, and a
    caption names panels by letters, (a), (b), …, which the page then writes before their titles.
    """

    caption: str
    panels: Mapping[str, Figure]
    says: Mapping[str, str]
    finds: Mapping[str, str]
    table: TextTable | None = None
    live: LiveMaps | None = None
    """Maps that answer the pointer and the keys, before the panels, which are then folded."""
    subject: str = ""
    """The problem of the maps."""
    finding: str = ""
    """What the maps show, their title."""
    scale: Figure | None = None
    """The one colour scale of all panels, before them."""


@dataclass(frozen=True)
class Part:
    """One part of the page: ``answer`` are sentences, ``data`` becomes CSV files."""

    name: str
    title: str
    question: str
    answer: Sequence[str]
    plates: Sequence[Plate]
    tables: Sequence[TextTable] = ()
    data: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def name_of(optimizer: str) -> str:
    """What sentences call a registered optimizer; its own name where it is not one of ours."""
    return NAMES.get(optimizer, optimizer)


def question_of(exhibit: Exhibit[Any]) -> str:
    """The question of an exhibit without the number of its exercise, which is in the title."""
    question = exhibit.info.question.split(": ", 1)[-1].replace("gamma", "γ")
    return capital(question)


def capital(text: str) -> str:
    """``text`` as a sentence begins."""
    return text[:1].upper() + text[1:]


def exactly(value: float, digits: int) -> str:
    """``value`` with ``digits`` decimals, as the book prints; a number too large for that with an exponent."""
    if pd.isna(value):
        return "–"
    text = f"{value:.{digits}f}" if abs(value) < 1e7 else number(value)
    return text.replace("-", "−")


def count(n: int, word: str, plural: str = "") -> str:
    """A count in words: "no number", "1 number", "7 numbers"."""
    if n == 0:
        return f"no {word}"
    return f"{n:,} {word if n == 1 else plural or f'{word}s'}"


def lost_text(row: Mapping[str, Any]) -> str:
    """The words ", 2 of 8 diverged" for a row of an exhibit's table; nothing where every seed finished."""
    return f", {int(row['diverged'])} of {int(row['seeds'])} diverged" if row["diverged"] else ""


def seeds_text(n: int) -> str:
    """The size of a sample as captions give it; nothing for a single run."""
    return f"n = {n} seeds" if n > 1 else ""
