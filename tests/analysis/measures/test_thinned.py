"""Resamples of groups of neighbours, beside those of their points."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.measures.budget import BUDGETS, budget_curve
from analysis.measures.landscape_grid import progress
from analysis.measures.measure import Measure
from analysis.measures.random_search import SearchTable
from analysis.measures.thinned import RANKS, thinned
from analysis.measures.wins import win_probability
from analysis.statistics.bootstrap import bootstrap_weights
from analysis.statistics.resamples import MANY

MEASURE = Measure.of(0.0, 1.0, 1e-9)
SOLVED = 1e-9


def landscape(points: int, seed: int) -> SearchTable:
    """Rising gaps over many decades: some solved, and so tied, some above the start, some diverged."""
    rng = np.random.default_rng(seed)
    values = np.maximum(10 ** rng.normal(-3 - seed, 3.0, (1, points)), SOLVED)
    values[rng.random(values.shape) < 0.05] = np.inf
    values.sort()
    return SearchTable(values, values, MEASURE)


def of_its_points(search: SearchTable, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """`SearchTable.resampled`, but that groups are counted from the draws of single points."""
    if search.sizes is None:
        return bootstrap_weights(search.objective.shape[1], resamples, rng)
    counts = bootstrap_weights(int(search.sizes.sum()), resamples, rng)
    return np.add.reduceat(counts, np.cumsum(search.sizes) - search.sizes, axis=1)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(SearchTable, "resampled", of_its_points)
    return monkeypatch


def test_intervals_of_groups_are_those_of_their_points_drawn_alike(few: pytest.MonkeyPatch) -> None:
    search = landscape(6_000, 1)
    exact = budget_curve(search)
    few.setattr("analysis.measures.thinned.MANY", 5_000)
    near = budget_curve(search)
    np.testing.assert_array_equal(near.expected, exact.expected)
    width = progress(MEASURE, exact.low) - progress(MEASURE, exact.high)
    for end in ("low", "high"):
        off = progress(MEASURE, getattr(near, end)) - progress(MEASURE, getattr(exact, end))
        assert (np.abs(off) < 0.01 * width).all()  # a hundredth of what they say; it is 0.3%
        assert (off != 0).any()


def test_chances_to_win_of_groups_are_those_of_their_points_drawn_alike(few: pytest.MonkeyPatch) -> None:
    searches = {"one": landscape(4_000, 1), "other": landscape(3_500, 2), "third": landscape(2_000, 1)}
    exact = win_probability(searches, BUDGETS)
    few.setattr("analysis.measures.thinned.MANY", 3_900)
    near = win_probability(searches, BUDGETS)
    for label, of_points in exact.items():
        np.testing.assert_array_equal(near[label][0], of_points[0])
        np.testing.assert_allclose(near[label], of_points, atol=1e-4)  # the bound is 2 / RANKS; it is 1e-5


def test_groups_hold_every_point_part_no_tie_and_are_small_in_their_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.measures.thinned.MANY", 5_000)
    search = landscape(30_000, 1)
    (groups,) = thinned([search])
    assert groups.sizes is not None
    assert groups.sizes.sum() == 30_000
    values, tied = np.unique(search.reported, return_counts=True)
    assert np.isin(groups.reported, values).all()
    for value in (SOLVED, np.inf):
        assert groups.sizes[groups.reported[0] == value] == tied[values == value]
    begins = np.cumsum(groups.sizes) - groups.sizes
    middle = (groups.reported[0] > SOLVED) & np.isfinite(groups.reported[0])
    assert (groups.sizes[middle] <= begins[middle] / RANKS + 1).all()
    assert len(groups.sizes) < 5_000


def test_groups_are_drawn_as_often_as_their_points() -> None:
    sizes = np.array([1, 10, 89])
    search = SearchTable(np.ones((1, 3)), np.ones((1, 3)), MEASURE, sizes)
    counts = search.resampled(20_000, np.random.default_rng(1))
    np.testing.assert_array_equal(counts.sum(axis=1), 99)
    np.testing.assert_allclose(counts.mean(axis=0), 0.99 * sizes, rtol=0.03)  # 4 standard errors of the rarest
    np.testing.assert_allclose(counts.var(axis=0), 0.99 * sizes * (1 - sizes / 100), rtol=0.06)


def test_landscapes_of_ordinary_size_and_of_several_seeds_are_drawn_point_by_point() -> None:
    ordinary = [landscape(MANY, 1)]
    values = np.random.default_rng(1).random((2, MANY + 1))
    seeds = [SearchTable(values, values[::-1], MEASURE)]
    assert thinned(ordinary) is ordinary
    assert thinned(seeds) is seeds


def test_a_landscape_of_very_many_points_is_resampled_by_few_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, search, resampled = list[int](), landscape(MANY + 1, 1), SearchTable.resampled

    def counted(table: SearchTable, resamples: int, rng: np.random.Generator) -> np.ndarray:
        counts = resampled(table, resamples, rng)
        drawn.append(counts.size)
        return counts

    monkeypatch.setattr(SearchTable, "resampled", counted)
    curve, wins = budget_curve(search), win_probability({"one": search}, BUDGETS)
    assert sum(drawn) < 240 * 10_000  # of 240 resamples
    assert curve.points == MANY + 1
    assert ((curve.low <= curve.expected) & (curve.expected <= curve.high)).all()
    assert (np.diff(wins["one"], axis=0)[0] <= 1e-12).all()


def test_the_only_search_wins_wherever_it_finds_something() -> None:
    search = SearchTable(np.array([[0.1, 0.1, np.inf, 0.5]]), np.array([[0.1, 0.1, np.inf, 0.5]]), MEASURE)
    np.testing.assert_allclose(win_probability({"one": search}, [1, 3])["one"][0], [0.75, 1 - 0.25**3])
