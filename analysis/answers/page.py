"""The page of questions that a record answers besides its cells: one HTML file that needs nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from analysis.answers.curvature import curvature_part
from analysis.answers.effective_rates import effective_rates_part
from analysis.answers.ladder import ladder_part
from analysis.answers.memory_laws import memory_laws_part
from analysis.answers.part import Part
from analysis.answers.scale_laws import scale_laws_part
from analysis.answers.schedules_found import schedules_found_part
from analysis.answers.sections import Section, section_of
from analysis.answers.tuning_free import tuning_free_part
from analysis.answers.unit_tests import unit_tests_part
from analysis.figures.style import Form
from analysis.pages.drawing import drawn
from analysis.pages.report import forms_text, template
from analysis.record.errors import RecordError
from analysis.record.exhibits import Exhibit, load_exhibits

__all__ = ["ANSWERS", "PAGE", "write_answers"]

PAGE: Final = "questions.html"

ANSWERS: Final[Mapping[str, Callable[[Exhibit[Any]], Part]]] = {
    "schedules-found": schedules_found_part,
    "unit-tests": unit_tests_part,
    "curvature": curvature_part,
    "effective-rates": effective_rates_part,
    "ladder": ladder_part,
    "tuning-free": tuning_free_part,
    "memory-laws": memory_laws_part,
    "scale-laws": scale_laws_part,
}
"""The part that answers each exhibit of this page, in reading order."""


def write_answers(
    folder: Path, target: Path, *, jobs: int = 1, forms: Collection[Form] = ()
) -> tuple[Path, list[Section]]:
    """Write the page of the questions that the record at ``folder`` answers into ``target``; its file and its sections.

    ``target`` is the folder of the record's report, to which the page links where it is there. Panels go to
    ``figures/questions`` as PNG and in the further ``forms``, tables to ``tables/questions`` as CSV; ``jobs`` processes
    draw. Equal records give equal files. Raises `RecordError` where the record answers none.
    """
    exhibits = load_exhibits(folder)
    known = [exhibits[name] for name in ANSWERS if name in exhibits]
    if not known:
        raise RecordError(f"{folder} answers no question; run a suite that names exhibits, or stepscape ask")
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".questions-", dir=target) as scratch:
        new = Path(scratch)
        for kind in ("figures", "tables"):
            (new / kind).mkdir()
            (target / kind).mkdir(exist_ok=True)
        tasks = [(section_of, (ANSWERS[exhibit.name], exhibit, new, tuple(forms))) for exhibit in known]
        sections = list(drawn(tasks, jobs))
        (new / PAGE).write_text(_page(folder, target, known, sections, forms), encoding="utf-8")
        for kind in ("figures", "tables"):
            old = target / kind / "questions"
            if old.exists():
                old.rename(new / f"old-{kind}")
            (new / kind).rename(old)
        (new / PAGE).rename(target / PAGE)
    return target / PAGE, sections


def _page(
    folder: Path,
    target: Path,
    exhibits: Sequence[Exhibit[Any]],
    sections: Sequence[Section],
    forms: Collection[Form],
) -> str:
    """The HTML page; everything that comes from the record is escaped."""
    return template("questions.html.j2").render(
        name=folder.resolve().name,
        sections=sections,
        seconds=sum(exhibit.info.seconds for exhibit in exhibits),
        report=(target / "index.html").is_file(),
        forms=forms_text(("png", *forms)),
    )
