"""How much of a hyperparameter's influence goes away under another rule."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["explained_share"]

Array = npt.NDArray[np.float64]

RESAMPLES: Final = 400
SMALLEST: Final = 1e-12  # a gap at the rounding of the loss; its logarithm would mean nothing


def explained_share(plain: Array, other: Array) -> dict[str, Any]:
    """How much of gamma's influence on ``plain`` is gone in ``other``; both are gaps ``[lr, gamma, S]``.

    Influence is the variance over gamma of log10 of the mean gap, averaged over lr: ``plain`` and ``corrected``;
    ``explained`` is the share that is gone, with the ends of its 90% interval over resampled seeds (the same resample
    for both, whose seeds are the same runs). ``*_decades`` are the largest over the smallest gap. A diverged run is
    left out of its mean.
    """
    rng = np.random.default_rng(0)
    seeds = plain.shape[-1]
    shares = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(seeds, size=seeds)
        shares.append(_gone(_logs(plain[..., chosen]), _logs(other[..., chosen])))
    low, high = np.nanquantile(shares, [0.05, 0.95])
    of_plain, of_other = _logs(plain), _logs(other)
    return {
        "plain": _influence(of_plain), "corrected": _influence(of_other), "explained": _gone(of_plain, of_other),
        "explained_low": float(low), "explained_high": float(high),
        "plain_decades": _decades(of_plain), "corrected_decades": _decades(of_other),
    }  # fmt: skip


def _logs(gaps: Array) -> Array:
    """log10 of the mean gap over seeds ``[lr, gamma]``, NaN where every seed diverged."""
    alive = np.isfinite(gaps)
    total, count = np.where(alive, gaps, 0).sum(-1), alive.sum(-1)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return np.asarray(np.log10(np.clip(mean, SMALLEST, None)))


def _influence(logs: Array) -> float:
    return float(np.nanvar(logs, axis=1).mean())


def _gone(plain: Array, other: Array) -> float:
    of_plain = _influence(plain)
    return 1 - _influence(other) / of_plain if of_plain > 0 else float("nan")


def _decades(logs: Array) -> float:
    return float((np.nanmax(logs, axis=1) - np.nanmin(logs, axis=1)).max())
