"""How far the gradient of a batch is from that of all data: signal-to-noise ratios and the gradient noise scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from benchmarks.engine.calls import batches_of, gradient_of, loss_of
from benchmarks.engine.segments import batch_like
from benchmarks.exhibits.hessian import full_gradient
from problems import Batch, Problem

__all__ = ["GradientNoise", "examples_in", "gradient_noise"]


@dataclass(frozen=True)
class GradientNoise:
    """The noise of a batch's gradient at points ``[..., S]``, NaN where there is none or a point is not finite.

    ``signal`` is |G|, the norm of the full-data gradient; ``noise`` √tr Σ_b, the root of the summed variances of a
    batch's gradient; ``coordinate_ratio`` the median over coordinates of that of each: its G without sign over σ.
    ``scale`` is the simple noise scale tr Σ / |G|² of McCandlish et al. (2018, arXiv 1812.06162, eq. 2.9), Σ being the
    covariance of one example's gradient, ``batch`` times that of a batch: the batch size at which signal and noise are
    equal.
    """

    signal: Tensor
    noise: Tensor
    coordinate_ratio: Tensor
    scale: Tensor
    batch: int

    @property
    def ratio(self) -> Tensor:
        """|G| / √tr Σ_b: what is signal in the gradient of one batch."""
        return self.signal / self.noise


def gradient_noise(problem: Problem, x: Tensor, seeds: Sequence[int], after: int, draws: int) -> GradientNoise:
    """The noise at ``x [..., S, P]``, estimated without bias from ``draws`` batches that follow the first ``after``.

    Those are the batches that runs on ``seeds`` would see next, so that none of them has been trained on. The sample
    variance over batches of B examples equals McCandlish's estimate of tr Σ / B from gradients of two batch sizes, B
    and ``draws`` B (their appendix A.1); |G|² is exact, of all data, which a large batch only estimates.
    """
    at = x.detach().double()
    mean, squares, batch = torch.zeros_like(at), torch.zeros_like(at), 1
    drawn = islice(batches_of(problem, seeds, after + draws), after, None)
    for count, given in enumerate(drawn, start=1):
        if given is None:
            none = torch.full(at.shape[:-1], math.nan, dtype=torch.float64)
            return GradientNoise(full_gradient(problem, at).norm(dim=-1), none, none, none, 1)
        batch, here = examples_in(problem, given), at.clone().requires_grad_()
        g = gradient_of(problem, loss_of(problem, here, batch_like(given, at)), here)
        away = g - mean
        mean += away / count
        squares += away * (g - mean)  # Welford's sum of squares, which no cancellation harms
    variance = squares / (draws - 1)
    exact = full_gradient(problem, at)
    trace, signal = variance.sum(-1), exact.norm(dim=-1)
    ratios = (exact.abs() / variance.sqrt()).nanquantile(0.5, dim=-1)
    return GradientNoise(signal, trace.sqrt(), ratios, batch * trace / signal.square(), batch)


def examples_in(problem: Problem, batch: Batch) -> int:
    """How many examples a ``batch`` holds: the problem's ``batch``, else the rows of its tensors; 1 for plain noise."""
    stated = getattr(problem, "batch", None)
    if isinstance(stated, int):
        return stated
    return int(batch[0].shape[1]) if isinstance(batch, tuple) and batch[0].dim() > 1 else 1
