"""Two published laws of how a memory γ should change with batch size and horizon, and which of them a best γ follows.

*Samples*: the half-life, log ½ / log γ in steps, is so many samples, however many a step takes: γ to the power of the
ratio of batch sizes (Marek et al. 2025, arXiv 2507.07101). *Refreshes*: (1 - γ) T, how often a run of T steps renews
its average, is constant (Fernández-Hernández et al. 2026, arXiv 2605.10119; there of Adam with one memory for both
averages, and of the steps after which validation stops improving). *Constant*: neither matters.

At equal samples a larger batch makes fewer steps, and both laws say the same; at equal steps and over the horizon they
part. The memory is told by its half-life where batches are compared and by its window, 1 / (1 - γ), over the horizon,
so that each law is exact in its own terms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

import numpy as np

from analysis.measures.scaling import Verdict
from analysis.statistics.arrays import Array
from analysis.statistics.bootstrap import LEVEL, Estimate

__all__ = [
    "EACH",
    "EXPONENTS",
    "SWEEPS",
    "Sweep",
    "half_lives",
    "law_gammas",
    "memories",
    "memory_verdict",
    "windows",
]

Sweep = Literal["equal samples", "equal steps", "horizon"]
"""What grows: the batch, with as many samples or as many steps in all; or the horizon, at one batch size."""

SWEEPS: Final[tuple[Sweep, ...]] = get_args(Sweep)

EXPONENTS: Final[Mapping[str, Mapping[Sweep, float]]] = {
    "samples": {"equal samples": -1.0, "equal steps": -1.0, "horizon": 0.0},
    "refreshes": {"equal samples": -1.0, "equal steps": 0.0, "horizon": 1.0},
    "constant": {"equal samples": 0.0, "equal steps": 0.0, "horizon": 0.0},
}
"""The exponent of the memory in what grows, by law and sweep."""

EACH: Final = 1 - (1 - LEVEL) / len(SWEEPS)
"""The level of each sweep's interval: all of them together then have `LEVEL` (Bonferroni)."""


def half_lives(gammas: Array) -> Array:
    """The steps after which a weight has halved."""
    return np.asarray(np.log(0.5) / np.log(gammas))


def windows(gammas: Array) -> Array:
    """All weight over that of the newest, in steps."""
    return np.asarray(1 / (1 - gammas))


def memories(sweep: Sweep, gammas: Array) -> Array:
    """The memory in steps by which ``sweep`` tells ``gammas``."""
    return windows(gammas) if sweep == "horizon" else half_lives(gammas)


def law_gammas(sweep: Sweep, memory: Array) -> Array:
    """The γ that has ``memory`` steps, as `memories` counts them for ``sweep``; NaN for a window below one step."""
    steps = np.asarray(memory, dtype=np.float64)
    if sweep == "horizon":
        return np.where(steps > 1, 1 - 1 / steps, np.nan)
    return np.asarray(0.5 ** (1 / steps))


def memory_verdict(found: Mapping[Sweep, Estimate]) -> Verdict:
    """The law whose exponent lies in the interval of every sweep in ``found``, those with an exponent.

    "cannot be told" where several laws do, where no interval is narrower than the laws lie apart, and where there is no
    exponent; "neither" where none does.
    """
    if not found:
        return Verdict("cannot be told", (), "the best γ is at an end of the grid")
    inside = tuple(
        law
        for law, says in EXPONENTS.items()
        if all(each.low <= says[sweep] <= each.high for sweep, each in found.items())
    )
    if min(each.high - each.low for each in found.values()) >= 1:
        return Verdict("cannot be told", inside, "every interval is as wide as the laws lie apart")
    if not inside:
        return Verdict("neither", (), "each law is outside of an interval")
    if len(inside) > 1:
        return Verdict("cannot be told", inside, f"{len(inside)} laws are inside every interval")
    return Verdict(inside[0], inside, "the only law inside every interval")
