"""The report: one HTML file that needs nothing else, the figures as SVG, the tables as CSV, the advice as JSON.

The modules that draw are loaded when a report is written, for importing them takes seconds.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd
from markupsafe import Markup, escape

from analysis.measures.focus import focused
from analysis.pages.drawing import drawn
from analysis.pages.results_text import results_text
from analysis.problem_results import ProblemResults, results_frame, results_of, results_table
from analysis.record.cells import Cell, Record
from analysis.record.errors import RecordError
from analysis.record.exhibits import SCHEMAS, load_exhibits
from analysis.record.failures import failures_of, in_a_line
from analysis.statistics.resamples import SEEDS
from analysis.words import estimate_text, listing, number

if TYPE_CHECKING:
    import jinja2

    from analysis.figures.style import Form, Look
    from analysis.pages.across_section import Across
    from analysis.pages.contents import Miniature
    from analysis.pages.focus_section import Focus
    from analysis.pages.problem_section import Picture, Section
    from analysis.pages.verdict import Verdict

__all__ = ["forms_text", "results_table", "results_text", "section_ahead", "template", "write_report"]

GENERATOR: Final = '<meta name="generator" content="stepscape">'
"""What the template writes into every page, and by which an older report is recognised."""


def write_report(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    jobs: int = 1,
    focus: str | Sequence[str] | None = None,
    forms: Collection[Form] = (),
    results: Mapping[str, ProblemResults] | None = None,
    sections: Mapping[str, Section] | None = None,
) -> Path:
    """Write the report of the record at ``folder`` to ``out`` (default ``folder/report``); return its ``index.html``.

    The new report is written beside ``out`` and takes its place at the end; an older report there is replaced. Equal
    records give equal files. ``progress`` is called with (problems done, problems in all); ``jobs`` processes draw.
    ``focus`` names one or several that are coloured and held against the others, by default the suite's. Figures are
    SVG files, and of the further ``forms``. ``results`` are those of the record, where they are known already,
    ``sections`` those of its problems that were drawn ahead (`section_ahead`), by problem; one that looks otherwise is
    drawn again.
    Raises `RecordError` where ``folder`` is no record or has no such optimizer, or ``out`` holds something that is no
    report.
    """
    record = Record.load(folder)
    target = record.path / "report" if out is None else Path(out)
    # what the suite is about may not have landed yet, or lie in another shard
    mine = focused(record, focus or record.suite.get("focus") or (), there=bool(focus))
    if target.exists() and not _replaceable(target):
        raise RecordError(f"{target} exists and is not a report; name another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        new = Path(scratch) / "new"
        (new / "figures").mkdir(parents=True)
        (new / "tables").mkdir()
        page = _Page(record, results_of(record) if results is None else results, mine, tuple(forms))
        page.fill(new, progress, jobs, sections or {})
        if target.exists():
            target.rename(Path(scratch) / "old")
        new.rename(target)
    return target / "index.html"


def _replaceable(target: Path) -> bool:
    """Whether ``target`` is an older report or an empty folder."""
    page = target / "index.html"
    if page.is_file():
        return GENERATOR in page.read_text(encoding="utf-8", errors="replace")[:2000]
    return target.is_dir() and not any(target.iterdir())


@dataclass(frozen=True)
class _Page:
    """The page of a ``record``: the labels ``mine`` are in focus, figures are drawn in the further ``forms`` too."""

    record: Record
    results: Mapping[str, ProblemResults]
    mine: Sequence[str]
    forms: tuple[Form, ...]

    def fill(
        self, new: Path, progress: Callable[[int, int], None] | None, jobs: int, ahead: Mapping[str, Section]
    ) -> None:
        """Write page, figures and tables into the folder ``new``; sections that are ``ahead`` are taken as they are."""
        from analysis.figures.overview import ratios_figure, worse_than_best
        from analysis.figures.style import looks_of
        from analysis.pages.across_section import across_of
        from analysis.pages.contents import miniatures
        from analysis.pages.focus_section import focus_of
        from analysis.pages.problem_section import picture_of
        from analysis.pages.verdict import verdict_of

        record, results = self.record, self.results
        looks = looks_of([cell.label for cell in record], self.mine)
        sections: list[Section] = []
        for section in self._sections(looks, jobs, ahead):
            sections.append(section)
            if progress is not None:
                progress(len(sections), len(results))
        overview, ratios = None, worse_than_best(results.values())
        if len(record.cells) > 1 and not ratios.empty:
            overview = picture_of("overview", "overview", ratios_figure(ratios), self.forms)
        across, focus = across_of(results, looks, self.forms), focus_of(results, self.mine)
        pictures = [picture for section in sections for picture in section.pictures]
        pictures += [*([overview] if overview else []), *(across.pictures if across else [])]
        for picture in pictures:
            picture.drawn.save(new / "figures" / picture.stem)
        tables = {name: pd.concat([section.tables[name] for section in sections]) for name in sections[0].tables}
        for name in ("metrics", "paired"):  # no problem has any
            if tables[name].empty:
                del tables[name]
        for name, content in {
            "results": results_frame(results.values()),
            **tables,
            **(across.tables if across else {}),
            **(focus.tables if focus else {}),
        }.items():
            content.to_csv(new / "tables" / f"{name}.csv", index=False)
        (new / "recommendation.json").write_text(_recommendation(record, sections, across), encoding="utf-8")
        anchors = {section.problem.name: section.anchor for section in sections}
        verdict = verdict_of(record, results, ratios, across.ranking if across else None, anchors)
        small = miniatures(results, ratios)
        page = self._html(sections, overview, across, focus, looks, verdict, small, pictures)
        (new / "index.html").write_text(page, encoding="utf-8")

    def _sections(self, looks: Mapping[str, Look], jobs: int, ahead: Mapping[str, Section]) -> Iterator[Section]:
        """Yield the section of every problem, in the suite's order, drawn ``ahead`` or by ``jobs`` processes."""
        from analysis.pages.problem_section import section_of

        anchors = _anchors([*self.results])
        ready = {
            problem: section
            for problem, section in ahead.items()
            if not self.forms and section.anchor == anchors.get(problem) and section.looks == looks
        }
        others = drawn(
            [
                (section_of, (anchors[problem], found, looks, self.forms))
                for problem, found in self.results.items()
                if problem not in ready
            ],
            jobs,
        )
        yield from (ready[problem] if problem in ready else next(others) for problem in self.results)

    def _html(
        self,
        sections: Sequence[Section],
        overview: Picture | None,
        across: Across | None,
        focus: Focus | None,
        looks: Mapping[str, Look],
        verdict: Verdict,
        small: Mapping[str, Miniature],
        pictures: Sequence[Picture],
    ) -> str:
        """The HTML page; everything that comes from the record is escaped."""
        from analysis.figures.inline import on_a_page

        colors = {label: look.color for label, look in looks.items()}
        variables = {color: f"--c{place}" for place, color in enumerate(dict.fromkeys(colors.values()))}
        shapes, rules = on_a_page({picture.stem: picture.drawn.shapes for picture in pictures}, variables)
        return template("report.html.j2").render(
            record=self.record,
            questions=[name for name in load_exhibits(self.record.path) if SCHEMAS[name].page == "questions"],
            verdict=verdict,
            failures={name: in_a_line(said) for name, said in failures_of(self.record.path).items()},
            results=self.results,
            sections=sorted(sections, key=lambda section: verdict.order.index(section.problem.name)),
            overview=overview,
            across=across,
            focus=focus,
            totals=_totals(self.record),
            small=small,
            colors=colors,
            variables=variables,
            shapes={stem: Markup(drawn) for stem, drawn in shapes.items()},
            rules=Markup(rules),
            places={label: place for place, label in enumerate(colors)},
            forms=forms_text(("svg", *self.forms)),
            resamples=SEEDS,
            infinity=math.inf,
        )


def section_ahead(
    cells: Sequence[Cell], problems: Sequence[str], labels: Sequence[str], focus: str | Sequence[str] = ()
) -> Section:
    """The section of the problem whose ``cells``, all of them, have landed, as `write_report` draws it when all others
    have.

    ``problems`` and ``labels`` are those of all cells there will be, in the suite's order.
    """
    from analysis.figures.style import looks_of
    from analysis.pages.problem_section import section_of

    results = ProblemResults.of(cells)
    own = focused(cells, focus)
    anchor = _anchors(dict.fromkeys(problems))[results.problem.name]
    return section_of(anchor, results, looks_of(labels, own))


def forms_text(forms: Iterable[Form]) -> str:
    """The kinds of files that figures are, in words."""
    return listing(list(dict.fromkeys(form.upper() for form in forms)))


def _recommendation(record: Record, sections: Sequence[Section], across: Across | None) -> str:
    """The recommendations as JSON: of every cell, and of all problems: for each optimizer, and for any."""
    content = {
        "suite": record.name,
        "cells": [advice.to_dict() for section in sections for advice in section.advice],
        "all_problems": [setting.to_dict() for setting in across.settings] if across else [],
        "all_problems_and_optimizers": across.suite_setting.to_dict() if across and across.suite_setting else None,
    }
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def template(name: str) -> jinja2.Template:
    """The page template called ``name``, which escapes all it is given and fails for what it is not given."""
    import jinja2

    from analysis.words import bytes_text, duration_text, metric_text, plain

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"number": number, "plain": plain}
    environment.filters |= {"metric": metric_text, "duration": duration_text, "bytes": bytes_text}
    environment.filters |= {"unbroken": _unbroken, "compact": _compact, "quoted": _quoted}
    environment.filters |= {"estimate": estimate_text, "share": partial(estimate_text, form="{:.0%}".format)}
    return environment.get_template(name)


def _unbroken(text: str) -> Markup:
    """A value with its interval, which may stand in the next line, but is not broken itself."""
    return Markup(re.sub(r"\[[^\]]*\]", r'<span class="interval">\g<0></span>', str(escape(text))))


def _compact(code: str) -> Markup:
    """A script or style sheet of ours without indentation and the comments that have lines of their own."""
    return Markup(re.sub(r"^(?:\s*(?://.*|/\*.*\*/)$)*\s+", "", f"\n{code}", flags=re.MULTILINE))


def _quoted(text: str) -> Markup:
    """``text`` for an attribute in single quotes: JSON is a tenth shorter so."""
    return Markup(text.replace("&", "&amp;").replace("'", "&#39;").replace("<", "&lt;"))


def _totals(record: Record) -> dict[str, str]:
    """What was run, in numbers, for the head of the page."""
    return {
        "cells": _counted(len(record.cells), "cell"),
        "problems": _counted(len(record.problems), "problem"),
        "optimizers": _counted(len({cell.optimizer for cell in record}), "optimizer"),
        "trials": f"{sum(study.trials for cell in record for study in cell.info.studies):,}",
        "lane_steps": f"{sum(cell.info.lane_steps for cell in record):,}",
        "seconds": number(sum(value for cell in record for value in cell.info.seconds.to_json().values())),
    }


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _anchors(problems: Iterable[str]) -> dict[str, str]:
    """A file name and anchor for each problem: its letters and digits, told apart where two agree."""
    anchors: dict[str, str] = {}
    for problem in problems:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", problem).strip("-.") or "problem"
        taken = {"overview", "across", "content", "filter", "focus", "measured", "results", *anchors.values()}
        anchors[problem] = stem if stem not in taken else f"{stem}-{len(anchors) + 1}"
    return anchors
