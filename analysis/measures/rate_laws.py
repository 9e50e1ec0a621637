"""What the best learning rate does as batch, horizon or width grow: the exponents that are held against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, get_args

__all__ = ["RATE_EXPONENTS", "RATE_SWEEPS", "RateSweep"]

RateSweep = Literal["batch, equal steps", "batch, equal samples", "horizon", "width"]

RATE_SWEEPS: Final[tuple[RateSweep, ...]] = get_args(RateSweep)

RATE_EXPONENTS: Final[Mapping[RateSweep, Mapping[str, float]]] = {
    "batch, equal steps": {"constant": 0.0, "square root": 0.5, "linear": 1.0},
    "batch, equal samples": {"constant": 0.0, "square root": 0.5, "linear": 1.0},
    "horizon": {"constant": 0.0, "falls as 1/√T": -0.5, "falls as 1/T": -1.0},
    "width": {"constant": 0.0, "falls as 1/√width": -0.5, "falls as 1/width": -1.0},
}
"""Exponents by law and sweep. Over batches they are the ends that the curved laws of `batch_laws` run between."""
