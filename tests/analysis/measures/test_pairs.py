"""Paired differences, Holm's correction and the probability of improvement, against scipy and rliable's answers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from analysis.measures.measure import Measure
from analysis.measures.paired_tests import (
    Side,
    difference,
    holm,
    not_worse,
    resolved,
    seeds_to_decide,
    study_difference,
    unpaired_difference,
)
from analysis.measures.pairs import improvement, improvement_matrix, paired_table
from analysis.measures.pooling import pool
from analysis.record.cells import Record

INF = np.inf
GAP = Measure.of(0.0, 1.0, 0.0)
LINEAR = Measure.of(None, 1.0, -1.0)

X = np.array(
    [
        [0.35, 0.25, 1.1, -1.28],
        [-0.66, -0.84, -1.73, 0.13],
        [0.53, -0.74, 1.39, 0.82],
        [0.63, 0.4, 0.96, -1.33],
        [0.61, 0.6, -1.77, 0.35],
        [-0.25, 0.78, -0.44, -0.02],
    ]
)
Y = np.array(
    [
        [-0.66, 0.02, 1.76, -1.04],
        [-0.06, -0.85, -0.78, 0.79],
        [0.72, -0.06, 2.45, 2.19],
        [-0.01, 1.23, 1.54, -1.09],
        [0.31, 1.65, -2.23, 0.99],
        [0.83, 0.12, -0.32, -0.51],
    ]
)
RLIABLE_IMPROVEMENT = 0.42708333333333337  # rliable 1.2: probability that X is higher than Y, mean over the columns


def test_the_difference_is_the_median_of_paired_decades() -> None:
    a, b = np.array([[1.0, 0.1, 0.01]]), np.array([[0.1, 0.1, 0.1]])
    found = difference(a, b, GAP)
    assert found.change.value == pytest.approx(0)
    assert difference(a, a / 10, GAP).change.value == pytest.approx(-1)
    assert difference(a, a - 0.5, LINEAR).change.value == pytest.approx(-0.5)


def test_the_p_value_is_scipys_signed_rank_test() -> None:
    rng = np.random.default_rng(2)
    a, b = 10 ** rng.normal(-2, 0.3, (1, 12)), 10 ** rng.normal(-2.3, 0.3, (1, 12))
    assert difference(a, b, GAP).p_value == pytest.approx(scipy.stats.wilcoxon(np.log10(b / a)[0]).pvalue)


def test_equal_runs_are_no_evidence() -> None:
    a = np.array([[0.1, 0.2, 0.3]])
    assert difference(a, a, GAP).p_value == 1


def test_a_divergence_on_one_side_is_the_largest_difference_there_is() -> None:
    a = np.array([[0.10, 0.11, 0.12, 0.13, 0.14, 0.15]])
    b = np.array([[0.11, 0.13, 0.15, 0.17, 0.19, INF]])
    huge = difference(a, np.where(np.isinf(b), 1e9, b), GAP)
    found = difference(a, b, GAP)
    assert found.p_value == huge.p_value == pytest.approx(2 / 2**6)
    assert found.change.value == pytest.approx(huge.change.value)
    assert found.change.high == INF


def test_divergences_on_both_sides_tie_and_opposite_ones_balance() -> None:
    assert difference(np.array([[INF, INF, 0.1]]), np.array([[INF, INF, 0.2]]), GAP).change.value == 0
    balanced = difference(np.array([[INF, 0.1]]), np.array([[0.1, INF]]), GAP)
    assert balanced.change.value == 0
    assert (balanced.change.low, balanced.change.high) == (-INF, INF)


def test_unequal_numbers_of_seeds_are_not_paired() -> None:
    with pytest.raises(ValueError, match="same seeds on both sides, got 2 and 3"):
        difference(np.ones((1, 2)), np.ones((1, 3)), GAP)


@pytest.mark.parametrize(
    ("b", "verdict"), [(0.1, "equal"), (0.1005, "equal"), (0.11, "worse"), (0.09, "better"), (INF, "worse")]
)
def test_exact_results_are_compared_as_they_are_up_to_a_percent(b: float, verdict: str) -> None:
    found = difference(np.array([[0.1]]), np.array([[b]]), GAP, exact=True)
    assert np.isnan(found.p_value)
    assert found.verdict(np.nan) == verdict


@pytest.mark.parametrize(("adjusted", "verdict"), [(0.04, "better"), (0.06, "undecided"), (np.nan, "undecided")])
def test_a_difference_is_claimed_only_where_its_adjusted_p_value_is_small(adjusted: float, verdict: str) -> None:
    a = np.array([[0.1, 0.2, 0.3]])
    assert difference(a, a / 2, GAP).verdict(adjusted) == verdict


def test_differences_within_a_percent_are_none_however_sure() -> None:
    a = 10 ** np.random.default_rng(1).normal(-2, 0.5, (1, 12))
    found = difference(a, a * 1.005, GAP)
    assert found.p_value < 0.001
    assert found.verdict(found.p_value) == "equal"


def test_runs_of_different_seeds_are_compared_by_their_medians() -> None:
    rng = np.random.default_rng(6)
    a, b = 10 ** rng.normal(-2, 0.2, (1, 9)), 10 ** rng.normal(-1, 0.2, (1, 12))
    found = unpaired_difference(a, b, GAP)
    assert found.change.value == pytest.approx(np.log10(np.median(b) / np.median(a)))
    assert found.change.low < found.change.value < found.change.high
    assert found.p_value == pytest.approx(scipy.stats.mannwhitneyu(a[0], b[0]).pvalue)


def test_holm_multiplies_rising_p_values_by_the_number_of_tests_left() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


def test_holm_is_capped_leaves_out_what_is_no_test_and_takes_nothing() -> None:
    np.testing.assert_allclose(holm([0.6, np.nan, 0.7]), [1, np.nan, 1])
    np.testing.assert_allclose(holm([np.nan]), [np.nan])
    assert holm([]).size == 0


@pytest.mark.parametrize("tests", [1, 10, 60])
def test_so_many_seeds_suffice_to_decide_and_one_less_does_not(tests: int) -> None:
    enough = seeds_to_decide(tests)
    least = [scipy.stats.wilcoxon(np.arange(1.0, n + 1)).pvalue * tests for n in (enough, enough - 1)]
    assert least[0] <= 0.05 < least[1]


def test_the_probability_of_improvement_is_rliables_mean_over_problems() -> None:
    found = np.mean([improvement(-X[:, task], -Y[:, task]) for task in range(4)])
    assert found == pytest.approx(RLIABLE_IMPROVEMENT)


def test_the_probability_of_improvement_is_the_mann_whitney_statistic() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.integers(0, 6, 9).astype(float), rng.integers(0, 6, 7).astype(float)
    assert improvement(-a, -b) == pytest.approx(scipy.stats.mannwhitneyu(a, b).statistic / 63)


def test_weighted_improvement_counts_runs_as_if_they_were_repeated() -> None:
    a, b = np.array([1.0, 2.0, INF]), np.array([2.0, INF])
    weighted = improvement(a, b, np.array([[2.0, 1.0, 1.0]]), np.array([[1.0, 3.0]]))
    np.testing.assert_allclose(weighted, [improvement(np.repeat(a, [2, 1, 1]), np.repeat(b, [1, 3]))])


def test_improvement_both_ways_sums_to_one_and_lies_in_its_interval(record: Record) -> None:
    value, low, high = improvement_matrix(pool(record.cells))
    np.testing.assert_allclose(value + value.T, 1)
    np.testing.assert_allclose(np.diag(value), 0.5)
    assert (low <= value + 1e-12).all()
    assert (value <= high + 1e-12).all()


def test_every_pair_on_every_problem_has_a_verdict(record: Record) -> None:
    table = paired_table(pool(record.cells))
    assert len(table) == 9
    assert set(table["verdict"]) <= {"better", "worse", "equal", "undecided"}
    assert set(table["studies"]) == {1}
    exact = table["problem"] == "ellipse"
    assert table.loc[exact, "p"].isna().all()
    assert (table.loc[~exact, "p_holm"] >= table.loc[~exact, "p"]).all()


def test_what_ends_higher_on_every_seed_is_worse_and_what_no_test_tells_apart_is_not() -> None:
    best = 10 ** np.random.default_rng(4).normal(-2, 0.3, (1, 10))
    noisy = best * 10 ** np.random.default_rng(5).normal(0.02, 0.3, (1, 10))
    assert not_worse(best, [2 * best, noisy, 1.001 * best], GAP) == [False, True, True]
    assert not_worse(best[:, :3], [1000 * best[:, :3]], GAP) == [True]  # three seeds tell nothing apart
    assert not_worse(best[:, :1], [1000 * best[:, :1], 1.001 * best[:, :1]], GAP, exact=True) == [False, True]


def test_diverged_runs_of_other_seeds_are_tested_exactly_though_they_tie() -> None:
    found = unpaired_difference(np.array([[0.1, 0.2, 0.3]]), np.full((1, 3), INF), GAP)
    assert found.p_value == pytest.approx(0.1, abs=0.01)  # two of the twenty ways to deal six runs
    assert unpaired_difference(np.array([[0.1]]), np.array([[INF, INF]]), GAP).p_value > 0.3  # 1 in 3


def studies_of(levels: list[float], seeds: int = 1, noise: float = 0.0, stream: int = 0) -> np.ndarray:
    """Runs ``[K, S]`` of studies at these decades, with noise of the seeds' that all studies share."""
    shared = noise * np.random.default_rng(stream).normal(size=seeds)
    return np.asarray(10 ** (np.array(levels)[:, None] + shared))


def test_studies_of_a_deterministic_problem_are_told_apart_by_welchs_test() -> None:
    a, b = [-3.0, -2.5, -2.9], [-1.0, -1.8, -1.1]
    found = difference(studies_of(a), studies_of(b), GAP)
    welch = scipy.stats.ttest_ind(b, a, equal_var=False)
    assert found.p_value == pytest.approx(welch.pvalue)
    assert found.change.value == pytest.approx(np.mean(b) - np.mean(a))
    expected = welch.confidence_interval(0.9)
    assert (found.change.low, found.change.high) == pytest.approx((expected.low, expected.high))
    assert not found.exact


def test_what_the_seeds_share_does_not_blur_a_difference_and_what_they_do_not_share_does() -> None:
    a, b = studies_of([-3.0, -2.9, -3.1], 10, 0.5), studies_of([-2.0, -2.1, -1.9], 10, 0.5)
    other = studies_of([-2.0, -2.1, -1.9], 10, 0.5, stream=1)
    paired, apart = difference(a, b, GAP), difference(a, other, GAP)
    assert paired.p_value == pytest.approx(
        scipy.stats.ttest_ind([-2.0, -2.1, -1.9], [-3.0, -2.9, -3.1]).pvalue, rel=0.1
    )
    assert apart.change.high - apart.change.low > 1.5 * (paired.change.high - paired.change.low)


def test_two_studies_a_side_decide_nothing_and_one_side_alone_is_refused() -> None:
    found = difference(studies_of([-3.0, -3.0]), studies_of([-1.0, -1.0]), GAP)
    assert (found.p_value, found.verdict(found.p_value)) == (0.0, "worse")  # a search without luck
    assert difference(studies_of([-3.0, -3.1]), studies_of([-1.0, -1.1]), GAP).p_value == 1
    with pytest.raises(ValueError, match="two or more studies a side"):
        difference(studies_of([-3.0]), studies_of([-1.0, -1.1]), GAP)


def test_equal_runs_of_several_studies_are_no_difference() -> None:
    a = studies_of([-3.0, -2.0, -1.0], 5, 0.3)
    found = difference(a, a, GAP)
    assert (found.change.low, found.change.high, found.p_value, found.verdict(1.0)) == (0, 0, 1, "equal")


def test_a_study_that_found_nothing_counts_as_the_start() -> None:
    lost = np.array([[INF], [INF], [5.0]])  # the start is a gap of 1
    found = difference(studies_of([-3.0, -2.5, -2.9]), lost, GAP)
    assert found.change.value == pytest.approx(2.8)
    assert np.isfinite(found.change.high)


def test_copies_of_one_optimizer_are_rarely_told_apart_whatever_their_luck_is_like() -> None:
    rng = np.random.default_rng(3)
    lucks = {
        "normal": lambda: rng.normal(size=3),
        "heavy": lambda: rng.standard_t(2, size=3),
        "skewed": lambda: rng.exponential(size=3),
        "two kinds": lambda: rng.choice([0.0, 3.0], size=3) + 0.01 * rng.normal(size=3),
    }
    for luck in lucks.values():
        told = [difference(10 ** -luck()[:, None], 10 ** -luck()[:, None], GAP).p_value <= 0.05 for _ in range(400)]
        assert np.mean(told) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_what_so_many_studies_resolve_is_found_four_times_in_five() -> None:
    rng, away = np.random.default_rng(5), resolved(5, 1)
    sides = [(10 ** (rng.normal(size=5) / 4 - 3), 10 ** ((rng.normal(size=5) + away) / 4 - 3)) for _ in range(600)]
    found = np.mean([difference(a[:, None], b[:, None], GAP).p_value <= 0.05 for a, b in sides])
    assert found == pytest.approx(0.8, abs=0.06)  # Welch's test has fewer degrees of freedom than the bound takes
    assert resolved(3, 9) > resolved(3, 1) > resolved(8, 1)


def test_sides_are_made_once_and_say_the_same() -> None:
    a, b = studies_of([-3.0, -2.5, -2.9], 4, 0.2), studies_of([-1.0, -1.8, -1.1], 4, 0.4)
    assert study_difference(Side.of(a, GAP), Side.of(b, GAP), GAP) == difference(a, b, GAP)
