"""A colour is an optimizer: each family has a hue, each of its members a shade of it, the same wherever it is drawn.

The hues were searched for the largest distance between any two of them (34 in CIELAB) to normal, deuteranope and
protanope eyes alike; a test simulates all three. What is in no family, as an optimizer of the user's, has a shade of
the last one by its name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["FAMILIES", "OTHERS", "Family", "color_of", "family_of", "place_of"]


@dataclass(frozen=True)
class Family:
    """A family of optimizers: its ``name``, the ``color`` of its first member, its ``members`` of the registry in
    order, and ``words`` by which optimizers from elsewhere are known as its own, in lower case.
    """

    name: str
    color: str
    members: tuple[str, ...]
    words: tuple[str, ...]


OTHERS: Final = Family(
    "others",
    "#430ced",
    ("prodigy", "dog", "dadapt-adam", "schedule-free-sgd", "schedule-free-adamw"),
    ("prodigy", "dadapt", "schedulefree", "mechanic"),
)
"""Free of tuning, or of no other family."""

FAMILIES: Final = (
    Family("gradient descent", "#53acd7", ("sgd",), ("sgd", "descent")),
    Family("momentum", "#285dce", ("momentum", "nesterov", "momentum-ema"), ("momentum", "nesterov", "aggmo", "qhm")),
    Family(
        "Adagrad",
        "#18a074",
        ("adagrad", "adagrad-torch", "adagrad-averaged", "sc-adagrad"),
        ("adagrad", "ftrl", "adanorm", "accsgd"),
    ),
    Family(
        "RMSProp",
        "#bb4b11",
        (
            "rmsprop",
            "rmsprop-torch",
            "rmsprop-corrected",
            "rmsprop-centered",
            "rmsprop-momentum",
            "rmsprop-graves",
            "rmsprop-tf1",
            "rmsprop-amsgrad",
            "rmsprop-mh",
            "sc-rmsprop",
            "adadelta",
        ),
        ("rmsprop", "adadelta"),
    ),
    Family(
        "Adam",
        "#811766",
        ("adam", "adamw", "nadam", "amsgrad", "adabelief", "yogi", "adamw-cautious"),
        ("adam", "adabelief", "yogi", "amsgrad", "ranger", "laprop"),
    ),
    Family("sign", "#fd9f03", ("signsgd", "signum", "lion", "rprop"), ("sign", "lion", "rprop", "tiger")),
    Family(
        "matrix",
        "#4c2511",
        ("shampoo", "soap", "muon", "adagrad-full", "adafactor", "lars", "lamb"),
        ("shampoo", "soap", "muon", "adafactor", "lars", "lamb", "kron", "scion", "galore"),
    ),
    OTHERS,
)
"""Every family, in the order in which they are drawn."""

KNOWN: Final = {name: (family, place) for family in FAMILIES for place, name in enumerate(family.members)}

SOUGHT: Final = ("others", "matrix", "sign", "RMSProp", "Adagrad", "Adam", "momentum", "gradient descent")
"""The order in which a name is searched for the words of families: a name says what is special last."""

SHADES: Final = (0.0, 0.42, -0.38, 0.22, -0.2, 0.56, 0.33, -0.5)
"""How far a member's colour lies on the way to white or, below 0, to black."""


def family_of(optimizer: str) -> Family:
    """The family of an optimizer by its name: a registered one, one with options or a wrapper, one from elsewhere."""
    return _known(optimizer)[0]


def place_of(optimizer: str) -> int | None:
    """The place of a registered optimizer among the members of its family; None for any other."""
    return KNOWN[optimizer][1] if optimizer in KNOWN else None


def color_of(optimizer: str) -> str:
    """The colour of an optimizer, whatever it is drawn beside: ``#rrggbb``."""
    family, place = _known(optimizer)
    return _shaded(family.color, SHADES[place % len(SHADES)])


def _known(optimizer: str) -> tuple[Family, int]:
    """The family of an optimizer and its place in it: by a hash of the name where the registry does not have it."""
    if optimizer in KNOWN:
        return KNOWN[optimizer]
    place = int.from_bytes(hashlib.sha256(optimizer.encode()).digest()[:2]) % len(SHADES)
    name = re.sub(r"[^a-z]", "", optimizer.rsplit(":", 1)[-1].split("(", 1)[0].lower()) or optimizer
    whole = re.sub(r"[^a-z]", "", optimizer.lower())
    by_name = {family.name: family for family in FAMILIES}
    for text in (name, whole):
        for family in (by_name[sought] for sought in SOUGHT):
            if any(word in text for word in family.words):
                return family, place
    return OTHERS, place


def _shaded(color: str, way: float) -> str:
    """``color`` moved towards white by the share ``way`` or, where that is negative, towards black."""
    end = 255 if way > 0 else 0
    parts: Sequence[int] = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(part + abs(way) * (end - part)):02x}" for part in parts)
