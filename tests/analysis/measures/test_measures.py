"""Measures of a run: gap, log gap, steps to a target, area."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.measures.measure import Measure, gap, log_gap, resolution, steps_to_target


def test_a_gap_is_the_loss_above_the_floor_and_infinite_where_the_loss_is_missing() -> None:
    np.testing.assert_array_equal(gap([3.0, 2.0, np.nan], 2.0), [1.0, 0.0, np.inf])


def test_a_log_gap_stops_at_the_smallest_gap_instead_of_minus_infinity() -> None:
    np.testing.assert_allclose(log_gap([100.0, 1e-3, 0.0, -1e-9], 1e-6), [2, -3, -6, -6])


def test_a_log_gap_refuses_a_smallest_gap_that_is_not_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        log_gap([1.0], 0.0)


def test_the_resolution_is_the_rounding_of_a_single_precision_loss_near_its_floor() -> None:
    floor = np.float32(0.25)
    assert resolution(float(floor), 1.0) == pytest.approx(4 * np.spacing(floor) / 2, rel=1e-6)


def test_the_resolution_at_a_floor_of_zero_is_a_share_of_the_starts_gap() -> None:
    assert resolution(0.0, 40.0) == pytest.approx(4e-15)


def test_the_resolution_of_a_run_that_starts_at_a_floor_of_zero_is_no_denormal() -> None:
    assert resolution(0.0, 0.0) == 1e-16


def test_steps_to_target_is_the_first_evaluation_at_or_below_it_and_infinite_where_there_is_none() -> None:
    loss = np.array([[4.0, 2.0, 1.0, 3.0], [4.0, 3.0, 3.0, 3.0], [1.0, 1.0, 1.0, 1.0], [4.0, np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(steps_to_target([0, 10, 20, 30], loss, 2.0), [10, np.inf, 0, np.inf])


def test_a_problem_without_a_floor_is_measured_by_its_loss() -> None:
    measure = Measure.of(None, 2.3, 0.1)
    assert (measure.name, measure.log, measure.start) == ("loss", True, 2.3)
    np.testing.assert_array_equal(measure([0.5, np.nan]), [0.5, np.inf])


def test_losses_that_are_not_positive_get_a_linear_scale() -> None:
    measure = Measure.of(None, 2.0, -1.0)
    assert not measure.log
    np.testing.assert_array_equal(measure.shown([-1.0, 0.0]), [-1.0, 0.0])
    assert measure.near(-1.0) == pytest.approx(-0.7)


def test_what_rounding_hides_counts_as_the_smallest_gap() -> None:
    measure = Measure.of(0.0, 1.0, 0.0)
    assert measure.near(0.0) == pytest.approx(2e-16)
    assert measure.ratio(1e-3, 0.0) == pytest.approx(1e13)
