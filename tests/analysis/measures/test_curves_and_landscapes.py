"""Data of the convergence and sensitivity figures, from a small record and from hand-made landscapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis.figures.heat_maps import heat_norm
from analysis.measures.axis import Axis
from analysis.measures.convergence import curve_matrix, measure_of, metric_curves
from analysis.measures.landscape_grid import Grid
from analysis.measures.lr_sensitivity import Landscape, landscape_from, landscape_of, rate_curve
from analysis.measures.measure import Measure
from analysis.measures.results import CellResult
from analysis.pages.csv_tables import sensitivity_table
from analysis.record.cells import Cell, Record
from analysis.record.errors import RecordError

RATES = np.geomspace(1e-3, 1e1, 5)


def hand_made(median: list[list[float]], diverged: list[list[float]] | None = None, default: float = 0.9) -> Landscape:
    """A landscape over five rates and gamma 0, 0.9, 0.99, … that starts at a gap of 1."""
    values = np.array(median)
    share = np.isinf(values).astype(float) if diverged is None else np.array(diverged)
    gammas = np.array([0.0, 0.9, 0.99])[: len(values)]
    y = Axis("gamma", "log1m", default, gammas) if len(values) > 1 else None
    return Landscape(Axis("lr", "log", 0.01, RATES), y, values, share, values - 1, 4, Measure.of(0.0, 1.0, 0.0))


INF = np.inf
TWO_ROWS = [[0.9, 0.5, 0.10, 0.15, INF], [0.8, 0.05, 0.06, 2.0, 3.0]]


def test_a_curve_matrix_has_a_study_a_seed_and_an_evaluation_an_axis(record: Record) -> None:
    cell = record.of_problem("noisy")[0]
    steps, losses = curve_matrix(cell, "tuned")
    np.testing.assert_array_equal(steps, np.arange(0, 41, 4))
    assert losses.shape == (1, 5, 11)
    one = cell.curves.query("setting == 'tuned' and seed == 102").sort_values("step")["loss"]
    np.testing.assert_array_equal(losses[0, 2], one)


def test_convergence_is_the_median_gap_over_the_test_seeds(record: Record) -> None:
    cell = record.of_problem("noisy")[2]
    line = CellResult.alone(cell).convergence.get("tuned")
    _, losses = curve_matrix(cell, "tuned")
    assert line is not None
    np.testing.assert_allclose(line.band.median, np.median(losses[0] - 0.25, axis=0))
    assert (line.band.n, line.diverged) == (5, 0)


def test_a_diverged_seed_makes_the_upper_end_infinite_and_is_counted(edited_cell: Callable[..., Cell]) -> None:
    def lose_a_seed(frame: pd.DataFrame) -> pd.DataFrame:
        lost = (frame["setting"] == "tuned") & (frame["seed"] == 101)
        if "status" in frame:
            return frame.assign(status=frame["status"].mask(lost, "diverged"))
        return frame.assign(loss=frame["loss"].mask(lost & (frame["step"] > 20)))

    cell = edited_cell(1, "sgd", runs=lose_a_seed, curves=lose_a_seed)
    line = CellResult.alone(cell).convergence.get("tuned")
    assert line is not None
    assert line.diverged == 1
    assert np.isfinite(line.band.median).all()
    np.testing.assert_array_equal(np.isinf(line.band.high), line.steps > 20)


def test_a_setting_that_was_not_run_has_no_convergence(edited_cell: Callable[..., Cell]) -> None:
    cell = edited_cell(1, "sgd", curves=lambda frame: frame[frame["setting"] != "tuned"])
    assert "tuned" not in CellResult.alone(cell).convergence


def test_a_metric_ends_where_the_first_seed_diverges(edited_cell: Callable[..., Cell]) -> None:
    def lose(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(accuracy=frame["accuracy"].mask((frame["seed"] == 100) & (frame["step"] > 8)))

    line = metric_curves(edited_cell(2, "sgd", curves=lose), "tuned", "accuracy")
    assert line is not None
    np.testing.assert_array_equal(np.isnan(line.band.median), line.steps > 8)


def test_a_metric_that_a_record_lacks_has_no_curve(record: Record) -> None:
    assert metric_curves(record.of_problem("noisy")[0], "tuned", "accuracy") is None


def test_different_instances_of_a_problem_share_no_measure(record: Record, edited_cell: Callable[..., Cell]) -> None:
    twin = edited_cell(1, "sgd", {"problem": {"fingerprint": "another"}})
    with pytest.raises(RecordError, match="one problem instance"):
        measure_of((record.of_problem("noisy")[0], twin))


def test_a_landscape_is_the_median_over_seeds_at_every_grid_point(record: Record) -> None:
    cell = record.of_problem("noisy")[2]
    landscape = landscape_of(cell, measure_of((cell,)))
    assert landscape is not None
    assert landscape.y is not None
    assert (landscape.median.shape, landscape.n) == ((6, 13), 3)
    lr, gamma = landscape.x.values[4], landscape.y.values[3]
    runs = cell.landscape[(cell.landscape["lr"] == lr) & (cell.landscape["gamma"] == gamma)]
    assert landscape.median[3, 4] == pytest.approx(runs["final_loss"].median() - 0.25)


def test_a_one_knob_optimizer_has_a_landscape_of_one_row(record: Record) -> None:
    cell = record.of_problem("noisy")[0]
    landscape = landscape_of(cell, measure_of((cell,)))
    assert landscape is not None
    assert landscape.y is None
    assert landscape.median.shape == (1, 13)


def test_a_cell_without_a_landscape_has_none(edited_cell: Callable[..., Cell]) -> None:
    cell = edited_cell(1, "sgd", landscape=lambda frame: frame[:0])
    assert landscape_of(cell, measure_of((cell,))) is None


def test_a_landscape_with_holes_is_refused(edited_cell: Callable[..., Cell]) -> None:
    cell = edited_cell(1, "rmsprop", landscape=lambda frame: frame[1:])
    with pytest.raises(ValueError, match="full 13 x 6 grid"):
        landscape_of(cell, measure_of((cell,)))


def test_the_best_point_is_the_lowest_stable_one() -> None:
    share = np.zeros((2, 5))
    share[1, 1] = 0.25
    landscape = hand_made(TWO_ROWS, share.tolist())
    assert landscape.best == (1, 2)
    assert landscape.best_value == 0.06


def test_of_points_that_rounding_cannot_tell_apart_the_middle_one_is_best() -> None:
    assert hand_made([[1.0, 0.0, 1e-30, 1e-18, 1.0]]).best == (0, 2)


def test_a_landscape_that_diverges_everywhere_has_no_best_point() -> None:
    landscape = hand_made([[INF] * 5, [INF] * 5])
    curve = rate_curve(landscape)
    assert landscape.best is None
    assert not landscape.near_best.any()
    assert curve is not None
    assert (curve.best, curve.factor_to_divergence, curve.near_best, curve.near_best_decades) == (None, None, None, 0.0)


def test_near_the_best_means_stable_and_within_twice_its_value() -> None:
    expected = [[False, False, True, False, False], [False, True, True, False, False]]
    np.testing.assert_array_equal(hand_made(TWO_ROWS).near_best, expected)


def test_points_that_end_above_the_start_without_diverging_are_worse_than_it() -> None:
    expected = [[False] * 5, [False, False, False, True, True]]
    np.testing.assert_array_equal(hand_made(TWO_ROWS).worse_than_start, expected)


def test_a_run_is_held_against_its_own_start_which_may_lie_above_the_common_one() -> None:
    values = np.array(
        [[[1.15, 0.1, 1.3]], [[1.05, 0.1, 1.3]]]
    )  # both begin 0.1 higher than they end at the lowest rate
    start = np.array([[[1.25] * 3], [[1.15] * 3]])
    rates, lost = Axis("lr", "log", 0.01, RATES[:3]), np.zeros(values.shape, dtype=bool)
    landscape = landscape_from(Grid(rates, None, values, start, lost, Measure.of(0.0, 1.0, 0.0)))
    np.testing.assert_array_equal(landscape.worse_than_start, [[False, False, True]])
    assert heat_norm([landscape]).vmax == pytest.approx(1.1)  # coloured, not drawn as worse
    curve = rate_curve(landscape)
    assert curve is not None
    assert curve.factor_to_failure == pytest.approx(10)


def test_the_best_rate_curve_takes_the_best_second_knob_for_each_rate() -> None:
    curve = rate_curve(hand_made(TWO_ROWS))
    assert curve is not None
    np.testing.assert_array_equal(curve.value, [0.8, 0.05, 0.06, 0.15, 3.0])
    assert (curve.best, curve.held, curve.n) == (1, None, 4)


def test_the_held_rate_curve_is_the_row_of_the_default() -> None:
    curve = rate_curve(hand_made(TWO_ROWS, default=0.92), held=True)
    assert curve is not None
    np.testing.assert_array_equal(curve.value, TWO_ROWS[1])
    assert curve.held == 0.9


def test_a_default_outside_of_the_grid_has_no_held_curve() -> None:
    assert rate_curve(hand_made(TWO_ROWS, default=0.9999), held=True) is None


def test_the_factor_to_divergence_counts_from_the_best_rate() -> None:
    curve = rate_curve(hand_made([TWO_ROWS[0]]))
    assert curve is not None
    assert curve.first_unstable == 10
    assert curve.factor_to_divergence == pytest.approx(100)


@pytest.mark.parametrize(
    ("row", "factor"),
    [([0.9, 0.1, 0.5, 1.5, INF], 100), ([0.9, 0.1, 0.5, INF, 3.0], 100), ([0.1, 0.2, 0.3, 0.4, 1.0], None)],
)
def test_the_factor_to_failure_counts_to_the_first_rate_that_ends_above_its_start_or_diverges(
    row: list[float], factor: float | None
) -> None:
    curve = rate_curve(hand_made([row]))
    assert curve is not None
    assert curve.factor_to_failure == (None if factor is None else pytest.approx(factor))


def test_the_range_near_the_best_rate_is_unbroken_and_as_wide_as_its_grid_points() -> None:
    curve = rate_curve(hand_made([[0.19, 0.9, 0.10, 0.15, 0.5]]))
    assert curve is not None
    assert curve.near_best == (pytest.approx(RATES[2]), pytest.approx(RATES[3]))
    assert curve.near_best_decades == pytest.approx(2)


def test_the_sensitivity_to_the_rate_is_the_mean_excess_over_the_best_with_ends_above_the_start_held_there() -> None:
    curve = rate_curve(hand_made([[0.19, 0.9, 0.10, 1.5, INF]]))
    assert curve is not None
    assert curve.lr_sensitivity == pytest.approx(np.mean([0.09, 0.8, 0.0, 0.9, 0.9]))
    assert curve.lr_sensitivity_share == pytest.approx(curve.lr_sensitivity / 0.9)
    level = rate_curve(hand_made([[0.2] * 5]))
    assert level is not None
    assert level.lr_sensitivity == 0


def test_a_landscape_where_nothing_survives_has_no_distance_to_divergence(edited_cell: Callable[..., Cell]) -> None:
    def lost(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(status="diverged", final_loss=np.nan)

    (row,) = sensitivity_table([CellResult.alone(edited_cell(1, "sgd", landscape=lost))]).to_dict("records")
    assert np.isnan(row["factor_to_divergence"])
    assert np.isnan(row["lr_sensitivity"])
    assert row["diverged_share"] == 1
