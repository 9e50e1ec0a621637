"""LeNet on 28x28 images: two convolutions and three linear layers, tanh and average pooling."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from problems.data import DataSet, check_batch
from problems.images import FASHION_MNIST, MNIST_5K
from problems.module import ModuleProblem
from problems.problem import ProblemSpec

__all__ = ["SPECS", "accuracy", "fashion_mnist_lenet", "lenet", "mnist_lenet"]


MEASURED = 500  # images of either part that evaluation looks at: all would cost more than the training


def lenet() -> nn.Module:
    """LeNet-5 for 28x28 grey images and ten classes: 61,706 parameters (LeCun et al. 1998; d2l 7.6 with sigmoids)."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 6, 5, padding=2),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, 10),
    )


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """The share of rows whose largest logit is at the label."""
    return (logits.argmax(-1) == labels).to(logits.dtype).mean()


def mnist_lenet(batch: int = 32) -> ModuleProblem:
    """LeNet on 5000 real MNIST images: 4000 to train on, 1000 held out."""
    return _lenet_on(MNIST_5K, batch, 310, ())


def fashion_mnist_lenet(batch: int = 32) -> ModuleProblem:
    """LeNet on Fashion-MNIST, the book's exercise; the set is downloaded on first use."""
    return _lenet_on(FASHION_MNIST, batch, 900, ("network",))


def _lenet_on(data: DataSet, batch: int, steps: int, tags: Sequence[str]) -> ModuleProblem:
    check_batch(batch, data.rows)
    return ModuleProblem(
        lenet,
        cross_entropy,
        data.trained,
        heldout=data.held,
        metrics={"accuracy": accuracy},
        batch=batch,
        steps=steps,
        minimum=0.0,
        target=0.3,
        tags=("nonconvex", "neural", "convolution", *tags),
        chunk=1,
        lanes=True,
        measured=MEASURED,
    )


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec("mnist-lenet", mnist_lenet, "LeNet on 5000 MNIST images", "LeCun et al. 1998; d2l 7.6"),
    ProblemSpec("fashion-mnist-lenet", fashion_mnist_lenet, "LeNet, downloaded images", "Xiao et al. 2017; d2l 7.6"),
)
"""The problems of this file."""
