"""Interquartile means and ranks, against scipy and answers of rliable 1.2 and scikit-posthocs 0.17, kept as data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from analysis.measures.pooling import pool
from analysis.measures.ranking import (
    critical_difference,
    interquartile_mean,
    nemenyi,
    rank_groups,
    ranking,
    ranking_table,
    ranks_of,
    scores,
    stratified,
)
from analysis.record.cells import Cell, Record

RUNS = np.array(
    [
        [0.35, 0.25, 1.1, -1.28],
        [-0.66, -0.84, -1.73, 0.13],
        [0.53, -0.74, 1.39, 0.82],
        [0.63, 0.4, 0.96, -1.33],
        [0.61, 0.6, -1.77, 0.35],
        [-0.25, 0.78, -0.44, -0.02],
    ]
)
"""Runs of six seeds on four problems."""
RLIABLE_IQM = 0.15416666666666667
RLIABLE_INTERVAL = (-0.2416666666666667, 0.45416666666666666)  # 90%, stratified percentile bootstrap, 20,000 resamples

BLOCKS = np.array(
    [
        [0.03, 1.76, 1.62, 0.39, 1.3],
        [-0.53, 0.97, 0.34, 1.65, -0.25],
        [1.57, 1.57, 1.08, 0.76, 1.22],
        [0.46, 1.22, 0.2, 0.75, 2.29],
        [-0.87, -1.11, 0.79, 0.23, -0.32],
        [-0.81, -0.07, -0.79, -0.59, 1.64],
        [0.9, 0.17, -0.34, 1.28, 2.32],
        [-0.3, 0.94, 1.44, 0.69, 0.79],
    ]
)
"""Five contenders on eight problems, with one tie."""
POSTHOCS_FIRST_ROW = [1.0, 0.2397168715, 0.7595708239, 0.6635931861, 0.2053797276]


def test_the_interquartile_mean_is_rliables() -> None:
    assert interquartile_mean(RUNS.ravel()) == pytest.approx(RLIABLE_IQM)


@pytest.mark.parametrize("n", [4, 8, 40])
def test_the_interquartile_mean_is_scipys_trimmed_mean_where_quarters_are_whole(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    assert interquartile_mean(values) == pytest.approx(scipy.stats.trim_mean(values, 0.25))


def test_the_interquartile_mean_takes_parts_of_values_where_quarters_are_not_whole() -> None:
    # of five values the middle half is 2.5: half of the second, the third, half of the fourth … and a quarter each more
    assert interquartile_mean(np.array([0.0, 1.0, 2.0, 4.0, 100.0])) == pytest.approx((0.75 * 1 + 2 + 0.75 * 4) / 2.5)


def test_weights_count_runs_as_if_they_were_repeated() -> None:
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([2.0, 1.0, 5.0])
    assert interquartile_mean(values, weights) == pytest.approx(interquartile_mean(np.repeat(values, [2, 1, 5])))


def shares(column: np.ndarray) -> np.ndarray:
    """Scores ``[2, 1, S]`` of the contender in question and of one that is always the best, at 1."""
    return np.stack([column, np.ones(column.size)])[:, None]


def test_the_stratified_interval_agrees_with_rliables() -> None:
    (found,) = stratified([shares(column) for column in RUNS.T], interquartile_mean)[:1]
    assert found.value == pytest.approx(RLIABLE_IQM)
    # ours is wider by the root of 6 / 5, for it draws five of six seeds; a thousand resamples move its ends by 0.02
    middle = np.array(RLIABLE_INTERVAL) - RLIABLE_IQM
    assert (found.low - RLIABLE_IQM, found.high - RLIABLE_IQM) == pytest.approx(
        tuple(middle * np.sqrt(6 / 5)), abs=0.05
    )


def test_the_stratified_interval_agrees_with_scipy_on_one_problem() -> None:
    values = np.random.default_rng(4).normal(size=16)
    expected = scipy.stats.bootstrap(
        (values,),
        lambda x, axis: scipy.stats.trim_mean(x, 0.25, axis=axis),
        confidence_level=0.9,
        n_resamples=20_000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    found = stratified([np.stack([values, np.full(16, 9.0)])[:, None] / 9], interquartile_mean)[0]
    # a tenth of the interval's width: the noise of quantiles of a thousand resamples
    assert (9 * found.low, 9 * found.high) == pytest.approx((expected.low, expected.high), abs=0.08)


def test_every_problem_weighs_the_same_however_many_seeds_it_has() -> None:
    (found,) = stratified([np.full((1, 1, 1), 1.0), np.full((1, 1, 9), 3.0)], lambda v, w: (v * w).sum(-1) / w.sum(-1))
    assert found.value == pytest.approx(2)
    assert found.n == 10


def test_ties_share_ranks_and_diverged_ones_tie_last() -> None:
    np.testing.assert_array_equal(ranks_of(np.array([[3.0, 1.0, 1.0, np.inf, np.inf]])), [[3, 1.5, 1.5, 4.5, 4.5]])


# q at 5% over the square root of 2, from Demšar's table 5a
@pytest.mark.parametrize(("contenders", "quantile"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_differences_are_those_of_the_published_table(contenders: int, quantile: float) -> None:
    expected = quantile * np.sqrt(contenders * (contenders + 1) / (6 * 12))
    assert critical_difference(contenders, 12) == pytest.approx(expected, rel=3e-4)  # printed with three decimals


def test_nemenyis_p_values_are_those_of_scikit_posthocs() -> None:
    ranks = ranks_of(BLOCKS).mean(axis=0)
    np.testing.assert_allclose(nemenyi(ranks, 8)[0], POSTHOCS_FIRST_ROW, atol=1e-8)


def test_groups_are_the_largest_sets_that_are_not_told_apart() -> None:
    labels, ranks = ("a", "b", "c", "d"), np.array([1.0, 3.8, 2.0, 2.9])
    assert rank_groups(labels, ranks, 1.5) == (("a", "c"), ("c", "d"), ("d", "b"))
    assert rank_groups(labels, ranks, 2.0) == (("a", "c", "d"), ("c", "d", "b"))
    assert rank_groups(labels, ranks, 0.5) == ()


def test_a_record_is_ranked_by_medians_with_friedmans_test(record: Record) -> None:
    found = ranking(pooled := pool(record.cells))
    medians = np.stack([np.median(pooled.finals(problem)[:, 0], axis=1) for problem in pooled.problems])
    expected = scipy.stats.rankdata(medians, axis=1).mean(axis=0)
    assert [rank.value for rank in found.ranks] == pytest.approx(expected)
    assert found.p_value == pytest.approx(scipy.stats.friedmanchisquare(*medians.T).pvalue)
    assert found.problems == 3
    assert all(rank.low <= rank.high for rank in found.ranks)


def test_two_contenders_or_one_problem_are_not_put_to_friedmans_test(record: Record) -> None:
    two = [cell for cell in record if cell.optimizer != "sgd"]
    assert np.isnan(ranking(pool(two)).p_value)
    assert np.isnan(ranking(pool(record.of_problem("noisy"))).p_value)


def test_a_single_contender_is_ranked_first_without_a_critical_difference(record: Record) -> None:
    found = ranking(pool([cell for cell in record if cell.optimizer == "sgd"]))
    assert found.ranks[0].value == 1
    assert np.isnan(found.critical)
    assert found.groups == ()


def test_scores_are_shares_of_the_best_median_progress_and_a_diverged_run_has_none(
    record: Record, edited_cell: Callable[..., Cell]
) -> None:
    def lose(frame: pd.DataFrame) -> pd.DataFrame:
        mine = (frame["setting"] == "tuned") & (frame["seed"] == 101)
        return frame.assign(status=frame["status"].mask(mine, "diverged"), final_loss=frame["final_loss"].mask(mine))

    lost = edited_cell(1, "sgd", runs=lose)
    cells = [lost if cell.name == "noisy--sgd" else cell for cell in record]
    found = scores(pool(cells))
    assert max(np.median(found[1][:, 0], axis=1)) == pytest.approx(1)
    assert found[1][0, 0, 1] == 0
    assert (found[1][0, 0, [0, 2, 3, 4]] > 0).all()


def test_the_table_is_in_the_order_of_ranks(record: Record) -> None:
    table = ranking_table(pool(record.cells))
    assert (np.diff(table["rank"]) >= 0).all()
    assert list(table["runs"]) == [11, 11, 11]
    assert table["p_best"][0] == 1  # the best against itself
    assert (np.diff(table["p_best"]) <= 0).all()
    assert (table["iqm_low"] <= table["iqm_high"]).all()
