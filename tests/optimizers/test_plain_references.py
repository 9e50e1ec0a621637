"""The rules torch lacks, against one-parameter references in plain floats, written from their papers' pseudo-code.

A reference takes the gradients one by one, uses powers where the papers have powers, and shares nothing with the rules.
"""

from collections.abc import Callable, Iterator, Sequence
from math import copysign, exp, sqrt

import pytest
import torch

from optimizers import BUILTIN

SPECS = {spec.name: spec for spec in BUILTIN}
STEPS = 50

Reference = Callable[..., Iterator[float]]
REFERENCES: dict[str, Reference] = {}


def reference(name: str) -> Callable[[Reference], Reference]:
    """Enter a generator of steps ``(gradients, **hyperparameters) -> the change of x at each gradient``."""

    def enter(function: Reference) -> Reference:
        REFERENCES[name] = function
        return function

    return enter


def sign(number: float) -> float:
    return copysign(1.0, number) if number else 0.0


@reference("momentum-ema")
def leaky_momentum(gs: Sequence[float], lr: float, momentum: float) -> Iterator[float]:
    v = 0.0
    for g in gs:
        v = momentum * v + (1 - momentum) * g
        yield -lr * v


@reference("signsgd")
def sign_descent(gs: Sequence[float], lr: float) -> Iterator[float]:
    for g in gs:
        yield -lr * sign(g)


@reference("signum")
def signum(gs: Sequence[float], lr: float, momentum: float) -> Iterator[float]:
    m = 0.0
    for g in gs:
        m = momentum * m + (1 - momentum) * g
        yield -lr * sign(m)


@reference("lion")
def lion(gs: Sequence[float], lr: float, beta1: float, beta2: float, weight_decay: float) -> Iterator[float]:
    m, x = 0.0, 1.0
    for g in gs:
        update = sign(beta1 * m + (1 - beta1) * g)
        m = beta2 * m + (1 - beta2) * g
        step = -lr * (update + weight_decay * x)
        x += step
        yield step


@reference("adagrad")
def adagrad(gs: Sequence[float], lr: float, eps: float) -> Iterator[float]:
    for t in range(1, len(gs) + 1):
        yield -lr * gs[t - 1] / sqrt(sum(g**2 for g in gs[:t]) + eps)


@reference("adagrad-averaged")
def averaged_adagrad(gs: Sequence[float], lr: float, eps: float) -> Iterator[float]:
    for t in range(1, len(gs) + 1):
        yield -lr * gs[t - 1] / sqrt(sum(g**2 for g in gs[:t]) / t + eps)


@reference("sc-adagrad")
def strongly_convex_adagrad(gs: Sequence[float], lr: float, eps: float) -> Iterator[float]:
    for t in range(1, len(gs) + 1):
        v = sum(g**2 for g in gs[:t])
        yield -lr * gs[t - 1] / (v + eps * exp(-0.1 * v))


def leaky_squares(gs: Sequence[float], gamma: float, start: float = 0.0) -> list[float]:
    """The leaky average written out as the sum it stands for."""
    return [
        gamma**t * start + (1 - gamma) * sum(gamma ** (t - 1 - i) * gs[i] ** 2 for i in range(t))
        for t in range(1, len(gs) + 1)
    ]


@reference("rmsprop")
def rmsprop(gs: Sequence[float], lr: float, gamma: float, eps: float) -> Iterator[float]:
    for g, s in zip(gs, leaky_squares(gs, gamma), strict=True):
        yield -lr * g / sqrt(s + eps)


@reference("rmsprop-tf1")
def rmsprop_from_ones(gs: Sequence[float], lr: float, gamma: float, eps: float) -> Iterator[float]:
    for g, s in zip(gs, leaky_squares(gs, gamma, start=1.0), strict=True):
        yield -lr * g / sqrt(s + eps)


@reference("rmsprop-corrected")
def corrected_rmsprop(gs: Sequence[float], lr: float, gamma: float, eps: float) -> Iterator[float]:
    for t, (g, s) in enumerate(zip(gs, leaky_squares(gs, gamma), strict=True), start=1):
        yield -lr * g / (sqrt(s / (1 - gamma**t)) + eps)


@reference("rmsprop-amsgrad")
def rmsprop_with_maximum(gs: Sequence[float], lr: float, gamma: float, eps: float) -> Iterator[float]:
    averages = leaky_squares(gs, gamma)
    for t, g in enumerate(gs, start=1):
        yield -lr * g / sqrt(max(averages[:t]) + eps)


@reference("rmsprop-graves")
def graves(gs: Sequence[float], lr: float, gamma: float, momentum: float, eps: float) -> Iterator[float]:
    n = m = delta = 0.0
    for g in gs:
        n = gamma * n + (1 - gamma) * g**2
        m = gamma * m + (1 - gamma) * g
        delta = momentum * delta - lr * g / sqrt(n - m**2 + eps)
        yield delta


@reference("rmsprop-mh")
def rmsprop_of_mukkamala_and_hein(gs: Sequence[float], lr: float, gamma: float, eps: float) -> Iterator[float]:
    v = 0.0
    for t, g in enumerate(gs, start=1):
        beta = 1 - gamma / t
        v = beta * v + (1 - beta) * g**2
        yield -(lr / sqrt(t)) * g / (sqrt(v) + eps / sqrt(t))


@reference("sc-rmsprop")
def strongly_convex_rmsprop(gs: Sequence[float], lr: float, gamma: float, eps: float) -> Iterator[float]:
    v = 0.0
    for t, g in enumerate(gs, start=1):
        beta = 1 - gamma / t
        v = beta * v + (1 - beta) * g**2
        yield -(lr / t) * g / (v + eps * exp(-0.1 * t * v) / t)


@reference("yogi")
def yogi(gs: Sequence[float], lr: float, beta1: float, beta2: float, eps: float) -> Iterator[float]:
    m = v = 1e-6
    for t, g in enumerate(gs, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = v - (1 - beta2) * sign(v - g**2) * g**2
        yield -lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)


@reference("adabelief")
def adabelief(gs: Sequence[float], lr: float, beta1: float, beta2: float, eps: float) -> Iterator[float]:
    m = s = 0.0
    for t, g in enumerate(gs, start=1):
        m = beta1 * m + (1 - beta1) * g
        s = beta2 * s + (1 - beta2) * (g - m) ** 2 + eps
        yield -lr * (m / (1 - beta1**t)) / (sqrt(s / (1 - beta2**t)) + eps)


@reference("adamw-cautious")
def cautious_adamw(
    gs: Sequence[float], lr: float, beta1: float, beta2: float, eps: float, weight_decay: float
) -> Iterator[float]:
    m = v = 0.0
    x = 1.0
    for t, g in enumerate(gs, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        update = (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)
        agrees = 1.0 if m * g > 0 else 0.0  # of one entry the share is 1 or 0, and 0 is taken for 1e-3
        step = -lr * (agrees * update / max(agrees, 1e-3) + weight_decay * x)
        x += step
        yield step


def schedule_free(
    moves: Callable[[float, float, int], float], gs: Sequence[float], lr: float, momentum: float
) -> Iterator[float]:
    """Steps of y where z moves by ``-lr moves(g, y, t)``, with the mean written out as the sum it stands for."""
    y, zs = 1.0, [1.0]
    for t, g in enumerate(gs, start=1):
        zs.append(zs[-1] - lr * moves(g, y, t))
        new = (1 - momentum) * zs[-1] + momentum * sum(zs[1:]) / t
        yield new - y
        y = new


@reference("schedule-free-sgd")
def schedule_free_sgd(gs: Sequence[float], lr: float, momentum: float) -> Iterator[float]:
    yield from schedule_free(lambda g, y, t: g, gs, lr, momentum)


@reference("schedule-free-adamw")
def schedule_free_adamw(
    gs: Sequence[float], lr: float, gamma: float, eps: float, weight_decay: float, momentum: float
) -> Iterator[float]:
    v = leaky_squares(gs, gamma)

    def moves(g: float, y: float, t: int) -> float:
        return g / (sqrt(v[t - 1] / (1 - gamma**t)) + eps) + weight_decay * y

    yield from schedule_free(moves, gs, lr, momentum)


@reference("dog")
def distance_over_gradients(gs: Sequence[float], lr: float, eps: float) -> Iterator[float]:
    xs = [1.0]
    for t, g in enumerate(gs, start=1):
        distance = max(1e-6 * (1 + abs(xs[0])), *(abs(x - xs[0]) for x in [*xs, xs[0]]))
        step = -lr * distance / sqrt(sum(g**2 for g in gs[:t]) + eps) * g
        xs.append(xs[-1] + step)
        yield step


@reference("prodigy")
def prodigy(
    gs: Sequence[float], lr: float, beta1: float, beta2: float, eps: float, weight_decay: float
) -> Iterator[float]:
    m = v = r = s = 0.0
    d = d0 = 1e-6
    x = 1.0
    for g in gs:
        m = beta1 * m + (1 - beta1) * d * g
        v = beta2 * v + (1 - beta2) * d**2 * g**2
        r = sqrt(beta2) * r + lr * d**2 / d0 * g * (1.0 - x)
        s = sqrt(beta2) * s + lr * d**2 / d0 * g
        new_d = max(d, r / abs(s)) if s else d
        adam = m / (sqrt(v) + new_d * eps) if s else 0.0
        step = -lr * d * (adam + weight_decay * x)
        d = new_d
        x += step
        yield step


@reference("dadapt-adam")
def adam_by_d_adaptation(gs: Sequence[float], lr: float, beta1: float, beta2: float, eps: float) -> Iterator[float]:
    m = v = r = s = 0.0
    d = 1e-6
    for g in gs:
        r = sqrt(beta2) * r + (1 - sqrt(beta2)) * lr * d * g * s / (sqrt(v) + eps)
        m = beta1 * m + (1 - beta1) * lr * d * g
        v = beta2 * v + (1 - beta2) * g**2
        s = sqrt(beta2) * s + (1 - sqrt(beta2)) * lr * d * g
        d = max(d, r / ((1 - sqrt(beta2)) * abs(s))) if s else d
        yield -m / (sqrt(v) + eps) if s else 0.0


@reference("adagrad-full")
def full_adagrad(gs: Sequence[float], lr: float, eps: float) -> Iterator[float]:
    for t in range(1, len(gs) + 1):
        yield -lr * gs[t - 1] / (sqrt(sum(g**2 for g in gs[:t])) + eps)


@reference("shampoo")
def shampoo(gs: Sequence[float], lr: float, eps: float) -> Iterator[float]:
    for t in range(1, len(gs) + 1):
        yield -lr * gs[t - 1] / sqrt(sum(g**2 for g in gs[:t]) + eps)


def adam(gs: Sequence[float], lr: float, beta1: float, beta2: float, eps: float) -> Iterator[float]:
    m = v = 0.0
    for t, g in enumerate(gs, start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        yield -lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)


def decayed(steps: Iterator[float], share: float) -> Iterator[float]:
    """``steps`` that are taken after w has shrunk by a ``share`` of itself."""
    w = 1.0
    for step in steps:
        change = step - share * w
        w += change
        yield change


@reference("soap")
def soap(
    gs: Sequence[float], lr: float, beta1: float, beta2: float, eps: float, weight_decay: float
) -> Iterator[float]:
    yield 0.0
    yield from decayed(adam(gs[1:], lr, beta1, beta2, eps), lr * weight_decay)


@reference("muon")
def muon(gs: Sequence[float], lr: float, momentum: float, weight_decay: float) -> Iterator[float]:
    assert momentum >= 0  # which vectors know nothing of
    lr = 3e-4 * lr / 0.02
    yield from decayed(adam(gs, lr, 0.9, 0.95, 1e-10), lr * weight_decay)


@reference("lars")
def lars(gs: Sequence[float], lr: float, momentum: float, weight_decay: float) -> Iterator[float]:
    v, w = 0.0, 1.0
    for g in gs:
        slope = abs(g) + weight_decay * abs(w)
        v = momentum * v + lr * (0.001 * abs(w) / slope) * (g + weight_decay * w)
        w -= v
        yield -v


@reference("lamb")
def lamb(
    gs: Sequence[float], lr: float, beta1: float, beta2: float, eps: float, weight_decay: float
) -> Iterator[float]:
    w = 1.0
    for adams in adam(gs, 1.0, beta1, beta2, eps):
        u = weight_decay * w - adams
        step = -lr * abs(w) / abs(u) * u
        w += step
        yield step


def gradients() -> list[float]:
    """50 gradients of many sizes and both signs, a few of them zero."""
    generator = torch.Generator().manual_seed(17)
    size = torch.logspace(-2, 1, STEPS, dtype=torch.float64)[torch.randperm(STEPS, generator=generator)]
    g = torch.randn(STEPS, generator=generator, dtype=torch.float64) * size
    g[9:12] = 0
    return [float(value) for value in g]


def path(name: str, gs: Sequence[float], hp: dict[str, float]) -> list[float]:
    x = torch.ones(1, dtype=torch.float64, requires_grad=True)
    optimizer = SPECS[name].torch([x], **hp)
    points = []
    for g in gs:
        x.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
        points.append(x.item())
    return points


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", REFERENCES)
def test_a_rule_follows_its_papers_pseudo_code(name: str, memory: float) -> None:
    varied = {"gamma": memory or 0.01 if name in ("rmsprop-mh", "sc-rmsprop") else memory, "beta2": memory, "lr": 0.05}
    hp = {knob.name: varied.get(knob.name, knob.default) for knob in SPECS[name].hyperparameters}
    if "weight_decay" in hp:
        hp["weight_decay"] = 0.1
    if "momentum" in hp and "gamma" not in hp:
        hp["momentum"] = memory
    x, expected = 1.0, []
    for step in REFERENCES[name](gradients(), **hp):
        x += step
        expected.append(x)
    # sums written out and powers round differently from running averages and products
    assert path(name, gradients(), hp) == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_every_rule_without_a_torch_namesake_has_a_reference() -> None:
    of_torch = {
        "sgd",
        "momentum",
        "nesterov",
        "adagrad-torch",
        "rmsprop-torch",
        "rmsprop-centered",
        "rmsprop-momentum",
        "rprop",
        "adadelta",
        "adam",
        "adamw",
        "amsgrad",
        "nadam",
        "adafactor",
    }
    assert set(REFERENCES) == set(SPECS) - of_torch
