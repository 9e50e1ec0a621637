"""The kinds of arrays that statistics are made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "Integers", "Mask"]

Array = npt.NDArray[np.float64]


Mask = npt.NDArray[np.bool_]


Integers = npt.NDArray[np.int64]
