"""What a diamond costs: a network on four measures and three grades of 53,940 diamonds.

The table comes with the package plotnine, of the extra ``[data]`` (MIT licence, as ggplot2's, which collected it), and
only its file is read.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache, partial

import numpy as np
import torch

from problems.data import Split, packaged, scaled_columns, share_of, shared_rows, split_rows
from problems.network import MLP
from problems.network_regression import NetworkRegression, network_regression_facts
from problems.problem import ProblemSpec, generator

__all__ = ["ROWS", "SPECS", "diamonds", "diamonds_mlp"]

GRADES = {
    "cut": ("Fair", "Good", "Very Good", "Premium", "Ideal"),
    "color": ("D", "E", "F", "G", "H", "I", "J"),
    "clarity": ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"),
}
MEASURES = ("depth", "table", "x", "y", "z")
FEATURES = 1 + len(MEASURES) + sum(map(len, GRADES.values()))
ROWS = 43152  # to train on: four fifths
MEASURED = 4096  # rows of either part that evaluation looks at: all would cost more than the training
LINEAR = 0.00828258  # the loss there of least squares on all rows trained on: the line to beat


@cache
def diamonds() -> Split:
    """Log carat and five measures, standardised, and twenty columns of grades in {0, 1} ``[N, 26]``, shuffled.

    The label ``[N, 1]`` is the log price, standardised. Raises `DataError` where plotnine is not installed.
    """
    with packaged("plotnine", "data/diamonds.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    measured = np.array([[float(row[name]) for name in ("carat", "price", *MEASURES)] for row in rows])
    measured[:, :2] = np.log(measured[:, :2])
    scaled = scaled_columns(measured)
    graded = [[row[name] == grade for name, grades in GRADES.items() for grade in grades] for row in rows]
    features = np.column_stack([np.delete(scaled, 1, 1), np.array(graded, dtype=np.float64)])
    labels = torch.from_numpy(scaled[:, 1:2]).float()
    return split_rows("diamonds", torch.from_numpy(features).float(), labels, ROWS)


def diamonds_mlp(
    hidden: int = 32, depth: int = 2, batch: int = 64, noise: float = 0.0, share: float = 1.0
) -> NetworkRegression:
    """A ReLU network of ``depth`` hidden layers from 26 features to the log price.

    ``noise`` is the deviation of what is added to the log prices trained on, in their own deviations; ``share`` the
    part of the diamonds. Raises ``ValueError`` for a value out of range.
    """
    if hidden < 1 or depth < 1 or noise < 0:
        raise ValueError(f"diamonds-mlp needs hidden, depth >= 1 and noise >= 0, got {hidden}, {depth} and {noise}")
    network = MLP((FEATURES, *(hidden,) * depth, 1), torch.relu)
    parameters = {"hidden": hidden, "depth": depth, "noise": noise, "share": share}
    facts = network_regression_facts(network, steps=1340, target=LINEAR, tags=("regression", "data"), chunk=64)
    rows = shared_rows(ROWS, share)
    return NetworkRegression(network, partial(_part, noise, share), rows, parameters, facts, batch, MEASURED)


@cache
def _part(noise: float, share: float) -> Split:
    """A share of the diamonds, with noise on the prices trained on."""
    split = share_of(diamonds(), share)
    added = noise * generator(0, "diamonds noise").standard_normal(split.labels.shape)
    return replace(split, labels=split.labels + torch.from_numpy(added).float())


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "diamonds-mlp",
        diamonds_mlp,
        "26-32-32-1 network for the log price; to beat: least squares (extra [data])",
        "Wickham 2016; MIT, in plotnine",
    ),
)
"""The problems of this file."""
