"""The chapter's page: one HTML file that needs nothing else, beside the ordinary report of the same record."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from analysis.answers.part import Part
from analysis.answers.sections import Section, saved, section_of
from analysis.chapter.explorer import Explorer, explorer_of
from analysis.chapter.gamma_one import gamma_one_part
from analysis.chapter.landscapes import landscapes_method, landscapes_part
from analysis.chapter.memory import memory_part
from analysis.chapter.numbers import numbers_part
from analysis.chapter.real_problem import real_problem_part
from analysis.chapter.rotation import rotation_part
from analysis.chapter.schedules import schedules_part
from analysis.chapter.stall import stall_part
from analysis.chapter.variants import variants_part
from analysis.figures.style import Form
from analysis.pages.drawing import drawn
from analysis.pages.problem_section import Section as ReportSection
from analysis.pages.report import forms_text, template, write_report
from analysis.problem_results import ProblemResults
from analysis.record.cells import Record
from analysis.record.errors import RecordError
from analysis.record.exhibits import Exhibit, load_exhibits
from analysis.words import number

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
    tasks = [(section_of, (PARTS[exhibit.name], exhibit, folder, forms)) for exhibit in exhibits]
    tasks.append((landscape_section, (record.path, folder, forms)))
    yield from (section for section in drawn(tasks, jobs) if section is not None)


def landscape_section(record: Path, folder: Path, forms: Collection[Form]) -> Section | None:
    """The section of a record's landscapes; None where it has none."""
    cells = Record.load(record)
    part = landscapes_part(cells)
    return None if part is None else saved(part, *landscapes_method(cells), folder, forms)


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
