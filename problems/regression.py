"""Regression problems: least squares on real tables, and robust losses on a table with outliers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from problems.data import AIRFOIL_ROWS, airfoil, diabetes_table, has_airfoil_file
from problems.linear import LinearModel, LinearProblem, Table, linear_facts
from problems.problem import Facts, ProblemSpec, generator

__all__ = [
    "SPECS",
    "SURROGATE",
    "Airfoil",
    "LeastSquares",
    "LinearRegression",
    "diabetes",
    "huber",
    "log_cosh",
    "robust_regression",
    "squared",
]


def squared(predictions: Tensor, targets: Tensor) -> Tensor:
    """½ (prediction - target)²."""
    return torch.square(predictions - targets) / 2


def huber(predictions: Tensor, targets: Tensor, scale: float) -> Tensor:
    """½ r² for residuals up to ``scale``, linear beyond: scale (|r| - scale/2) (Huber 1964)."""
    residual = predictions - targets
    clipped = residual.clamp(-scale, scale)
    return clipped * (residual - clipped / 2)


def log_cosh(predictions: Tensor, targets: Tensor, scale: float) -> Tensor:
    """scale² log cosh(r / scale): ½ r² for small residuals, scale |r| for large ones, and smooth to all orders."""
    residual = (predictions - targets) / scale
    return scale**2 * (softplus(2 * residual) - residual - math.log(2))


class LinearRegression(LinearProblem):
    """A linear problem whose ``pointwise`` is half the squared residual.

    Its full-data loss is evaluated as the quadratic it is, so gaps are exact to rounding of x.
    """

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        away = x.double() - self.minimiser.to(x.device)
        return {"loss": self.minimum + ((away @ self.hessian.to(x.device)) * away).sum(-1) / 2}

    @cached_property
    def sharpness(self) -> float:
        """The largest eigenvalue of `hessian`."""
        return float(torch.linalg.eigvalsh(self.hessian)[-1])

    @cached_property
    def hessian(self) -> Tensor:
        """The second derivatives ``[P, P]`` of the full-data loss."""
        rows, targets = self._rows
        return rows.T @ rows / len(targets) + self.l2 * torch.eye(self.dim, dtype=torch.float64)


@dataclass(frozen=True, eq=False)
class LeastSquares(LinearRegression, LinearModel):
    """A linear regression made of its parts."""


SURROGATE: Final = (
    "Its rows are a surrogate of NASA's with exactly their second moments: loss, floor and full gradients are theirs, "
    "minibatches are calmer. At large lr half as many runs end above their start (SGD at 0.4: 0.5% of 2000 seeds, with "
    "the real file 1.1%), gaps end 10 to 20% lower, and optimizers as close as RMSProp and Adam may change places; "
    "--data uses the real file."
)
"""What the fourth moments, which are not the file's, do to results."""


@dataclass(frozen=True)
class Airfoil(LinearRegression):
    """The book's regression: NASA airfoil self-noise, 1500 rows, 5 standardised features, batch 10, two epochs.

    Uses the real file where the ``data`` folder holds it (checked by sha1), else rows with exactly its second moments:
    see `SURROGATE` for what they change.
    """

    batch: int = 10
    data: Path | None = None

    rows = AIRFOIL_ROWS

    @cached_property
    def facts(self) -> Facts:
        steps = 2 * AIRFOIL_ROWS // self.batch
        facts = linear_facts(5, steps=steps, target=0.25, tags=("chapter", "regression"))
        return facts if has_airfoil_file(self.data) else replace(facts, remark=SURROGATE)

    def table(self) -> Table:
        features, targets, _ = airfoil(self.data)
        return features, targets

    def pointwise(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return squared(predictions, targets)

    def definition(self) -> Mapping[str, Any]:
        return {**super().definition(), "origin": airfoil(self.data)[2]}


def diabetes(batch: int = 16) -> LeastSquares:
    """Least squares on the diabetes progression of 442 patients, ten standardised features, target standardised too.

    Two of the blood measurements are nearly collinear: the Hessian's condition number is 470.
    """
    return LeastSquares(
        diabetes_table,
        squared,
        442,
        {},
        linear_facts(10, steps=540, target=0.25, tags=("regression",)),
        batch,
    )


ROBUST: Mapping[str, Callable[..., Tensor]] = {"huber": huber, "log-cosh": log_cosh}


def robust_regression(loss: str = "huber", scale: float = 1.0, outliers: float = 0.1, batch: int = 16) -> LinearModel:
    """A linear model of 20 features under a loss that forgives outliers: 1000 rows, a tenth of them far off.

    ``loss`` is "huber" or "log-cosh", ``scale`` the residual at which it turns from quadratic to linear, ``outliers``
    the share of rows whose noise is 30 times larger. Raises ``ValueError`` for a value out of range.
    """
    if loss not in ROBUST or scale <= 0 or not 0 <= outliers <= 1:
        raise ValueError(
            f"robust-regression needs loss in {tuple(ROBUST)}, scale > 0 and outliers in [0, 1]; "
            f"got {loss!r}, {scale} and {outliers}"
        )
    return LinearModel(
        partial(_table_with_outliers, outliers),
        partial(ROBUST[loss], scale=scale),
        1000,
        {"loss": loss, "scale": scale, "outliers": outliers},
        linear_facts(20, steps=600, target=0.9, tags=("regression", "robust")),
        batch,
    )


def _table_with_outliers(outliers: float) -> Table:
    """Gaussian features, planted standard normal weights, noise 0.3 N(0, 1), and 30 times that in the outlying rows."""
    rng = generator(0, "robust regression")
    features = rng.standard_normal((1000, 20))
    clean = features @ rng.standard_normal(20)
    noise = 0.3 * rng.standard_normal(1000)
    return features, clean + np.where(rng.random(1000) < outliers, 30, 1) * noise


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "airfoil", Airfoil, "the book's linear regression, batch 10, two epochs", "d2l 12.5; Brooks et al. 1989"
    ),
    ProblemSpec(
        "diabetes", diabetes, "least squares on ten nearly collinear measurements", "Efron et al. 2004", floor=0.241126
    ),
    ProblemSpec("robust-huber", robust_regression, "linear model with outliers, Huber's loss", "Huber 1964"),
    ProblemSpec(
        "robust-log-cosh", partial(robust_regression, "log-cosh"), "linear model with outliers, log cosh", "Green 1990"
    ),
)
"""The problems of this file."""
