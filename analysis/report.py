"""The report: one HTML file that needs nothing else, the figures as PNG and SVG, the tables as CSV."""

from __future__ import annotations

import base64
import math
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from analysis.axes import number
from analysis.convergence import measure_of
from analysis.extracts import boundary_table, convergence_table, sensitivity_table
from analysis.figures import TITLES, overview_figure, problem_figures
from analysis.reading import problem_reading
from analysis.results import cell_label, interval_text, results_table, results_text, table_rows
from analysis.sensitivity import landscape_of, rate_curve
from analysis.statistics import RESAMPLES
from analysis.style import Look, looks_of, png, svg, webp
from analysis.tables import Cell, Record, RecordError

__all__ = ["Picture", "Section", "results_table", "results_text", "write_report"]

GENERATOR: Final = '<meta name="generator" content="stepscape">'
LARGEST_SVG: Final = 120_000
"""Bytes of SVG above which the page holds a figure as WebP: many lines make it slow."""

CAPTIONS: Final = {
    "overview": "The tuned median of every optimizer over the lowest of its problem: 1× is the best, darker is better.",
    "outcome": "Where each run ended: filled circles are tuned medians, hollow ones the default setting; bars are 90% "
    "bootstrap intervals of the median, ticks single test seeds. Further left is better.",
    "convergence": "Median over the test seeds at every evaluation; the shaded band holds the middle 90% of the seeds. "
    "The left side shows the winner of the tuning on fresh seeds, the right side the default setting. A cross marks "
    "where the typical run diverges or leaves the frame.",
    "sensitivity": "What a learning rate leads to. Wide valleys forgive a wrong guess. Marker: the best rate. Cross "
    "at the top: the first rate above it at which a seed diverges; dotted: rates where some seeds diverge.",
    "landscape": "Every point of the grid, trained on seeds of its own; darker is better. A memory is drawn by its "
    "distance from 1. The dark line is the divergence boundary.",
    "trajectory": "The path of the first test seed, tuned in colour and default in grey, over contours at even "
    "distances of the logarithm.",
}


@dataclass(frozen=True)
class Picture:
    """A figure of the page: where its files are, its data URI, its words."""

    title: str
    caption: str
    stem: str
    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Section:
    """What the page says about one problem."""

    anchor: str
    problem: Mapping[str, Any]
    reading: list[str]
    rows: list[dict[str, Any]]
    pictures: list[Picture]
    measured: list[tuple[str, str]]
    tables: Mapping[str, pd.DataFrame]


def write_report(
    folder: Path, out: Path | None = None, *, progress: Callable[[int, int], None] | None = None, jobs: int = 1
) -> Path:
    """Write the report of the record at ``folder`` to ``out`` (default ``folder/report``); return its ``index.html``.

    The new report is written beside ``out`` and takes its place at the end; an older report there is replaced. Equal
    records give equal files. ``progress`` is called with (problems done, problems in all); ``jobs`` processes draw.
    Raises `RecordError` where ``folder`` is no record, or ``out`` holds something that is not a report.
    """
    record = Record.load(folder)
    target = folder / "report" if out is None else out
    if target.exists() and not _replaceable(target):
        raise RecordError(f"{target} exists and is not a report; name another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        new = Path(scratch) / "new"
        (new / "figures").mkdir(parents=True)
        (new / "tables").mkdir()
        _fill(new, record, progress, jobs)
        if target.exists():
            target.rename(Path(scratch) / "old")
        new.rename(target)
    return target / "index.html"


def _replaceable(target: Path) -> bool:
    page = target / "index.html"
    if page.is_file():
        return GENERATOR in page.read_text(encoding="utf-8", errors="replace")[:2000]
    return target.is_dir() and not any(target.iterdir())


def _fill(new: Path, record: Record, progress: Callable[[int, int], None] | None, jobs: int) -> None:
    table = results_table(record)
    sections = []
    for section in _sections(new / "figures", record, table, jobs):
        sections.append(section)
        if progress is not None:
            progress(len(sections), len(record.problems))
    table.to_csv(new / "tables" / "results.csv", index=False)
    for name in sections[0].tables:
        pd.concat([section.tables[name] for section in sections]).to_csv(new / "tables" / f"{name}.csv", index=False)
    overview = None
    if len(table) > 1:
        overview = _picture(new / "figures", "overview", "overview", overview_figure(table))
    page = _template().render(
        record=record,
        sections=sections,
        overview=overview,
        totals=_totals(record),
        colors={label: look.color for label, look in looks_of([cell_label(cell) for cell in record]).items()},
        resamples=RESAMPLES,
        infinity=math.inf,
    )
    (new / "index.html").write_text(page, encoding="utf-8")


def _totals(record: Record) -> dict[str, str]:
    """Return what was run, in numbers, for the head of the page."""
    protocols = [cell.info["protocol"] for cell in record]
    return {
        "cells": f"{len(record.cells)}",
        "problems": f"{len(record.problems)}",
        "optimizers": f"{len({cell.optimizer for cell in record})}",
        "trials": f"{sum(int(protocol['trials']) for protocol in protocols):,}",
        "lane_steps": f"{sum(int(cell.info['lane_steps']) for cell in record):,}",
        "seconds": number(sum(float(value) for cell in record for value in cell.info["seconds"].values())),
    }


def _sections(figures: Path, record: Record, table: pd.DataFrame, jobs: int) -> Iterable[Section]:
    looks = looks_of([cell_label(cell) for cell in record])
    anchors = _anchors(record.problems)
    tasks = []
    for problem in record.problems:
        rows = table_rows(table[table["problem"] == problem])
        cells = tuple(
            Cell(cell.path, cell.info) for cell in record.of_problem(problem)
        )  # without tables: cheap to send
        tasks.append((figures, anchors[problem], cells, rows, looks))
    if jobs <= 1 or len(tasks) == 1:
        return (_section(*task) for task in tasks)
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=min(jobs, len(tasks)), return_as="generator")
    sections: Iterable[Section] = parallel(delayed(_section)(*task) for task in tasks)
    return sections


def _section(
    figures: Path, anchor: str, cells: tuple[Cell, ...], rows: list[dict[str, Any]], looks: Mapping[str, Look]
) -> Section:
    measure = measure_of(cells)
    landscapes = {cell_label(cell): landscape_of(cell, measure) for cell in cells}
    curves = {label: rate_curve(landscape) for label, landscape in landscapes.items() if landscape is not None}
    return Section(
        anchor=anchor,
        problem=cells[0].info["problem"],
        reading=problem_reading(rows, {label: curve for label, curve in curves.items() if curve is not None}),
        rows=rows,
        pictures=[_picture(figures, anchor, name, figure) for name, figure in problem_figures(cells, looks)],
        measured=_measured(cells),
        tables={
            "convergence": convergence_table(cells),
            "sensitivity": sensitivity_table(cells),
            "boundary": boundary_table(cells),
        },
    )


def _picture(figures: Path, anchor: str, name: str, figure: Figure) -> Picture:
    stem = anchor if anchor == name else f"{anchor}-{name}"
    vector = svg(figure)
    (figures / f"{stem}.svg").write_bytes(vector)
    (figures / f"{stem}.png").write_bytes(png(figure))
    small = len(vector) <= LARGEST_SVG
    kind, content = ("svg+xml", vector) if small else ("webp", webp(figure))
    uri = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    title = TITLES.get(name, name)
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    return Picture(title[0].upper() + title[1:], CAPTIONS[name], stem, uri, width, height)


def _measured(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Return the protocol of a problem's cells as (name, text); what differs between cells says so for each."""
    facts: dict[str, dict[str, str]] = {}
    for cell in cells:
        winner = cell.info["winner"]
        own = {
            **cell.info["protocol"],
            "schedule": cell.schedule,
            "searched": cell.info["optimizer"]["searched"],
            "fixed": cell.info["optimizer"]["fixed"],
            "winner": "none: every trial diverged" if winner is None else f"trial {winner['trial']}",
            "seconds": {name: round(float(value), 2) for name, value in cell.info["seconds"].items()},
            "lane_steps": cell.info["lane_steps"],
            "reference": cell.info["optimizer"]["reference"],
        }
        for name, value in own.items():
            facts.setdefault(name, {})[cell_label(cell)] = _plain(value)
    rows = []
    for name, by_cell in facts.items():
        same = len(set(by_cell.values())) == 1
        text = next(iter(by_cell.values())) if same else "; ".join(f"{label}: {v}" for label, v in by_cell.items())
        rows.append((name.replace("_", " "), text))
    return rows


def _plain(value: Any) -> str:
    """Return a JSON value as a person would write it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        integers = [part for part in value if isinstance(part, int)]
        if len(integers) == len(value) > 3 and integers == list(range(integers[0], integers[-1] + 1)):
            return f"{integers[0]} to {integers[-1]}"
        return ", ".join(_plain(part) for part in value) or "none"
    if isinstance(value, float):
        return number(value)
    return "none" if value is None else str(value)


def _anchors(problems: Sequence[str]) -> dict[str, str]:
    """Return a file name and anchor for each problem: its letters and digits, told apart where two agree."""
    anchors: dict[str, str] = {}
    for problem in problems:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", problem).strip("-.") or "problem"
        taken = {"overview", "measured", *anchors.values()}
        anchors[problem] = stem if stem not in taken else f"{stem}-{len(anchors) + 1}"
    return anchors


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"number": number, "plain": _plain, "interval": interval_text}
    return environment.get_template("report.html.j2")
