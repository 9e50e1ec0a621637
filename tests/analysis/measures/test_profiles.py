"""Running times, profiles and solved shares, against worked examples and slow obvious versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.measures.measure import Measure
from analysis.measures.pooling import pool
from analysis.measures.profiles import (
    Hits,
    data_profile,
    expected_running_time,
    hits,
    performance_profile,
    profiles,
    running_time_table,
    solved_share,
    targets_of,
)
from analysis.record.cells import Cell, Record

INF = np.inf


def test_expected_running_time_is_all_steps_over_the_successes() -> None:
    # three runs: two succeed after 10 and 30 steps, one gives up after 100: (10 + 30 + 100) / 2
    first, spent = np.array([[[10.0], [30.0], [INF]]]), np.array([[200.0, 200.0, 100.0]])
    assert expected_running_time(first, spent) == pytest.approx(np.array([[70.0]]))


def test_expected_running_time_without_a_success_is_infinite() -> None:
    assert np.isinf(expected_running_time(np.full((1, 2, 1), INF), np.full((1, 2), 50.0)))


def test_expected_running_time_is_what_restarting_until_success_costs() -> None:
    rng = np.random.default_rng(3)
    first, spent = np.array([5.0, INF, 20.0, INF, INF]), np.array([50.0, 12.0, 50.0, 50.0, 40.0])
    costs = []
    for _ in range(20_000):
        cost = 0.0
        while True:
            run = rng.integers(5)
            if np.isfinite(first[run]):
                costs.append(cost + first[run])
                break
            cost += spent[run]
    exact = float(expected_running_time(first[None, :, None], spent[None])[0, 0])
    assert abs(np.mean(costs) - exact) < 4 * np.std(costs) / np.sqrt(len(costs))  # four standard errors


def test_weights_count_runs_as_if_they_were_repeated() -> None:
    first, spent = np.array([[[10.0], [INF], [20.0]]]), np.array([[90.0, 40.0, 90.0]])
    repeated = np.repeat(first, [2, 1, 0], axis=1), np.repeat(spent, [2, 1, 0], axis=1)
    np.testing.assert_allclose(
        expected_running_time(first, spent, np.array([[2.0, 1.0, 0.0]])), expected_running_time(*repeated)
    )


# rows: solvers; columns: problems. The fastest are 10, 20, 30 and nobody.
TIMES = np.array([[10.0, 40.0, 30.0, INF], [20.0, 20.0, INF, INF]])


def test_a_performance_profile_counts_problems_within_a_ratio_of_the_fastest() -> None:
    found = performance_profile(TIMES, [1, 1.9, 2, 100])
    np.testing.assert_allclose(found, [[0.5, 0.5, 0.75, 0.75], [0.25, 0.25, 0.5, 0.5]])


def test_a_data_profile_counts_problems_solved_within_a_budget() -> None:
    found = data_profile(TIMES, [5, 10, 20, 1000])
    np.testing.assert_allclose(found, [[0, 0.25, 0.25, 0.75], [0, 0, 0.5, 0.5]])


def test_the_solved_share_counts_pairs_of_run_and_target() -> None:
    first = np.array([[[2.0, 8.0], [4.0, INF]]])
    found = Hits("p", np.array([0.1, 0.01]), first, np.full((1, 2), 10.0), 10)
    np.testing.assert_allclose(solved_share(found, [0, 0.2, 0.4, 1]), [[0, 0.25, 0.5, 0.75]])
    np.testing.assert_allclose(solved_share(found, [1], np.array([[2.0, 0.0]])), [[1.0]])


def test_targets_fall_evenly_on_the_scale_of_the_measure() -> None:
    np.testing.assert_allclose(targets_of(Measure.of(0.0, 1.0, 0.0), 1e-4, 4), [1e-1, 1e-2, 1e-3, 1e-4])
    np.testing.assert_allclose(targets_of(Measure.of(None, 1.0, -1.0), -1.0, 4), [0.5, 0, -0.5, -1])
    with pytest.raises(ValueError, match="no run got below the start"):
        targets_of(Measure.of(0.0, 1.0, 0.0), 2.0)


def test_hits_are_the_first_evaluations_at_or_below_the_targets(record: Record) -> None:
    found = hits(pool(record.cells), "noisy", targets=np.array([2.0, 1.0, 1e-9]))
    cell = record.of_problem("noisy")[1]
    tuned = cell.curves[cell.curves["setting"] == "tuned"]
    for seed, (_, rows) in enumerate(tuned.groupby("seed")):
        curve = rows.sort_values("step")
        for place, target in enumerate((2.0, 1.0, 1e-9)):
            reached = curve[curve["loss"] - 0.25 <= target * (1 + 1e-12)]["step"]
            assert found.first[1, seed, place] == (max(reached.iloc[0], 1) if len(reached) else INF)
    assert (found.spent == 40).all()


def test_a_diverged_run_spent_the_steps_it_made(record: Record, edited_cell: Callable[..., Cell]) -> None:
    def lose(frame: pd.DataFrame) -> pd.DataFrame:
        mine = (frame["setting"] == "tuned") & (frame["seed"] == 101)
        if "status" not in frame:
            return frame.assign(loss=frame["loss"].mask(mine & (frame["step"] > 0)))
        return frame.assign(status=frame["status"].mask(mine, "diverged"), stopped_at=frame["stopped_at"].mask(mine, 3))

    lost = edited_cell(1, "sgd", runs=lose, curves=lose)
    cells = [lost if cell.name == "noisy--sgd" else cell for cell in record]
    found = hits(pool(cells), "noisy")
    assert found.spent[0, 1] == 3
    assert np.isinf(found.first[0, 1]).all()
    assert np.isfinite(found.first[0, 0]).any()


def test_a_contender_that_found_nothing_reaches_nothing_and_spends_its_budget(
    record: Record, edited_cell: Callable[..., Cell]
) -> None:
    def none(frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["setting"] != "tuned"]

    lost = edited_cell(1, "sgd", runs=none, curves=none)
    found = hits(pool([lost if cell.name == "noisy--sgd" else cell for cell in record]), "noisy")
    assert np.isinf(found.first[0]).all()
    assert (found.spent[0] == 40).all()


def test_profiles_rise_stay_within_their_bands_and_know_their_pairs(record: Record) -> None:
    found = {profile.name: profile for profile in profiles(pool(record.cells))}
    assert list(found) == ["performance", "data", "solved"]
    for profile in found.values():
        assert profile.labels == ("sgd", "momentum", "rmsprop")
        assert profile.pairs == 75
        assert (np.diff(profile.value, axis=1) >= -1e-12).all()
        assert (profile.low <= profile.high).all()
        assert profile.value.max() <= 1
    # somebody is fastest on every pair that is solved
    assert found["performance"].value[:, 0].sum() >= found["performance"].value[:, -1].max()


def test_deterministic_problems_have_no_band(record: Record) -> None:
    for profile in profiles(pool(record.of_problem("ellipse"))):
        np.testing.assert_array_equal(profile.low, profile.high)


def test_running_times_to_the_problems_own_targets_leave_out_those_without(record: Record) -> None:
    table = running_time_table(pool(record.cells))
    assert set(table["problem"]) == {"ellipse", "noisy"}  # the classes have no target
    assert (table["low"] <= table["ert"]).all()
    assert (table["successes"] <= table["n"]).all()
    assert np.isinf(table.loc[table["successes"] == 0, "ert"]).all()


def test_a_pool_without_targets_has_no_running_times(record: Record) -> None:
    assert running_time_table(pool(record.of_problem("classes"))).empty


def test_seeds_that_start_below_a_target_need_one_step(edited_cell: Callable[..., Cell]) -> None:
    def low(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(loss=frame["loss"].mask(frame["step"] == 0, 0.2500001))

    cell: Any = edited_cell(1, "sgd", curves=low)
    assert (hits(pool([cell]), "noisy", targets=np.array([1.0])).first == 1).all()
