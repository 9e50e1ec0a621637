"""Medians, bands and bootstrap intervals over seeds, against numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from analysis.statistics.bootstrap import (
    Draws,
    band,
    bootstrap_mean,
    bootstrap_weights,
    covered,
    estimate_of_studies,
    interval,
    interval_bca,
    median,
    median_interval,
    resampled_means,
    resampled_medians,
    spread,
    typical,
)
from analysis.statistics.resamples import MANY


def sample(n: int, seed: int = 3) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(size=n))


@pytest.mark.parametrize("n", [1, 2, 5, 10])
def test_the_median_is_numpys(n: int) -> None:
    values = np.random.default_rng(n).normal(size=(n, 7))
    np.testing.assert_allclose(median(values), np.median(values, axis=0))


def test_the_median_is_infinite_once_half_of_the_seeds_diverged_and_never_missing() -> None:
    inf = np.inf
    assert median(np.array([1.0, 2.0, inf])) == 2
    assert median(np.array([1.0, 2.0, inf, inf])) == inf
    assert median(np.array([inf, inf])) == inf


def test_a_band_holds_values_that_occurred_and_its_n() -> None:
    values = np.array([[5.0, np.inf], [1.0, 2.0], [3.0, 4.0], [2.0, np.inf], [4.0, 1.0]])
    found = band(values)
    np.testing.assert_array_equal(found.median, [3, 4])
    np.testing.assert_array_equal(found.low, [1, 1])
    np.testing.assert_array_equal(found.high, [5, np.inf])
    assert found.n == 5


def test_a_band_of_a_hundred_seeds_leaves_out_a_tenth() -> None:
    found = band(np.arange(1.0, 101.0))
    assert (found.low, found.high) == (5, 95)


def test_every_resample_draws_one_less_than_there_are_seeds_and_one_of_one() -> None:
    weights = bootstrap_weights(7, 50, np.random.default_rng(0))
    assert weights.shape == (50, 7)
    np.testing.assert_array_equal(weights.sum(axis=1), 6)
    np.testing.assert_array_equal(bootstrap_weights(1, 3, np.random.default_rng(0)), 1)


def test_resamples_of_very_many_are_drawn_from_the_same_distribution() -> None:
    counts = bootstrap_weights(MANY + 1, 2, np.random.default_rng(0))
    np.testing.assert_array_equal(counts.sum(axis=1), MANY)
    drawn = np.stack([np.bincount(row.astype(int), minlength=5)[:5] for row in counts]) / (MANY + 1)
    expected = np.exp(-1) / np.array([1, 1, 2, 6, 24])  # a binomial of many draws, each of small chance: Poisson's of 1
    np.testing.assert_allclose(drawn, np.stack([expected, expected]), atol=0.006)  # 3 standard errors


@pytest.mark.parametrize("n", [3, 10])
def test_resampled_means_vary_as_the_mean_does(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n)
    means = resampled_means(values, bootstrap_weights(n, 40_000, np.random.default_rng(1)))
    # the unbiased variance of the mean; of 40,000 resamples its standard error is below 2%
    assert means.var() == pytest.approx(values.var(ddof=1) / n, rel=0.05)


def test_resampled_means_by_one_product_are_those_of_the_repeated_rows() -> None:
    values, weights = sample(6).reshape(3, 2), bootstrap_weights(3, 20, np.random.default_rng(1))
    rows = [np.repeat(values, counts.astype(int), axis=0).mean(axis=0) for counts in weights]
    np.testing.assert_allclose(resampled_means(values, weights), rows)


@pytest.mark.parametrize("n", [4, 5, 10])
def test_resampled_medians_from_counts_are_those_of_the_repeated_values(n: int) -> None:
    values, weights = sample(n), bootstrap_weights(n, 200, np.random.default_rng(1))
    expected = [np.median(np.repeat(values, counts.astype(int))) for counts in weights]
    np.testing.assert_allclose(resampled_medians(values, weights), expected)


@pytest.mark.parametrize("n", [5, 10, 11, 30])
def test_the_interval_of_the_median_is_that_of_scipys_sign_test(n: int) -> None:
    values = sample(n)
    found = median_interval(values)
    assert {found.low, found.high} <= set(values)
    assert (found.value, found.n) == (pytest.approx(np.median(values)), n)
    # the level at which the sign test just refuses a median below the lower end
    below = int((values < found.low).sum())
    assert covered(n) == pytest.approx(1 - scipy.stats.binomtest(below, n).pvalue)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_the_interval_of_the_mean_agrees_with_scipys_bootstrap(method: str) -> None:
    values = sample(20)
    name = "BCa" if method == "bca" else method
    expected = scipy.stats.bootstrap(
        (values,), np.mean, confidence_level=0.9, n_resamples=40_000, method=name, rng=np.random.default_rng(0)
    ).confidence_interval
    found = bootstrap_mean(values, resamples=40_000, method=method)  # type: ignore[arg-type]
    # two sets of 40,000 resamples: a quantile's standard error is about 0.5% of the interval's width
    tolerance = 0.03 * (expected.high - expected.low)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=tolerance)


def test_the_bca_interval_is_scipys_given_the_same_resamples() -> None:
    values = sample(12)
    result = scipy.stats.bootstrap(
        (values,), np.mean, confidence_level=0.9, n_resamples=9999, rng=np.random.default_rng(5)
    )
    resampled = result.bootstrap_distribution
    jackknife = (values.sum() - values) / 11
    expected = result.confidence_interval
    # scipy interpolates between neighbours of 9,999 resamples, we take one of them
    assert interval_bca(resampled, values.mean(), jackknife) == pytest.approx((expected.low, expected.high), rel=2e-3)


def test_the_bca_interval_falls_back_to_percentiles_where_it_is_undefined() -> None:
    same = np.full(100, 2.0)
    assert interval_bca(same, 1.0, np.ones(5)) == interval(same) == (2.0, 2.0)


def test_an_interval_of_arrays_is_that_of_every_column_and_holds_values_that_occurred() -> None:
    resampled = np.random.default_rng(4).normal(size=(200, 3, 2))
    resampled[::7, 1, 1] = np.inf
    low, high = interval(resampled)
    assert low.shape == high.shape == (3, 2)
    for place in np.ndindex(3, 2):
        column = resampled[:, *place]
        assert (low[place], high[place]) == interval(column)
        assert {low[place], high[place]} <= set(column)
        assert (column <= low[place]).mean() == pytest.approx(0.05)
        assert (column <= high[place]).mean() == pytest.approx(0.95, abs=1 / 200) or high[place] == np.inf
    assert high[1, 1] == np.inf


def test_a_spread_takes_the_ends_of_the_band() -> None:
    values = sample(40)
    found, middle = spread(values), band(values)
    assert (found.low, found.median, found.high) == (middle.low, middle.median, middle.high)
    assert (found.mean, found.deviation) == pytest.approx((values.mean(), values.std(ddof=1)))
    assert spread(values[:1]).deviation == 0


def test_equal_input_gives_equal_intervals() -> None:
    assert median_interval(sample(9)) == median_interval(sample(9))


def test_diverged_seeds_make_an_end_of_the_interval_infinite_and_not_missing() -> None:
    found = median_interval(np.array([1.0, 2.0, 3.0, np.inf, np.inf]))
    assert (found.value, found.high) == (3.0, np.inf)
    assert np.isfinite(found.low)


def test_one_seed_has_no_spread() -> None:
    found = median_interval(np.array([2.5]))
    assert (found.low, found.value, found.high, found.n) == (2.5, 2.5, 2.5, 1)


def test_the_mean_of_a_diverged_seed_is_infinite() -> None:
    assert bootstrap_mean(np.array([1.0, np.inf])).value == np.inf


@pytest.mark.parametrize("values", [[], [1.0, np.nan]])
def test_an_interval_refuses_values_that_are_missing(values: list[float]) -> None:
    with pytest.raises(ValueError, match="one number a seed"):
        median_interval(np.array(values))


@pytest.mark.parametrize(("n", "promised"), [(2, 0.5), (3, 0.75), (5, 0.9375), (10, 0.890625)])
def test_an_interval_holds_the_true_median_as_often_as_it_says(n: int, promised: float) -> None:
    assert covered(n) == pytest.approx(promised)
    draws = [median_interval(values) for values in np.random.default_rng(n).exponential(size=(2000, n))]
    held = np.mean([each.low <= np.log(2) <= each.high for each in draws])
    assert held == pytest.approx(promised, abs=0.034)  # three standard errors of 2000 draws


def test_the_typical_run_is_the_median_over_studies_of_the_medians_over_seeds() -> None:
    runs = np.array([[1.0, 2.0, 9.0], [4.0, 4.0, np.inf], [3.0, 0.0, 3.0]])
    assert typical(runs) == 3.0
    assert typical(np.array([[1.0, np.inf], [2.0, 2.0], [np.inf, np.inf]])) == np.inf


def test_draws_resample_studies_apart_and_seeds_together() -> None:
    runs = np.random.default_rng(0).normal(size=(2, 3, 4))
    draws = Draws.of(runs, 30, np.random.default_rng(1))
    assert draws.weights.shape == (30, 2, 12)
    np.testing.assert_allclose(draws.weights.sum(axis=-1), 1)
    for resample in range(30):
        seeds = np.repeat(np.arange(4), draws.seeds[resample].astype(int))
        for contender in range(2):
            studies = np.repeat(np.arange(3), draws.studies[resample, contender].astype(int))
            expected = np.median(np.median(runs[contender][np.ix_(studies, seeds)], axis=1))
            assert draws.typical(runs)[resample, contender] == pytest.approx(expected)


def test_the_interval_of_studies_reaches_from_the_worst_of_three_to_the_best() -> None:
    runs = np.array([[1.0], [5.0], [2.0]])
    found = estimate_of_studies(runs)
    assert (found.low, found.value, found.high) == (1.0, 2.0, 5.0)


def test_the_interval_of_one_study_is_that_of_its_seeds() -> None:
    assert estimate_of_studies(sample(10)[None]) == median_interval(sample(10))
