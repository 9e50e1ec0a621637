"""Runs on the ellipse and random draws, made with plain numpy."""

from __future__ import annotations

import numpy as np

LR, GAMMA, EPS = 0.4, 0.9, 1e-6
CURVATURE = np.array([0.2, 4.0])


def loss_of(x: np.ndarray) -> np.ndarray:
    return 0.5 * (CURVATURE * x**2).sum(-1)


def walk(optimizer: str, lr: float, gamma: float = GAMMA, steps: int = 20) -> list[dict[str, float]]:
    """One row a step of the ellipse: the point, its loss, and for each coordinate what stands under the root."""
    x, s = np.array([-5.0, -2.0]), np.zeros(2)
    rows = [{"step": 0, "x1": x[0], "x2": x[1], "loss": float(loss_of(x))}]
    for step in range(1, steps + 1):
        g = CURVATURE * x
        s = s + g**2 if optimizer == "adagrad" else gamma * s + (1 - gamma) * g**2
        x = x - lr * (g if optimizer == "sgd" else g / np.sqrt(s + EPS))
        rows.append({"step": step, "x1": x[0], "x2": x[1], "loss": float(loss_of(x)), "g": g, "s": s})
    return rows


def spread(values: np.ndarray) -> dict[str, float]:
    low, median, high = np.quantile(values, [0.05, 0.5, 0.95])
    middle = {"mean": values.mean(), "deviation": values.std(), "median": median}
    return {**middle, "low": low, "high": high, "seeds": values.size, "diverged": 0}


def draws(centre: float, seed: int, n: int = 20) -> np.ndarray:
    return centre + 0.002 * np.abs(np.random.default_rng(seed).standard_normal(n))
