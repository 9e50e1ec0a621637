"""Verdicts on optimizers from unit tests: the colours of Schaul, Antonoglou and Silver (2014) as words, which tests
tell optimizers apart, and what share of those is passed.

Shapes: ``[T]`` tests, ``[L]`` learning rates, ``[R]`` repetitions, ``[O]`` optimizers. Values are those of the function
where a run ends. The thresholds are the authors' (experiments/experiment_entry.lua of optimBench).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.statistics.arrays import Array, Mask
from analysis.statistics.bootstrap import SEED, Estimate, bootstrap_weights, estimate_of

__all__ = [
    "FLAGS",
    "PASSED",
    "VERDICTS",
    "Names",
    "Judged",
    "Reference",
    "best_place",
    "common_place",
    "flags",
    "judge",
    "reference",
    "share_passed",
]

LARGEST: Final = 1e10
"""The value above which a run is lost; below its negative all are alike."""
LITTLE: Final = 0.1
"""Of the reference's gain, what counts as none."""
MUCH: Final = 2.0
"""Of the reference's gain, from where on an optimizer excels."""
POOR: Final = 0.25
"""The share of repetitions that may end with little gain."""
DUST: Final = 1e-9
"""Of the start's value, what is no way down but rounding."""
RESAMPLES: Final = 1000

VERDICTS: Final[Mapping[str, str]] = {
    "excelled": "more than twice the gain of the best SGD",
    "passed": "more than a tenth of the gain of the best SGD",
    "unreliable": "the same, but more than a quarter of the repetitions gain less than a tenth",
    "fragile": "the same, but some repetitions are lost",
    "stuck": "at most a tenth of the gain",
    "diverged": "more than half of the repetitions end above 1e10 or at no number",
}
"""What each verdict says, from the best to the worst; theirs are blue, green, yellow, violet, orange and red."""
NAMES: Final = (*VERDICTS,)
PASSED: Final = ("excelled", "passed")

FLAGS: Final[Mapping[str, str]] = {
    "solved": "solved at its start: nothing is lower",
    "no way down": "no SGD ends below the start, so nothing can be normalised",
    "everybody": "everybody passes",
    "nobody": "nobody passes",
}
"""Why a test tells nothing, in the order in which it is asked."""

Names = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Reference:
    """The best SGD of every test: its value ``[T]``, the place ``[T]`` of its learning rate, and whether it ``is_down``
    (below the start); where it is not, the test cannot be judged.
    """

    value: Array
    place: npt.NDArray[np.intp]
    is_down: Mask


@dataclass(frozen=True)
class Judged:
    """What an optimizer makes of every test at every learning rate: ``value`` (the median over repetitions, infinite
    where half are lost), ``gain`` as a share of the reference's, and ``verdict``, each ``[T, L]``.
    """

    value: Array
    gain: Array
    verdict: Names


def reference(values: Array, start: Array) -> Reference:
    """The best of the SGD runs that end at ``values [T, L, R]``, from ``start [T]``."""
    typical = _typical(values)
    place = typical.argmin(-1)
    value = np.take_along_axis(typical, place[:, None], -1)[:, 0]
    return Reference(value, place, value < start - DUST * np.abs(start))


def judge(values: Array, start: Array, best: Array) -> Judged:
    """The verdicts on runs that end at ``values [T, L, R]``, from ``start [T]``, beside the ``best [T]`` SGD."""
    typical, repetitions = _typical(values), values.shape[-1]
    reached = (np.maximum(best, -LARGEST) - start)[:, None]
    lost = _lost(values)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        gain = (typical - start[:, None]) / reached
        poor = ((np.maximum(values, -LARGEST) - start[:, None, None]) / reached[..., None] < LITTLE) & ~lost
    verdict = np.select(
        [
            ~np.isfinite(typical) | np.isnan(gain),
            gain <= LITTLE,
            lost.any(-1),
            poor.sum(-1) > POOR * repetitions,
            gain > MUCH,
        ],
        ["diverged", "stuck", "fragile", "unreliable", "excelled"],
        "passed",
    )
    return Judged(typical, gain, verdict)


def best_place(judged: Judged) -> npt.NDArray[np.intp]:
    """The place ``[T]`` of the learning rate that ends lowest in every test, as the reference's is chosen."""
    place: npt.NDArray[np.intp] = judged.value.argmin(-1)
    return place


def common_place(judged: Judged, counted: Mask) -> int:
    """The place of the one learning rate that passes most of the ``counted [T]`` tests, the smallest of several."""
    return int(np.isin(judged.verdict[counted], PASSED).sum(0).argmax())


def flags(verdicts: Names, is_down: Mask, solved: Mask) -> Names:
    """Why each test ``[T]`` tells nothing of the optimizers whose ``verdicts [O, T]`` these are; empty where it tells.

    A test tells where some pass and others do not. One optimizer alone is told apart from nobody.
    """
    passed = np.isin(verdicts, PASSED)
    return np.select([solved, ~is_down, passed.all(0), ~passed.any(0)], [*FLAGS], "")


def share_passed(verdicts: Names, functions: Sequence[str]) -> Estimate:
    """The share of tests ``[T]`` passed, with the interval of resampled ``functions [T]``: variants of one are alike.

    ``n`` counts functions; everything is NaN where there are no tests.
    """
    if not len(verdicts):
        return Estimate(np.nan, np.nan, np.nan, 0)
    _, of = np.unique(np.asarray(functions), return_inverse=True)
    passed, tests = (np.bincount(of, weights) for weights in (np.isin(verdicts, PASSED).astype(np.float64), None))
    value = float(passed.sum() / tests.sum())
    if len(tests) == 1:
        return Estimate(value, value, value, 1)
    weights = bootstrap_weights(len(tests), RESAMPLES, np.random.default_rng(SEED))
    return estimate_of(value, (weights @ passed) / (weights @ tests), len(tests))


def _lost(values: Array) -> Mask:
    return ~(values <= LARGEST)


def _typical(values: Array) -> Array:
    """The median over the repetitions that are not lost; infinite where those are fewer than half."""
    lost = _lost(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of rows that are lost altogether
        middle = np.nanmedian(np.where(lost, np.nan, np.maximum(values, -LARGEST)), -1)
    return np.where((~lost).sum(-1) < values.shape[-1] / 2, np.inf, middle)
