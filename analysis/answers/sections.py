"""Parts of a page of answers as sections: their panels and tables saved as files, and what the page needs of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from matplotlib.figure import Figure

from analysis.answers.part import Part, Plate
from analysis.figures.style import Form, drawn_as
from analysis.record.exhibits import Exhibit
from analysis.words import number, plain

__all__ = ["Image", "Section", "saved", "section_of"]


@dataclass(frozen=True)
class Image:
    """A panel as the page holds it: its data URI, its text alternative, its title and its size in CSS pixels."""

    uri: str
    says: str
    finding: str
    width: int
    height: int


@dataclass(frozen=True)
class Section:
    """A part with its panels as images, ``plates`` with their images and the scale of those, if they have one, and how
    it was measured.
    """

    part: Part
    plates: Sequence[tuple[Plate, Sequence[Image], Image | None]]
    method: Sequence[str]
    facts: Sequence[tuple[str, str]]


def section_of(
    part: Callable[[Exhibit[Any]], Part], exhibit: Exhibit[Any], folder: Path, forms: Collection[Form]
) -> Section:
    """The section of one exhibit, whose ``part`` is given; writes its panels and tables below ``folder``."""
    info = exhibit.info
    facts = [(name.replace("_", " "), plain(value)) for name, value in info.options.items()]
    facts += [("fingerprint", info.fingerprint), ("seconds", number(info.seconds))]
    return saved(part(exhibit), info.method, facts, folder, forms)


def saved(
    part: Part, method: Sequence[str], facts: Sequence[tuple[str, str]], folder: Path, forms: Collection[Form]
) -> Section:
    """Write the panels and tables of ``part`` below ``folder``; its figures are not kept in memory."""
    for name, frame in part.data.items():
        frame.to_csv(folder / "tables" / f"{part.name}-{name}.csv", index=False)
    figures, plates = folder / "figures", []
    for plate in part.plates:
        images = []
        for letter, (name, figure) in zip(ascii_lowercase, plate.panels.items(), strict=False):
            title = f"({letter}) {plate.finds[name]}" if "(a)" in plate.caption else plate.finds[name]
            images.append(_image(figure, plate.says[name], title, figures / _stem(part.name, name), forms))
        scale = None
        if plate.scale is not None:
            stem = _stem(part.name, f"{plate.subject}-scale")
            scale = _image(plate.scale, f"The colour scale of the maps of {plate.subject}", "", figures / stem, forms)
        plates.append((replace(plate, panels={}, scale=None), images, scale))
    return Section(replace(part, plates=()), plates, method, facts)


def _stem(part: str, name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in f"{part}-{name}")


def _image(figure: Figure, says: str, finding: str, stem: Path, forms: Collection[Form]) -> Image:
    """Save a panel as PNG and in the further ``forms``; return what the page needs of it."""
    made = drawn_as(figure, ("png", *forms))
    made.save(stem)
    return Image(made.uri, says, finding, made.width, made.height)
