"""Medians, bands and bootstrap intervals over seeds, against numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from analysis.statistics.bootstrap import (
    band,
    bootstrap_mean,
    bootstrap_median,
    bootstrap_weights,
    interval,
    interval_bca,
    median,
    resampled_means,
    resampled_medians,
    spread,
)


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


def test_every_resample_has_as_many_seeds_as_there_are() -> None:
    weights = bootstrap_weights(7, 50, np.random.default_rng(0))
    assert weights.shape == (50, 7)
    np.testing.assert_array_equal(weights.sum(axis=1), 7)


def test_resampled_means_by_one_product_are_those_of_the_repeated_rows() -> None:
    values, weights = sample(6).reshape(3, 2), bootstrap_weights(3, 20, np.random.default_rng(1))
    rows = [np.repeat(values, counts.astype(int), axis=0).mean(axis=0) for counts in weights]
    np.testing.assert_allclose(resampled_means(values, weights), rows)


@pytest.mark.parametrize("n", [4, 5, 10])
def test_resampled_medians_from_counts_are_those_of_the_repeated_values(n: int) -> None:
    values, weights = sample(n), bootstrap_weights(n, 200, np.random.default_rng(1))
    expected = [np.median(np.repeat(values, counts.astype(int))) for counts in weights]
    np.testing.assert_allclose(resampled_medians(values, weights), expected)


@pytest.mark.parametrize("n", [5, 11, 15])
def test_the_interval_of_the_median_agrees_with_scipys_percentile_bootstrap(n: int) -> None:
    values = sample(n)
    expected = scipy.stats.bootstrap(
        (values,), np.median, confidence_level=0.9, n_resamples=4000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    found = bootstrap_median(values)
    # both ends are order statistics of the sample: equal but for a resample on the edge of a quantile
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert (found.value, found.n) == (pytest.approx(np.median(values)), n)


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
    assert bootstrap_median(sample(9)) == bootstrap_median(sample(9))


def test_diverged_seeds_make_an_end_of_the_interval_infinite_and_not_missing() -> None:
    found = bootstrap_median(np.array([1.0, 2.0, 3.0, np.inf, np.inf]))
    assert (found.value, found.high) == (3.0, np.inf)
    assert np.isfinite(found.low)


def test_one_seed_has_no_spread() -> None:
    found = bootstrap_median(np.array([2.5]))
    assert (found.low, found.value, found.high, found.n) == (2.5, 2.5, 2.5, 1)


def test_the_mean_of_a_diverged_seed_is_infinite() -> None:
    assert bootstrap_mean(np.array([1.0, np.inf])).value == np.inf


@pytest.mark.parametrize("values", [[], [1.0, np.nan], [[1.0]]])
def test_an_interval_refuses_values_that_are_missing_or_of_another_shape(values: list[float]) -> None:
    with pytest.raises(ValueError, match="one number a seed"):
        bootstrap_median(np.array(values))


@pytest.mark.parametrize(("n", "promised"), [(2, 0.5), (3, 0.75), (10, 0.88)])
def test_an_interval_holds_the_true_median_as_often_as_the_report_says(n: int, promised: float) -> None:
    weights = bootstrap_weights(n, 4000, np.random.default_rng(0))
    draws = np.random.default_rng(n).normal(size=(400, n))
    ends = [interval(resampled_medians(values, weights)) for values in draws]
    held = np.mean([low <= 0 <= high for low, high in ends])
    assert held == pytest.approx(promised, abs=0.05)  # three standard errors of 400 draws are at most 0.075
