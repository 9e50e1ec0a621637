"""What exhibits conclude from their tables."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.measures.exhibit_facts import helped_until, lowest_way, thresholds, worst_angle


def test_a_threshold_counts_only_where_no_larger_gamma_fails():
    table = pd.DataFrame({"n": 5, "rule": "plain", "gamma": [0.5, 0.8, 0.9, 0.95], "drift": [-1.0, 1.0, -1.0, -1.0]})
    assert thresholds(table) == {"5": 0.9}
    assert thresholds(table.assign(drift=[-1.0, -1.0, -1.0, 1.0])) == {"5": None}


def test_a_way_that_lost_a_seed_is_never_the_lowest():
    ways = pd.DataFrame({"median": [0.1, 0.2], "diverged": [1, 0]}, index=["lucky", "whole"])
    assert lowest_way(ways) == "whole"
    assert lowest_way(ways.assign(diverged=1)) is None


def test_a_diverged_run_is_the_worst_and_help_ends_at_the_first_angle_without():
    ours = pd.DataFrame({"optimizer": "adam", "angle": [0.0, 30.0, 60.0, 90.0], "loss": [0.01, 0.1, np.nan, 0.01]})
    losses = pd.concat([ours, ours.assign(optimizer="sgd", loss=1.0)]).assign(condition=20.0)
    assert worst_angle(losses, "adam") == 60
    assert helped_until(losses, "adam") == {"20": 30.0}
    assert helped_until(losses[losses["angle"] >= 60], "adam") == {"20": None}
