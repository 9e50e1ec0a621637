"""The figures of a report: which data goes into which drawing, for a problem, for one cell and for the whole record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeVar

import numpy as np
from matplotlib.figure import Figure

from analysis.figures import contours as plane
from analysis.figures import heat_maps as maps
from analysis.figures import lines
from analysis.figures.horizons import horizons_figure
from analysis.figures.outcome import outcome_figure
from analysis.figures.style import INK, Look, among, drawing, looks_of, new_figure, put_title, wrapped
from analysis.figures.titles import finding_of, titled
from analysis.measures.convergence import SETTINGS
from analysis.measures.lr_sensitivity import RateCurve
from analysis.measures.paired_curves import Against
from analysis.measures.results import CellResult
from analysis.measures.trajectory import contour_levels
from analysis.problem_results import ProblemResults
from analysis.record.cells import Cell

__all__ = [
    "MOST_COLOURED",
    "cell_figure",
    "figures_of",
    "looks_on",
    "lowest_first",
    "paired_on",
    "problem_figure",
    "problem_figures",
]

DEFAULT_LOOK: Final = Look("#6b6b6b", (0, (3, 1.5)), "s")

MOST_PANELS: Final = 12
"""Panels of a figure: of more, the lowest are shown."""

Shown = TypeVar("Shown")

MOST_COLOURED: Final = 6
"""Lines of a figure that colours tell apart at a glance."""

BEST_SECOND: Final = "Second hyperparameter best for each rate"
HELD_SECOND: Final = "Second hyperparameter at its default"
RATES_ALONE: Final = "Learning-rate sensitivity"

Results = Mapping[str, CellResult]


def problem_figures(cells: Iterable[Cell], looks: Mapping[str, Look]) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of the cells of one problem by name, in reading order; those without data are left out."""
    yield from figures_of(ProblemResults.of(cells), looks)


def figures_of(results: ProblemResults, looks: Mapping[str, Look]) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of one problem by name, in reading order; those without data are left out."""
    for name in DRAWN:
        figure = problem_figure(results, looks, name)
        if figure is not None:
            yield name, figure


def problem_figure(results: ProblemResults, looks: Mapping[str, Look], name: str) -> Figure | None:
    """The figure ``name`` (a key of `DRAWN`) of one problem; None where there is no data for it."""
    figure = DRAWN[name](results, looks_on(results, looks))
    return None if figure is None else titled(figure, results.problem.name, name, finding_of(results, name))


def looks_on(results: ProblemResults, looks: Mapping[str, Look]) -> dict[str, Look]:
    """The looks in the figures of a problem: of more than six optimizers, those that end lowest are coloured and the
    rest is grey, but where others are in focus already.
    """
    own = {cell.label: looks[cell.label] for cell in results.cells}
    ended = {cell.label: cell.tuned.value for cell in results.cells if cell.tuned and np.isfinite(cell.tuned.value)}
    if len(own) <= MOST_COLOURED or not ended or any(look.grey for look in own.values()):
        return own
    return among(own, sorted(ended, key=lambda label: ended[label])[:MOST_COLOURED])


def _named(results: ProblemResults) -> Results:
    return {cell.label: cell for cell in results.cells}


def _outcome(results: ProblemResults, looks: Mapping[str, Look]) -> Figure | None:
    cells, measure = _named(results), results.measure
    tuned = {label: cell.tuned for label, cell in cells.items() if cell.tuned is not None}
    default = {label: cell.default for label, cell in cells.items() if cell.default is not None}
    return outcome_figure(tuned, default, measure, looks) if tuned or default else None


def _convergence(results: ProblemResults, looks: Mapping[str, Look]) -> Figure | None:
    cells, measure = _named(results), results.measure
    panels = {
        setting: {label: cell.convergence[setting] for label, cell in cells.items() if setting in cell.convergence}
        for setting in SETTINGS
    }
    panels = {setting: lines for setting, lines in panels.items() if lines}
    if not panels:
        return None
    metrics = {}
    for metric in next(iter(cells.values())).info.problem.metrics:
        curves = {label: cell.metrics[metric] for label, cell in cells.items()}
        metrics[metric] = {s: {label: found[s] for label, found in curves.items() if s in found} for s in panels}
    return lines.convergence_figure(panels, measure, looks, metrics, paired_on(results, looks))


def paired_on(results: ProblemResults, looks: Mapping[str, Look]) -> dict[str, Against]:
    """The optimizers that have a line of their own against the lowest one, by setting."""
    crowd = lines.is_crowd(looks)
    shown = [cell.label for cell in results.cells if not (crowd and looks[cell.label].grey)]
    return {setting: found for setting in SETTINGS if (found := results.against(setting, shown)) is not None}


def _sensitivity(results: ProblemResults, looks: Mapping[str, Look]) -> Figure | None:
    cells = _named(results)
    landscapes = [cell.landscape for cell in cells.values() if cell.landscape is not None]
    if not any(np.isfinite(landscape.median).any() for landscape in landscapes):
        return None
    panels: dict[str, dict[str, RateCurve]] = {
        BEST_SECOND: {label: cell.rates for label, cell in cells.items() if cell.rates is not None},
        HELD_SECOND: {label: cell.rates_held for label, cell in cells.items() if cell.rates_held is not None},
    }
    marks = {BEST_SECOND: _marks(cells, "tuned"), HELD_SECOND: _marks(cells, "default")}
    if all(landscape.y is None for landscape in landscapes):
        panels = {RATES_ALONE: panels[BEST_SECOND]}
        marks = {RATES_ALONE: {**marks[BEST_SECOND], **marks[HELD_SECOND]}}
    shown = {title: rates for title, rates in panels.items() if rates}
    return lines.sensitivity_figure(shown, looks, {title: marks[title] for title in shown})


def _marks(cells: Results, setting: str) -> lines.Marks:
    """The measured settings of the cells that were mapped: tuned (of the study in the middle), or default."""
    found = {}
    for label, cell in cells.items():
        result = cell.settings.get(setting)
        rate = cell.tuned_setting if setting == "tuned" else cell.info.defaults
        if result is not None and cell.landscape is not None and cell.landscape.x.name in rate:
            found[label] = (float(rate[cell.landscape.x.name]), result.value)
    return {setting: found}


def _landscapes(results: ProblemResults, _looks: Mapping[str, Look]) -> Figure | None:
    cells = _named(results)
    found = {label: cell.landscape for label, cell in cells.items()}
    shown = {
        label: landscape for label, landscape in found.items() if landscape is not None and landscape.y is not None
    }
    tuned = {label: cells[label].tuned_setting for label in shown if cells[label].tuned_setting}
    some = lowest_first(shown, lambda one: one.best_value)
    note = f"the {len(some)} lowest of {len(shown)} maps" if len(some) < len(shown) else ""
    return maps.landscape_figure(some, tuned, note) if some else None


def lowest_first(panels: Mapping[str, Shown], value: Callable[[Shown], float]) -> dict[str, Shown]:
    """``panels`` as they are where a figure has room for all of them, else the lowest of them by ``value``."""
    if len(panels) <= MOST_PANELS:
        return dict(panels)
    return {label: panels[label] for label in sorted(panels, key=lambda label: value(panels[label]))[:MOST_PANELS]}


def _horizons(results: ProblemResults, looks: Mapping[str, Look]) -> Figure | None:
    found = {cell.label: cell.horizons for cell in results.cells if cell.horizons}
    return horizons_figure(found, results.measure, looks) if found else None


def _trajectories(results: ProblemResults, looks: Mapping[str, Look]) -> Figure | None:
    surface = results.surface
    if surface is None:
        return None
    ended = {cell.label: cell.tuned.value if cell.tuned else np.inf for cell in results.cells}
    paths = results.paths
    shown = {label: paths[label] for label in lowest_first({label: ended[label] for label in paths}, float)}
    if not shown:
        return None
    stated = results.problem.minimisers or [surface.lowest]
    minima = [(float(x1), float(x2)) for x1, x2 in stated]
    return plane.trajectory_figure(surface, contour_levels(surface, results.measure), minima, shown, looks)


DRAWN: Final[Mapping[str, Callable[[ProblemResults, Mapping[str, Look]], Figure | None]]] = {
    "outcome": _outcome,
    "convergence": _convergence,
    "sensitivity": _sensitivity,
    "landscape": _landscapes,
    "horizons": _horizons,
    "trajectory": _trajectories,
}
"""The figures of a problem by name, in reading order."""


def cell_figure(cell: Cell) -> Figure:
    """An overview of one cell: its landscape (a map, or a curve of the learning rate) and its convergence."""
    result = CellResult.alone(cell)
    measure, label, landscape, curves = result.measure, cell.label, result.landscape, result.convergence
    looks = {"tuned": Look(looks_of([label])[label].color, "-", "o"), "default": DEFAULT_LOOK}
    with drawing():
        figure = new_figure(9.5, 3.9)
        figure.set_layout_engine(None)  # places are known, and finding them takes as long as drawing
        figure.subplots_adjust(left=0.085, right=0.985, bottom=0.25, top=0.9, wspace=0.32)
        left, right = figure.subplots(1, 2)
        if landscape is None:
            left.set_axis_off()
        elif landscape.y is None:
            rates = result.rates
            assert rates is not None, "a curve that is not held always exists"
            lines.draw_rates(
                left,
                {label: rates},
                {label: Look(INK, "-", "o")},
                lines.frame_limits(measure.shown(rates.value), measure),
            )
            for sign in SETTINGS:
                lines.draw_marks(left, _marks({label: result}, sign), measure, {label: Look(INK, "-", "o")})
            left.set_xlabel("learning rate")
            left.set_ylabel(measure.label_over(rates.n))
        else:
            norm = maps.heat_norm([landscape])
            maps.draw_landscape(left, landscape, norm, result.tuned_setting)
            maps.colorbar(figure, [left], [landscape], norm)
            signs = maps.signs(landscape.n, measure, tuned=bool(result.tuned_setting))
            figure.legend(handles=signs, loc="lower left", ncols=len(signs), columnspacing=1.2)
            left.set_xlabel("learning rate")
        put_title(left, wrapped(f"{cell.problem}: {label}", 52))
        if curves:
            limits = lines.band_limits([curve.band for curve in curves.values()], measure)
            lines.draw_curves(right, curves, measure, looks, limits)
            right.legend()
        put_title(right, f"Convergence{lines.n_text(curves)}")
        right.set_xlabel("steps (updates)")
        right.set_ylabel(measure.label)
    return figure
