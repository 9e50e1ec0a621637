"""Exact budget curves and win probabilities, against enumeration and simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

from analysis.measures.axis import Axis
from analysis.measures.budget import BUDGETS, budget_curve, budget_table, replay_curves
from analysis.measures.landscape_grid import Grid, progress
from analysis.measures.measure import Measure
from analysis.measures.pooling import PoolingError
from analysis.measures.random_search import SearchTable, chances, expected_progress, search_table
from analysis.measures.wins import win_probability
from analysis.record.cells import Cell, Record

INF = np.inf
GAP = Measure.of(0.0, 1.0, 0.0)
TIED = np.array([0.3, 0.1, 0.1, INF, 0.5])


def one_turn(reported: list[float] | np.ndarray) -> SearchTable:
    values = np.asarray(reported, dtype=float)[None]
    return SearchTable(values, values, GAP)


def enumerated(objective: np.ndarray, draws: Iterable[tuple[int, ...]]) -> np.ndarray:
    """The chance of each point to be kept, by listing all equally likely draws; ties shared by those drawn."""
    found, count = np.zeros(objective.size), 0
    for draw in draws:
        best = [i for i in draw if objective[i] == objective[list(draw)].min()]
        for i in best:
            found[i] += 1 / len(best)
        count += 1
    return found / count


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_chances_with_replacement_are_those_of_all_draws_listed(k: int) -> None:
    expected = enumerated(TIED, product(range(5), repeat=k))
    np.testing.assert_allclose(chances(TIED, [k])[0], expected)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_chances_without_replacement_are_those_of_all_subsets_listed(k: int) -> None:
    expected = enumerated(TIED, combinations(range(5), k))
    np.testing.assert_allclose(chances(TIED, [k], replacement=False)[0], expected, atol=1e-12)


def test_a_point_twice_in_the_urn_is_two_tied_points() -> None:
    twice = chances(np.array([0.2, 0.1, 0.1, 0.3]), [3])[0]
    once = chances(np.array([0.2, 0.1, 0.3, 9.9]), [3], counts=np.array([1.0, 2.0, 1.0, 0.0]))[0]
    np.testing.assert_allclose(once, [twice[0], twice[1] + twice[2], twice[3], 0])


@pytest.mark.parametrize("replacement", [True, False])
def test_chances_of_a_large_table_sum_to_one_at_every_budget(replacement: bool) -> None:
    objective = np.random.default_rng(0).normal(size=2000).round(2)
    total = chances(objective, [1, 10, 100, 1999], replacement=replacement).sum(axis=1)
    np.testing.assert_allclose(total, 1, rtol=1e-9)  # logarithms of factorials of 2000 cancel to 1e-12 of 13,000


@pytest.mark.parametrize(("budget", "replacement"), [(0, True), (6, False)])
def test_a_budget_the_table_cannot_serve_is_refused(budget: int, replacement: bool) -> None:
    with pytest.raises(ValueError, match="between 1 and the 5 points"):
        chances(TIED, [budget], replacement=replacement)


@pytest.mark.parametrize("replacement", [True, False])
def test_expected_progress_agrees_with_simulated_searches(replacement: bool) -> None:
    rng = np.random.default_rng(7)
    reported = 10 ** -rng.uniform(-0.5, 4, 60)
    objective = np.where(rng.random(60) < 0.2, INF, reported * 10 ** rng.normal(0, 0.3, 60))
    table = SearchTable(objective[None], np.where(np.isinf(objective), INF, reported)[None], GAP)
    searches = 20_000
    for k in (1, 5, 25):
        exact = float(expected_progress(table, [k], replacement=replacement)[0])
        keys = rng.random((searches, 60)).argsort(axis=1)[:, :k]
        drawn = rng.integers(0, 60, (searches, k)) if replacement else keys
        kept = drawn[np.arange(searches), objective[drawn].argmin(axis=1)]
        made = progress(GAP, table.reported[0][kept])
        assert abs(made.mean() - exact) < 4 * made.std() / np.sqrt(searches)  # four standard errors


def test_the_seed_that_reports_has_no_say_in_the_choice() -> None:
    values = np.array([[[0.1, 0.9, 0.5]], [[0.8, 0.2, 0.4]], [[0.3, 0.3, INF]]])
    axis = Axis("lr", "log", 0.1, np.array([0.1, 1.0, 10.0]))
    table = search_table(Grid(axis, None, values, np.ones_like(values), np.isinf(values), GAP))
    np.testing.assert_allclose(table.objective, [[0.55, 0.25, INF], [0.2, 0.6, INF], [0.45, 0.55, 0.45]])
    np.testing.assert_allclose(table.reported, [[0.1, 0.9, INF], [0.8, 0.2, INF], [0.3, 0.3, INF]])


def test_one_seed_of_a_deterministic_problem_chooses_and_reports() -> None:
    values = np.array([[[0.1, 0.9, INF]]])
    axis = Axis("lr", "log", 0.1, np.array([0.1, 1.0, 10.0]))
    table = search_table(Grid(axis, None, values, np.ones_like(values), np.isinf(values), GAP))
    np.testing.assert_allclose(table.objective, table.reported)


def test_one_trial_has_the_mean_of_the_table_and_many_have_its_best() -> None:
    curve = budget_curve(one_turn([0.1, 0.01, 1.0, 10.0, INF]), (1, 1000))
    np.testing.assert_allclose(curve.expected, [10 ** (-3 / 5), 0.01])  # decades 1, 2, 0, 0, 0
    np.testing.assert_allclose(curve.median, [1.0, 0.01])
    np.testing.assert_allclose(curve.lucky, [0.01, 0.01])
    np.testing.assert_allclose(curve.unlucky, [INF, 0.01])


def test_expectation_improves_with_the_budget_and_lies_in_its_interval() -> None:
    rng = np.random.default_rng(1)
    values = 10 ** -rng.uniform(0, 3, (3, 200))
    curve = budget_curve(SearchTable(values, values, GAP))
    assert (np.diff(curve.expected) < 0).all()
    assert (curve.low <= curve.expected).all()
    assert (curve.expected <= curve.high).all()
    assert (curve.turns, curve.points) == (3, 200)


def test_a_table_that_only_diverges_stays_at_the_start_and_its_quantiles_say_lost() -> None:
    curve = budget_curve(one_turn([INF, INF, INF]), (1, 8))
    np.testing.assert_allclose(curve.expected, 1.0)
    assert np.isinf(curve.lucky).all()


def listed_wins(tables: list[np.ndarray], k: int) -> np.ndarray:
    """Chances to win by listing every draw of every search; ties share, and nobody wins with inf."""
    outcomes = [[min(draw) for draw in product(table, repeat=k)] for table in tables]
    found = np.zeros(len(tables))
    for result in product(*outcomes):
        best = min(result)
        if np.isfinite(best):
            winners = [i for i, value in enumerate(result) if value == best]
            found[winners] += 1 / len(winners)
    return found / np.prod([len(each) for each in outcomes])


@pytest.mark.parametrize("k", [1, 2])
def test_win_probabilities_are_those_of_all_searches_listed_with_ties_shared(k: int) -> None:
    tables = [np.array([0.1, 0.2, INF]), np.array([0.1, 0.3, INF]), np.array([0.1, 0.1, 0.2]), np.array([INF, 0.1])]
    found = win_probability({str(i): one_turn(table) for i, table in enumerate(tables)}, [k])
    np.testing.assert_allclose([found[str(i)][0, 0] for i in range(4)], listed_wins(tables, k))


def test_equal_optimizers_win_equally_often_and_intervals_hold_the_value() -> None:
    values = 10 ** -np.random.default_rng(2).uniform(0, 3, 50)
    found = win_probability({"a": one_turn(values), "b": one_turn(values)}, [1, 4])
    np.testing.assert_allclose(found["a"][0], 0.5)
    assert (found["a"][1] <= 0.5).all()
    assert (found["a"][2] >= 0.5).all()


def test_searches_on_different_numbers_of_seeds_do_not_duel() -> None:
    two = SearchTable(np.ones((2, 3)), np.ones((2, 3)), GAP)
    with pytest.raises(ValueError, match=r"different numbers of seeds: \[1, 2\]"):
        win_probability({"a": two, "b": one_turn([1.0])}, [1])


def test_a_problem_has_a_row_for_each_optimizer_and_budget(record: Record) -> None:
    table = budget_table(record.of_problem("noisy"), (1, 8))
    assert list(table["label"].unique()) == ["sgd", "momentum", "rmsprop"]
    assert len(table) == 6
    assert table.groupby("budget")["win"].sum().le(1 + 1e-9).all()
    assert (table["low"] <= table["high"]).all()
    assert set(table["n"]) == {3}


def test_landscapes_of_different_seeds_are_refused(record: Record, edited_cell: Callable[..., Cell]) -> None:
    cells = record.of_problem("noisy")
    other = edited_cell(1, "momentum", info={"protocol": {"landscape_seeds": [1, 2, 3]}})
    with pytest.raises(PoolingError, match="landscape seeds"):
        budget_table((cells[0], cells[0], other))


def test_a_problem_without_landscapes_has_no_budget_curve(edited_cell: Callable[..., Cell]) -> None:
    assert budget_table((edited_cell(0, "sgd", landscape=lambda frame: frame.iloc[:0]),)).empty


def test_replayed_searches_are_averaged_as_progress_with_their_n() -> None:
    replays = pd.DataFrame(
        {"sampler": ["tpe"] * 4, "repeat": [0, 0, 1, 1], "k": [1, 2, 1, 2], "best": [1.0, 0.1, INF, 0.001]}
    )
    (found,) = replay_curves(replays, GAP)
    assert (found.sampler, list(found.budgets), found.n) == ("tpe", [1, 2], 2)
    np.testing.assert_allclose(found.expected, [1.0, 0.01])
    np.testing.assert_allclose(found.low, [1.0, 0.001])
    np.testing.assert_allclose(found.high, [1.0, 0.1])


def test_a_cell_without_replays_has_none(record: Record) -> None:
    assert record.cells[0].replays is None


def test_in_blocks_a_budget_curve_and_the_chances_to_win_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    measure = Measure.of(0.0, 10.0, 1e-3)
    tables = {}
    for label in ("one", "other", "third"):
        values = 10 ** rng.uniform(-3, 2, (3, 60))
        values[rng.random(values.shape) < 0.1] = np.inf
        tables[label] = SearchTable(values, np.where(np.isinf(values), np.inf, values[::-1]), measure)
    curve, wins = budget_curve(tables["one"]), win_probability(tables, BUDGETS)
    for held in (60 * 8 * 7, 60 * 2, 1):  # several resamples at once, one with two budgets, one with one
        monkeypatch.setattr("analysis.measures.random_search.HELD", held)
        again, won = budget_curve(tables["one"]), win_probability(tables, BUDGETS)
        for name in ("expected", "low", "high", "median", "lucky", "unlucky"):
            np.testing.assert_allclose(getattr(again, name), getattr(curve, name), rtol=1e-12)  # another sum's rounding
        for label in tables:
            np.testing.assert_allclose(won[label], wins[label], rtol=1e-12)


def test_points_are_sorted_once_a_turn_and_not_once_a_resample(monkeypatch: pytest.MonkeyPatch) -> None:
    sorted_: list[int] = []
    argsort = np.argsort
    monkeypatch.setattr(np, "argsort", lambda values, **how: sorted_.append(values.size) or argsort(values, **how))
    values = 10 ** -np.random.default_rng(3).uniform(0, 3, (2, 50))
    budget_curve(SearchTable(values, values, GAP), (1, 2, 5))
    assert sorted_.count(50) == 2 * 3  # for the intervals, the expectation and the quantiles
