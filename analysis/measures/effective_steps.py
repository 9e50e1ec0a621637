"""What effective learning rates come to in the end: medians of the exhibit ``effective-rates``, its table ``rates``."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.record.exhibits.effective_rates import NoiseScale

__all__ = ["at_the_end", "noise_scales"]


def at_the_end(rates: pd.DataFrame, column: str) -> dict[str, float]:
    """The value of ``column`` at the last step for each optimizer: the median over seeds, then over problems.

    Optimizers without a finite one are left out.
    """
    last = rates[rates["step"] == rates["step"].max()].replace([np.inf, -np.inf], np.nan)
    each = last.groupby(["optimizer", "problem"], sort=False)[column].median().groupby("optimizer", sort=False).median()
    return {str(name): float(value) for name, value in each.items() if np.isfinite(value)}


def noise_scales(rates: pd.DataFrame) -> dict[str, NoiseScale]:
    """The gradient noise scale of each problem with noise at the first and at the last step: medians over all runs.

    Problems without a run that got to the last step are left out.
    """
    found, ends = {}, rates["step"].agg(["min", "max"])
    for problem, of in rates[np.isfinite(rates["noise_scale"])].groupby("problem", sort=False):
        first, last = (float(of[of["step"] == end]["noise_scale"].median()) for end in ends)
        if np.isfinite(last):
            found[str(problem)] = NoiseScale(first, last, int(of["batch"].iloc[0]))
    return found
