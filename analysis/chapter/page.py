"""The chapter's page: one HTML file that needs nothing else, beside the ordinary report of the same record."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any, Final

from matplotlib.figure import Figure

from analysis.chapter.explorer import Explorer, explorer_of
from analysis.chapter.gamma_one import gamma_one_part
from analysis.chapter.landscapes import landscapes_method, landscapes_part
from analysis.chapter.memory import memory_part
from analysis.chapter.numbers import numbers_part
from analysis.chapter.part import Part, Plate
from analysis.chapter.real_problem import real_problem_part
from analysis.chapter.rotation import rotation_part
from analysis.chapter.schedules import schedules_part
from analysis.chapter.stall import stall_part
from analysis.chapter.variants import variants_part
from analysis.figures.style import Form, drawn_as
from analysis.pages.drawing import drawn
from analysis.pages.problem_section import Section as ReportSection
from analysis.pages.report import forms_text, template, write_report
from analysis.problem_results import ProblemResults
from analysis.record.cells import Record
from analysis.record.errors import RecordError
from analysis.record.exhibits import Exhibit, load_exhibits
from analysis.words import number, plain

__all__ = ["PARTS", "write_chapter"]

PARTS: Final[Mapping[str, Callable[[Exhibit[Any]], Part]]] = {
    "numbers": numbers_part,
    "memory": memory_part,
    "stall": stall_part,
    "variants": variants_part,
    "gamma-one": gamma_one_part,
    "rotation": rotation_part,
    "real-problem": real_problem_part,
    "gamma-schedules": schedules_part,
}
"""The part that answers each exhibit, in reading order; the landscapes come last."""


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


def write_chapter(
    folder: Path,
    out: Path | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    jobs: int = 1,
    focus: str | Sequence[str] | None = None,
    forms: Collection[Form] = (),
    results: Mapping[str, ProblemResults] | None = None,
    sections: Mapping[str, ReportSection] | None = None,
) -> Path:
    """Write the chapter's page of the record at ``folder``, and the ordinary report beside it; return ``chapter.html``.

    Both are written to ``out`` (default ``folder/report``) and link to each other; panels go to ``figures/chapter`` as
    PNG and in the further ``forms``, tables to ``tables/chapter`` as CSV. ``progress`` is called with (steps done,
    steps in all); ``jobs`` processes draw; the rest is as in `write_report`. Equal records give equal files. Raises
    `RecordError` as `write_report` does, and where the record holds no exhibit.
    """
    record, exhibits = Record.load(folder), load_exhibits(folder)
    known = [name for name in PARTS if name in exhibits]
    if not known:
        raise RecordError(f"{folder} holds no finished exhibit; run a suite that names exhibits first")
    steps = len(record.problems) + len(known) + 1

    def show(done: int, _: int = 0) -> None:
        if progress is not None:
            progress(done, steps)

    page = write_report(
        folder, out, progress=show, jobs=jobs, focus=focus, forms=forms, results=results, sections=sections
    )
    target = page.parent
    with tempfile.TemporaryDirectory(prefix=".chapter-", dir=target) as scratch:
        new = Path(scratch)
        parts = []
        for section in _sections(record, [exhibits[name] for name in known], new, jobs, tuple(forms)):
            parts.append(section)
            show(len(record.problems) + len(parts))
        for kind in ("figures", "tables"):
            (new / kind).rename(target / kind / "chapter")
        explorer = explorer_of(exhibits["stall"]) if "stall" in exhibits else None
        (new / "chapter.html").write_text(_page(record, parts, explorer, forms), encoding="utf-8")
        (new / "chapter.html").rename(target / "chapter.html")
    show(steps)
    return target / "chapter.html"


def _sections(
    record: Record, exhibits: Sequence[Exhibit[Any]], folder: Path, jobs: int, forms: Collection[Form]
) -> Iterator[Section]:
    """Yield every section in reading order, drawn by ``jobs`` processes; writes its files below ``folder``."""
    for kind in ("figures", "tables"):
        (folder / kind).mkdir()
    tasks: list[tuple[Callable[..., Section | None], tuple[Any, ...]]]
    tasks = [(section_of, (exhibit, folder, forms)) for exhibit in exhibits]
    tasks.append((landscape_section, (record.path, folder, forms)))
    yield from (section for section in drawn(tasks, jobs) if section is not None)


def section_of(exhibit: Exhibit[Any], folder: Path, forms: Collection[Form]) -> Section:
    """The section of one exhibit; writes its panels and tables below ``folder``."""
    info = exhibit.info
    facts = [(name.replace("_", " "), plain(value)) for name, value in info.options.items()]
    facts += [("fingerprint", info.fingerprint), ("seconds", number(info.seconds))]
    return _saved(PARTS[exhibit.name](exhibit), info.method, facts, folder, forms)


def landscape_section(record: Path, folder: Path, forms: Collection[Form]) -> Section | None:
    """The section of a record's landscapes; None where it has none."""
    cells = Record.load(record)
    part = landscapes_part(cells)
    return None if part is None else _saved(part, *landscapes_method(cells), folder, forms)


def _saved(
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


def _page(record: Record, sections: Sequence[Section], explorer: Explorer | None, forms: Collection[Form]) -> str:
    """The HTML page; everything that comes from the record is escaped."""
    return template("chapter.html.j2").render(
        record=record,
        sections=sections,
        explorer=explorer,
        maps=any(plate.live is not None for section in sections for plate, *_ in section.plates),
        totals=_totals(record),
        forms=forms_text(("png", *forms)),
    )


def _totals(record: Record) -> dict[str, str]:
    """What was run, in numbers, for the head of the page."""
    exhibits = load_exhibits(record.path).values()
    seconds = sum(value for cell in record for value in cell.info.seconds.to_json().values())
    seconds += sum(exhibit.info.seconds for exhibit in exhibits)
    return {"cells": f"{len(record.cells)}", "exhibits": f"{len(exhibits)}", "seconds": number(seconds)}
