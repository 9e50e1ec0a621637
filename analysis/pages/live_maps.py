"""The landscapes of a problem as a page can move about in them: every value of the grids, as compact JSON.

A map's numbers are a base64 text of three bytes a grid point, row by row, the most significant bits first: ten bits of
digits, nine of a power of ten, one of a sign, one for "ends above its start", three for the seeds that diverged. The
digits are the three that tables show, as an integer from 0 to 999, times ten to the power less `POWER`.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.figures.heat_maps import heat_norm
from analysis.figures.problem import lowest_first
from analysis.figures.style import Look
from analysis.measures.axis import Axis
from analysis.measures.lr_sensitivity import Landscape
from analysis.measures.results import CellResult
from analysis.pages.maps_over_steps import MOST_DIVERGED, landscapes_before, over_steps
from analysis.problem_results import ProblemResults
from analysis.words import hyperparameter_text

__all__ = ["MOST_DIVERGED", "MOST_POINTS", "POWER", "LiveMaps", "live_maps", "packed"]

POWER: Final = 256
"""What is added to the power of ten of a value, so that it is not negative."""
MOST_POINTS: Final = 40_000
"""Grid points of a problem's maps up to which its page holds them: beyond, they weigh more than a picture."""
STEEPEST: Final = 1e250
"""The largest value that is told from larger ones."""


@dataclass(frozen=True)
class LiveMaps:
    """The maps of one problem: their ``data`` as JSON, the optimizers' ``labels``, and a ``note`` on what is left out.

    The JSON object has ``measure`` (its words), ``log``, ``smallest`` (what is below is rounding; null: nothing is),
    ``low`` and ``high`` (the ends of the colour scale; high is the start) and ``maps``, each with ``label``, ``color``,
    ``n`` (seeds), ``x`` and ``y`` (axes: ``name``, ``at``, ``text`` of the grid's values, ``ticks``; y is null where
    there is one knob), ``grid`` (see above), ``best`` (row and column of the lowest; null: all diverged) and ``marks``:
    what was ``tuned`` and the ``default``, as places on the axes with their setting as ``text``. Where landscapes were
    kept on their way (``horizons`` is true) there are ``over``, as `analysis.pages.maps_over_steps` says, the number of
    steps at the ``end``, and each map has ``bests``, its best after each of the steps of ``over``.
    """

    data: str
    labels: tuple[str, ...]
    note: str
    horizons: bool = False


def live_maps(results: ProblemResults, looks: Mapping[str, Look]) -> LiveMaps | None:
    """The maps of the problem of ``results``, those of one knob as strips; None where none has a second knob, or where
    they have more than `MOST_POINTS` points.
    """
    cells = {cell.label: cell for cell in results.cells if cell.landscape is not None}
    found = {label: cell.landscape for label, cell in cells.items() if cell.landscape is not None}
    shown = lowest_first(found, lambda one: one.best_value)
    points = sum(landscape.median.size for landscape in shown.values())
    if all(landscape.y is None for landscape in shown.values()) or points > MOST_POINTS:
        return None
    shown = dict(sorted(shown.items(), key=lambda one: one[1].y is None))  # strips in a row of their own
    norm, measure = heat_norm(list(shown.values())), results.measure
    maps = [_map(cells[label], landscape, looks[label]) for label, landscape in shown.items()]
    content: dict[str, object] = {
        "measure": measure.label_over(max(one.n for one in shown.values())),
        "name": measure.name,
        "log": measure.log,
        "smallest": _held(measure.smallest) if math.isfinite(measure.smallest) else None,
        "low": _held(norm.vmin or 0.0),
        "high": _held(norm.vmax or 0.0),
        "maps": maps,
    }
    ends = {cells[label].info.protocol.steps for label in shown}
    before = landscapes_before([cells[label] for label in shown]) if len(ends) == 1 else {}
    if before:
        content |= {"over": over_steps(before, measure), "end": ends.pop()}
        for place, one in enumerate(maps):
            one["bests"] = [None if each[place].best is None else each[place].best for each in before.values()]
    note = f"The {len(shown)} lowest of {len(found)} landscapes." if len(shown) < len(found) else ""
    return LiveMaps(json.dumps(content, allow_nan=False, separators=(",", ":")), tuple(shown), note, bool(before))


def _map(cell: CellResult, landscape: Landscape, look: Look) -> dict[str, object]:
    best = landscape.best
    return {
        "label": cell.label,
        "color": look.color,
        "n": landscape.n,
        "x": _axis(landscape.x),
        "y": None if landscape.y is None else _axis(landscape.y),
        "grid": packed(landscape),
        "best": None if best is None else list(best),
        "marks": {
            name: mark
            for name, setting in (("tuned", cell.tuned_setting), ("default", cell.info.defaults))
            if (mark := _mark(cell, landscape, setting)) is not None
        },
    }


def _axis(axis: Axis) -> dict[str, object]:
    places, labels = axis.ticks
    return {
        "name": axis.name,
        "at": _rounded(axis.at),
        "text": " ".join(axis.text(float(value)) for value in axis.values),
        "ticks": [[place, text] for place, text in zip(_rounded(places), labels, strict=True)],
    }


def _mark(cell: CellResult, landscape: Landscape, setting: Mapping[str, float]) -> dict[str, object] | None:
    """Where ``setting`` lies on the axes, by its coordinates (y 0 where there is one knob); None where it has none."""
    axes = [axis for axis in (landscape.x, landscape.y) if axis is not None]
    if not all(axis.name in setting for axis in axes):
        return None
    places = [float(axis.place(setting[axis.name])) for axis in axes]
    if not all(map(math.isfinite, places)):
        return None
    text = hyperparameter_text(cell.cell, {axis.name: setting[axis.name] for axis in axes})
    return {"at": [*_rounded(places), 0][:2], "text": text}


def packed(landscape: Landscape) -> str:
    """The medians of ``landscape`` to three digits, and what became of the runs, as the module says."""
    lost = np.rint(landscape.diverged * landscape.n).astype(int).ravel()
    content = bytearray()
    for value, worse, count in zip(
        landscape.median.ravel().tolist(), landscape.worse_than_start.ravel().tolist(), lost.tolist(), strict=True
    ):
        digits, power = _digits(value)
        bits = (abs(digits) << 14) | (power << 5) | ((digits < 0) << 4) | (worse << 3) | min(count, MOST_DIVERGED)
        content += bits.to_bytes(3, "big")
    return base64.b64encode(content).decode()


def _digits(value: float) -> tuple[int, int]:
    """Three digits of ``value`` as an integer, and its power of ten plus `POWER`; a diverged one has the power 511."""
    if not math.isfinite(value):
        return 0, 2 * POWER - 1
    mantissa, exponent = f"{max(min(value, STEEPEST), -STEEPEST):.2e}".split("e")
    power = int(exponent) - 2 + POWER
    return (int(mantissa.replace(".", "")), power) if power >= 0 else (0, 0)


def _rounded(places: Sequence[float] | np.ndarray) -> list[float]:
    return [round(float(place), 4) for place in places]


def _held(value: float) -> float:
    """``value`` to three digits."""
    return float(f"{value:.2e}")
