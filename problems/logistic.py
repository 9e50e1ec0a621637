"""Logistic regressions: well scaled, badly scaled, and on sparse features of very unequal frequency."""

from __future__ import annotations

from functools import partial

import numpy as np
from torch import Tensor
from torch.nn.functional import softplus

from problems.data import breast_cancer_table
from problems.linear import LinearModel, Table, linear_facts
from problems.problem import ProblemSpec, generator

__all__ = ["SPECS", "breast_cancer", "breast_cancer_raw", "logistic", "sparse_logistic"]


def logistic(predictions: Tensor, targets: Tensor) -> Tensor:
    """-log of the probability 1 / (1 + exp(-prediction)) given to targets in {0, 1}, without overflow."""
    return softplus(predictions) - predictions * targets


def breast_cancer(batch: int = 32, l2: float = 1e-3) -> LinearModel:
    """Logistic regression on the Wisconsin diagnostic breast cancer data: 569 rows, 30 standardised features."""
    return LinearModel(
        partial(breast_cancer_table, True),
        logistic,
        569,
        {"standardised": True},
        linear_facts(30, steps=510, target=0.065, tags=("classification", "logistic")),
        batch,
        l2,
        spread=0.0,
    )


def breast_cancer_raw(batch: int = 32, l2: float = 1e-3) -> LinearModel:
    """The same data as measured: feature scales from 1e-3 to 1e3, which is what coordinate-wise steps are for."""
    return LinearModel(
        partial(breast_cancer_table, False),
        logistic,
        569,
        {"standardised": False},
        linear_facts(30, steps=510, target=0.2, tags=("classification", "logistic", "badly-scaled")),
        batch,
        l2,
        spread=0.0,
    )


def sparse_logistic(rows: int = 1000, features: int = 500, batch: int = 16, l2: float = 1e-4) -> LinearModel:
    """Logistic regression on binary features of power-law frequency: feature i is there with probability min(1, 10/i).

    Rare features carry as much as frequent ones and are seen seldom: the case Adagrad was made for (Duchi et al. 2011).
    The floor needs ``l2`` > 0, for so many features can separate the rows. Raises ``ValueError`` for values out of
    range.
    """
    if rows < 1 or features < 1 or l2 <= 0:
        raise ValueError(f"sparse-logistic needs rows, features >= 1 and l2 > 0, got {rows}, {features} and {l2}")
    return LinearModel(
        partial(_sparse_table, rows, features),
        logistic,
        rows,
        {"rows": rows, "features": features},
        linear_facts(features, steps=620, target=0.1, tags=("classification", "logistic", "sparse"), chunk=256),
        batch,
        l2,
        spread=0.0,
    )


def _sparse_table(rows: int, features: int) -> Table:
    """Features in {0, 1} and labels drawn from a planted logistic model with standard normal weights."""
    rng = generator(0, "sparse logistic")
    frequency = np.minimum(1.0, 10.0 / np.arange(1, features + 1))
    present = (rng.random((rows, features)) < frequency).astype(np.float64)
    logits = present @ rng.standard_normal(features)
    return present, (rng.random(rows) < 1 / (1 + np.exp(-logits))).astype(np.float64)


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "breast-cancer", breast_cancer, "logistic regression, standardised features", "UCI WDBC 1995", floor=0.0598295
    ),
    ProblemSpec(
        "breast-cancer-raw", breast_cancer_raw, "logistic regression, features as measured", "UCI WDBC 1995",
        floor=0.0972542,
    ),
    ProblemSpec(
        "sparse-logistic", sparse_logistic, "binary features of power-law frequency", "after Duchi et al. 2011",
        floor=0.0549178,
    ),
)  # fmt: skip
"""The problems of this file."""
