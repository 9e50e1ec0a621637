"""Every figure of a report by its name: what there is, of which problems, and any one of them alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from matplotlib.figure import Figure

from analysis.figures.overview import ratios_figure, worse_than_best
from analysis.figures.paper import PaperForm, Width, fitted, paper_style, saved
from analysis.figures.problem import MOST_COLOURED, looks_on, problem_figure
from analysis.figures.profiles import profiles_figure
from analysis.figures.ranks import ranks_figure
from analysis.figures.style import Look, among, looks_of, styled
from analysis.figures.titles import profiles_finding, ranks_finding, titled, transfer_finding
from analysis.figures.transfer import matrices_shown, transfer_figure, transfer_matrix_figure
from analysis.measures.budget import budget_results
from analysis.measures.comparable import PoolingError
from analysis.measures.focus import focused
from analysis.measures.pooling import Pool, met_all
from analysis.measures.profiles import profiles
from analysis.measures.ranking import ranking, standings
from analysis.measures.results import CellResult
from analysis.measures.transfer import CommonGrid, robust_setting, transfer
from analysis.pages.across_section import SUBJECT
from analysis.pages.problem_section import budget_figures, caption_of, found_in
from analysis.problem_results import ProblemResults, results_of
from analysis.record.cells import Cell, Record
from analysis.record.errors import RecordError
from analysis.words import listing

__all__ = ["FIGURES", "Kind", "PaperFigure", "figure_of", "paper_figure", "problems_with"]


@dataclass(frozen=True)
class Kind:
    """A figure by its name: what it ``shows``, and whether it is of each problem or ``across`` all of them."""

    shows: str
    across: bool = False


FIGURES: Final[Mapping[str, Kind]] = {
    "outcome": Kind("where every test run ended, tuned and by default"),
    "convergence": Kind("the typical run over the steps, tuned and by default"),
    "sensitivity": Kind("what a learning rate leads to, over the grid"),
    "landscape": Kind("the map over learning rate and second hyperparameter, of each optimizer"),
    "horizons": Kind("the best setting after fewer steps, and where runs diverge"),
    "trajectory": Kind("the paths of runs on the contours, of problems in the plane"),
    "budget": Kind("what tuning buys: the expected outcome after k trials"),
    "replay": Kind("samplers replayed over the landscapes"),
    "overview": Kind("how far every tuned optimizer comes on every problem", across=True),
    "ranks": Kind("mean ranks with the critical difference", across=True),
    "profiles": Kind("performance and data profiles: how soon targets are reached", across=True),
    "transfer": Kind("how much the best setting of one problem gives away on another", across=True),
    "transfer-matrix": Kind("what each problem's best setting gives away on each other problem", across=True),
}
"""Every figure, in the order of the report."""


BESIDE: Final = ("convergence", "horizons", "budget", "profiles")
"""Figures whose captions say what is left and right, which in a column is above and below."""

BESIDE_BELOW: Final = {"left": "upper", "Left": "Upper", "right": "lower"}
BELOW: Final = re.compile(rf"\b({'|'.join(BESIDE_BELOW)})\b")


@dataclass(frozen=True)
class PaperFigure:
    """A figure fitted to a paper: its ``caption``, and the ``settings`` of matplotlib's it is drawn and saved with."""

    figure: Figure
    caption: str
    settings: Mapping[str, Any]

    def saved(self, form: PaperForm) -> bytes:
        """The file of ``form``."""
        with styled(self.settings):
            return saved(self.figure, form)


def problems_with(record: Record, name: str) -> Sequence[str]:
    """The problems of ``record`` that the figure ``name`` can be of; of one across problems all of them, or none.

    Raises `RecordError` for a name that is none.
    """
    if _kind(name).across:
        enough = len(record.problems) > 1 if name != "overview" else len(record.cells) > 1
        if name in ("transfer", "transfer-matrix"):
            enough = enough and any(cell.landscape_rows for cell in record)
        return record.problems if enough else ()
    return [problem for problem in record.problems if any(_has(cell, name) for cell in record.of_problem(problem))]


def figure_of(record: Record, name: str, problem: str | None = None) -> Figure:
    """The figure ``name`` of ``record`` as the report draws it: of a ``problem``, or across all of them.

    The problem may be left out where only one has such a figure. Raises `RecordError` where there is no such figure or
    problem, or the problem has none of it, and says what there is.
    """
    if _kind(name).across:
        if problem is not None:
            raise RecordError(f"{name} is across all problems, not of {problem}; ask for it without one")
        found = _across(record, name) if problems_with(record, name) else None
        if found is None:
            raise RecordError(f"{record.path} has no {name}: its problems are {listing(list(record.problems))}")
        return found
    one = _problem(record, name, problem)
    results = ProblemResults.of(record.of_problem(one))
    found = _of_problem(results, name, _looks(record))
    if found is None:
        raise RecordError(f"{one} has no {name}: its runs say too little for one")
    return found


def paper_figure(
    record: Record,
    name: str,
    problem: str | None = None,
    *,
    width: Width = "column",
    style: Mapping[str, Any] | None = None,
) -> PaperFigure:
    """The figure of `figure_of` fitted to a column or the page of a paper, with settings of matplotlib's of one's own
    (``style``) on top; its caption begins with what the title says.
    """
    settings = {**paper_style(width), **(style or {})}
    with styled(settings):
        figure = figure_of(record, name, problem)
        of = "" if FIGURES[name].across else f" ({problem or _problem(record, name, None)})"
        lead = f"{found_in(name, figure) or FIGURES[name].shows}{of}"
        words = caption_of(name, figure)
        if name in BESIDE and width == "column":
            words = BELOW.sub(lambda found: BESIDE_BELOW[found[0]], words)
        caption = f"{lead[:1].upper()}{lead[1:]}. {words}"
        return PaperFigure(fitted(figure, name, width), caption, settings)


def _kind(name: str) -> Kind:
    if name not in FIGURES:
        close = get_close_matches(name, FIGURES, n=1)
        hint = f", did you mean {close[0]!r}?" if close else ""
        raise RecordError(f"unknown figure {name!r}{hint}; there are {listing(list(FIGURES))}")
    return FIGURES[name]


def _problem(record: Record, name: str, problem: str | None) -> str:
    """The ``problem`` that is meant; raises `RecordError` where none or several may be, or it has no such figure."""
    able = problems_with(record, name)
    if problem is None and len(able) == 1:
        return able[0]
    if not able:
        raise RecordError(f"no problem of {record.path} has a figure {name}: what it shows was not recorded")
    if problem is None:
        raise RecordError(f"{name} is of one problem; say of which, of {listing(list(able))}")
    if problem not in record.problems:
        raise RecordError(f"{record.path} has no problem {problem!r}; it has {listing(list(record.problems))}")
    if problem not in able:
        raise RecordError(f"{problem} has no {name}; {listing(list(able))} {'has' if len(able) == 1 else 'have'} one")
    return problem


def _has(cell: Cell, name: str) -> bool:
    """Whether ``cell`` recorded what the figure ``name`` of its problem shows."""
    if name == "trajectory":
        return (cell.path / "surface.parquet").is_file()
    if name == "replay":
        return (cell.path / "replays.parquet").is_file()
    if name == "landscape":
        return cell.info.optimizer.axes[1] is not None and cell.landscape_rows > 0
    if name == "horizons":
        return (cell.path / "anytime.parquet").is_file() and cell.landscape_rows > 0
    return name not in ("sensitivity", "budget") or cell.landscape_rows > 0


def _looks(record: Record) -> dict[str, Look]:
    own = focused(record, record.suite.get("focus") or (), there=False)
    return looks_of([cell.label for cell in record], own)


def _of_problem(results: ProblemResults, name: str, looks: Mapping[str, Look]) -> Figure | None:
    """The figure of a problem; None where there is nothing to draw."""
    if name not in ("budget", "replay"):
        return problem_figure(results, looks, name)
    try:
        budget = budget_results(results.cells)
    except PoolingError as error:
        raise RecordError(f"{results.problem.name} has no {name}, for {error}") from error
    return dict(budget_figures(results, budget, looks_on(results, looks))).get(name)


def _across(record: Record, name: str) -> Figure | None:
    """The figure across problems; None where there is nothing to draw."""
    results = results_of(record)
    if name == "overview":
        ratios = worse_than_best(results.values())
        return None if ratios.empty else ratios_figure(ratios)
    cells = [cell for one in results.values() for cell in one.cells]
    try:
        if name in ("transfer", "transfer-matrix"):
            return _transfer(cells, name, _looks(record))
        pooled = Pool.of(met_all(cells)[0])
        looks, ranked = _looks(record), ranking(pooled)
        if len(looks) > MOST_COLOURED and not any(look.grey for look in looks.values()):
            looks = among(looks, [standing.label for standing in standings(pooled, ranked)[:MOST_COLOURED]])
        if name == "ranks":
            if len(pooled.labels) < 2:
                return None
            return titled(ranks_figure(ranked, looks), SUBJECT, name, ranks_finding(ranked))
        curves = profiles(pooled)
        return titled(profiles_figure(curves, looks), SUBJECT, name, profiles_finding(curves)) if curves else None
    except PoolingError as error:
        raise RecordError(f"{record.path} has no {name}, for {error}") from error


def _transfer(cells: Sequence[CellResult], name: str, looks: Mapping[str, Look]) -> Figure | None:
    """What the optimizers with a common grid give away; raises `PoolingError` where no optimizer has one."""
    groups: dict[str, list[CellResult]] = {}
    for cell in cells:
        if cell.grid is not None:
            groups.setdefault(cell.label, []).append(cell)
    grids, refused = [], None
    for group in groups.values():
        try:
            grids.append(CommonGrid.of(group))
        except PoolingError as error:
            refused = error
    if refused is not None and not grids:
        raise refused
    if not grids:
        return None
    found = [transfer(grid) for grid in grids]
    if name == "transfer-matrix":
        return titled(transfer_matrix_figure(matrices_shown(found)), SUBJECT, name)
    settings = [robust_setting(grid) for grid in grids]
    return titled(transfer_figure(found, looks), SUBJECT, name, transfer_finding(settings))
