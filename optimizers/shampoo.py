"""Rules that keep whole matrices of second moments: full-matrix Adagrad, Shampoo, and SOAP in its eigenbasis.

Sums of products and their roots are in double precision whatever that of the parameters is: their condition is that
of the gradients, squared, and where no gradient pointed yet a root makes a step of what is rounding. A lane whose
matrix is not finite takes steps that are NaN, and its neighbours do not notice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from optimizers.adam import corrected_step
from optimizers.layout import LayoutRule, ones_of_lane, product
from optimizers.rule import (
    Hyperparameter,
    Hyperparameters,
    State,
    Value,
    as_like,
    leaky_average_,
    leaky_square_,
    root_,
)

__all__ = ["SOAP", "FullAdagrad", "Shampoo"]

LARGEST: Final = 2000  # rows of a matrix: it takes 32 MB a run in double precision, and its roots take seconds
LR = Hyperparameter("lr", default=0.1, low=1e-4, high=100.0, scale="log")


@dataclass(frozen=True)
class FullAdagrad(LayoutRule):
    """S <- S + g gᵀ, x <- x - lr (S^½ + eps I)^-1 g with S₀ = 0 (Duchi, Hazan and Singer 2011, fig. 2, full matrices).

    All parameters are one vector, whatever their shapes. ``eps_inside`` takes (S + eps I)^-½ instead, as the chapter's
    `optimizers.adagrad.Adagrad` does for each coordinate.
    """

    eps_inside: bool = False

    joint = True
    to_the_bit = False
    hyperparameters = (LR, Hyperparameter("eps", default=1e-6, low=1e-12, high=1.0, scale="log"))

    def bound(self, shapes: Sequence[Sequence[int]]) -> Self:
        return super().bound([[sum(map(math.prod, shapes))]])

    def check(self, shape: tuple[int, ...]) -> None:
        _check_size("full-matrix Adagrad keeps a square matrix of all parameters", shape, "shampoo keeps smaller ones")

    def init_tensor(self, w: Tensor, axes: int) -> State:
        return {"sums": _square(w, axes, w.shape[-1])}

    def step_tensor(self, w: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int, axes: int) -> Tensor:  # noqa: ARG002
        column = g.unsqueeze(-1).double()
        root = inverse_root(state["sums"].add_(column * column.mT), _wide(hp["eps"]), 2, eps_inside=self.eps_inside)
        return product(root, column).squeeze(-1).to(g.dtype).mul_(as_like(-hp["lr"], g))


@dataclass(frozen=True)
class Shampoo(LayoutRule):
    """L <- L + G Gᵀ, R <- R + Gᵀ G, W <- W - lr L^-¼ G R^-¼ with L₀ = R₀ = eps I (Gupta et al. 2018, alg. 1).

    A vector is a tensor of order 1: L <- L + g gᵀ, w <- w - lr L^-½ g (alg. 2), which is full-matrix Adagrad. Tensors
    of more than two axes are matrices [out, all others], where alg. 2 has a matrix for each axis.

    ``every``  is the number of steps from one taking of the roots to the next, the first at once.
    """

    every: int = 1

    to_the_bit = False
    hyperparameters = (LR, Hyperparameter("eps", default=1e-4, low=1e-12, high=1.0, scale="log"))

    def check(self, shape: tuple[int, ...]) -> None:
        _check_size("Shampoo keeps a square matrix of every axis of a tensor", shape, "soap keeps none of a vector")

    def init_tensor(self, w: Tensor, axes: int) -> State:
        sums = {side: _square(w, axes, w.shape[-axes:][place]) for place, side in enumerate(("left", "right")[:axes])}
        roots = {f"{side}_root": torch.zeros_like(value) for side, value in sums.items()} if self.every > 1 else {}
        return sums | roots

    def step_tensor(self, w: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int, axes: int) -> Tensor:  # noqa: ARG002
        big = (g.unsqueeze(-1) if axes == 1 else g).double()
        eps = _wide(hp["eps"]) if axes == 1 else hp["eps"]
        state["left"].add_(product(big, big.mT))
        step = product(self._root("left", state, eps, 2 * axes, t), big)
        if axes == 2:
            state["right"].add_(product(big.mT, big))
            step = product(step, self._root("right", state, eps, 4, t))
        return step.reshape(g.shape).to(g.dtype).mul_(as_like(-hp["lr"], g))

    def _root(self, side: str, state: State, eps: Value, order: int, t: int) -> Tensor:
        """The inverse root of one side's sums, as it was taken last."""
        if self.every > 1 and (t - 1) % self.every:
            return state[f"{side}_root"]
        root = inverse_root(state[side], eps, order)
        return state[f"{side}_root"].copy_(root) if self.every > 1 else root


@dataclass(frozen=True)
class SOAP(LayoutRule):
    """Adam in the eigenbasis of Shampoo's matrices (Vyas et al. 2025, alg. 3): G' = Q_Lᵀ G Q_R.

    M and V are leaky averages of G and of G'², the step is -lr Q_L (M̂' / (√V̂ + eps)) Q_Rᵀ, and after it L and R, leaky
    averages of G Gᵀ and Gᵀ G with memory beta2, go on. At every ``every``-th step Q <- QR(L Q), one power iteration
    from the last basis (alg. 4). Vectors take steps of AdamW. As in the authors' code:

    1. the first gradient makes the first L, R and bases, of falling eigenvalues, and moves nothing;
    2. the averages are corrected for their start. It adds eps to √V before, this to √V̂ after, as Adam does.
    3. weight decay is decoupled and comes first; there it comes last.
    4. The authors sort a basis by its estimated eigenvalues before QR; their paper and this do not.
    5. Where gradients have less than full rank, as those of a softmax, any basis of the rest would do, and rounding
       would choose it: shares of the trace from 1e-9 down to 0 on the diagonal choose it instead.
    """

    every: int = 10

    to_the_bit = False
    hyperparameters = (
        Hyperparameter("lr", default=0.003, low=1e-5, high=10.0, scale="log"),
        Hyperparameter("beta1", default=0.95, low=0.0, high=0.999, scale="log1m"),
        Hyperparameter("beta2", default=0.95, low=0.0, high=0.9999, scale="log1m"),
        Hyperparameter("eps", default=1e-8, low=1e-20, high=1.0, scale="log"),
        Hyperparameter("weight_decay", default=0.01, low=1e-5, high=1.0, scale="log"),
    )

    def check(self, shape: tuple[int, ...]) -> None:
        if len(shape) == 2:
            _check_size("SOAP keeps square matrices of both axes of a matrix", shape, "lamb keeps none")

    def init_tensor(self, w: Tensor, axes: int) -> State:
        products = {name: ones_of_lane(w, axes) for name in ("forgotten1", "forgotten2")}
        kept = {"m": torch.zeros_like(w), "s": torch.zeros_like(w)} | products
        if axes == 2:
            for side, rows in zip(("left", "right"), w.shape[-2:], strict=True):
                kept |= {side: _square(w, axes, rows), f"{side}_basis": _square(w, axes, rows).to(w.dtype)}
        return kept

    def step_tensor(self, w: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int, axes: int) -> Tensor:
        step = torch.zeros_like(w) if t == 1 else self._step(w, g, state, hp, axes)
        if axes == 2:
            self._look(g, state, hp["beta2"], t)
        return step

    def _step(self, w: Tensor, g: Tensor, state: State, hp: Hyperparameters, axes: int) -> Tensor:
        m = leaky_average_(state["m"], g, hp["beta1"])
        if axes == 1:
            step = corrected_step(m, leaky_square_(state["s"], g, hp["beta2"]), state, hp)
        else:
            left, right = state["left_basis"], state["right_basis"]
            s = leaky_square_(state["s"], product(product(left.mT, g), right), hp["beta2"])
            turned = corrected_step(product(product(left.mT, m), right), s, state, hp)
            step = product(product(left, turned), right.mT)
        return step.sub_(w * as_like(hp["lr"] * hp["weight_decay"], w))

    def _look(self, g: Tensor, state: State, beta2: Value, t: int) -> None:
        """Let L and R go on by ``g``, and their bases where it is time."""
        g = g.double()
        for side, squares in (("left", product(g, g.mT)), ("right", product(g.mT, g))):
            matrix, basis = leaky_average_(state[side], squares, beta2), state[f"{side}_basis"]
            if t == 1:
                basis.copy_(_eigen(_untied(matrix))[1].flip(-1))
            elif (t - 1) % self.every == 0:
                basis.copy_(torch.linalg.qr(product(_untied(matrix), basis.double()))[0])


def inverse_root(matrix: Tensor, eps: Value, order: int, *, eps_inside: bool = True) -> Tensor:
    """(matrix + eps I)^(-1 / order) in double precision, or the inverse of matrix^(1 / order) + eps I; ``order`` 2, 4.

    ``eps`` broadcasts against ``matrix`` ``[..., n, n]``, a sum of products, which has no negative eigenvalues. Those
    below n ulp of the largest are rounding, and are raised to it: what direction they belong to is nobody's doing.
    """
    values, vectors = _eigen(matrix)
    rounding = values[..., -1:] * (values.shape[-1] * torch.finfo(values.dtype).eps)
    values = torch.maximum(values, rounding.clamp_(min=0)).unsqueeze(-2)
    if eps_inside:
        values.add_(eps)
    for _ in range(order // 2):
        values = root_(values)
    return product(vectors / (values if eps_inside else values.add_(eps)), vectors.mT)


def _untied(matrix: Tensor) -> Tensor:
    """A matrix without equal eigenvalues near 0, so that it has one eigenbasis; see note 5 of `SOAP`."""
    shares = torch.linspace(1e-9, 0, matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    trace = matrix.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)
    return matrix + torch.diag_embed(trace * shares)


def _eigen(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, rising, and eigenvectors, in columns, of symmetric matrices; NaN of one that is not finite."""
    finite = matrix.isfinite().flatten(-2).all(-1)[..., None, None]  # else LAPACK complains, for all of them
    values, vectors = torch.linalg.eigh(torch.where(finite, matrix, torch.ones_like(matrix)))
    return values, torch.where(finite, vectors, torch.nan)


def _wide(value: Value) -> Value:
    """A hyperparameter of a vector, to broadcast against its square matrix."""
    return value.unsqueeze(-1) if isinstance(value, Tensor) else value


def _square(w: Tensor, axes: int, rows: int) -> Tensor:
    """A matrix of zeros for each lane of ``w``, in double precision."""
    return w.new_zeros((*w.shape[: w.dim() - axes], rows, rows), dtype=torch.float64)


def _check_size(what: str, shape: tuple[int, ...], instead: str) -> None:
    if max(shape) > LARGEST:
        raise ValueError(
            f"{what}, at most of {LARGEST:,} rows; of {list(shape)} it would have {max(shape):,}; {instead}"
        )
