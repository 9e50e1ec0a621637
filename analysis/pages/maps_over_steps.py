"""The maps of a page after fewer steps, as compact JSON: two digits of every value, the rest left to compression.

``over`` has the ``steps`` before the end, and ``data``: base64 of what zlib makes of three planes of bytes, for every
map, step and grid point in this order. The first two, high and low, are a level as its difference from the one before,
modulo 2**16: 0 where the median is infinite, else the value is ``offset`` + ``unit`` (level - 1), or ten to the power
of that where the measure is ``log``. The third holds the seeds that diverged, and 8 for "above its start".
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from analysis.measures.landscape_grid import grids_before
from analysis.measures.lr_sensitivity import Landscape, landscape_from
from analysis.measures.measure import Measure
from analysis.measures.results import CellResult
from analysis.statistics.arrays import Array

__all__ = ["MOST_DIVERGED", "UNIT", "landscapes_before", "over_steps"]

UNIT: Final = 0.01
"""Decades between two levels: a value is held to within 1.2%."""
LEVELS: Final = 2**16 - 2
FINE: Final = 2000
"""Levels between the lowest value and the start where the measure is not logarithmic."""
MOST_DIVERGED: Final = 7
"""Diverged seeds up to which they are counted; it stands for more as well."""
WORSE: Final = 8


def landscapes_before(cells: Sequence[CellResult]) -> Mapping[int, list[Landscape]]:
    """The landscapes of all ``cells`` after the steps, before the end, at which each of them was kept, by that step."""
    found = [{step: landscape_from(grid) for step, grid in grids_before(cell.cell, cell.measure)} for cell in cells]
    steps = sorted(set.intersection(*map(set, found))) if found else []
    return {step: [each[step] for each in found] for step in steps}


def over_steps(before: Mapping[int, Sequence[Landscape]], measure: Measure) -> dict[str, object]:
    """``over`` of the module's words: what `landscapes_before` found."""
    order = [before[step][place] for place in range(len(next(iter(before.values())))) for step in before]
    values = np.concatenate([measure.shown(one.median).ravel() for one in order])
    offset, unit, levels = _levelled(values, measure)
    moved = np.diff(levels, prepend=0) % 2**16
    lost = np.concatenate([np.rint(one.diverged * one.n).ravel() for one in order])
    worse = np.concatenate([one.worse_than_start.ravel() for one in order])
    states = np.minimum(lost, MOST_DIVERGED) + WORSE * worse
    planes = np.concatenate([moved >> 8, moved & 255, states]).astype(np.uint8)
    data = base64.b64encode(zlib.compress(planes.tobytes(), 9)).decode()
    return {"steps": list(before), "offset": offset, "unit": unit, "data": data}


def _levelled(values: Array, measure: Measure) -> tuple[float, float, np.ndarray]:
    """Offset, unit and levels of ``values``."""
    finite = np.isfinite(values)
    if measure.log:
        with np.errstate(divide="ignore"):
            places, unit = np.log10(np.where(finite, values, 1.0)), UNIT
    else:
        places = np.where(finite, values, measure.start)
        unit = max(measure.start - float(places.min(initial=measure.start)), abs(measure.start), 1e-12) / FINE
    offset = float(places[finite].min()) if finite.any() else 0.0
    offset = math.floor(offset / unit) * unit
    levels = np.where(finite, 1 + np.clip(np.rint((places - offset) / unit), 0, LEVELS), 0)
    return offset, unit, levels.astype(np.int64)
