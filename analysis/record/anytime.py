"""Losses along the runs of a landscape, in 16 bits each: a sign, and the logarithm in 128 steps an octave.

What is kept is the gap to the problem's minimum where one is stated, else the loss, to within 0.27%: enough for a map,
and a quarter of what the numbers would take. From 2**-150, below which all is 0, to 2**106, above which all is that.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["ACCURACY", "LOST", "packed", "unpacked"]

LOST: Final = -(2**15)
"""The code of a run that has diverged by then."""

OCTAVE: Final = 128
LOWEST: Final = -150.0
HIGHEST: Final = 2**15 - 2

ACCURACY: Final = 2 ** (0.5 / OCTAVE) - 1
"""How far a value may be from what is kept of it, relative: half a step."""


def packed(values: npt.ArrayLike) -> npt.NDArray[np.int16]:
    """The codes of ``values``, same shape; `LOST` where one is missing or infinite."""
    numbers = np.asarray(values, dtype=np.float64)
    size = np.abs(numbers)
    lost = ~np.isfinite(numbers)
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.rint((np.log2(size) - LOWEST) * OCTAVE)
    codes = np.where(place >= 0, 1 + np.minimum(place, HIGHEST), 0.0)  # what has no place is 0
    return np.where(lost, LOST, np.sign(np.where(lost, 0.0, numbers)) * codes).astype(np.int16)


def unpacked(codes: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The values of ``codes``, same shape; NaN where a run had diverged."""
    numbers = np.asarray(codes, dtype=np.float64)
    values = np.sign(numbers) * np.exp2((np.abs(numbers) - 1) / OCTAVE + LOWEST)
    return np.where(numbers == LOST, np.nan, values)
