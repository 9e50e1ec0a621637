"""Effective learning rates, update-to-weight ratios and the noise of gradients along runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import OPTIMIZER, ExhibitSchema, Facts

__all__ = ["EFFECTIVE_RATES", "EffectiveRatesFacts", "NoiseScale"]


@dataclass(frozen=True)
class NoiseScale:
    """The simple gradient noise scale of a problem, in examples, at the ``first`` and the ``last`` step looked at, and
    the ``batch`` that is trained with.
    """

    first: float
    last: float
    batch: int


@dataclass(frozen=True)
class EffectiveRatesFacts(Facts):
    """The facts of the exhibit ``effective-rates``; "at the end" is the median over seeds, then over problems."""

    problems: tuple[str, ...]
    """Names of the problems."""
    optimizers: tuple[str, ...]
    """Names of the optimizers."""
    lrs: Mapping[str, float]
    """The learning rate of "problem optimizer"."""
    over_lr: Mapping[str, float]
    """For each optimizer the median coordinate's effective step over lr at the end."""
    apart: Mapping[str, float]
    """For each optimizer the 95% over the 5% quantile of effective steps over coordinates at the end."""
    update_ratio: Mapping[str, float]
    """For each optimizer |Δx| / |x| at the end."""
    noise_scale: Mapping[str, NoiseScale]
    """For each problem with gradient noise its noise scale, the median over all runs."""


EFFECTIVE_RATES: Final = ExhibitSchema(
    name="effective-rates",
    question="How far does each coordinate really move, for its gradient and for its weight, and amid how much noise?",
    tables={
        "rates": {
            "problem": "name of the problem",
            "optimizer": OPTIMIZER,
            "lr": "learning rate, the best of those tried",
            "seed": "seed of start and data",
            "step": "steps made; the update is the last of them",
            "loss": "full-data loss after it",
            "update_ratio": "length of the update over that of x before it; missing where x was 0",
            "step_low": "effective step |step| / |gradient|, 5% quantile over coordinates",
            "step_middle": "its median",
            "step_high": "its 95% quantile",
            "gradient": "norm of the full-data gradient after the update",
            "gradient_noise": "root of the summed variances of a batch's gradient; missing without noise",
            "signal_to_noise": "gradient / gradient_noise",
            "coordinate_signal_to_noise": "median over coordinates of the same ratio of each",
            "noise_scale": "batch gradient_noise^2 / gradient^2: the batch size at which signal and noise are equal",
            "batch": "examples in a batch; 1 where noise is added as such",
        },
    },
    facts=EffectiveRatesFacts,
)
