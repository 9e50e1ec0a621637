"""Part 9: the lr × γ landscapes side by side, a plain reading of each, and the recommendation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from analysis.answers.panels import WIDTH, look_of, panel, write
from analysis.answers.part import Part, Plate, TextTable, capital, name_of
from analysis.figures.heat_maps import colorbar, draw_landscape, heat_norm
from analysis.figures.lines import draw_rates, frame_limits
from analysis.figures.style import drawing, new_figure
from analysis.measures.landscape_grid import over_seeds
from analysis.measures.lr_sensitivity import Landscape, rate_curve
from analysis.measures.pooling import PoolingError
from analysis.measures.recommendation import Recommendation, best_point
from analysis.measures.results import CellResult
from analysis.measures.stability import Stability, stability_frame
from analysis.measures.transfer import CommonGrid
from analysis.pages.live_maps import live_maps
from analysis.problem_results import ProblemResults, results_of
from analysis.record.cells import Record
from analysis.statistics.bootstrap import Estimate, median
from analysis.words import hyperparameter_text, listing, number, plain

__all__ = ["RobustChoice", "landscapes_method", "landscapes_part", "recommendation_text", "robust_choices"]

SYMBOLS: Final = {"gamma": "γ", "momentum": "momentum β", "beta1": "β₁", "beta2": "β₂"}
"""How the book writes the second hyperparameters."""


def landscapes_part(record: Record) -> Part | None:
    """The part on the cells of ``record``; None where no cell has a landscape."""
    problems = results_of(cell for cell in record if cell.landscape_rows)
    if not problems:
        return None
    cells = [cell for results in problems.values() for cell in results.cells]
    advice = [one for results in problems.values() for one in results.recommendations]
    stable = [one for results in problems.values() for one in results.stability]
    return Part(
        name="landscapes",
        title="How sensitive is it?",
        question="How far may the learning rate and γ be off, for each optimizer?",
        answer=[recommendation_text(cells, advice), *_widest(problems), *_first_knob(stable)],
        plates=[_plate(results) for results in problems.values()],
        data={"landscapes": stability_frame(stable)},
    )


def landscapes_method(record: Record) -> tuple[list[str], list[tuple[str, str]]]:
    """How the landscapes were measured: sentences, and the facts that differ by problem."""
    sentences = [
        "Every point of a grid was trained from the start on seeds of its own, the same for all optimizers. A point is "
        "stable where every seed finished and ended no higher than it started.",
        "A reading gives the tuned setting with its result on test seeds, how far each hyperparameter may move alone "
        "and keep 90% of the best progress (decades of gap), and what the defaults give away. The recommendation is "
        "the one setting that, on the problem it does worst on, keeps the largest share of the most progress made by "
        "any optimizer's landscape there.",
    ]
    facts = []
    for problem in record.problems:
        info = record.of_problem(problem)[0].info
        protocol = info.protocol
        facts.append(
            (
                problem,
                f"{info.problem.description.removesuffix('.')}; grid {plain(protocol.grid)}, {protocol.steps} steps, "
                f"landscape seeds {plain(protocol.landscape_seeds)}, fingerprint {info.problem.fingerprint}",
            )
        )
    return sentences, facts


def _widest(problems: Mapping[str, ProblemResults]) -> list[str]:
    """Which optimizer has the widest range of good lr on each problem: the decades of lr that end near the best."""
    parts = []
    for problem, results in problems.items():
        if len(results.stability) == 1:
            continue
        ordered = sorted(results.stability, key=lambda one: one.basin_decades.value)
        first, last = ordered[-1], ordered[0]
        parts.append(
            f"{number(first.basin_decades.value, 2)} decades of {name_of(first.label)} against "
            f"{number(last.basin_decades.value, 2)} of {name_of(last.label)} on {problem}"
        )
    return [f"The range of learning rates that end near the best is {listing(parts)}."] if parts else []


def recommendation_text(cells: Sequence[CellResult], advice: Sequence[Recommendation]) -> str:
    """What to set where nothing can be tuned: over several problems the setting of `robust_choices`."""
    if not advice:
        return "No setting of any optimizer made progress, so there is nothing to recommend."
    choices = robust_choices(cells)
    if not choices:
        problems = dict.fromkeys(one.problem for one in advice)
        lowest = (min((one for one in advice if one.problem == name), key=lambda one: one.value) for name in problems)
        return f"Recommendation: {' '.join(one.sentence for one in lowest)}"
    best, *rest = choices
    owner = next(cell.cell for cell in cells if cell.label == best.label)
    others = [f"{name_of(one.label)} {one.kept.value:.0%}" for one in rest]
    kept = f"{best.kept.value:.0%}"
    if best.kept.n > 1:
        kept += f" [{best.kept.low:.0%}, {best.kept.high:.0%}]"
    text = (
        f"Recommendation where nothing can be tuned: {name_of(best.label)} with "
        f"{hyperparameter_text(owner, best.setting)}. On every problem here it makes at least {kept} of the progress "
        f"of the best setting of any optimizer (least on {best.worst})"
    )
    text += f"; one setting of {listing(others)} at most." if others else "."
    return text if best.kept.value >= POOR else f"{text} That is little: tune the learning rate on each problem."


POOR: Final = 0.5
"""Share of the best progress below which one setting for all problems is no substitute for tuning."""


@dataclass(frozen=True)
class RobustChoice:
    """One setting of an optimizer for all problems, and the least share of the best progress it keeps, on ``worst``."""

    label: str
    setting: Mapping[str, float]
    worst: str
    kept: Estimate


def robust_choices(cells: Sequence[CellResult]) -> list[RobustChoice]:
    """Each optimizer's setting whose least share of progress over all problems is largest, the best first.

    The share is of the most progress that any optimizer's landscape makes on a problem, so that optimizers compare.
    Those without a landscape on every problem, or whose landscapes share no range, are left out; none is returned for
    fewer than two problems.
    """
    problems = list(dict.fromkeys(cell.problem for cell in cells))
    grids = []
    for label in dict.fromkeys(cell.label for cell in cells):
        own = [cell for cell in cells if cell.label == label]
        if len(own) == len(problems) > 1:
            with suppress(PoolingError):
                grids.append(CommonGrid.of(own))
    most = {name: max((float(median(grid.progress[name]).max()) for grid in grids), default=0.0) for name in problems}
    found = [_robust_choice(grid, most) for grid in grids if all(most.values())]
    return sorted(found, key=lambda choice: -choice.kept.value)


def _robust_choice(grid: CommonGrid, most: Mapping[str, float]) -> RobustChoice:
    shares = {name: median(made) / most[name] for name, made in grid.progress.items()}
    least = np.stack(list(shares.values())).min(axis=0)
    point = best_point(-least, np.ones(least.shape, dtype=np.bool_)) or (0, 0)
    worst = min(shares, key=lambda name: float(shares[name][point]))
    kept = over_seeds(lambda made: float(median(made)[point]) / most[worst], grid.progress[worst])
    return RobustChoice(grid.label, grid.setting(point), worst, kept)


def _first_knob(stable: Sequence[Stability]) -> list[str]:
    """Which hyperparameter the maps' variance comes from, over the maps that have two; nothing without any."""
    maps = [one.shares for one in stable if one.shares.second.value + one.shares.interaction.value > 0]
    if not maps:
        return []
    lr, second = (float(np.median([getattr(shares, name).value for shares in maps])) for name in ("lr", "second"))
    first, rest = ("the learning rate", "γ or momentum") if lr >= second else ("γ or momentum", "the learning rate")
    over = f"In the median over {len(maps)} maps" if len(maps) > 1 else "In the one map"
    return [
        f"What to tune first: {first}. {over} the learning rate alone explains {lr:.0%} of the variance of progress "
        f"and the memory alone {second:.0%}; {rest} comes next."
    ]


def _plate(results: ProblemResults) -> Plate:
    """One panel an optimizer for a problem, on one colour scale, and a reading of each."""
    problem, measure = results.problem.name, results.measure
    wide = {one.label: one.basin_decades.value for one in results.stability}
    forgiving = {cell.cell.optimizer: wide[cell.label] for cell in results.cells if cell.label in wide}
    shown = {cell.cell.optimizer: cell.landscape for cell in results.cells if cell.landscape is not None}
    tuned = {cell.cell.optimizer: cell.tuned_setting for cell in results.cells}
    maps = [landscape for landscape in shown.values() if landscape.y is not None] or list(shown.values())
    norm = heat_norm(maps)
    n = max(landscape.n for landscape in shown.values())
    with drawing():
        panels = {
            f"{problem}-{label}": _curve(label, landscape)
            if landscape.y is None
            else _map(label, landscape, norm, tuned[label])
            for label, landscape in shown.items()
        }
        scale = None if maps[0].y is None else _scale(maps, norm)
    seeds = f"median of {n} seeds" if n > 1 else "one run says all"
    lost = "hatched: a seed diverged, grey: the median did" if n > 1 else "grey and hatched: diverged"
    ring = "ring: tuned; " if any(tuned.values()) else ""
    return Plate(
        f"{problem}: {measure.label} after the last step, {seeds}, one colour scale for all. Star: lowest of the grid; "
        f"{ring}diamond: default; white line: within twice the lowest; pink: ends above its start; {lost}. In curves: "
        "dashes are the start, a cross is divergence.",
        panels,
        {
            f"{problem}-{label}": f"{measure.label} of {name_of(label)} on {problem} over its hyperparameters"
            for label in shown
        },
        {
            f"{problem}-{label}": f"{capital(name_of(label))}: {_decades(forgiving[label])} of η near its best"
            for label in shown
        },
        _table(results),
        live_maps(results, {cell.label: look_of(cell.cell.optimizer) for cell in results.cells}),
        problem,
        _forgives(problem, forgiving),
        scale,
    )


def _forgives(problem: str, decades: Mapping[str, float]) -> str:
    """Who has the widest range of good learning rates on ``problem``, and who the narrowest."""
    narrow, *_, wide = sorted([*decades, *decades], key=lambda name: decades[name])
    first = f"{problem}: {name_of(wide)} forgives {_decades(decades[wide])} of η"
    return first if len(decades) == 1 else f"{first}, {name_of(narrow)} {_decades(decades[narrow])}"


def _decades(value: float) -> str:
    """A range of learning rates in words: "2.6 decades", "no decade"."""
    return "no decade" if value == 0 else f"{number(value, 2)} decade{'' if value == 1 else 's'}"


def _scale(maps: Sequence[Landscape], norm: Normalize) -> Figure:
    """Draw the colour scale ``norm`` of all ``maps``, as wide as a panel: a phone shows it without zooming."""
    figure = new_figure(WIDTH, 0.62)
    colorbar(figure, [], maps, norm, into=figure.subplots())
    return figure


def _map(label: str, landscape: Landscape, norm: Normalize, tuned: Mapping[str, float]) -> Figure:
    """Draw a map with the setting that was ``tuned``, if any, on the colour scale ``norm``."""
    figure, axes = panel(3.2)
    draw_landscape(axes, landscape, norm, tuned)
    assert landscape.y is not None, "a map has a second hyperparameter"
    write(axes, "learning rate η", SYMBOLS.get(landscape.y.name, landscape.y.name), name_of(label))
    return figure


def _curve(label: str, landscape: Landscape) -> Figure:
    """Draw the learning-rate curve of an optimizer without a second hyperparameter."""
    figure, axes = panel(3.2)
    measure, curve = landscape.measure, rate_curve(landscape)
    assert curve is not None, "a curve that is not held always exists"
    draw_rates(axes, {label: curve}, {label: look_of(label)}, frame_limits(measure.shown(curve.value), measure))
    write(axes, "learning rate η", measure.label_over(landscape.n), name_of(label))
    return figure


def _table(results: ProblemResults) -> TextTable:
    """One plain reading a landscape, with the share of the map that is stable and what its variance is from."""
    columns = {
        "optimizer": "optimizer",
        "reading": "what its landscape says",
        "stable": "stable share of the map",
        "lr": "variance from lr",
        "second": "from γ or momentum",
    }
    stable = {one.label: one for one in results.stability}
    rows = []
    for one in results.recommendations:
        found = stable[one.label]
        reading = one.sentence.split(": ", 1)[1]
        rows.append(
            {
                "optimizer": name_of(one.label),
                "reading": reading[0].upper() + reading[1:] if reading[:3] != "lr " else reading,
                "stable": f"{found.area.value:.0%}",
                "lr": f"{found.shares.lr.value:.0%}",
                "second": f"{found.shares.second.value:.0%}",
            }
        )
    return TextTable(columns, rows)
