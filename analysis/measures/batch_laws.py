"""Which published law the best learning rate follows as the batch grows: linear, root, critical batch, surge."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.measures.scaling import FEWEST, Places
from analysis.statistics.arrays import Array

__all__ = ["LAWS", "BatchLaw", "LawChoice", "choose_law"]

SURE: Final = 0.9
"""The share of resamples in which a law must be chosen for it to be the verdict."""

CANDIDATES: Final = 121
"""Noise scales tried, log-spaced from a thousandth of the smallest batch to a thousand times the largest."""

BEYOND: Final = 3.0
"""Decades by which the noise scales tried reach beyond the batches."""

POOR: Final = 0.08
"""Decades, root mean square, a factor of 1.2: a law further off than this does not fit, whichever is nearest."""

RESOLVED: Final = 0.02
"""Decades: residuals below this are reading, and a law gains nothing by making them smaller."""


@dataclass(frozen=True)
class BatchLaw:
    """A law of the best learning rate η over the batch size B: ``shape(B, N)`` is η but for a factor.

    ``scale`` says whether it has a noise scale N, a batch size, to be fitted besides the factor.
    """

    name: str
    shape: Callable[[Array, Array], Array]
    scale: bool
    source: str


LAWS: Final[tuple[BatchLaw, ...]] = (
    BatchLaw("constant", lambda b, n: np.ones_like(b) * np.ones_like(n), scale=False, source="no law"),
    BatchLaw("square root", lambda b, n: np.sqrt(b) * np.ones_like(n), scale=False, source="Krizhevsky 2014"),
    BatchLaw("linear", lambda b, n: b * np.ones_like(n), scale=False, source="Goyal et al. 2017"),
    BatchLaw(
        "critical batch", lambda b, n: 1 / (1 + n / b), scale=True, source="McCandlish et al. 2018, η / (1 + N/B)"
    ),
    BatchLaw(
        "surge",
        lambda b, n: 2 / (np.sqrt(n / b) + np.sqrt(b / n)),
        scale=True,
        source="Li et al. 2024, equation 13: η / (½ (√(N/B) + √(B/N)))",
    ),
)
"""The laws that are compared; the first is that the batch size does not matter."""


@dataclass(frozen=True)
class LawChoice:
    """Which law fits best: ``shares`` of the resamples by name, ``best`` the one chosen for all seeds together.

    ``noise_scale`` is the best one's, a batch size, NaN where it has none, and ``misfit`` how far the places lie from
    it, root mean square, in decades; ``curve`` are its learning rates ``[K]`` at the batch sizes. ``word`` is the name
    of the law chosen in `SURE` of the resamples, "cannot be told" where none is, "neither" where it fits badly.
    """

    best: str
    shares: Mapping[str, float]
    noise_scale: float
    misfit: float
    curve: tuple[float, ...]

    @property
    def word(self) -> str:
        """The verdict."""
        sure = max(self.shares, key=lambda name: self.shares[name])
        if self.shares[sure] < SURE:
            return "cannot be told"
        return "neither" if self.misfit > POOR else sure


def choose_law(found: Places, batches: Array) -> LawChoice | None:
    """The law nearest to the best learning rates ``found`` at ``batches`` ``[K]``, and how often in the resamples.

    By Akaike's criterion, corrected for few points (Hurvich and Tsai 1989), of least squares in decades; over the
    values where the best lies within the grid. None where those are no more than `FEWEST`, with which two parameters
    cannot be judged.
    """
    kept = found.told
    if kept.sum() <= FEWEST:
        return None
    b = batches[kept].astype(np.float64)
    drawn = found.resampled[:, kept]
    whole = drawn[np.isfinite(drawn).all(axis=1)]
    rows = np.concatenate([found.best[kept][None], whole])
    fits = [_fit(law, b, rows) for law in LAWS]
    chosen = np.argmin([score for score, *_ in fits], axis=0)
    of = chosen[1:] if len(whole) else chosen
    shares = {law.name: float(np.mean(of == place)) for place, law in enumerate(LAWS)}
    best = int(chosen[0])
    _, misfit, scales, levels = fits[best]
    curve = LAWS[best].shape(batches.astype(np.float64), np.array(scales[0])) * 10.0 ** levels[0]
    noise_scale = float(scales[0]) if LAWS[best].scale else math.nan
    return LawChoice(LAWS[best].name, shares, noise_scale, float(misfit[0]), tuple(curve.tolist()))


def _fit(law: BatchLaw, b: Array, rows: Array) -> tuple[Array, Array, Array, Array]:
    """The criterion, misfit, noise scale and level ``[R]`` of ``law`` fitted to places ``rows`` ``[R, K]``."""
    count, ends = b.size, np.log10([b.min(), b.max()])
    scales = np.logspace(ends[0] - BEYOND, ends[1] + BEYOND, CANDIDATES) if law.scale else np.array([1.0])
    shape = np.log10(law.shape(b, scales[:, None]))  # [N, K]
    away = rows[:, None] - shape
    level = away.mean(axis=-1)  # [R, N]
    mean_square = ((away - level[..., None]) ** 2).mean(axis=-1)
    at = np.argmin(mean_square, axis=-1)
    pick = np.arange(len(rows)), at
    parameters = 2 + law.scale  # with the variance
    penalty = 2 * parameters + 2 * parameters * (parameters + 1) / max(count - parameters - 1, 0.5)
    score = count * np.log(mean_square[pick] + RESOLVED**2) + penalty
    return score, np.sqrt(mean_square[pick]), scales[at], level[pick]
