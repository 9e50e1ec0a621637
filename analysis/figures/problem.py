"""The figures of a report: which data goes into which drawing, for a problem, for one cell and for the whole record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from analysis.figures import contours as plane
from analysis.figures import heat_maps as maps
from analysis.figures import lines
from analysis.figures.style import INK, Look, drawing, looks_of, new_figure, tick_text, wrapped
from analysis.measures.convergence import SETTINGS, convergence, measure_of, metric_curves
from analysis.measures.lr_sensitivity import RateCurve, landscape_of, rate_curve
from analysis.measures.measure import Measure
from analysis.measures.results import cell_label, final_values
from analysis.measures.trajectory import contour_levels, path_of, surface_of
from analysis.record.cells import Cell
from analysis.statistics.bootstrap import bootstrap_median
from analysis.words import number

__all__ = ["TITLES", "cell_figure", "overview_figure", "problem_figures", "titled", "worse_than_best"]

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

BEST_SECOND: Final = "Second hyperparameter best for each rate"

Cells = Mapping[str, Cell]


def problem_figures(cells: tuple[Cell, ...], looks: Mapping[str, Look]) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of one problem by name, in reading order; those without data are left out."""
    measure = measure_of(cells)
    named = {cell_label(cell): cell for cell in cells}
    for name, figure in (
        ("outcome", _outcome(named, measure, looks)),
        ("convergence", _convergence(named, measure, looks)),
        ("sensitivity", _sensitivity(named, measure, looks)),
        ("landscape", _landscapes(named, measure)),
        ("trajectory", _trajectories(named, measure, looks)),
    ):
        if figure is not None:
            yield name, titled(figure, cells[0].problem, name)


def titled(figure: Figure, subject: str, name: str) -> Figure:
    """Return ``figure`` with its title: what it is of, and what it shows."""
    title = wrapped(f"{subject}: {TITLES[name]}", int(figure.get_figwidth() / 0.1))
    figure.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    return figure


def _outcome(cells: Cells, measure: Measure, looks: Mapping[str, Look]) -> Figure | None:
    sides = []
    for setting in SETTINGS:
        values = {label: final_values(cell, setting, measure) for label, cell in cells.items()}
        sides.append({label: (array, bootstrap_median(array)) for label, array in values.items() if array.size})
    return lines.outcome_figure(sides[0], sides[1], measure, looks) if any(sides) else None


def _convergence(cells: Cells, measure: Measure, looks: Mapping[str, Look]) -> Figure | None:
    panels = {}
    for setting in SETTINGS:
        curves = {label: convergence(cell, setting, measure) for label, cell in cells.items()}
        panels[setting] = {label: curve for label, curve in curves.items() if curve is not None}
    panels = {setting: lines for setting, lines in panels.items() if lines}
    if not panels:
        return None
    metrics = {}
    for metric in next(iter(cells.values())).info.problem.metrics:
        sides = {s: {label: metric_curves(cell, s, metric) for label, cell in cells.items()} for s in panels}
        metrics[metric] = {s: {label: c for label, c in side.items() if c is not None} for s, side in sides.items()}
    return lines.convergence_figure(panels, measure, looks, metrics)


def _sensitivity(cells: Cells, measure: Measure, looks: Mapping[str, Look]) -> Figure | None:
    found = {label: landscape_of(cell, measure) for label, cell in cells.items()}
    landscapes = {label: landscape for label, landscape in found.items() if landscape is not None}
    if not any(np.isfinite(landscape.median).any() for landscape in landscapes.values()):
        return None
    best = {label: rate_curve(landscape) for label, landscape in landscapes.items()}
    held = {label: rate_curve(landscape, held=True) for label, landscape in landscapes.items()}
    panels: dict[str, dict[str, RateCurve]] = {
        BEST_SECOND: {label: curve for label, curve in best.items() if curve is not None},
        "Second hyperparameter at its default": {label: curve for label, curve in held.items() if curve is not None},
    }
    if all(landscape.y is None for landscape in landscapes.values()):
        panels = {"Learning-rate sensitivity": panels[BEST_SECOND]}
    return lines.sensitivity_figure({title: rates for title, rates in panels.items() if rates}, looks)


def _landscapes(cells: Cells, measure: Measure) -> Figure | None:
    found = {label: landscape_of(cell, measure) for label, cell in cells.items()}
    shown = {
        label: landscape for label, landscape in found.items() if landscape is not None and landscape.y is not None
    }
    return maps.landscape_figure(shown) if shown else None


def _trajectories(cells: Cells, measure: Measure, looks: Mapping[str, Look]) -> Figure | None:
    surface = next((s for s in (surface_of(cell, measure) for cell in cells.values()) if s is not None), None)
    if surface is None:
        return None
    paths = {label: [path_of(cell, setting, surface) for setting in SETTINGS] for label, cell in cells.items()}
    shown = {label: [path for path in both if path is not None] for label, both in paths.items() if any(both)}
    if not shown:
        return None
    stated = next(iter(cells.values())).info.problem.minimisers or [surface.lowest]
    minima = [(float(x1), float(x2)) for x1, x2 in stated]
    return plane.trajectory_figure(surface, contour_levels(surface, measure), minima, shown, looks)


def cell_figure(cell: Cell) -> Figure:
    """Return an overview of one cell: its landscape (a map, or a curve of the learning rate) and its convergence."""
    measure, label = measure_of((cell,)), cell_label(cell)
    looks = looks_of(SETTINGS)
    landscape = landscape_of(cell, measure)
    both = {setting: convergence(cell, setting, measure) for setting in SETTINGS}
    curves = {setting: curve for setting, curve in both.items() if curve is not None}
    with drawing():
        figure = new_figure(9.5, 3.9)
        left, right = figure.subplots(1, 2)
        if landscape is None:
            left.set_axis_off()
        elif landscape.y is None:
            rates = rate_curve(landscape)
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
            figure.legend(handles=signs, loc="outside lower left", ncols=len(signs), columnspacing=1.2)
            left.set_xlabel("learning rate")
        left.set_title(wrapped(f"{cell.problem}: {label}", 52))
        if curves:
            limits = lines.band_limits([curve.band for curve in curves.values()], measure)
            lines.draw_curves(right, curves, measure, looks, limits)
            right.legend()
        right.set_title(f"Convergence{lines.n_text(curves)}")
        right.set_xlabel("steps (updates)")
        right.set_ylabel(measure.label)
    return figure


def overview_figure(table: pd.DataFrame) -> Figure:
    """Draw the results table as a matrix: how many times worse than its problem's best each tuned optimizer ends."""
    ratio = worse_than_best(table)
    ratio = ratio if ratio.shape[0] >= ratio.shape[1] else ratio.T  # the longer side runs down the page
    labels = ratio.map(lambda value: "lost" if np.isinf(value) else ">1e6×" if value > 1e6 else f"{number(value, 2)}×")
    top = float(np.fmax.reduce(ratio.replace(np.inf, np.nan).to_numpy(), axis=None, initial=10.0))
    colors = mpl.colormaps["viridis"].with_extremes(bad="#f2f2f2", over="#fde725")
    rows, columns = ([wrapped(name, 36) for name in names] for names in (ratio.index, ratio.columns))
    beside, longest = (max(len(line) for name in names for line in name.split("\n")) for names in (rows, columns))
    with drawing():
        below = 0.05 * longest if longest > 12 else 0.0
        figure = new_figure(
            max(4.5, 0.95 * len(columns) + 2.0 + 0.075 * max(beside, 14)), 0.42 * len(rows) + 1.25 + below
        )
        axes = figure.subplots()
        bar = {"label": "times worse than the best", "extend": "max", "format": tick_text}
        style = {"norm": LogNorm(1, min(top, 1e4)), "cmap": colors, "linewidths": 1.5, "cbar_kws": bar}
        seen = ratio.replace(np.inf, 1e300)
        sns.heatmap(seen, ax=axes, annot=labels, fmt="", xticklabels=False, yticklabels=False, **style)
        turned: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if below else {}
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns, **turned)
        axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
        axes.set(xlabel="", ylabel="")
        axes.tick_params(length=0)
        figure.suptitle("Tuned result over the problem's best", x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    return figure


def worse_than_best(table: pd.DataFrame) -> pd.DataFrame:
    """Return problems by optimizers: tuned median over the problem's best.

    It is inf where the median diverged, and NaN where nothing was run or ratios make no sense (losses that are not
    positive, unequal budgets).
    """
    run = (table["tuned_n"] > 0) & (table["smallest"] > 0) & (table["unequal"] == "")
    held = table.assign(shown=table[["tuned", "smallest"]].max(axis=1).where(run))
    ratio = held["shown"] / held.groupby("problem")["shown"].transform("min")
    held["ratio"] = ratio.mask(np.isinf(held["shown"]), np.inf)
    matrix = held.set_index(["problem", "label"])["ratio"].unstack()  # noqa: PD010  (raises on a doubled row)
    return matrix.reindex(index=table["problem"].unique(), columns=table["label"].unique())
