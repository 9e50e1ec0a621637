"""The best learning rates there are: SGD on a quadratic with additive noise, whose expected loss is known.

Along an eigenvector of curvature h, with gradient noise of variance c, the expected square m of the distance to the
minimum goes to (1 - lr h)² m + lr² c with every step (Zhang et al. 2019), and the expected loss is ½ Σ h m. Along one
eigenvector the lr of lowest next m is h m / (h² m + c); as m is better small at any time, to take it at every step is
best at the end: that is dynamic programming, solved. Along several, one lr serves them all, and the rates are found by
minimising the expected loss after the last step, whose gradient is one backward pass over the steps.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.statistics.arrays import Array

__all__ = ["best_rates", "best_rates_of_one", "expected_loss"]

LEAST: Final = 1e-12
"""The smallest rate, in units of one over the largest curvature: none in effect."""
HUGE: Final = 1e60
"""An expected loss that nobody looks for; moments below it and their products are finite."""
TRIED: Final = 24
"""Constant rates, and as many that fall on a line, of which the best are where the minimisation starts."""


def expected_loss(rates: Array, curvature: Array, noise: Array, start: Array) -> float:
    """The expected loss after SGD has stepped with ``rates`` ``[T]``; ``curvature``, ``noise`` and ``start`` ``[P]``
    are h, c and the first m.
    """
    return float(0.5 * curvature @ _moments(rates, curvature, noise, start)[-1])


def best_rates_of_one(curvature: float, noise: float, start: float, steps: int) -> Array:
    """The best rates ``[T]`` along one eigenvector, in closed form."""
    rates, m = np.empty(steps), start
    for t in range(steps):
        rates[t] = curvature * m / (curvature**2 * m + noise)
        m = (1 - rates[t] * curvature) ** 2 * m + rates[t] ** 2 * noise
    return rates


def best_rates(curvature: Array, noise: Array, start: Array, steps: int) -> tuple[Array, float]:
    """The rates ``[T]`` of lowest expected loss after ``steps``, and that loss.

    The loss has many local minima, which differ in the order of large and small rates: the search starts from the best
    constant and the best falling line, and the lower end is taken.
    """
    from scipy.optimize import minimize

    unit = 1 / float(curvature.max())
    falling = 1 - np.arange(steps) / steps
    starts = list[Array]()
    for shape in (np.ones(steps), falling):
        tried = [scale * shape for scale in unit * np.geomspace(1e-4, 1.9, TRIED)]
        starts.append(min(tried, key=lambda rates: expected_loss(rates, curvature, noise, start)))
    found: list[tuple[float, Array]] = []
    for rates in starts:
        ended = minimize(
            _loss_and_slope,
            np.log(np.maximum(rates, LEAST * unit)),
            args=(curvature, noise, start),
            jac=True,
            method="L-BFGS-B",
            bounds=[(np.log(LEAST * unit), np.log(1 / float(curvature.min())))] * steps,
            options={"maxiter": 2000, "maxfun": 4000, "ftol": 1e-13, "gtol": 1e-12},
        )
        found.append((float(ended.fun), np.exp(ended.x)))
    lowest, best = min(found, key=lambda pair: pair[0])
    return best, float(np.exp(lowest))


def _moments(rates: Array, h: Array, c: Array, start: Array) -> Array:
    """m before every step and after the last ``[T + 1, P]``."""
    m = np.empty((len(rates) + 1, len(h)))
    m[0] = start
    for t, rate in enumerate(rates):
        m[t + 1] = (1 - rate * h) ** 2 * m[t] + rate**2 * c
    return m


def _loss_and_slope(logs: Array, h: Array, c: Array, start: Array) -> tuple[float, Array]:
    """The logarithm of the expected loss, and its gradient by the logarithms of the rates, ``[T]``."""
    rates = np.exp(logs)
    with np.errstate(over="ignore", invalid="ignore"):
        m = _moments(rates, h, c, start)
        loss = float(0.5 * h @ m[-1])
        if not loss < HUGE:  # too long a step of the line search, from which it comes back
            return float(np.log(HUGE)), np.zeros_like(rates)
    slope, costate = np.empty_like(rates), 0.5 * h
    for t in range(len(rates) - 1, -1, -1):
        slope[t] = costate @ (2 * rates[t] * c - 2 * h * (1 - rates[t] * h) * m[t])
        costate = costate * (1 - rates[t] * h) ** 2
    return float(np.log(loss)), slope * rates / loss
