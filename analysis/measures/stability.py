"""Where a landscape is stable, how wide its good region is, how it tilts, and what its variance comes from.

A run is *stable* where it finished and ended no higher than it started. A grid point is stable where every seed is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pandas as pd

from analysis.measures.landscape_grid import Grid, over_seeds, progress
from analysis.measures.lr_sensitivity import landscape_from, rate_curve
from analysis.measures.results import CellResult, cell_results
from analysis.record.cells import Cell
from analysis.statistics.arrays import Array, Mask
from analysis.statistics.bootstrap import Estimate
from analysis.statistics.theil_sen import theil_sen
from analysis.words import estimate_text, number

__all__ = [
    "CRITICAL_RATES",
    "Boundary",
    "Stability",
    "VarianceShares",
    "basin_decades",
    "boundary",
    "boundary_frame",
    "critical_rates",
    "ridge",
    "ridge_slope",
    "row_boundary",
    "stability",
    "stability_frame",
    "stability_table",
    "stable_area",
    "variance_shares",
]

CRITICAL_RATES: Final[Mapping[str, Callable[[Array], Array]]] = {
    "sgd": lambda second: np.full(second.shape, 2.0),
    "momentum": lambda second: 2 * (1 + second),
    "nesterov": lambda second: 2 * (1 + second) / (1 + 2 * second),
    "momentum-ema": lambda second: 2 * (1 + second) / np.maximum(1 - second, 1e-12),
}
"""lr times sharpness at which full-gradient steps on a quadratic stop converging, by optimizer: Polyak (1964), and for
Nesterov's and the averaged momentum Cohen et al. (2021, 2022).
"""

DIGITS: Final = 9
"""Decimals of a slope in decades a decade; further ones are rounding of logarithms."""

FEWEST_ROWS: Final = 3
"""Rows a ridge needs for a slope with an interval."""


@dataclass(frozen=True)
class Boundary:
    """The divergence boundary ``[Y]`` by the ``second`` hyperparameter (NaN where there is none).

    ``largest_stable`` is the last rate of the unbroken stable run that begins at the row's lowest stable rate (NaN: no
    rate is stable), ``first_unstable`` the grid's next one (inf: all above are stable). Between the two lies the
    boundary. ``theory`` is its exact place for full-gradient steps on a quadratic; NaN where it is not known.
    """

    second: Array
    largest_stable: Array
    first_unstable: Array
    theory: Array

    @property
    def agrees(self) -> Mask:
        """``[Y]``: where the known place lies between the two, ends included; False where it is not known."""
        return np.asarray((self.largest_stable <= self.theory) & (self.theory <= self.first_unstable))


@dataclass(frozen=True)
class VarianceShares:
    """Shares of the variance of progress over a grid and its seeds: they sum to 1, but for rounding.

    ``lr`` and ``second`` are main effects, ``interaction`` what only both together explain, ``seeds`` what is left
    within grid points. ``held`` is the share of runs that diverged or ended above their start; they count as at their
    start, for the decomposition is exact on a full grid only.
    """

    lr: Estimate
    second: Estimate
    interaction: Estimate
    seeds: Estimate
    held: float


@dataclass(frozen=True)
class Stability:
    """What one landscape says; ``second`` names its second hyperparameter, if it has one.

    ``ridge_slope`` is None where there are too few rows to tell, or no memory to tilt by; ``rate_step`` are the decades
    from a learning rate of the grid to the next (0: it has one).
    """

    problem: str
    label: str
    second: str
    n: int
    area: Estimate
    boundary: Boundary
    basin_decades: Estimate
    ridge_slope: Estimate | None
    shares: VarianceShares
    default: Estimate | None
    rate_step: float

    @property
    def basin_text(self) -> str:
        """`basin_decades` as text; a width of one step of the grid is only known to be no more than that."""
        found = self.basin_decades
        if not 0 < found.high <= 1.01 * self.rate_step:
            return estimate_text(found)
        return f"≤ {number(self.rate_step, 2)} (one step)"

    @property
    def theory_rows(self) -> int:
        """Rows of the grid whose boundary's exact place is known."""
        return int((~np.isnan(self.boundary.theory)).sum())

    @property
    def theory_agrees(self) -> int:
        """Of `theory_rows`, those whose boundary lies where theory has it."""
        return int(self.boundary.agrees[~np.isnan(self.boundary.theory)].sum())


def stability(result: CellResult) -> Stability | None:
    """The stability of a cell's landscape; None where there is no landscape."""
    cell, grid = result.cell, result.grid
    if grid is None:
        return None
    known = cell.info.problem.sharpness if cell.schedule == "constant" else None
    second = np.array([np.nan]) if grid.y is None else grid.y.values
    theory = critical_rates(cell.optimizer, known, second)
    return Stability(
        problem=cell.problem,
        label=cell.label,
        second="" if grid.y is None else grid.y.name,
        n=grid.n,
        area=stable_area(grid),
        boundary=boundary(grid, theory),
        basin_decades=basin_decades(grid),
        ridge_slope=ridge_slope(grid),
        shares=variance_shares(grid),
        default=None if result.default is None else result.default.estimate,
        rate_step=float(np.ptp(np.log10(grid.x.values))) / max(grid.x.values.size - 1, 1),
    )


def stable_area(grid: Grid) -> Estimate:
    """The share of the grid that is stable, the mean over the seeds."""
    return over_seeds(lambda stable: float(stable.mean()), grid.stable.astype(np.float64))


def boundary(grid: Grid, theory: Array | None = None) -> Boundary:
    """The divergence boundary of ``grid``; ``theory`` ``[Y]`` is its known place, if any."""
    rows = [row_boundary(grid.x.values, row) for row in np.asarray(grid.stable.all(axis=0))]
    largest, first = (np.array(part) for part in zip(*rows, strict=True))
    second = np.array([np.nan]) if grid.y is None else grid.y.values
    return Boundary(second, largest, first, np.full(second.size, np.nan) if theory is None else theory)


def row_boundary(rates: Array, stable: Mask) -> tuple[float, float]:
    """The last of the rising ``rates [X]`` in the unbroken run of ``stable`` ones from the lowest on, and the next one.

    NaN and the lowest rate where none is stable; the second is inf where all above are stable.
    """
    if not stable.any():
        return np.nan, float(rates[0])
    first = int(np.argmax(stable))
    unstable = np.flatnonzero(~stable[first:])
    if not unstable.size:
        return float(rates[-1]), np.inf
    return float(rates[first + unstable[0] - 1]), float(rates[first + unstable[0]])


def critical_rates(optimizer: str, sharpness: float | None, second: Array) -> Array:
    """The learning rates ``[Y]`` beyond which full-gradient steps diverge on a quadratic.

    ``sharpness`` is its largest curvature: 2 / sharpness for gradient descent, 2 (1 + momentum) / sharpness for the
    heavy ball, and so on for the others of `CRITICAL_RATES`. NaN for other optimizers, or where the problem is no
    quadratic (no ``sharpness``).
    """
    if sharpness is None or optimizer not in CRITICAL_RATES:
        return np.full(second.size, np.nan)
    return CRITICAL_RATES[optimizer](second) / sharpness


def basin_decades(grid: Grid) -> Estimate:
    """The width, in decades of the learning rate, of the region near the best (`Measure.near`: twice the best).

    The second hyperparameter is at its best for each rate.
    """

    def width(values: Array) -> float:
        curve = rate_curve(landscape_from(replace(grid, values=values, diverged=np.isinf(values))))
        return np.nan if curve is None else curve.near_best_decades

    return over_seeds(width, grid.values)


def ridge(grid: Grid) -> tuple[Array, Array]:
    """The rows' coordinates ``[R]`` and the log10 of the best stable rate ``[R]`` in each.

    A row whose best lies at the edge of the grid is left out, for its true best may lie beyond; so is one without a
    stable point. Equal values (within rounding) count as one, at their middle. Empty where there is no second axis.
    """
    if grid.y is None:
        return np.empty(0), np.empty(0)
    shown = np.where(grid.stable.all(axis=0), grid.measure.shown(grid.median), np.inf)
    at, best = [], []
    for place, row in zip(grid.y.at, shown, strict=True):
        lowest = np.flatnonzero(row == row.min())
        if np.isfinite(row.min()) and lowest[0] > 0 and lowest[-1] < row.size - 1:
            at.append(place)
            best.append(float(np.log10(grid.x.values[lowest]).mean()))
    return np.array(at), np.array(best)


def ridge_slope(grid: Grid) -> Estimate | None:
    """How many decades the best rate moves for each decade of 1 - memory, as the median of pairwise slopes.

    The interval is Sen's (1968), over the rows, which share their seeds: it says how straight the ridge is. None where
    the second axis is no memory, or fewer than three rows hold their best inside the grid.
    """
    at, best = ridge(grid)
    if grid.y is None or grid.y.scale != "log1m" or at.size < FEWEST_ROWS:
        return None
    found = theil_sen(best, -at)
    return Estimate(round(found.value, DIGITS), round(found.low, DIGITS), round(found.high, DIGITS), found.n)


def variance_shares(grid: Grid) -> VarianceShares:
    """The exact two-way functional analysis of variance of the progress over the full grid.

    Source: Hoeffding's decomposition with even weights on the grid, as in Hutter et al. (2014).
    """
    made = progress(grid.measure, grid.values)

    def share(part: int) -> Estimate:
        return over_seeds(lambda values: float(_shares(values)[part]), made)

    held = float((~grid.stable).mean())
    return VarianceShares(lr=share(0), second=share(1), interaction=share(2), seeds=share(3), held=held)


def stability_table(cells: Iterable[Cell]) -> pd.DataFrame:
    """`stability_frame` of every cell that has a landscape; empty where none has."""
    found = [stability(result) for result in cell_results(cells)]
    return stability_frame([one for one in found if one is not None])


def stability_frame(found: Sequence[Stability]) -> pd.DataFrame:
    """One row a landscape with the numbers of `Stability`, each with its interval.

    ``theory_agrees`` of ``theory_rows`` rows have their boundary where theory has it.
    """
    rows = []
    for one in found:
        row: dict[str, object] = {"problem": one.problem, "label": one.label}
        named = {
            "stable_area": one.area,
            "basin_decades": one.basin_decades,
            "ridge_slope": one.ridge_slope,
            "share_lr": one.shares.lr,
            "share_second": one.shares.second,
            "share_interaction": one.shares.interaction,
            "share_seeds": one.shares.seeds,
            "default": one.default,
        }
        for name, estimate in named.items():
            shown = Estimate(np.nan, np.nan, np.nan, 0) if estimate is None else estimate
            row |= {name: shown.value, f"{name}_low": shown.low, f"{name}_high": shown.high}
        row |= {"share_held": one.shares.held, "theory_rows": one.theory_rows, "theory_agrees": one.theory_agrees}
        rows.append({**row, "n": one.n})
    return pd.DataFrame(rows)


def boundary_frame(found: Sequence[Stability]) -> pd.DataFrame:
    """The divergence boundaries: one row a landscape and value of its second hyperparameter."""
    parts = []
    for one in found:
        edge = one.boundary
        columns = {"largest_stable_lr": edge.largest_stable, "first_unstable_lr": edge.first_unstable}
        keys = {"problem": one.problem, "label": one.label, "second": one.second, "value": edge.second}
        parts.append(pd.DataFrame({**keys, **columns, "theory_lr": edge.theory, "n": one.n}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _shares(values: Array) -> Array:
    """The shares ``[4]`` of lr, second, interaction and seeds in the variance of ``values`` ``[S, Y, X]``."""
    surface, total = values.mean(axis=0), float(values.var())
    if total <= 0:
        return np.zeros(4)
    lr, second = float(surface.mean(axis=0).var()), float(surface.mean(axis=1).var())
    both = float(surface.var())
    return np.array([lr, second, max(both - lr - second, 0.0), max(total - both, 0.0)]) / total
