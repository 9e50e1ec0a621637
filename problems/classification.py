"""Classification problems: cross-entropy in minibatches, with a held-out split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from problems.data import DIGITS, TWO_SPIRALS, DataSet, shuffled_rows
from problems.images import FASHION_MNIST, MNIST_5K
from problems.network import MLP, ConvNet, Network, accuracy, cross_entropy
from problems.problem import Batch, Problem, ProblemSpec, digest

__all__ = [
    "SPECS", "Classifier", "DigitsSoftmax", "digits_cnn", "digits_mlp", "fashion_mnist_mlp", "mnist_mlp",
    "two_spirals",
]  # fmt: skip

BLOCK = 64  # rows evaluated at once: the activations of a chunk of lanes then stay in the cache

Measure = Callable[[Tensor, Tensor], Tensor]


class Classifier(Problem):
    """The mean cross-entropy of a network over minibatches of ``batch`` rows, reshuffled every epoch.

    ``definition`` names the parameters of the network that make this instance what it is. The floor 0 is an infimum:
    a network that fits its training data comes as near as its weights are large. Raises ``ValueError`` for a batch
    that is not between one row and all.
    """

    minimum = 0.0
    deterministic = False

    def __init__(
        self,
        network: Network,
        data: DataSet,
        definition: Mapping[str, Any],
        *,
        batch: int,
        steps: int,
        target: float,
        tags: Sequence[str],
        chunk: int = 64,
    ) -> None:
        if not 1 <= batch <= data.rows:
            raise ValueError(f"a minibatch takes between 1 and all {data.rows} rows, got batch={batch}")
        self.network, self.data, self.batch = network, data, batch
        self.dim = network.dim
        self.steps, self.target, self.chunk = steps, target, chunk
        self.tags = frozenset({"stochastic", "classification", *tags})
        self._definition = definition

    def start(self, seeds: Sequence[int]) -> Tensor:
        return self.network.start(seeds)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        split = self.data.load()
        for index in shuffled_rows(seeds, len(split.labels), self.batch, steps):
            yield split.inputs[index], split.labels[index]

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        inputs, labels = batch  # type: ignore[misc]
        return cross_entropy(self.network(x, inputs), labels)

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        split, rows = self.data.load(), self.data.measured
        (loss,) = self._means((cross_entropy,), x, split.inputs[:rows], split.labels[:rows])
        held = self._means((cross_entropy, accuracy), x, split.held_inputs[:rows], split.held_labels[:rows])
        return {"loss": loss, "heldout_loss": held[0], "heldout_accuracy": held[1]}

    def definition(self) -> Mapping[str, Any]:
        split = self.data.load()
        return {**self._definition, "batch": self.batch, "data": digest(split.inputs, split.labels)}

    def _means(self, measures: Sequence[Measure], x: Tensor, inputs: Tensor, labels: Tensor) -> list[Tensor]:
        """Each measure's mean over all rows ``[...]``, gathered block by block."""
        totals = [torch.zeros(x.shape[:-1], dtype=x.dtype, device=x.device) for _ in measures]
        blocks = zip(torch.split(inputs.to(x), BLOCK), torch.split(labels.to(x.device), BLOCK), strict=True)
        for rows, answers in blocks:
            logits, share = self.network(x, rows), len(answers) / len(labels)
            for total, measure in zip(totals, measures, strict=True):
                total.add_(measure(logits, answers), alpha=share)
        return totals


class DigitsSoftmax(Classifier):
    """Softmax regression on scikit-learn's digits: cross-entropy of a linear model + l2/2 |x|², from zero.

    Convex. The floor comes from L-BFGS in double precision, on first use. Raises ``ValueError`` unless l2 > 0, without
    which the training images can be fitted and no floor is reached.
    """

    def __init__(self, batch: int = 32, l2: float = 1e-3) -> None:
        if l2 <= 0:
            raise ValueError(f"digits-softmax needs l2 > 0 for a floor that can be reached, got {l2}")
        super().__init__(
            MLP((64, 10)), DIGITS, {"l2": l2}, batch=batch, steps=440, target=0.28, tags=("convex",), chunk=128
        )  # fmt: skip
        self.l2 = l2

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.zeros(len(seeds), self.dim, dtype=torch.float64)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        return super().loss(x, batch) + (0.5 * self.l2) * x.square().sum(-1)

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        metrics = super().evaluate(x)
        return {**metrics, "loss": metrics["loss"] + (0.5 * self.l2) * x.square().sum(-1)}

    @cached_property
    def minimum(self) -> float:  # type: ignore[override] # a fact like any other, computed when asked for
        """The lowest full-data loss."""
        return float(self.evaluate(torch.tensor(self.minimisers[0], dtype=torch.float64))["loss"])

    @cached_property
    def minimisers(self) -> Sequence[Sequence[float]]:  # type: ignore[override]
        """The one point where it is taken, to a gradient of 1e-7: the loss is then right to 1e-14 / l2."""
        from scipy.optimize import minimize

        split = self.data.load()
        batch = (split.inputs.double(), split.labels)

        @torch.enable_grad()  # facts are read where nobody asks for gradients, too
        def loss_and_gradient(point: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
            x = torch.from_numpy(point).requires_grad_()
            loss = self.loss(x, batch)
            (gradient,) = torch.autograd.grad(loss, x)
            return float(loss.detach()), gradient.numpy()

        found = minimize(
            loss_and_gradient, np.zeros(self.dim), jac=True, method="L-BFGS-B",
            options={"maxiter": 5000, "maxfun": 10000, "ftol": 0, "gtol": 1e-9, "maxcor": 30},
        )  # fmt: skip
        return [tuple(found.x.tolist())]


def digits_mlp(hidden: int = 32, batch: int = 32) -> Classifier:
    """A tanh network on scikit-learn's digits, 64-hidden-10: 1437 training and 360 held-out images."""
    if hidden < 1:
        raise ValueError(f"digits-mlp needs hidden >= 1, got {hidden}")
    return Classifier(
        MLP((64, hidden, 10)), DIGITS, {"hidden": hidden}, batch=batch, steps=300, target=0.1,
        tags=("nonconvex", "neural"),
    )  # fmt: skip


def digits_cnn(filters: int = 8, batch: int = 32) -> Classifier:
    """One 3x3 convolution, ReLU, pooling and a linear layer on scikit-learn's digits."""
    if filters < 1:
        raise ValueError(f"digits-cnn needs filters >= 1, got {filters}")
    return Classifier(
        ConvNet(8, filters, 10), DIGITS, {"filters": filters}, batch=batch, steps=300, target=0.1,
        tags=("nonconvex", "neural", "convolution"), chunk=16,
    )  # fmt: skip


def two_spirals(hidden: int = 32, batch: int = 32) -> Classifier:
    """Telling two interlocked spirals of 97 points apart, with a 2-hidden-hidden-2 tanh network.

    Held out are the points halfway between those trained on. Raises ``ValueError`` for a hidden layer without units.
    """
    if hidden < 1:
        raise ValueError(f"two-spirals needs hidden >= 1, got {hidden}")
    return Classifier(
        MLP((2, hidden, hidden, 2)), TWO_SPIRALS, {"hidden": hidden}, batch=batch, steps=3000, target=0.3,
        tags=("nonconvex", "neural"),
    )  # fmt: skip


def mnist_mlp(hidden: int = 64, batch: int = 64) -> Classifier:
    """A ReLU network on 5000 real MNIST images, 784-hidden-10: 4000 to train on, 1000 held out."""
    return _image_mlp("mnist-mlp", MNIST_5K, hidden, batch=batch, steps=310, tags=())


def fashion_mnist_mlp(hidden: int = 64, batch: int = 64) -> Classifier:
    """A ReLU network on Fashion-MNIST, 784-hidden-10; the set is downloaded on first use."""
    return _image_mlp("fashion-mnist-mlp", FASHION_MNIST, hidden, batch=batch, steps=900, tags=("network",))


def _image_mlp(name: str, data: DataSet, hidden: int, *, batch: int, steps: int, tags: Sequence[str]) -> Classifier:
    if hidden < 1:
        raise ValueError(f"{name} needs hidden >= 1, got {hidden}")
    return Classifier(
        MLP((784, hidden, 10), torch.relu), data, {"hidden": hidden}, batch=batch, steps=steps, target=0.3,
        tags=("nonconvex", "neural", *tags), chunk=16,
    )  # fmt: skip


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "digits-softmax",
        DigitsSoftmax,
        "softmax regression on scikit-learn's digits",
        "UCI optical digits",
        floor=0.260422,
    ),
    ProblemSpec("two-spirals", two_spirals, "2-32-32-2 network on two interlocked spirals", "Lang and Witbrock 1988"),
    ProblemSpec("digits-mlp", digits_mlp, "64-32-10 tanh network on scikit-learn's digits", "UCI optical digits"),
    ProblemSpec("digits-cnn", digits_cnn, "small convolutional network on scikit-learn's digits", "UCI optical digits"),
    ProblemSpec("mnist-mlp", mnist_mlp, "784-64-10 network on 5000 MNIST images", "LeCun et al. 1998"),
    ProblemSpec("fashion-mnist-mlp", fashion_mnist_mlp, "784-64-10 network, downloaded images", "Xiao et al. 2017"),
)
"""The problems of this file."""
