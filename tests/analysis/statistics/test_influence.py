"""How much of a hyperparameter's influence goes away under another rule."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.statistics.influence import explained_share, sensible_rates


def test_an_influence_that_stays_is_explained_by_nothing_and_one_that_goes_wholly():
    gaps = np.logspace(-3, 0, 4)[None, :, None] * np.ones((2, 4, 5))
    assert explained_share(gaps, gaps).explained == 0
    gone = explained_share(gaps, np.ones_like(gaps))
    assert gone.explained == gone.explained_low == gone.explained_high == 1
    assert gone.plain_decades == pytest.approx(3)


def test_a_diverged_run_is_left_out_of_its_mean_gap():
    gaps = np.ones((1, 2, 3))
    gaps[0, 1] = [np.nan, 10.0, 10.0]
    assert explained_share(gaps, np.ones((1, 2, 3))).plain_decades == pytest.approx(1)


def test_a_rate_that_is_ten_times_worse_than_the_best_at_every_gamma_under_both_rules_is_not_sensible():
    plain = np.array([[1.0, 2.0], [30.0, 40.0], [30.0, 40.0]])[..., None]
    corrected = np.array([[5.0, 5.0], [11.0, 9.0], [11.0, 11.0]])[..., None]
    assert sensible_rates(plain, corrected).tolist() == [True, True, False]
