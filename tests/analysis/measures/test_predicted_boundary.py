"""Predicted against measured boundaries, and effective steps at the end, from tables made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.measures.effective_steps import at_the_end, noise_scales
from analysis.measures.predicted_boundary import by_optimizer, edge_ratios, within

BOUNDARY = pd.DataFrame(
    {
        "problem": ["a", "a", "b", "c", "a", "b"],
        "optimizer": ["sgd", "sgd", "sgd", "sgd", "signsgd", "signsgd"],
        "predicted_lr": [1.0, 3.0, 1.0, 1.0, np.nan, np.nan],
        "critical_lr": [1.0, 1.0, 2.0, 4.0, 0.5, np.inf],
        "measured_lr": [1.0, 3.0, 8.0, np.nan, 0.1, 0.1],
        "largest_stable_lr": [0.9, 2.9, 7.0, 50.0, 0.09, 0.09],
    }
)


def test_of_a_pair_the_median_over_seeds_counts_and_who_was_never_unstable_does_not():
    found = by_optimizer(BOUNDARY, "predicted_lr")
    assert list(found) == ["sgd"]
    assert (found["sgd"].low, found["sgd"].high, found["sgd"].n) == pytest.approx((1.0, 8.0, 2))
    assert found["sgd"].median == pytest.approx(8**0.5)  # between 1 and 8, in logarithms
    assert within(BOUNDARY, "predicted_lr", 2.0) == 1
    assert by_optimizer(BOUNDARY, "critical_lr")["signsgd"].n == 1


def test_the_edge_is_looked_at_in_the_last_step_of_the_fastest_runs():
    runs = pd.DataFrame(
        {
            "problem": "a",
            "optimizer": ["sgd"] * 3 + ["lion"],
            "share": [0.1, 0.9, 0.9, 0.9],
            "step": [5, 0, 5, 5],
            "edge": [0.2, 9.0, 0.95, np.nan],
        }
    )
    assert edge_ratios(runs) == {"sgd": 0.95}


def test_the_noise_scale_is_that_of_runs_that_got_to_the_end():
    rates = pd.DataFrame(
        {
            "problem": ["a", "a", "b", "b", "still"],
            "optimizer": "sgd",
            "step": [1, 9, 1, 9, 9],
            "noise_scale": [2.0, 40.0, 3.0, np.nan, np.nan],
            "update_ratio": [0.5, 0.1, 0.5, np.nan, 0.3],
            "batch": 16,
        }
    )
    scales = noise_scales(rates)
    assert list(scales) == ["a"]
    assert (scales["a"].first, scales["a"].last, scales["a"].batch) == (2.0, 40.0, 16)
    assert at_the_end(rates, "update_ratio") == {"sgd": pytest.approx(0.2)}
