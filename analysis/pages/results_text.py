"""The results table as aligned plain text, for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from analysis.measures.results import CellResult
from analysis.problem_results import ProblemResults, results_of
from analysis.record.cells import Cell
from analysis.statistics.bootstrap import ALPHA, covered
from analysis.words import metric_text, number

__all__ = ["MIN_SETTING", "intervals_text", "results_text", "text_of"]

MIN_SETTING: Final = 16
"""Columns that hold one hyperparameter of the text table."""


def results_text(cells: Iterable[Cell], width: int = 100) -> str:
    """`text_of` the results of a record, or of any cells."""
    return text_of(tuple(results_of(cells).values()), width)


def text_of(results: Sequence[ProblemResults], width: int = 100) -> str:
    """Results as aligned plain text of at most ``width`` columns, grouped by problem, the best marked ``*`` and
    those that are not told apart from it ``~``.

    Hyperparameters are wrapped where the width is short.
    """
    header = ("", "optimizer", "tuned", "default", "tuned at")
    lines = {_title(found): [_line(found, cell) for cell in found.cells] for found in results}
    every = [header, *(line for group in lines.values() for line in group)]
    wide = [max(len(line[i]) for line in every) for i in range(4)]
    out = [_fit(header, wide, width)]
    for title, group in lines.items():
        out += ["", title[:width], *(_fit(line, wide, width) for line in group)]
        out += [line for found in results if _title(found) == title for line in _metrics(found, width)]
    unequal = [f"No best where {reason}." for reason in dict.fromkeys(found.unequal for found in results) if reason]
    beaten = [f"{found.beaten}." for found in results if found.beaten]
    notes = (*unequal, *beaten, *_footnotes(results))
    return "\n".join([*out, "", *(textwrap.fill(note, width) for note in notes)])


def _line(found: ProblemResults, cell: CellResult) -> tuple[str, ...]:
    mark = "*" if cell in found.best else "~" if cell in found.tied else ""
    default = cell.text("default") + (" <" if cell.default_is_lower else "")
    return mark, cell.label, cell.text("tuned"), default, _marked(cell.tuned_at, cell.at_edge)


def _metrics(found: ProblemResults, width: int) -> Iterator[str]:
    """A line for each further metric of the problem: its median at the end of every tuned cell; of those that were
    judged by early stopping, also the held-out loss at its lowest.
    """
    tuned = [cell for cell in found.cells if cell.tuned]
    lines = {
        metric_text(metric): {cell.label: cell.metric_at_end(metric, "tuned") for cell in tuned}
        for metric in found.problem.metrics
    }
    early = {cell.label: cell.lowest_of_runs("heldout_loss", "tuned") for cell in tuned if cell.stops_early}
    for name, values in {**lines, "held-out loss at its lowest": early}.items():
        if values:
            said = ", ".join(f"{label}\xa0{number(value)}" for label, value in values.items())
            text = textwrap.fill(f"{name}, tuned: {said}", width - 3, subsequent_indent="  ")
            yield textwrap.indent(text, "   ").replace("\xa0", " ")


def _marked(hyperparameters: str, at_edge: Sequence[str]) -> str:
    """The text of a setting with a "!" behind every value whose name is among ``at_edge``."""
    return ", ".join(part + "!" * (part.split(" ")[0] in at_edge) for part in hyperparameters.split(", "))


def _title(found: ProblemResults) -> str:
    measure = found.measure
    return f"{found.problem.name} ({measure.label}, start {number(measure.start)})"


def _fit(line: tuple[str, ...], wide: list[int], width: int) -> str:
    """``line`` with its last part wrapped between hyperparameters: in its column or, if narrow, below.

    Where names are so long that the numbers would not fit, the numbers are on a line below their name.
    """
    columns = [f"{part.ljust(size)}  " for part, size in zip(line[:4], wide, strict=True)]
    below = sum(wide) + 8 > width
    start = " " * 5 + "".join(columns[2:]) if below else "".join(columns)
    beside = width - len(start) >= MIN_SETTING
    indent = len(start) if beside else 5
    parts = [part.replace(" ", "\xa0") for part in line[4].split(", ")]  # a name stays with its value
    setting = textwrap.wrap(", ".join(parts), width - indent) or [""]
    rows = [start + setting.pop(0) if beside else start, *(" " * indent + more for more in setting)]
    rows = ["".join(columns[:2]), *rows] if below else rows
    return "\n".join(row.replace("\xa0", " ").rstrip()[:width] for row in rows)


def intervals_text(results: Sequence[ProblemResults]) -> Iterator[str]:
    """What the values and intervals of ``results`` are, in sentences."""
    cells = [cell for found in results for cell in found.cells]
    tuned = sorted({cell.tuned.studies for cell in cells if cell.tuned is not None})
    drawn = [cell for cell in cells if not cell.exact]
    seeds = sorted({max(found.n for found in cell.settings.values()) for cell in drawn if cell.settings})
    fresh = f"{' or '.join(map(str, seeds))} fresh test seed{'' if seeds == [1] else 's'}"
    if tuned and tuned != [1]:
        share = covered(max(tuned))
        yield (
            f"tuned: median [{share:.0%} interval] over {' or '.join(map(str, tuned))} independent studies"
            f"{f' and {fresh}' if seeds else ''}; at the values that the study in the middle found."
        )
    elif tuned:
        yield "tuned: of the setting found by one study; another one finds another. --studies 3 shows by how much."
    for judged in dict.fromkeys(cell.judged_by for cell in cells if cell.judged_by):
        yield (
            f"Tuned by the {judged}, on the tuning seeds: that chose the settings, while the values here are "
            "of the training data at the end. The held-out loss stands beside them, on the fresh test seeds; it is "
            "of the data that chose, so that data seen by neither may say a little more."
        )
    if seeds == [1]:
        yield "Values of one fresh test seed, without an interval."
    elif seeds and tuned in ([], [1]):
        yield f"Median [{covered(max(seeds)):.0%} interval] over {fresh}."
    elif seeds:
        yield f"default: median [{covered(max(seeds)):.0%} interval] over {fresh}."


def _footnotes(results: Sequence[ProblemResults]) -> Iterator[str]:
    tied = f" ~ not told apart from it: Holm's correction, {ALPHA:.0%}."
    if any(found.best for found in results):
        yield f"* lowest median of its problem.{tied if any(found.tied for found in results) else ''}"
    yield from intervals_text(results)
    if any(cell.default_is_lower for found in results for cell in found.cells):
        yield "< = the defaults end lower than what tuning found, on the test seeds."
    if any(cell.at_edge for found in results for cell in found.cells):
        yield "! = at the edge of its search range."
