"""Stable area, divergence boundary, ridge and variance shares, against theory and planted answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from analysis.measures.axis import Axis
from analysis.measures.landscape_grid import Grid, over_seeds, progress, regret
from analysis.measures.measure import Measure
from analysis.measures.results import CellResult
from analysis.measures.stability import (
    basin_decades,
    boundary,
    boundary_frame,
    critical_rates,
    ridge,
    ridge_slope,
    stability,
    stability_table,
    stable_area,
    variance_shares,
)
from analysis.record.cells import Cell, Record
from analysis.statistics.bootstrap import Estimate
from analysis.words import estimate_text

RATES = np.geomspace(1e-3, 10, 33)
MEMORIES = 1 - np.logspace(0, -2, 9)
GAP = Measure.of(0.0, 1.0, 0.0)


def grid(values: np.ndarray, rates: np.ndarray = RATES, memories: np.ndarray = MEMORIES) -> Grid:
    """A grid from values ``[S, Y, X]`` (``[X]`` without a second axis) that starts at a gap of 1."""
    values = np.asarray(values, dtype=float)
    y = Axis("gamma", "log1m", 0.9, memories[: values.shape[-2]]) if values.ndim > 1 else None
    full = values.reshape((-1, *values.shape[-2:])) if values.ndim > 1 else values.reshape(1, 1, -1)
    x = Axis("lr", "log", 0.01, rates[: full.shape[-1]])
    return Grid(x, y, full, np.ones_like(full), np.isinf(full), GAP)


def heavy_ball(curvatures: np.ndarray, momentum: np.ndarray, lr: np.ndarray, steps: int) -> np.ndarray:
    """The final loss ``[Y, X]`` of full-gradient heavy ball on a quadratic from ones, relative to the start's."""
    x = np.ones((momentum.size, lr.size, curvatures.size))
    v = np.zeros_like(x)
    with np.errstate(all="ignore"):
        for _ in range(steps):
            v = momentum[:, None, None] * v + curvatures * x
            x = x - lr[None, :, None] * v
        loss = (curvatures * x**2).sum(-1) / curvatures.sum()
    return np.where(loss < 1e30, loss, np.inf)


def test_gradient_descent_diverges_between_the_grid_rates_around_two_over_the_sharpness() -> None:
    curvatures = np.array([0.2, 1.0, 4.0])
    values = heavy_ball(curvatures, np.zeros(1), RATES, steps=300)
    found = boundary(grid(values[0]), critical_rates("sgd", 4.0, np.array([np.nan])))
    assert found.theory == pytest.approx([0.5])
    assert found.largest_stable[0] < found.theory[0] < found.first_unstable[0]


def test_the_heavy_ball_diverges_around_its_limit_at_every_momentum() -> None:
    curvatures = np.array([0.2, 1.0, 4.0])
    values = heavy_ball(curvatures, MEMORIES, RATES, steps=3000)  # long: momentum 0.99 needs hundreds of steps to tell
    found = boundary(grid(values), critical_rates("momentum", 4.0, MEMORIES))
    np.testing.assert_allclose(found.theory, 2 * (1 + MEMORIES) / 4)
    assert (found.largest_stable <= found.theory).all()
    assert (found.theory <= found.first_unstable).all()


@pytest.mark.parametrize(("optimizer", "sharpness"), [("rmsprop", 4.0), ("sgd", None)])
def test_no_limit_is_claimed_where_none_is_known(optimizer: str, sharpness: float | None) -> None:
    assert np.isnan(critical_rates(optimizer, sharpness, MEMORIES)).all()


def test_a_boundary_is_the_end_of_the_lowest_stable_run_and_says_where_there_is_none() -> None:
    inf = np.inf
    rows = [[0.5, 0.1, inf, 0.1, inf], [0.5, 0.4, 0.3, 0.2, 0.1], [inf, inf, inf, inf, inf], [2.0, 0.5, 0.4, 3.0, 0.1]]
    found = boundary(grid(rows))
    np.testing.assert_array_equal(found.largest_stable, [RATES[1], RATES[4], np.nan, RATES[2]])
    np.testing.assert_array_equal(found.first_unstable, [RATES[2], inf, RATES[0], RATES[3]])


def test_a_run_is_stable_where_it_ends_no_higher_than_it_began_itself() -> None:
    values = np.array([[[0.9, 1.1, 1.0]], [[0.9, 1.1, np.inf]]])
    lucky = grid(values)
    lucky.start[1] = 1.2
    np.testing.assert_array_equal(lucky.stable, [[[True, False, True]], [[True, True, False]]])
    area = stable_area(lucky)
    assert area.value == pytest.approx(2 / 3)
    assert area.n == 2


def test_a_planted_ridge_is_found_with_its_slope() -> None:
    places = -np.log10(1 - MEMORIES)
    best = -1.5 - 0.5 * places  # decades: the best rate falls by half a decade for each decade of 1 - gamma
    distance = np.log10(RATES) - best[:, None]
    slope = ridge_slope(grid(10 ** (distance**2 - 2)))
    assert slope is not None
    assert slope.value == pytest.approx(0.5, abs=0.02)  # the grid's rates are an eighth of a decade apart
    assert slope.low <= 0.5 <= slope.high
    assert slope.n == 9


def test_rows_whose_best_lies_at_the_edge_say_nothing_about_the_ridge() -> None:
    rows = [[0.1, 0.2, 0.3], [0.3, 0.1, 0.2], [0.3, 0.2, 0.1], [np.inf, np.inf, np.inf]]
    at, best = ridge(grid(rows))
    np.testing.assert_allclose(at, -np.log10(1 - MEMORIES[1]))
    np.testing.assert_allclose(best, np.log10(RATES[1]))
    assert ridge_slope(grid(rows)) is None


def test_equal_values_along_a_row_count_as_one_at_their_middle() -> None:
    _, best = ridge(grid([[0.3, 0.1, 0.1, 0.1, 0.2]]))
    np.testing.assert_allclose(best, np.log10(RATES[2]))


def test_a_surface_of_main_effects_has_no_interaction_and_shares_as_planted() -> None:
    lr, second = np.linspace(0, 3, 33), np.linspace(0, 1, 9)
    shares = variance_shares(grid(10 ** -(lr[None, :] + second[:, None])))
    total = lr.var() + second.var()
    assert shares.lr.value == pytest.approx(lr.var() / total)
    assert shares.second.value == pytest.approx(second.var() / total)
    assert shares.interaction.value == pytest.approx(0, abs=1e-12)
    assert shares.seeds.value == pytest.approx(0, abs=1e-12)


def test_a_product_of_centred_effects_is_all_interaction() -> None:
    lr, second = np.linspace(-1, 1, 33), np.linspace(-1, 1, 9)
    shares = variance_shares(grid(10 ** (-1 - lr[None, :] * second[:, None] * 0.9)))
    assert shares.interaction.value == pytest.approx(1)


def test_shares_agree_with_sums_of_squares_of_a_regression_on_dummies() -> None:
    rng = np.random.default_rng(5)
    made = rng.uniform(0, 3, (4, 9, 33))
    shares = variance_shares(grid(10**-made))
    _, y, x = (part.ravel() for part in np.indices(made.shape))
    target = made.ravel()

    def explained(*factors: np.ndarray) -> float:
        columns = [np.ones(target.size)]
        for factor in factors:
            columns += [(factor == level).astype(float) for level in range(1, factor.max() + 1)]
        design = np.stack(columns, axis=1)
        return 1 - float(((target - design @ np.linalg.lstsq(design, target)[0]) ** 2).sum()) / (
            target.size * target.var()
        )

    lr, second, cells = explained(x), explained(y), explained(y * 33 + x)
    expected = [lr, second, cells - lr - second, 1 - cells]
    found = [part.value for part in (shares.lr, shares.second, shares.interaction, shares.seeds)]
    assert found == pytest.approx(expected)
    assert sum(found) == pytest.approx(1)


def test_diverged_and_worse_runs_count_as_at_the_start_and_are_counted() -> None:
    shares = variance_shares(grid([[0.1, 0.1, np.inf, 50.0], [0.1, 0.1, 1.0, 1.0]]))
    assert shares.held == pytest.approx(2 / 8)
    assert shares.lr.value == pytest.approx(1)


def test_a_flat_surface_has_no_variance_to_share() -> None:
    shares = variance_shares(grid(np.full((9, 33), 0.5)))
    assert (shares.lr.value, shares.seeds.value) == (0, 0)


def test_the_basin_is_as_wide_as_the_rates_within_twice_the_best() -> None:
    width = basin_decades(grid([[0.9, 0.2, 0.1, 0.15, 0.9, 0.9]]))
    assert width.value == pytest.approx(3 / 8)  # three rates, an eighth of a decade apart


def test_progress_is_decades_below_the_start_and_never_negative() -> None:
    np.testing.assert_allclose(progress(GAP, [1.0, 0.01, 5.0, np.inf]), [0, 2, 0, 0])
    linear = Measure.of(None, 2.0, -1.0)
    np.testing.assert_allclose(progress(linear, [2.0, -0.5, 3.0, np.inf]), [0, 2.5, 0, 0])


def test_regret_is_the_missing_share_of_the_best_progress() -> None:
    np.testing.assert_allclose(regret(GAP, [0.01, 0.1, 1.0, np.inf, 0.001], 0.01), [0, 0.5, 1, 1, 0])
    np.testing.assert_allclose(regret(GAP, [0.01, np.inf], np.inf), [0, 0])


def test_a_statistic_over_two_seeds_has_the_interval_of_its_resamples() -> None:
    found = over_seeds(lambda values: float(values.mean()), np.array([1.0, 3.0]))
    assert (found.value, found.low, found.high, found.n) == (2, 1, 3, 2)


def test_every_landscape_of_a_record_has_a_row_with_its_numbers(record: Record) -> None:
    table = stability_table(record.cells)
    assert len(table) == len(record.cells)
    assert table[["stable_area", "basin_decades", "share_lr", "default", "n"]].notna().all(axis=None)
    assert table["stable_area"].between(0, 1).all()
    assert (table["stable_area_low"] <= table["stable_area"]).all()


def test_a_cell_that_states_its_sharpness_is_compared_with_theory(edited_cell: Callable[..., Cell]) -> None:
    found = stability(CellResult.alone(edited_cell(0, "sgd", info={"problem": {"sharpness": 4.0}})))
    assert found is not None
    assert found.boundary.theory == pytest.approx([0.5])
    assert found.boundary.largest_stable[0] < 0.5 < found.boundary.first_unstable[0]


def test_boundaries_are_listed_by_landscape_and_second_hyperparameter(record: Record) -> None:
    found = [stability(CellResult.alone(cell)) for cell in record.of_problem("noisy")]
    table = boundary_frame([one for one in found if one is not None])
    assert table.groupby("label", sort=False).size().to_dict() == {"sgd": 1, "momentum": 6, "rmsprop": 6}
    assert set(table["second"]) == {"", "momentum", "gamma"}
    assert boundary_frame([]).empty


def test_a_cell_without_a_landscape_has_no_stability(edited_cell: Callable[..., Cell]) -> None:
    cell = edited_cell(0, "sgd", landscape=lambda frame: frame.iloc[:0])
    assert stability(CellResult.alone(cell)) is None
    assert stability_table((cell,)).empty


def test_a_width_of_one_step_of_the_grid_is_only_known_to_be_no_more(record: Record) -> None:
    found = stability(CellResult.alone(record.of_problem("noisy")[0]))
    assert found is not None
    assert found.rate_step > 0
    one = Estimate(found.rate_step, found.rate_step, found.rate_step, 3)
    assert replace(found, basin_decades=one, rate_step=0.1538).basin_text == estimate_text(one)
    narrow = Estimate(0.1538, 0.1538, 0.1538, 3)
    assert replace(found, basin_decades=narrow, rate_step=0.1538).basin_text == "≤ 0.15 (one step)"
    wider = Estimate(0.1538, 0.1538, 0.6, 3)
    assert replace(found, basin_decades=wider, rate_step=0.1538).basin_text == "0.154 [0.154, 0.6]"
