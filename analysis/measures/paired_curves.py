"""One optimizer against the best, step by step: the paired difference of their runs and its interval."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from analysis.measures.measure import Measure
from analysis.measures.paired_tests import Side, paired_change, study_difference
from analysis.measures.results import CellResult
from analysis.statistics.arrays import Array, Integers
from analysis.statistics.bootstrap import Estimate

__all__ = ["Against", "PairedCurve", "against_lowest", "paired_frame"]

MOST: Final = 120
"""Evaluations at which differences are taken: each is a test of its own."""


@dataclass(frozen=True, eq=False)
class PairedCurve:
    """How much higher an optimizer lies than another after ``steps`` ``[E]``: ``change`` ``[E]`` and the ends of its
    interval at each step, as in `analysis.measures.paired_tests.Difference` (decades where the measure is logarithmic).
    """

    steps: Array
    change: Array
    low: Array
    high: Array


@dataclass(frozen=True, eq=False)
class Against:
    """The curves by label of all but the one that ends lowest, the ``best``, against it.

    They are over ``studies`` and ``seeds``; ``exact`` on a deterministic problem, where only the searches have luck.
    """

    best: str
    curves: Mapping[str, PairedCurve]
    studies: int
    seeds: int
    exact: bool

    @property
    def n_text(self) -> str:
        """What the curves are over, in words."""
        seeds = "" if self.exact else f"{self.seeds} seed{'s' * (self.seeds > 1)}"
        studies = "" if self.studies == 1 else f"{self.studies} studies"
        return " × ".join(part for part in (studies, seeds) if part) or "one run"


def against_lowest(cells: Sequence[CellResult], setting: str, labels: Collection[str] | None = None) -> Against | None:
    """The ``cells`` of one problem under ``setting``, each against the one of them that ends lowest.

    That is the one with the lowest median after the last step. Runs of the same seeds at the same steps are compared,
    so cells that have others are left out, and all but those of ``labels`` where any are named; of many evaluations at
    most `MOST`, evenly. None where nobody, or nobody else, was run.
    """
    ran = {cell.label: cell for cell in cells if setting in cell.curves and np.isfinite(cell.settings[setting].value)}
    if not ran:
        return None
    best = min(ran, key=lambda label: ran[label].settings[setting].value)
    steps, losses = ran[best].curves[setting]
    looked = np.unique(np.linspace(0, steps.size - 1, min(steps.size, MOST)).round().astype(int))
    seeds = ran[best].info.protocol.test_seeds
    lowest = _levels(ran[best], losses, looked)
    curves = {}
    for cell in cells:
        at, other = cell.curves.get(setting, (np.empty(0), np.empty(0)))
        same = np.array_equal(at, steps) and cell.info.protocol.test_seeds == seeds and other.shape == losses.shape
        if cell.label == best or not same or (labels is not None and cell.label not in labels):
            continue
        pairs = zip(lowest, _levels(cell, other, looked), strict=True)
        found = [_change(a, b, cell.measure, exact=cell.exact) for a, b in pairs]
        value, low, high = (np.array([getattr(each, part) for each in found]) for part in ("value", "low", "high"))
        curves[cell.label] = PairedCurve(steps[looked], value, low, high)
    return Against(best, curves, losses.shape[0], losses.shape[1], ran[best].exact) if curves else None


def paired_frame(problem: str, paired: Mapping[str, Against]) -> pd.DataFrame:
    """The curves by setting as rows: one a label and step, against the label ``against``; empty where there is none."""
    parts = [
        pd.DataFrame(
            {
                "problem": problem,
                "setting": setting,
                "label": label,
                "against": side.best,
                "step": curve.steps.astype(int),
                "change": curve.change,
                "low": curve.low,
                "high": curve.high,
                "n": side.seeds,
                "studies": side.studies,
            }
        )
        for setting, side in paired.items()
        for label, curve in side.curves.items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _levels(cell: CellResult, losses: Array, looked: Integers) -> Sequence[Side | Array]:
    """The losses ``[K, S, E]`` at each evaluation of ``looked``: as one side of a test, or the runs ``[S]`` of one
    study.
    """
    runs = cell.measure(losses)
    return [Side.of(runs[..., e], cell.measure) if len(runs) > 1 else runs[0, :, e] for e in looked]


def _change(a: Side | Array, b: Side | Array, measure: Measure, *, exact: bool) -> Estimate:
    if isinstance(a, Side) and isinstance(b, Side):
        return study_difference(a, b, measure).change
    assert not isinstance(a, Side), "both have as many studies"
    assert not isinstance(b, Side), "both have as many studies"
    return paired_change(a, b, measure, exact=exact)
