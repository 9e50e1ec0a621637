"""Every exhibit answered once, with few seeds and steps, and held against its schema."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from analysis.record.exhibits import check_exhibit
from benchmarks.exhibits import Answer, make_question

QUICK: dict[str, dict[str, Any]] = {
    "numbers": {"seeds": 12},
    "memory": {},
    "stall": {"steps": 420, "cycle_steps": 1200, "seeds": 2, "lrs": [0.2, 0.4], "gammas": [0.5, 0.9]},
    "variants": {"seeds": 6},
    "gamma-one": {"steps": 30, "decades": 2},
    "rotation": {"angles": 3, "conditions": [1.0, 20.0], "points": 41, "steps": 200},
    "real-problem": {
        "images": "mnist", "hidden": 4, "batch": 8, "steps": 6, "lrs": [0.01, 0.1], "tuning_seeds": 1,
        "test_seeds": 2, "evaluations": 2,
    },
    "gamma-schedules": {
        "on": ["airfoil"], "few": [], "seeds": 4, "tuning_seeds": 2, "lrs": [0.001, 0.01], "tuned_lrs": [0.003, 0.01],
        "sums": [5], "sum_steps": 1500, "sum_seeds": 4,
    },
    "schedules-found": {
        "on": ["noisy-quadratic(dim=3)"], "shapes": ["constant", "linear"], "knots": [0.0, 0.5, 1.0], "population": 4,
        "generations": 3, "studies": 2, "tuning_seeds": 2, "test_seeds": 3, "steps": 12,
    },
    "effective-rates": {
        "on": ["ellipse"], "optimizers": ["sgd"], "evaluations": 2, "steps": 4, "rates": 2, "draws": 2,
    },
    "curvature": {"on": ["ellipse"], "optimizers": ["sgd"], "evaluations": 2, "steps": 20},
    "ladder": {
        "on": ["airfoil"], "optimizers": ["sgd", "momentum"], "alone": [], "studies": 3, "trials": 2, "tuning_seeds": 1,
        "seeds": 2, "steps": 4,
    },
    "tuning-free": {
        "on": ["airfoil"], "optimizers": ["dog"], "settings": {}, "references": ["sgd"], "grid": [3, 2], "seeds": 2,
        "steps": 4, "range_steps": 20,
    },
    "memory-laws": {
        "on": ["noisy-quadratic(dim=4)"], "optimizers": ["rmsprop", "adam"], "seeds": 2, "batches": [4, 8, 16],
        "horizons": [4, 8, 16], "gammas": [0.5, 0.9, 0.99], "lrs": [0.03, 0.1, 0.3],
    },
    "scale-laws": {
        "on": ["noisy-quadratic(dim=4)", "two-spirals"], "optimizers": ["sgd", "rmsprop"], "seeds": 2,
        "batches": [4, 8], "horizons": [2, 4], "widths": [2, 4, 8], "lrs": [0.01, 0.03, 0.1, 0.3],
    },
    "unit-tests": {
        "optimizers": ["adam"], "groups": ["minimax"], "steps": 6, "repetitions": 2, "rates": 2, "reference_rates": 3,
    },
}  # fmt: skip


@pytest.fixture(scope="session")
def answer_of() -> Callable[[str], Answer]:
    """The quick answer of an exhibit by name."""

    @cache
    def answer(name: str) -> Answer:
        found = make_question(name, QUICK[name]).answer(None)
        check_exhibit(name, found.tables, found.facts)
        assert found.method
        return found

    return answer


@pytest.fixture(scope="session")
def quick() -> dict[str, dict[str, Any]]:
    """The options of the quick answers."""
    return QUICK
