"""The sections of a report: what the page says and shows about one problem, as plain values and files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.across import budget_figure, replay_figure
from analysis.figures.contours import BEYOND
from analysis.figures.paired import LEVEL_WITH
from analysis.figures.problem import figures_of, looks_on, paired_on
from analysis.figures.style import Drawn, Form, Look, drawn_as
from analysis.figures.titles import TITLES, budget_finding, replay_finding, titled
from analysis.measures.budget import BudgetResult, budget_frame, budget_results, replay_curves
from analysis.measures.comparable import PoolingError
from analysis.measures.paired_curves import paired_frame
from analysis.measures.recommendation import Recommendation
from analysis.measures.stability import Stability, boundary_frame, stability_frame
from analysis.pages.csv_tables import convergence_table, costs_table, horizons_table, metrics_table, sensitivity_table
from analysis.pages.live_maps import LiveMaps, live_maps
from analysis.pages.plan_text import sufficed_text
from analysis.pages.results_text import intervals_text
from analysis.pages.sentences import problem_reading
from analysis.problem_results import ProblemResults
from analysis.record.cell_info import HyperparameterInfo, ProblemInfo
from analysis.record.cells import Cell
from analysis.words import listing, plain, value_text

__all__ = ["Picture", "Section", "budget_figures", "caption_of", "found_in", "picture_of", "section_of"]

CAPTIONS: Final = {
    "overview": "How far every tuned optimizer comes, darker is better: how many times as high as the problem's best "
    "its median ends or, where that is rounding, what share of the best progress it makes. Ring: the best; dot: not "
    "told apart from it; lost: the median diverged; blank: not run, or unequal budgets.",
    "outcome": "Where each run ended: filled circles are tuned medians over independent studies and test seeds, "
    "hollow ones the default setting; bars are intervals of the median, ticks single runs. Further left is better.",
    "convergence": "The typical run at every evaluation. "
    "The left side shows what the tuning studies found, on fresh seeds, the right side the default setting.",
    "sensitivity": "What a learning rate leads to, over the grid. Wide valleys forgive a wrong guess. Marker: the "
    "lowest of the grid.",
    "landscape": "Every point of the grid, trained on seeds of its own; darker is better. A memory is drawn by its "
    "distance from 1. The star is the lowest of many points on few seeds, and not trained again.",
    "horizons": "What the landscapes said after fewer steps: the lowest point of each (left) and the learning rate "
    "there (right), the second hyperparameter best for it; the faint line is the lowest rate above it at which a seed "
    "had diverged. A run of fewer steps ends there, unless a schedule knows the end.",
    "budget": "What k trials of random search over the landscape lead to, exactly, in the mean over searches (left), "
    "and which optimizer then ends lowest (right). No seed reports what it chose itself, but where there is only one. "
    "Shaded: 90% intervals over seeds and grid points. A search that found nothing stays at the start.",
    "replay": "The tuning studies that would have been, replayed over the landscape: mean over searches with its 90% "
    "interval, beside random search, which is known exactly.",
    "ranks": "The critical-difference diagram of Demšar (2006): mean ranks of the tuned medians over the problems. A "
    "black bar joins ranks that are closer than the critical difference: too few problems to tell them apart.",
    "profiles": "Targets fall evenly from every problem's start to the lowest value that anyone's median run reached. "
    "Left and middle: expected steps with restarts; right: single runs. Shaded: 90% bands over studies and seeds.",
    "transfer": "The best setting of one problem, used on another: the share given away of the progress that the best "
    "setting there makes, for every ordered pair of problems. Where no setting makes progress, none is given away.",
    "transfer-matrix": "The best setting of the row's problem, used on the column's: the percentage of the progress of "
    "the best setting there that is given away. Darker is better. Of more than six optimizers, the six that give away "
    "least in the median.",
    "trajectory": "The path of the first test seed, tuned (by the study in the middle) drawn through, default dashed, "
    "over contours at even distances of the logarithm. Arrows and numbers of steps are the tuned path's.",
}

SEEN: Final = {
    "overview": "A table of problems and optimizers, each field as dark as the optimizer comes far",
    "outcome": "A row an optimizer: its tuned median and interval, its default setting and single runs, on one axis",
    "convergence": "Lines over steps, tuned left and default right; under them each optimizer against the lowest",
    "sensitivity": "Valleys over the learning rate, one an optimizer, with marks at lowest, tuned and default",
    "landscape": "A map an optimizer over learning rate and memory, with marks at lowest, tuned and default",
    "budget": "Falling lines over the number of trials, one an optimizer, and beside them the chance to be lowest",
    "replay": "Falling lines over the number of trials, one a sampler, in a panel an optimizer",
    "ranks": "An axis of mean ranks, names at both sides, and bars through the ranks that are not told apart",
    "profiles": "Rising lines, one an optimizer: the share of targets reached, over time factor, steps and runs",
    "transfer": "A row of dots and a box an optimizer: shares of the progress given away on other problems",
    "transfer-matrix": "A matrix of problems an optimizer, each field as dark as little is given away",
    "trajectory": "Contour lines of the loss in a panel an optimizer, with its path from the start",
}
"""What is seen in a figure, for who has it read aloud."""

FIRST: Final = ("outcome", "landscape", "sensitivity")
"""The two figures a problem is shown by: where it was not mapped, or has no map, the next."""

EXPLAINED: Final = {
    ("outcome", "below rounding"): "In the shaded part all is equal: rounding.",
    ("convergence", LEVEL_WITH): "Under each side, how much higher the others lie than the one that ends lowest there, "
    "paired by seeds; shaded is the 90% interval at each step over studies and seeds, where the problem has any chance "
    "in it: what holds the line is not told apart at that step.",
    (
        "trajectory",
        BEYOND,
    ): "A panel whose path goes further than the contours is wider, or logarithmic outside of them.",
    ("convergence", "diverges"): "A cross marks where the typical run diverges or leaves the frame for good.",
    ("convergence", "leaves the frame and returns"): "A triangle holds the highest value of a run that comes back.",
    ("sensitivity", "tuned"): "Rings: what tuning found, on the test seeds.",
    ("sensitivity", "default"): "Diamonds: the default setting, on the test seeds.",
    ("sensitivity", "diverges"): "Cross at the top: the first rate above the marker at which a seed diverges.",
    ("sensitivity", "some seeds diverge"): "Thin and hollow: rates where some seeds diverge.",
    ("landscape", "tuned"): "The ring is what tuning found (the study in the middle).",
    ("landscape", "any seed diverged"): "The dark line is the divergence boundary.",
    ("landscape", "diverged"): "The dark line is the divergence boundary.",
}
"""What a caption says of a figure whose legend has a word."""


@dataclass(frozen=True)
class Picture:
    """A figure of the page: its words, the ``stem`` of its files, how it was ``drawn``, what its title says was
    found, if anything, and what is ``seen`` in it.
    """

    title: str
    caption: str
    stem: str
    drawn: Drawn
    finding: str = ""
    seen: str = ""


@dataclass(frozen=True)
class Section:
    """What the page says about one problem beside its results; ``tables`` become CSV files.

    ``looks`` are those it was drawn with, ``steps`` are those that were made, ``intervals`` say what the values are,
    ``advice`` the recommendations, ``stability`` what the landscapes say, ``refused`` the sentence on what could not be
    compared, if any; ``undecided`` says that no optimizer is told apart from the best; ``live`` are the maps that stand
    in place of the landscape's picture, if it has any.
    """

    anchor: str
    looks: Mapping[str, Look]
    problem: ProblemInfo
    steps: str
    reading: list[str]
    intervals: list[str]
    pictures: list[Picture]
    measured: list[tuple[str, str]]
    advice: Sequence[Recommendation]
    stability: Sequence[Stability]
    refused: str
    tables: Mapping[str, pd.DataFrame]
    undecided: bool
    live: LiveMaps | None = None

    @property
    def first(self) -> list[Picture]:
        """The pictures that stand there at once: where all are tied, that of the outcome alone."""
        named = {picture.stem.removeprefix(f"{self.anchor}-"): picture for picture in self.pictures}
        found = [named[name] for name in FIRST if name in named]
        return found[: 1 if self.undecided else 2]

    def is_live(self, picture: Picture) -> bool:
        """Whether maps stand in the page in place of ``picture``, whose files are beside it."""
        return self.live is not None and picture.stem == f"{self.anchor}-landscape"

    @property
    def further(self) -> list[Picture]:
        """The pictures that are folded."""
        return [picture for picture in self.pictures if picture not in self.first]


def section_of(
    anchor: str, results: ProblemResults, looks: Mapping[str, Look], forms: Collection[Form] = ()
) -> Section:
    """The section of the problem of ``results``, its figures as SVG and in the further ``forms``."""
    try:
        budget, refused = budget_results(results.cells), ""
    except PoolingError as error:
        budget, refused = [], f"No curves of what tuning buys, for {error}."
    live = live_maps(results, looks_on(results, looks))
    figured = [*figures_of(results, looks), *budget_figures(results, budget, looks_on(results, looks))]
    cells = [result.cell for result in results.cells]
    order = [cell.label for cell in results.by_result]
    return Section(
        anchor=anchor,
        looks=looks,
        problem=results.problem,
        steps=" or ".join(map(str, sorted({cell.info.protocol.steps for cell in cells}))),
        reading=problem_reading(results),
        intervals=[*intervals_text([results]), *([sufficed] if (sufficed := sufficed_text(results)) else [])],
        pictures=[
            picture_of(anchor, name, figure, forms, inline=live is None or name != "landscape")
            for name, figure in figured
        ],
        measured=_measured(cells),
        advice=sorted(results.recommendations, key=lambda one: order.index(one.label)),
        stability=sorted(results.stability, key=lambda one: order.index(one.label)),
        refused=refused,
        tables={
            "convergence": convergence_table(results.cells),
            "paired": paired_frame(results.problem.name, paired_on(results, looks_on(results, looks))),
            "metrics": metrics_table(results.cells),
            "sensitivity": sensitivity_table(results.cells),
            "costs": costs_table(results.cells),
            "horizons": horizons_table(results.cells),
            "stability": stability_frame(results.stability),
            "boundary": boundary_frame(results.stability),
            "budget": budget_frame(budget),
        },
        undecided=results.undecided,
        live=live,
    )


def budget_figures(
    results: ProblemResults, budget: Sequence[BudgetResult], looks: Mapping[str, Look]
) -> Iterator[tuple[str, Figure]]:
    """Yield the figure of what tuning buys and, where searches were replayed, that of the samplers."""
    if not budget:
        return
    measure, problem = results.measure, results.problem.name
    yield "budget", titled(budget_figure(budget, measure, looks), problem, "budget", budget_finding(budget))
    exact = {one.label: one.curve for one in budget}
    panels = {
        result.label: (exact[result.label], replay_curves(result.cell.replays, measure))
        for result in results.cells
        if result.cell.replays is not None
    }
    if panels:
        yield "replay", titled(replay_figure(panels, measure), problem, "replay", replay_finding(panels))


def picture_of(anchor: str, name: str, figure: Figure, forms: Collection[Form] = (), *, inline: bool = True) -> Picture:
    """``figure`` drawn as SVG, in the further ``forms`` and, if ``inline``, as part of the page, with its words."""
    stem = anchor if anchor == name else f"{anchor}-{name}"
    title = TITLES.get(name, name)
    return Picture(
        title[0].upper() + title[1:],
        caption_of(name, figure),
        stem,
        drawn_as(figure, ("svg", *forms), inline=inline),
        found_in(name, figure),
        SEEN.get(name, ""),
    )


def found_in(name: str, figure: Figure) -> str:
    """The finding in a figure's title; empty where the title names what is plotted."""
    said = " ".join(figure.get_suptitle().split())
    return "" if said.endswith(TITLES.get(name, said)) else said


def caption_of(name: str, figure: Figure) -> str:
    """What to know of a figure: nothing of signs that are not in its legend."""
    words = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    return " ".join([CAPTIONS[name], *(said for (of, word), said in EXPLAINED.items() if of == name and word in words)])


def _measured(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """The protocol of a problem's cells as (name, text); what differs between cells says so for each."""
    facts: dict[str, dict[str, str]] = {}
    grouped = any(cell.info.optimizer.groups for cell in cells)
    for cell in cells:
        optimizer = cell.info.optimizer
        own = {
            **cell.info.protocol.to_json(),
            "schedule": cell.schedule,
            "searched": [_range(h) for h in optimizer.hyperparameters if h.name in optimizer.searched],
            "fixed": optimizer.fixed,
            "winner": _winner(cell),
            "seconds": {name: round(float(value), 2) for name, value in cell.info.seconds.to_json().items()},
            "lane_steps": f"{cell.info.lane_steps:,}",
            "engine": _engine(cell),
            "device": cell.info.device,
            "dtype": cell.info.dtype,
            **({"groups": list(optimizer.groups)} if grouped else {}),
            "reference": optimizer.reference,
        }
        for name, value in own.items():
            facts.setdefault(name, {})[cell.label] = plain(value)
    rows = []
    for name, by_cell in facts.items():
        same = len(set(by_cell.values())) == 1
        text = next(iter(by_cell.values())) if same else " · ".join(f"{label}: {v}" for label, v in by_cell.items())
        rows.append((name.replace("_", " "), text))
    return rows


def _engine(cell: Cell) -> str:
    """What trained the runs, and why they were modules as they are, where they were."""
    used = listing(list(cell.info.engines))
    return used if cell.info.native is None else f"{used} ({cell.info.native})"


def _winner(cell: Cell) -> str:
    """Which trial won each study, or why none did."""
    if cell.info.winner is None:
        return "none: every trial diverged" if cell.info.protocol.trials else "none: not tuned"
    found = [study.winner.trial if study.winner else None for study in cell.info.studies]
    trials = listing([f"trial {trial}" if trial is not None else "none" for trial in found])
    if len(found) == 1:
        return trials
    assert cell.info.best_study is not None
    return f"{trials}; study {cell.info.best_study.study + 1} is best on its tuning seeds"


def _range(hyperparameter: HyperparameterInfo) -> str:
    """A searched hyperparameter as "gamma from 0.5 to 0.999 (log of 1 − gamma)"."""
    name, scale = hyperparameter.name, hyperparameter.scale
    low, high = (value_text(end, scale) for end in (hyperparameter.low, hyperparameter.high))
    return f"{name} from {low} to {high} ({f'log of 1 − {name}' if scale == 'log1m' else scale})"
