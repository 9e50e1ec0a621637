"""Generalised linear models of real tables that are ill-conditioned as they come, with floors found by Newton's method.

Longley's table lies here (public domain; Longley 1967, as NIST's reference data for least squares have it). The others
come with the package statsmodels, of the extra ``[data]``, and only its files are read: randhie is in the public
domain, star98 is there by permission of its author, Jeff Gill, who keeps his rights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from problems.data import Array, packaged, scaled_columns, shared_rows
from problems.linear import LinearProblem, Table, linear_facts
from problems.problem import Facts, ProblemSpec, generator
from problems.regression import LeastSquares, squared

__all__ = [
    "LONGLEY",
    "SPECS",
    "BinomialModel",
    "PoissonModel",
    "longley",
    "longley_table",
    "randhie_table",
    "star98_table",
]

LONGLEY = (
    (60323, 83.0, 234289, 2356, 1590, 107608, 1947),
    (61122, 88.5, 259426, 2325, 1456, 108632, 1948),
    (60171, 88.2, 258054, 3682, 1616, 109773, 1949),
    (61187, 89.5, 284599, 3351, 1650, 110929, 1950),
    (63221, 96.2, 328975, 2099, 3099, 112075, 1951),
    (63639, 98.1, 346999, 1932, 3594, 113270, 1952),
    (64989, 99.0, 365385, 1870, 3547, 115094, 1953),
    (63761, 100.0, 363112, 3578, 3350, 116219, 1954),
    (66019, 101.2, 397469, 2904, 3048, 117388, 1955),
    (67857, 104.6, 419180, 2822, 2857, 118734, 1956),
    (68169, 108.4, 442769, 2936, 2798, 120445, 1957),
    (66513, 110.8, 444546, 4681, 2637, 121950, 1958),
    (68655, 112.6, 482704, 3813, 2552, 123366, 1959),
    (69564, 114.2, 502601, 3931, 2514, 125368, 1960),
    (69331, 115.7, 518173, 4806, 2572, 127852, 1961),
    (70551, 116.9, 554894, 4007, 2827, 130081, 1962),
)
"""Employment, deflator of the national product, the product, unemployed, armed forces, population, year."""

RANDHIE_ROWS = 20190
STAR98_ROWS = 303


def longley_table() -> Table:
    """Features ``[16, 6]`` and employment ``[16]``, standardised."""
    table = scaled_columns(np.array(LONGLEY))
    return table[:, 1:], table[:, 0]


def longley(batch: int = 16) -> LeastSquares:
    """Least squares on Longley's 16 years, whose six features are nearly collinear: a test of solvers since 1967.

    Standardised, the Hessian's condition number is 12,000. A batch is all years by default.
    """
    return LeastSquares(
        longley_table,
        squared,
        16,
        {},
        linear_facts(6, steps=2000, target=0.0026, tags=("regression", "ill-conditioned")),
        batch,
    )


def randhie_table(scaled: bool, share: float) -> Table:
    """Nine features and visits to a doctor of a share of 20,190 persons' years, in an order drawn once for all."""
    table = np.loadtxt(packaged("statsmodels", "datasets/randhie/randhie.csv"), delimiter=",", skiprows=1)
    features = scaled_columns(table[:, 1:]) if scaled else table[:, 1:]
    order = generator(0, "randhie rows").permutation(len(table))[: shared_rows(len(table), share)]
    return features[order], table[order, 0]


@dataclass(frozen=True)
class PoissonModel(LinearProblem):
    """Poisson regression of visits to a doctor on nine features of insurance and health (RAND's experiment).

    The loss of all rows is half the mean deviance. As measured, the Hessian's condition number is 12,000; ``scaled``
    standardises the features, which leaves 9. ``share`` is the part of the rows, from 0 to 1.
    """

    scaled: bool = False
    batch: int = 32
    share: float = 1.0

    spread = 0.0

    @property
    def rows(self) -> int:  # type: ignore[override]
        """How many there are."""
        return shared_rows(RANDHIE_ROWS, self.share)

    @property
    def facts(self) -> Facts:
        return linear_facts(9, steps=1000, target=2.1, tags=("regression", "poisson", "badly-scaled", "data"))

    def table(self) -> Table:
        return randhie_table(self.scaled, self.share)

    def pointwise(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return predictions.exp() - targets * predictions + self._saturated

    @cached_property
    def _saturated(self) -> float:
        """What makes the loss of predictions that are right of every row 0."""
        visits = self._rows[1]
        return float((torch.xlogy(visits, visits) - visits).mean())


def star98_table() -> Table:
    """Twenty features ``[303, 20]``, standardised, and ``[303, 2]``: pupils above the median, and pupils in all.

    Both counts are in pupils of the average district, so that a mean over districts is one over pupils.
    """
    table: Array = np.loadtxt(packaged("statsmodels", "datasets/star98/star98.csv"), delimiter=",", skiprows=1)
    pupils, above = table[:, 0], table[:, 1]
    return scaled_columns(table[:, 2:]), np.column_stack([above, pupils]) / pupils.mean()


@dataclass(frozen=True)
class BinomialModel(LinearProblem):
    """Logistic regression of counts: -log probability a pupil of passing, but for the binomial coefficients.

    303 school districts of California, 12 features and 8 of their products: standardised, the Hessian's condition
    number is still 1.2 million.
    """

    batch: int = 32

    rows = STAR98_ROWS

    spread = 0.0

    @property
    def facts(self) -> Facts:
        tags = ("classification", "logistic", "ill-conditioned", "data")
        return linear_facts(20, steps=1500, target=0.619, tags=tags)

    def table(self) -> Table:
        return star98_table()

    def pointwise(self, predictions: Tensor, targets: Tensor) -> Tensor:
        above, pupils = targets.unbind(-1)
        return pupils * softplus(predictions) - above * predictions

    def of_rows(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self.pointwise(predictions, targets)


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "longley",
        longley,
        "least squares on six nearly collinear series of 16 years",
        "Longley 1967, public domain",
        floor=0.0022605,
    ),
    ProblemSpec(
        "randhie",
        PoissonModel,
        "Poisson regression on 20,190 rows as measured (extra [data])",
        "RAND Health Insurance Experiment, public domain, in statsmodels",
        floor=2.07861,
    ),
    ProblemSpec(
        "star98",
        BinomialModel,
        "logistic regression of counts on nearly dependent features (extra [data])",
        "Gill 2000, by the author's permission, in statsmodels",
        floor=0.618488,
    ),
)
"""The problems of this file."""
