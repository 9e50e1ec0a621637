"""The figures of a report: which data goes into which drawing, for a problem, for one cell and for the whole record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from analysis.figures import contours as plane
from analysis.figures import heat_maps as maps
from analysis.figures import lines
from analysis.figures.style import INK, Look, drawing, looks_of, luminance, new_figure, put_title, tick_text, wrapped
from analysis.measures.convergence import SETTINGS
from analysis.measures.lr_sensitivity import RateCurve
from analysis.measures.measure import Measure
from analysis.measures.results import CellResult
from analysis.measures.trajectory import contour_levels, path_of, surface_of
from analysis.problem_results import ProblemResults, results_of
from analysis.record.cells import Cell
from analysis.statistics.arrays import Array
from analysis.words import number

__all__ = [
    "TITLES",
    "Ratios",
    "cell_figure",
    "figures_of",
    "overview_figure",
    "problem_figures",
    "ratios_figure",
    "titled",
    "worse_than_best",
]

TITLES: Final = {
    "outcome": "outcome on the test seeds",
    "convergence": "convergence",
    "sensitivity": "sensitivity to the learning rate",
    "landscape": "landscape of the two hyperparameters",
    "trajectory": "trajectories on the contours of the loss",
    "budget": "what tuning buys",
    "replay": "samplers replayed over the landscape",
    "ranks": "mean ranks",
    "profiles": "how soon targets are reached",
    "transfer": "what a setting is worth on another problem",
}

PALE: Final = 0.408
"""Luminance of a colour above which dark letters read best on it."""

BEST_SECOND: Final = "Second hyperparameter best for each rate"

Results = Mapping[str, CellResult]


def problem_figures(cells: Iterable[Cell], looks: Mapping[str, Look]) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of the cells of one problem by name, in reading order; those without data are left out."""
    yield from figures_of(ProblemResults.of(cells), looks)


def figures_of(results: ProblemResults, looks: Mapping[str, Look]) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of one problem by name, in reading order; those without data are left out."""
    measure = results.measure
    named = {cell.label: cell for cell in results.cells}
    for name, figure in (
        ("outcome", _outcome(named, measure, looks)),
        ("convergence", _convergence(named, measure, looks)),
        ("sensitivity", _sensitivity(named, looks)),
        ("landscape", _landscapes(named)),
        ("trajectory", _trajectories(named, measure, looks)),
    ):
        if figure is not None:
            yield name, titled(figure, results.problem.name, name)


def titled(figure: Figure, subject: str, name: str) -> Figure:
    """``figure`` with its title: what it is of, and what it shows."""
    title = wrapped(f"{subject}: {TITLES[name]}", int(figure.get_figwidth() / 0.1))
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    return figure


def _outcome(cells: Results, measure: Measure, looks: Mapping[str, Look]) -> Figure | None:
    tuned = {label: cell.tuned for label, cell in cells.items() if cell.tuned is not None}
    default = {label: cell.default for label, cell in cells.items() if cell.default is not None}
    return lines.outcome_figure(tuned, default, measure, looks) if tuned or default else None


def _convergence(cells: Results, measure: Measure, looks: Mapping[str, Look]) -> Figure | None:
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
    return lines.convergence_figure(panels, measure, looks, metrics)


def _sensitivity(cells: Results, looks: Mapping[str, Look]) -> Figure | None:
    landscapes = [cell.landscape for cell in cells.values() if cell.landscape is not None]
    if not any(np.isfinite(landscape.median).any() for landscape in landscapes):
        return None
    panels: dict[str, dict[str, RateCurve]] = {
        BEST_SECOND: {label: cell.rates for label, cell in cells.items() if cell.rates is not None},
        "Second hyperparameter at its default": {
            label: cell.rates_held for label, cell in cells.items() if cell.rates_held is not None
        },
    }
    if all(landscape.y is None for landscape in landscapes):
        panels = {"Learning-rate sensitivity": panels[BEST_SECOND]}
    return lines.sensitivity_figure({title: rates for title, rates in panels.items() if rates}, looks)


def _landscapes(cells: Results) -> Figure | None:
    found = {label: cell.landscape for label, cell in cells.items()}
    shown = {
        label: landscape for label, landscape in found.items() if landscape is not None and landscape.y is not None
    }
    return maps.landscape_figure(shown) if shown else None


def _trajectories(cells: Results, measure: Measure, looks: Mapping[str, Look]) -> Figure | None:
    surface = next((s for s in (surface_of(cell.cell, measure) for cell in cells.values()) if s is not None), None)
    if surface is None:
        return None
    paths = {
        label: [path_of(cell.cell, setting, surface, cell.typical_study) for setting in SETTINGS]
        for label, cell in cells.items()
    }
    shown = {label: [path for path in both if path is not None] for label, both in paths.items() if any(both)}
    if not shown:
        return None
    stated = next(iter(cells.values())).info.problem.minimisers or [surface.lowest]
    minima = [(float(x1), float(x2)) for x1, x2 in stated]
    return plane.trajectory_figure(surface, contour_levels(surface, measure), minima, shown, looks)


def cell_figure(cell: Cell) -> Figure:
    """An overview of one cell: its landscape (a map, or a curve of the learning rate) and its convergence."""
    result = CellResult.alone(cell)
    measure, label, landscape, curves = result.measure, cell.label, result.landscape, result.convergence
    looks = looks_of(SETTINGS)
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
            left.set_xlabel("learning rate")
            left.set_ylabel(measure.label_over(rates.n))
        else:
            image = maps.draw_landscape(left, landscape, maps.heat_norm([landscape]))
            maps.colorbar(figure, image, [left], landscape)
            signs = maps.signs(landscape.n, measure)
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


@dataclass(frozen=True)
class Ratios:
    """How many times worse than its problem's best each tuned median is: ``values`` ``[problems, labels]``.

    It is inf where the median diverged, and NaN where nothing was run or ratios make no sense (losses that are not
    positive, unequal budgets).
    """

    problems: tuple[str, ...]
    labels: tuple[str, ...]
    values: Array

    @property
    def empty(self) -> bool:
        """Whether there is nothing to compare."""
        return bool(np.isnan(self.values).all())


def worse_than_best(results: Iterable[ProblemResults]) -> Ratios:
    """The tuned medians of problems over the best of each; raises `ValueError` where two cells share a label."""
    found = list(results)
    labels = tuple(dict.fromkeys(cell.label for one in found for cell in one.cells))
    values = np.full((len(found), len(labels)), np.nan)
    for row, one in enumerate(found):
        own = [cell.label for cell in one.cells]
        if len(set(own)) < len(own):
            raise ValueError(f"two results of one optimizer on {one.problem.name}: {own}")
        if one.measure.smallest > 0 and not one.unequal:
            shown = {cell.label: max(cell.tuned.value, one.measure.smallest) for cell in one.cells if cell.tuned}
            best = min(shown.values(), default=np.nan)
            for label, value in shown.items():
                values[row, labels.index(label)] = value / best if np.isfinite(value) else np.inf
    return Ratios(tuple(one.problem.name for one in found), labels, values)


def overview_figure(cells: Iterable[Cell]) -> Figure:
    """Draw the cells of a record as a matrix: how many times worse than its problem's best each tuned one ends."""
    return ratios_figure(worse_than_best(results_of(cells).values()))


def ratios_figure(ratios: Ratios) -> Figure:
    """Draw how many times worse than its problem's best each tuned optimizer ends, as a matrix."""
    down, across, ratio = ratios.problems, ratios.labels, ratios.values
    if len(down) < len(across):  # the longer side runs down the page
        down, across, ratio = across, down, ratio.T
    labels = np.array([[_ratio_text(value) for value in row] for row in ratio.tolist()], dtype=object)
    top = float(np.max(ratio, initial=10.0, where=np.isfinite(ratio)))
    rows, columns = ([wrapped(name, 36) for name in names] for names in (down, across))
    beside, longest = (max(len(line) for name in names for line in name.split("\n")) for names in (rows, columns))
    with drawing():
        below = 0.05 * longest if longest > 12 else 0.0
        figure = new_figure(
            max(4.5, 0.95 * len(columns) + 2.0 + 0.075 * max(beside, 14)), 0.42 * len(rows) + 1.25 + below
        )
        axes = figure.subplots()
        _draw_ratios(figure, axes, np.where(np.isinf(ratio), 1e300, ratio), labels, LogNorm(1, min(top, 1e4)))
        turned: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if below else {}
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns, **turned)
        axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
        axes.set(xlabel="", ylabel="")
        axes.tick_params(length=0)
        figure.suptitle("Tuned result over the problem's best", x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    return figure


def _draw_ratios(figure: Figure, axes: Axes, ratio: Array, labels: npt.NDArray[np.object_], norm: LogNorm) -> None:
    """Draw a matrix with its ``labels`` and a colour bar, as seaborn's heat map, whose import takes a second."""
    colors = mpl.colormaps["viridis"].with_extremes(bad="#f2f2f2", over="#fde725")
    mesh = axes.pcolormesh(np.ma.masked_invalid(ratio), cmap=colors, norm=norm, linewidths=1.5, edgecolors="white")
    axes.spines[:].set_visible(False)
    axes.set(xlim=(0, ratio.shape[1]), ylim=(ratio.shape[0], 0))
    bar = figure.colorbar(mesh, ax=axes, label="times worse than the best", extend="max", format=tick_text)
    bar.outline.set_linewidth(0)
    for (row, column), label in np.ndenumerate(labels):
        if not np.isnan(value := ratio[row, column]):
            color = ".15" if luminance(colors(norm(value))[:3]) > PALE else "w"
            axes.text(column + 0.5, row + 0.5, str(label), color=color, ha="center", va="center")


def _ratio_text(value: float) -> str:
    return "lost" if np.isinf(value) else ">1e6×" if value > 1e6 else f"{number(value, 2)}×"
