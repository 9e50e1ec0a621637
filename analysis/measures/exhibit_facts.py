"""What exhibits conclude from their own tables, a function a fact: the same from the record as when it was measured."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd

__all__ = [
    "SOLVED",
    "decades_over_angles",
    "helped_until",
    "lowest_way",
    "noisy_sum_slope",
    "thresholds",
    "worst_angle",
]

HELPS: Final = 0.1  # of SGD's loss: so much less counts as help
SOLVED: Final = 1e-16  # of the loss at the start: smaller shares count as equal, for they are rounding and underflow


def lowest_way(ways: pd.DataFrame) -> str | None:
    """The label of the lowest ``median`` among the ways of which no seed ``diverged``; None where each lost one."""
    whole = ways.loc[ways["diverged"] == 0, "median"]
    return str(whole.idxmin()) if len(whole) else None


def noisy_sum_slope(noise: pd.DataFrame) -> float:
    """The growth a step of Adagrad's sum over the last half of the steps: the mean of both coordinates.

    ``noise`` is the table of that name of ``stall``.
    """
    sums = noise[noise["optimizer"] == "adagrad"].groupby("step")["s"].mean()
    return float((sums.iloc[-1] - sums.iloc[len(sums) // 2]) / (len(sums) - 1 - len(sums) // 2))


def decades_over_angles(losses: pd.DataFrame) -> dict[float, float]:
    """For each condition number, how many decades lie between the largest and the smallest loss over the angles.

    ``losses`` are the rows of one optimizer in the table ``losses`` of ``rotation``, for one number of steps and one
    way to choose lr.
    """
    shares = losses.assign(decade=np.log10(losses["share"].clip(lower=SOLVED)))
    return {
        condition: float(np.ptp(shares.loc[shares["condition"] == condition, "decade"]))
        for condition in losses["condition"].unique().tolist()
    }


def worst_angle(losses: pd.DataFrame, optimizer: str) -> float:
    """The angle of the largest loss of ``optimizer`` in ``losses``; a diverged run is larger than any."""
    of = losses[losses["optimizer"] == optimizer]
    return float(of["angle"].iloc[int(of["loss"].fillna(math.inf).argmax())])


def helped_until(losses: pd.DataFrame, optimizer: str) -> dict[str, float | None]:
    """For each condition number, the largest angle up to which ``optimizer`` ends at a tenth of SGD's loss or below.

    None where it does not even at the first angle. ``losses`` are those of every optimizer after equal steps.
    """
    found: dict[str, float | None] = {}
    for condition in losses["condition"].unique().tolist():
        of = losses[losses["condition"] == condition]
        ours, sgd = (of[of["optimizer"] == each].set_index("angle")["loss"] for each in (optimizer, "sgd"))
        helped = (ours <= HELPS * sgd).cummin()
        found[f"{condition:g}"] = float(helped[helped].index.max()) if bool(helped.iloc[0]) else None
    return found


def thresholds(table: pd.DataFrame) -> dict[str, float | None]:
    """For each n the lowest γ from which on the mean drift of the plain rule is to the minimum, None where none is.

    ``table`` is the table ``threshold`` of ``gamma-schedules``: n, rule, gamma and drift.
    """
    found: dict[str, float | None] = {}
    for n in table["n"].unique().tolist():
        of = table[(table["n"] == n) & (table["rule"] == "plain")].sort_values("gamma", ascending=False)
        good = of["gamma"][(of["drift"] < 0).cummin()]
        found[str(n)] = float(good.min()) if len(good) else None
    return found
