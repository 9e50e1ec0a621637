"""How much of a hyperparameter's influence goes away under another rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.statistics.arrays import Array, Mask
from analysis.statistics.bootstrap import Estimate, estimate_of
from analysis.statistics.resamples import INFLUENCE

__all__ = ["SENSIBLE", "ExplainedShare", "explained_share", "sensible_rates"]

SENSIBLE: Final = 10.0  # times the best gap: a rate that does worse at every gamma is not one anybody would use
SMALLEST: Final = 1e-12  # a gap at the rounding of the loss; its logarithm would mean nothing


@dataclass(frozen=True)
class ExplainedShare:
    """How much of gamma's influence under a rule is gone under the corrected one.

    Influence is the variance over gamma of log10 of the mean gap, averaged over lr: ``plain`` and ``corrected``.
    ``explained`` is the share that is gone, NaN where there was none, with the ends of its 90% interval over resampled
    seeds. ``*_decades`` are the largest over the smallest gap over gamma, at the lr where that is most.
    """

    plain: float
    corrected: float
    explained: float
    explained_low: float
    explained_high: float
    plain_decades: float
    corrected_decades: float


def explained_share(plain: Array, corrected: Array) -> ExplainedShare:
    """How much of gamma's influence on ``plain`` is gone in ``corrected``; both are gaps ``[lr, gamma, S]``.

    A resample takes the same seeds of both, whose seeds are the same runs. A diverged run (NaN) is left out of its
    mean.
    """
    rng = np.random.default_rng(0)
    seeds = plain.shape[-1]
    shares = []
    for _ in range(INFLUENCE):
        chosen = rng.integers(seeds, size=seeds)
        shares.append(_gone(_logs(plain[..., chosen]), _logs(corrected[..., chosen])))
    of_plain, of_corrected = _logs(plain), _logs(corrected)
    gone, known = _gone(of_plain, of_corrected), np.array(shares)[~np.isnan(shares)]
    found = estimate_of(gone, known, seeds) if known.size else Estimate(gone, np.nan, np.nan, seeds)
    return ExplainedShare(
        plain=_influence(of_plain),
        corrected=_influence(of_corrected),
        explained=found.value,
        explained_low=found.low,
        explained_high=found.high,
        plain_decades=_decades(of_plain),
        corrected_decades=_decades(of_corrected),
    )


def sensible_rates(plain: Array, corrected: Array) -> Mask:
    """Which learning rates ``[lr]`` are within `SENSIBLE` times the best: by the lowest mean gap over gamma and rule.

    Both are gaps ``[lr, gamma, S]``.
    """
    best = np.fmin.reduce([np.nanmin(np.nanmean(gap, -1), -1) for gap in (plain, corrected)])
    sensible: Mask = best <= SENSIBLE * best.min()
    return sensible


def _logs(gaps: Array) -> Array:
    """log10 of the mean gap over seeds ``[lr, gamma]``, NaN where every seed diverged."""
    alive = np.isfinite(gaps)
    total, count = np.where(alive, gaps, 0).sum(-1), alive.sum(-1)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return np.asarray(np.log10(np.clip(mean, SMALLEST, None)))


def _influence(logs: Array) -> float:
    return float(np.nanvar(logs, axis=1).mean())


def _gone(plain: Array, corrected: Array) -> float:
    of_plain = _influence(plain)
    return 1 - _influence(corrected) / of_plain if of_plain > 0 else float("nan")


def _decades(logs: Array) -> float:
    return float((np.nanmax(logs, axis=1) - np.nanmin(logs, axis=1)).max())
