"""A small convolutional network with batch norm and dropout on scikit-learn's digits: what lanes cannot be.

Its running statistics move while it is trained and are used when it is judged, and its dropped units are drawn anew at
every step, so that its runs are modules as they are (`problems.module_run`).
"""

from __future__ import annotations

from torch import nn
from torch.nn.functional import cross_entropy

from problems.data import DIGITS, check_batch
from problems.lenet import accuracy
from problems.module import ModuleProblem
from problems.problem import ProblemSpec

__all__ = ["SPECS", "digits_convnet"]


def digits_convnet(channels: int = 8, dropout: float = 0.2, batch: int = 32) -> ModuleProblem:
    """Two convolutions with batch norm, dropout and a linear layer on 8x8 digits: 1,437 to train on, 360 held out."""
    if channels < 1:
        raise ValueError(f"the first convolution makes at least 1 channel, got channels={channels}")
    if not 0 <= dropout < 1:
        raise ValueError(f"the share of dropped units is at least 0 and below 1, got dropout={dropout}")
    check_batch(batch, DIGITS.rows, 2)

    def network() -> nn.Module:
        return nn.Sequential(
            nn.Unflatten(1, (1, 8, 8)),
            nn.Conv2d(1, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(channels, 2 * channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(8 * channels, 10),
        )

    return ModuleProblem(
        network,
        cross_entropy,
        DIGITS.trained,
        heldout=DIGITS.held,
        metrics={"accuracy": accuracy},
        batch=batch,
        steps=150,
        minimum=0.0,
        target=0.2,
        tags=("nonconvex", "neural", "convolution", "classification"),
    )


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "digits-convnet",
        digits_convnet,
        "a convnet with batch norm and dropout on 8x8 digits, trained natively",
        "Ioffe and Szegedy 2015; Srivastava et al. 2014; sklearn digits",
    ),
)
"""The problems of this file."""
