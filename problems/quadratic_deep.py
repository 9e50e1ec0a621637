"""DeepOBS's quadratic_deep, rebuilt number by number: an ill-conditioned quadratic with a thousand rows of data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain, islice, repeat
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from problems.data import shuffled_rows
from problems.problem import Batch, Facts, Problem, ProblemSpec

__all__ = ["SPECS", "QuadraticDeep", "Shuffle"]

Array = npt.NDArray[np.float64]
Shuffle = Literal["epoch", "once"]

DIM = 100
ROWS = 1000
BATCH = 128
PER_EPOCH = ROWS // BATCH  # minibatches; DeepOBS drops the rows left over, in testing too


@dataclass(frozen=True)
class QuadraticDeep(Problem):
    """The mean of ½ (x - r)ᵀ Q (x - r) over 1000 rows r ~ N(0, 0.6²), from ones.

    Q has 90 eigenvalues in (0, 1) and 10 in (30, 60). As in DeepOBS (Schneider et al. 2019, its TensorFlow version):
    rows of seed 42, held-out rows of seed 43, 7 minibatches of 128 an epoch, 100 epochs. There Q is drawn from one
    stream of random numbers, so that a process that builds the problem again gets the next Q: ``instance`` counts them
    from 0. Instances are different problems with different floors.

    ``shuffle`` is "epoch" (a new order every epoch) or "once" (one order a seed for all epochs, as in the stored
    DeepOBS baselines), which under much momentum ends elsewhere.

    Raises ``ValueError`` for a negative instance or an unknown shuffle.
    """

    instance: int = 0
    shuffle: Shuffle = "epoch"

    facts = Facts(
        dim=DIM,
        steps=100 * PER_EPOCH,
        tags=frozenset({"quadratic", "convex", "stochastic", "deepobs"}),
        deterministic=False,
        chunk=1024,
    )

    def __post_init__(self) -> None:
        if self.instance < 0:
            raise ValueError(f"quadratic-deep counts its instances from 0, got {self.instance}")
        if self.shuffle not in get_args(Shuffle):
            raise ValueError(f"quadratic-deep shuffles {' or '.join(get_args(Shuffle))}, not {self.shuffle!r}")

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.ones(len(seeds), DIM, dtype=torch.float64)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        center, spread = batch  # type: ignore[misc]
        return self._around(x, center) + spread

    def batches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        """The mean ``[S, P]`` of each minibatch, and the loss ``[S]`` that is left there."""
        if self.shuffle == "once":
            epoch = list(self._minibatches(seeds, PER_EPOCH))
            return islice(chain.from_iterable(repeat(epoch)), steps)
        return self._minibatches(seeds, steps)

    def _minibatches(self, seeds: Sequence[int], steps: int) -> Iterator[Batch]:
        rows, losses = _rows(42), self._losses_at_zero
        for index in shuffled_rows(seeds, ROWS, BATCH, steps):
            center, spread = self._summary(rows[index], losses[index])
            yield center.to(self.dtype), spread.to(self.dtype)

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        """The loss on all training rows, and "test_loss" on the 896 held-out rows DeepOBS tests on."""
        summaries = {"loss": self._training, "test_loss": self._held_out}
        return {
            name: self._around(x.double(), center.to(x.device)) + spread.to(x.device)
            for name, (center, spread) in summaries.items()
        }

    @cached_property
    def minimum(self) -> float:
        """The training loss at the mean of the training rows."""
        return float(self._training[1])

    @cached_property
    def sharpness(self) -> float:
        """The largest eigenvalue of Q."""
        return float(torch.linalg.eigvalsh(_hessian(self.instance))[-1])

    @cached_property
    def minimisers(self) -> Sequence[Sequence[float]]:
        """The mean of the training rows."""
        return [self._training[0].tolist()]

    @cached_property
    def target(self) -> float:
        """One hundredth above the minimum."""
        return 1.01 * self.minimum

    def _around(self, x: Tensor, center: Tensor) -> Tensor:
        """½ (x - center)ᵀ Q (x - center), [...]."""
        away = x - center
        return 0.5 * (away * (away @ _hessian(self.instance).to(x))).sum(-1)

    def _summary(self, rows: Tensor, losses_at_zero: Tensor) -> tuple[Tensor, Tensor]:
        """The mean ``[..., P]`` of rows ``[..., B, P]``, and the mean ``[...]`` of their losses there.

        The mean loss of many rows is the loss of their mean plus this constant: one row's work instead of B.
        """
        center = rows.mean(-2)
        return center, losses_at_zero.mean(-1) - self._around(center, torch.zeros_like(center))

    @cached_property
    def _losses_at_zero(self) -> Tensor:
        """½ rᵀ Q r of each training row."""
        return self._around(_rows(42), torch.zeros(DIM, dtype=torch.float64))

    @cached_property
    def _training(self) -> tuple[Tensor, Tensor]:
        return self._summary(_rows(42), self._losses_at_zero)

    @cached_property
    def _held_out(self) -> tuple[Tensor, Tensor]:
        rows = _rows(43)[: PER_EPOCH * BATCH]
        return self._summary(rows, self._around(rows, torch.zeros(DIM, dtype=torch.float64)))


@cache
def _rows(seed: int) -> Tensor:
    """DeepOBS's data ``[1000, 100]``: single precision numbers, held in double."""
    drawn = np.random.RandomState(seed).normal(0.0, 0.6, (ROWS, DIM)).astype(np.float32)
    return torch.from_numpy(drawn.astype(np.float64))


@cache
def _hessian(instance: int) -> Tensor:
    """Q ``[100, 100]`` of an instance: eigenvalues, then a rotation, from one stream seeded with 42."""
    rng = np.random.RandomState(42)
    for _ in range(instance + 1):
        eigenvalues = np.concatenate([rng.uniform(0, 1, 90), rng.uniform(30, 60, 10)])
        turned = _rotation(rng)
    return torch.from_numpy(turned.T @ (eigenvalues[:, None] * turned))


def _rotation(rng: np.random.RandomState) -> Array:
    """A uniform rotation ``[100, 100]`` by the subgroup algorithm (Diaconis and Shahshahani 1987).

    From a rotation of d coordinates one of d + 1: leave the new, first coordinate alone, then reflect it onto a random
    direction. The order of draws and the sign at the end are DeepOBS's.
    """
    angle = 2 * np.pi * rng.random_sample()
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for d in range(2, DIM):
        direction = rng.standard_normal(d + 1)
        mirror = -direction / np.linalg.norm(direction)
        mirror[0] += 1
        mirror /= np.linalg.norm(mirror)
        larger = np.eye(d + 1)
        larger[1:, 1:] = turned
        turned = larger - 2 * np.outer(mirror, mirror @ larger)
    return -turned


SPECS: tuple[ProblemSpec, ...] = (
    ProblemSpec(
        "quadratic-deep", QuadraticDeep, "DeepOBS's ill-conditioned quadratic, its instances told apart",
        "Schneider et al. 2019 (DeepOBS)",
    ),
)  # fmt: skip
