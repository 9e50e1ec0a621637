"""Classification problems: cross-entropy in minibatches, with a held-out split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from problems.data import DIGITS, TWO_SPIRALS, DataSet, check_batch, minibatches
from problems.images import FASHION_MNIST, MNIST_5K
from problems.network import MLP, ConvNet, Network, accuracy, cross_entropy
from problems.parametrization import perceptron
from problems.problem import Batch, Facts, Layout, Problem, ProblemSpec, digest

__all__ = [
    "SPECS",
    "Classifier",
    "DigitsSoftmax",
    "digits_cnn",
    "digits_mlp",
    "fashion_mnist_mlp",
    "mnist_mlp",
    "two_spirals",
]

BLOCK = 64  # rows evaluated at once: the activations of a chunk of lanes then stay in the cache

Measure = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Classifier(Problem):
    """The mean cross-entropy of a network over minibatches of ``batch`` rows, reshuffled every epoch.

    ``parameters`` are those of the network that make this instance what it is. Raises ``ValueError`` for a batch that
    is not between one row and all.
    """

    network: Network
    data: DataSet
    parameters: Mapping[str, Any]
    stated: Facts
    batch: int

    def __post_init__(self) -> None:
        check_batch(self.batch, self.data.rows)

    @property
    def facts(self) -> Facts:
        return self.stated

    @property
    def layout(self) -> Layout:
        return self.network.layout

    def start(self, seeds: Sequence[int]) -> Tensor:
        return self.network.start(seeds)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        split = self.data.load()
        yield from minibatches((split.inputs, split.labels), seeds, self.batch, steps)

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
        return {**self.parameters, "batch": self.batch, "data": digest(split.inputs, split.labels)}

    def _means(self, measures: Sequence[Measure], x: Tensor, inputs: Tensor, labels: Tensor) -> list[Tensor]:
        """Each measure's mean over all rows ``[...]``, gathered block by block."""
        totals = [torch.zeros(x.shape[:-1], dtype=x.dtype, device=x.device) for _ in measures]
        blocks = zip(torch.split(inputs.to(x), BLOCK), torch.split(labels.to(x.device), BLOCK), strict=True)
        for rows, answers in blocks:
            logits, share = self.network(x, rows), len(answers) / len(labels)
            for total, measure in zip(totals, measures, strict=True):
                total.add_(measure(logits, answers), alpha=share)
        return totals


@dataclass(frozen=True)
class DigitsSoftmax(Problem):
    """Softmax regression on scikit-learn's digits: cross-entropy of a linear model + l2/2 |x|², from zero.

    Convex. The floor comes from L-BFGS in double precision, on first use. Raises ``ValueError`` unless l2 > 0, without
    which the training images can be fitted and no floor is reached.
    """

    batch: int = 32
    l2: float = 1e-3

    def __post_init__(self) -> None:
        if self.l2 <= 0:
            raise ValueError(f"digits-softmax needs l2 > 0 for a floor that can be reached, got {self.l2}")
        _ = self._unpenalised  # which refuses a batch out of range

    @cached_property
    def _unpenalised(self) -> Classifier:
        """The linear model without the penalty."""
        network = MLP((64, 10))
        facts = _network_facts(network, steps=440, target=0.28, tags=("convex",), chunk=128)
        return Classifier(network, DIGITS, {"l2": self.l2}, facts, self.batch)

    @cached_property
    def facts(self) -> Facts:
        return replace(self._unpenalised.facts, minimum=None)  # computed when asked for

    @property
    def layout(self) -> Layout:
        return self._unpenalised.layout

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.zeros(len(seeds), self.dim, dtype=torch.float64)

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        return self._unpenalised.batches(seeds, steps)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        return self._unpenalised.loss(x, batch) + self._penalty(x)

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        metrics = self._unpenalised.evaluate(x)
        return {**metrics, "loss": metrics["loss"] + self._penalty(x)}

    def definition(self) -> Mapping[str, Any]:
        return self._unpenalised.definition()

    def _penalty(self, x: Tensor) -> Tensor:
        return (0.5 * self.l2) * x.square().sum(-1)

    @cached_property
    def minimum(self) -> float:
        """The lowest full-data loss."""
        return float(self.evaluate(torch.tensor(self.minimisers[0], dtype=torch.float64))["loss"])

    @cached_property
    def minimisers(self) -> Sequence[Sequence[float]]:
        """The one point where it is taken, to a gradient of 1e-7: the loss is then right to 1e-14 / l2."""
        from scipy.optimize import minimize

        split = DIGITS.load()
        batch = (split.inputs.double(), split.labels)

        @torch.enable_grad()  # facts may be read while gradients are off
        def loss_and_gradient(point: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
            x = torch.from_numpy(point).requires_grad_()
            loss = self.loss(x, batch)
            (gradient,) = torch.autograd.grad(loss, x)
            return float(loss.detach()), gradient.numpy()

        found = minimize(
            loss_and_gradient,
            np.zeros(self.dim),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 5000, "maxfun": 10000, "ftol": 0, "gtol": 1e-9, "maxcor": 30},
        )
        return [tuple(found.x.tolist())]


def _network_facts(network: Network, *, steps: int, target: float, tags: Sequence[str], chunk: int = 64) -> Facts:
    """The facts of a network that classifies.

    The floor 0 is an infimum: a network that fits its training data comes as near as its weights are large.
    """
    return Facts(
        dim=network.dim,
        minimum=0.0,
        steps=steps,
        target=target,
        tags=frozenset({"stochastic", "classification", *tags}),
        deterministic=False,
        chunk=chunk,
    )


def digits_mlp(hidden: int = 32, batch: int = 32, parametrization: str = "standard") -> Classifier:
    """A tanh network on scikit-learn's digits, 64-hidden-10: 1437 training and 360 held-out images.

    ``parametrization`` is one of `problems.parametrization`, which have 32 hidden units for their base.
    """
    if hidden < 1:
        raise ValueError(f"digits-mlp needs hidden >= 1, got {hidden}")
    network = perceptron((64, hidden, 10), 32, parametrization)
    facts = _network_facts(network, steps=300, target=0.1, tags=("nonconvex", "neural"))
    return Classifier(network, DIGITS, _defining(hidden, parametrization), facts, batch)


def _defining(hidden: int, parametrization: str) -> dict[str, Any]:
    """What makes an instance what it is: its parametrization where that is not torch's own."""
    return {"hidden": hidden, **({} if parametrization == "standard" else {"parametrization": parametrization})}


def digits_cnn(filters: int = 8, batch: int = 32) -> Classifier:
    """One 3x3 convolution, ReLU, pooling and a linear layer on scikit-learn's digits."""
    if filters < 1:
        raise ValueError(f"digits-cnn needs filters >= 1, got {filters}")
    network = ConvNet(8, filters, 10)
    facts = _network_facts(network, steps=300, target=0.1, tags=("nonconvex", "neural", "convolution"), chunk=16)
    return Classifier(network, DIGITS, {"filters": filters}, facts, batch)


def two_spirals(hidden: int = 32, batch: int = 32, parametrization: str = "standard") -> Classifier:
    """Telling two interlocked spirals of 97 points apart, with a 2-hidden-hidden-2 tanh network.

    Held out are the points halfway between those trained on; ``parametrization`` is as in `digits_mlp`. Raises
    ``ValueError`` for a hidden layer without units.
    """
    if hidden < 1:
        raise ValueError(f"two-spirals needs hidden >= 1, got {hidden}")
    network = perceptron((2, hidden, hidden, 2), 32, parametrization)
    facts = _network_facts(network, steps=3000, target=0.3, tags=("nonconvex", "neural"))
    return Classifier(network, TWO_SPIRALS, _defining(hidden, parametrization), facts, batch)


def mnist_mlp(hidden: int = 64, batch: int = 64, parametrization: str = "standard") -> Classifier:
    """A ReLU network on 5000 real MNIST images, 784-hidden-10: 4000 to train on, 1000 held out.

    ``parametrization`` is one of `problems.parametrization`, which have 64 hidden units for their base.
    """
    return _image_mlp("mnist-mlp", MNIST_5K, hidden, parametrization, batch=batch, steps=310, tags=())


def fashion_mnist_mlp(hidden: int = 64, batch: int = 64, parametrization: str = "standard") -> Classifier:
    """A ReLU network on Fashion-MNIST, 784-hidden-10; the set is downloaded on first use. Else as `mnist_mlp`."""
    tags = ("network",)
    return _image_mlp("fashion-mnist-mlp", FASHION_MNIST, hidden, parametrization, batch=batch, steps=900, tags=tags)


def _image_mlp(
    name: str, data: DataSet, hidden: int, parametrization: str, *, batch: int, steps: int, tags: Sequence[str]
) -> Classifier:
    if hidden < 1:
        raise ValueError(f"{name} needs hidden >= 1, got {hidden}")
    network = perceptron((784, hidden, 10), 64, parametrization, torch.relu)
    facts = _network_facts(network, steps=steps, target=0.3, tags=("nonconvex", "neural", *tags), chunk=16)
    return Classifier(network, data, _defining(hidden, parametrization), facts, batch)


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
