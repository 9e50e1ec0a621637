"""Rules that see matrices against what is not our code: torch, recorded sequences, and their papers in plain numpy.

The references take one tensor of one run at a time, with powers where the papers have powers and roots of matrices by
Schur's method or singular values, and share nothing with the rules.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.linalg import eigh, norm, qr, svd
from scipy.linalg import fractional_matrix_power
from torch import Tensor

from optimizers import RuleOptimizer
from optimizers.adafactor import Adafactor
from optimizers.layerwise import LAMB, LARS
from optimizers.layout import LayoutRule
from optimizers.muon import Muon
from optimizers.shampoo import SOAP, FullAdagrad, Shampoo

RULES: dict[str, type[LayoutRule]] = {
    "adagrad-full": FullAdagrad,
    "shampoo": Shampoo,
    "soap": SOAP,
    "adafactor": Adafactor,
    "muon": Muon,
    "lars": LARS,
    "lamb": LAMB,
}
GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("golden_matrices.json").read_text())
RECORDS: list[dict[str, Any]] = GOLDEN["sequences"]
TOLERANCE = {"muon": 2e-2, "soap": 1e-6}  # those recorded round to bfloat16 before their products, and to single in QR
STEPS = 12

Matrix = np.ndarray[Any, Any]
Make = Callable[[list[Tensor]], torch.optim.Optimizer]


def path(make: Make, start: Tensor, gradients: Sequence[Tensor]) -> Tensor:
    """Where an optimizer goes from ``start`` under given gradients ``[T, *shape]``."""
    w = start.clone().requires_grad_()
    optimizer, points = make([w]), []
    for g in gradients:
        w.grad = g.clone()
        optimizer.step()
        points.append(w.detach().clone())
    return torch.stack(points)


def given(*shape: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """A start and gradients whose rows and columns differ in size, with a tensor of zeros among them."""
    random = np.random.default_rng(len(shape) + sum(shape))
    scale = np.ones(())
    for length in shape:
        scale = np.multiply.outer(scale, np.logspace(0.5, -0.5, length))
    gradients = random.standard_normal((STEPS, *shape)) * scale
    gradients[7] = 0
    return torch.from_numpy(random.standard_normal(shape)).to(dtype), torch.from_numpy(gradients).to(dtype)


@pytest.mark.parametrize("record", RECORDS, ids=[f"{r['optimizer']} of a {r['of']} as {r['source']}" for r in RECORDS])
def test_eight_steps_are_those_of(record: dict[str, Any]) -> None:
    rule = RULES[record["optimizer"]](**record["options"])
    start, gradients = (torch.tensor(GOLDEN[record["of"]][key], dtype=torch.float64) for key in ("start", "gradients"))
    points = path(lambda p: RuleOptimizer(p, rule, **record["hyperparameters"]), start, list(gradients))
    expected = torch.tensor(record["x"], dtype=torch.float64)
    torch.testing.assert_close(points.flatten(1), expected, rtol=0, atol=TOLERANCE.get(record["optimizer"], 1e-12))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (1, 4), (6,)], ids=str)
@pytest.mark.parametrize(
    ("lr", "eps", "decay"),
    [(0.01, 2.0**-23, 0.0), (1.0, 1e-3, 0.1), (0.05, 1.0, 0.5)],
    ids=["defaults", "long", "flat"],
)
def test_adafactor_takes_the_steps_of_torchs(shape: tuple[int, ...], lr: float, eps: float, decay: float) -> None:
    start, gradients = given(*shape)
    ours = path(lambda p: RuleOptimizer(p, Adafactor(), lr=lr, eps=eps, weight_decay=decay), start, list(gradients))
    torchs = path(
        lambda p: torch.optim.Adafactor(p, lr=lr, eps=(eps, 1e-3), weight_decay=decay), start, list(gradients)
    )
    torch.testing.assert_close(ours, torchs, rtol=1e-12, atol=1e-14)  # double precision


def test_adafactors_defaults_are_those_of_torchs_in_single_precision() -> None:
    start, gradients = given(4, 3, dtype=torch.float32)
    ours = path(lambda p: RuleOptimizer(p, Adafactor()), start, list(gradients))
    torch.testing.assert_close(ours, path(torch.optim.Adafactor, start, list(gradients)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 3), (3, 6), (4, 4), (1, 5)], ids=str)
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("match_rms", [True, False])
def test_muon_takes_the_steps_of_torchs_without_its_rounding_to_half_precision(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], nesterov: bool, match_rms: bool
) -> None:
    monkeypatch.setattr(Tensor, "bfloat16", lambda v: v.clone())
    start, gradients = given(*shape)
    adjust = "match_rms_adamw" if match_rms else "original"
    rule = Muon(nesterov=nesterov, match_rms=match_rms)
    ours = path(lambda p: RuleOptimizer(p, rule, lr=0.1, momentum=0.9, weight_decay=0.2), start, list(gradients))
    torchs = path(
        lambda p: torch.optim.Muon(p, lr=0.1, momentum=0.9, weight_decay=0.2, nesterov=nesterov, adjust_lr_fn=adjust),
        start,
        list(gradients),
    )
    torch.testing.assert_close(ours, torchs, rtol=1e-10, atol=1e-12)  # fifteen products in double precision


def test_muon_in_half_precision_takes_the_steps_of_torchs() -> None:
    start, gradients = given(6, 4, dtype=torch.float32)
    torchs = path(lambda p: torch.optim.Muon(p, lr=0.01), start, list(gradients))
    half = path(lambda p: RuleOptimizer(p, Muon(half=True), lr=0.01), start, list(gradients))
    single = path(lambda p: RuleOptimizer(p, Muon(), lr=0.01), start, list(gradients))
    # bfloat16 has 8 bits: a share of 2^-8 at each of some fifteen products
    assert (half - torchs).abs().max() < 0.06 * 0.01 * STEPS
    assert (single - torchs).abs().max() < 0.06 * 0.01 * STEPS


def reference_shampoo(w: Matrix, gs: Matrix, lr: float, eps: float) -> Iterator[Matrix]:
    left, right = eps * np.eye(w.shape[0]), eps * np.eye(w.shape[1])
    for g in gs:
        left, right = left + g @ g.T, right + g.T @ g
        w = w - lr * fractional_matrix_power(left, -0.25) @ g @ fractional_matrix_power(right, -0.25)
        yield w


def reference_full_adagrad(w: Matrix, gs: Matrix, lr: float, eps: float) -> Iterator[Matrix]:
    for t in range(1, len(gs) + 1):
        flat = gs[:t].reshape(t, -1)
        _, sizes, directions = svd(flat, full_matrices=False)  # so that the sum's root is directions.T sizes directions
        h = eps * np.eye(flat.shape[1]) + directions.T @ np.diag(sizes) @ directions
        w = w - lr * np.linalg.solve(h, flat[-1]).reshape(w.shape)
        yield w


def reference_soap(
    w: Matrix, gs: Matrix, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, every: int
) -> Iterator[Matrix]:
    m, v = np.zeros_like(w), np.zeros_like(w)
    left, right = (1 - beta2) * gs[0] @ gs[0].T, (1 - beta2) * gs[0].T @ gs[0]
    q_left, q_right = eigh(left)[1][:, ::-1], eigh(right)[1][:, ::-1]
    yield w
    for t, g in enumerate(gs[1:], start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * (q_left.T @ g @ q_right) ** 2
        turned = (q_left.T @ m @ q_right) / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)
        w = (1 - lr * weight_decay) * w - lr * q_left @ turned @ q_right.T
        left, right = beta2 * left + (1 - beta2) * g @ g.T, beta2 * right + (1 - beta2) * g.T @ g
        if t % every == 0:
            q_left, q_right = qr(left @ q_left)[0], qr(right @ q_right)[0]
        yield w


def reference_lamb(
    w: Matrix, gs: Matrix, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float
) -> Iterator[Matrix]:
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gs, start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        u = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps) + weight_decay * w
        w = w - lr * norm(w) / norm(u) * u
        yield w


def reference_lars(w: Matrix, gs: Matrix, lr: float, momentum: float, weight_decay: float) -> Iterator[Matrix]:
    v = np.zeros_like(w)
    for g in gs:
        local = 0.001 * norm(w) / (norm(g) + weight_decay * norm(w))
        v = momentum * v + lr * local * (g + weight_decay * w)
        w = w - v
        yield w


def reference_adafactor(w: Matrix, gs: Matrix, lr: float, eps: float, weight_decay: float) -> Iterator[Matrix]:
    rows, columns = np.zeros(w.shape[0]), np.zeros(w.shape[1])
    for t, g in enumerate(gs, start=1):
        beta2 = 1 - t**-0.8
        rows = beta2 * rows + (1 - beta2) * (g**2 + eps).sum(1)
        columns = beta2 * columns + (1 - beta2) * (g**2 + eps).sum(0)
        u = g / np.sqrt(np.outer(rows, columns) / rows.sum())
        u = u / max(1.0, np.sqrt((u**2).mean()))
        size = max(1e-3, np.sqrt((w**2).mean())) * min(lr, t**-0.5)
        w = (1 - lr * weight_decay) * w - size * u
        yield w


Case = tuple[LayoutRule, Callable[..., Iterator[Matrix]], dict[str, float], dict[str, int], float]
ROOTS = 1e-7  # of matrices that are singular but for eps: half of the digits
CASES: list[Case] = [
    (Shampoo(), reference_shampoo, {"lr": 0.3, "eps": 1e-4}, {}, 1e-9),
    (FullAdagrad(), reference_full_adagrad, {"lr": 0.3, "eps": 1e-3}, {}, ROOTS),
    *(
        (
            SOAP(every=every),
            reference_soap,
            {"lr": 0.1, "beta1": 0.9, "beta2": 0.8, "eps": 1e-6, "weight_decay": 0.1},
            {"every": every},
            ROOTS,
        )
        for every in (1, 4)
    ),
    (
        LAMB(),
        reference_lamb,
        {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-6, "weight_decay": 0.1},
        {},
        1e-12,
    ),
    (LARS(), reference_lars, {"lr": 30.0, "momentum": 0.9, "weight_decay": 0.1}, {}, 1e-12),
    (Adafactor(eps_inside=True), reference_adafactor, {"lr": 0.5, "eps": 1e-30, "weight_decay": 0.1}, {}, 1e-12),
]


@pytest.mark.parametrize("shape", [(4, 4), (3, 4)], ids=str)
@pytest.mark.parametrize(
    ("rule", "reference", "hp", "more", "close"), CASES, ids=[f"{type(c[0]).__name__}{c[3] or ''}" for c in CASES]
)
def test_a_rule_follows_its_papers_pseudo_code_on_matrices(
    rule: LayoutRule,
    reference: Callable[..., Iterator[Matrix]],
    hp: dict[str, float],
    more: dict[str, int],
    close: float,
    shape: tuple[int, int],
) -> None:
    start, gradients = given(*shape)
    gradients[7] = gradients[3] / 2  # for the papers divide by nothing that is 0
    ours = path(lambda p: RuleOptimizer(p, rule, **hp), start, list(gradients))
    expected = np.stack(list(reference(start.numpy(), gradients.numpy(), **hp, **more)))
    np.testing.assert_allclose(ours.numpy(), expected, rtol=close, atol=close)


def test_shampoo_takes_its_roots_anew_only_every_so_many_steps() -> None:
    start, gradients = given(4, 3)
    frozen = path(lambda p: RuleOptimizer(p, Shampoo(every=100), lr=0.3), start, list(gradients[:2]))
    g, first = gradients[1].numpy(), gradients[0].numpy()
    left, right = 1e-4 * np.eye(4) + first @ first.T, 1e-4 * np.eye(3) + first.T @ first
    step = -0.3 * fractional_matrix_power(left, -0.25) @ g @ fractional_matrix_power(right, -0.25)
    np.testing.assert_allclose((frozen[1] - frozen[0]).numpy(), step, rtol=1e-7, atol=1e-9)
    assert torch.equal(
        path(lambda p: RuleOptimizer(p, Shampoo(every=100)), start, list(gradients))[0],
        path(lambda p: RuleOptimizer(p, Shampoo()), start, list(gradients))[0],
    )


def test_full_matrix_adagrad_of_gradients_along_the_axes_is_adagrad() -> None:
    from optimizers.adagrad import Adagrad

    gradients = [torch.diag(torch.ones(4, dtype=torch.float64))[place % 4] * (place + 1) for place in range(STEPS)]
    start = torch.linspace(-1, 1, 4, dtype=torch.float64)
    full = path(lambda p: RuleOptimizer(p, FullAdagrad(eps_inside=True)), start, gradients)
    torch.testing.assert_close(full, path(lambda p: RuleOptimizer(p, Adagrad()), start, gradients), rtol=1e-9, atol=0)


@pytest.mark.parametrize(("rule", "other"), [(LAMB(), LAMB(corrected=False)), (Muon(), Muon(of_vectors=1.0))])
def test_an_option_changes_the_steps(rule: LayoutRule, other: LayoutRule) -> None:
    start, gradients = given(5)
    one, two = (path(lambda p, r=each: RuleOptimizer(p, r), start, list(gradients)) for each in (rule, other))
    assert not torch.allclose(one, two)
