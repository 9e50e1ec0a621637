"""Recommendations from planted landscapes: setting, ranges, margins and the cost of the defaults."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.measures.axis import Axis
from analysis.measures.convergence import measure_of
from analysis.measures.landscape_grid import grid_of
from analysis.measures.pooling import PoolingError
from analysis.measures.recommendation import best_point, recommend, recommendations
from analysis.measures.transfer import CommonGrid, common_grid, robust_setting, suite_setting, transfer, tuning_gain
from analysis.record.cells import Cell, Record

Planted = Callable[[pd.DataFrame], pd.DataFrame]
GAPS = [10.0, 1.0, 0.02, 0.01, 0.012, 1.0, 20.0]  # the ellipse starts at a gap of 10.5
LRS = np.geomspace(1e-4, 1e-1, 7)


def planted(gaps: list[float] = GAPS, lrs: np.ndarray = LRS) -> Planted:
    """A landscape of one seed with these gaps by learning rate; inf diverges."""

    def replace(frame: pd.DataFrame) -> pd.DataFrame:
        lost = np.isinf(gaps)
        return pd.DataFrame(
            {
                "lr": lrs[: len(gaps)],
                "seed": 10,
                "status": np.where(lost, "diverged", "finished"),
                "stopped_at": 40,
                "start_loss": frame["start_loss"].iloc[0],
                "final_loss": np.where(lost, np.nan, gaps),
                "best_loss": gaps,
            }
        )

    return replace


def ended(setting: str, gap: float) -> Planted:
    """The runs of a setting end at ``gap``."""

    def replace(frame: pd.DataFrame) -> pd.DataFrame:
        mine = frame["setting"] == setting
        lost = np.isinf(gap)
        frame = frame.assign(final_loss=frame["final_loss"].mask(mine, np.nan if lost else gap))
        return frame.assign(status=frame["status"].mask(mine, "diverged" if lost else "finished"))

    return replace


def both(*changes: Planted) -> Planted:
    def replace(frame: pd.DataFrame) -> pd.DataFrame:
        for change in changes:
            frame = change(frame)
        return frame

    return replace


def winner(lr: float) -> dict[str, Any]:
    found = {"trial": 0, "objective": 0.01, "hyperparameters": {"lr": lr}, "at_edge": []}
    return {"studies": [{"study": 0, "tuning_seeds": [0, 1], "trials": 12, "widened": 0, "winner": found}]}


@pytest.fixture
def cell(edited_cell: Callable[..., Cell]) -> Callable[..., Cell]:
    """A function that makes an sgd cell on the ellipse that ends at ``tuned``, its defaults at ``default``."""

    def make(lr: float = 4e-3, tuned: float = 0.01, default: float = 0.1, gaps: list[float] = GAPS) -> Cell:
        runs = both(ended("tuned", tuned), ended("default", default))
        return edited_cell(0, "sgd", info=winner(lr), runs=runs, landscape=planted(gaps))

    return make


def test_a_winner_that_the_landscape_confirms_is_recommended_with_its_margins(cell: Callable[..., Cell]) -> None:
    found = recommend(one := cell(), measure_of((one,)))
    assert found is not None
    assert (found.source, found.setting, found.value, found.seeds) == ("tuned", {"lr": 4e-3}, 0.01, 1)
    # three decades of progress at best: 0.02 lacks 0.3 of them, just within 10%; 1.0 lacks two
    assert found.ranges["lr"] == pytest.approx((LRS[2], LRS[4]))
    assert found.factor_to_instability == pytest.approx(LRS[6] / 4e-3)
    assert found.default_regret == pytest.approx(1 / np.log10(10.5 / 0.01))
    assert found.default_ratio == pytest.approx(10)


def test_a_winner_that_the_landscape_does_not_confirm_gives_way_to_the_best_stable_point(
    cell: Callable[..., Cell],
) -> None:
    found = recommend(one := cell(lr=1e-4, tuned=9.9), measure_of((one,)))
    assert found is not None
    assert (found.source, found.setting["lr"], found.value) == ("landscape", pytest.approx(LRS[3]), 0.01)


def test_a_tested_winner_in_a_valley_narrower_than_the_grid_is_kept(cell: Callable[..., Cell]) -> None:
    found = recommend(one := cell(lr=4e-4, tuned=0.011), measure_of((one,)))
    assert found is not None
    assert found.source == "tuned"
    assert found.ranges["lr"] == (4e-4, 4e-4)


@pytest.mark.parametrize(
    ("default", "words"),
    [
        (0.01, "The defaults do as well"),
        (0.001, r"The defaults do better: this setting lacks 25% of their progress\. Keep them"),
        (np.inf, "The defaults diverge"),
        (0.1, r"gives away 33% of its progress \(10 times the gap\)"),
    ],
)
def test_the_sentence_says_what_the_defaults_cost(cell: Callable[..., Cell], default: float, words: str) -> None:
    found = recommend(one := cell(default=default), measure_of((one,)))
    assert found is not None
    assert pytest.approx(found.within) == 0.1
    assert re.search(words, found.sentence)
    assert found.sentence.startswith("sgd on ellipse: lr 0.004 (gap 0.01). lr from 0.001 to 0.01")


def test_the_sentence_says_where_no_rate_is_unstable(cell: Callable[..., Cell]) -> None:
    found = recommend(one := cell(gaps=[10, 1, 0.5, 0.01, 0.5, 0.6, 0.7], lr=float(LRS[3])), measure_of((one,)))
    assert found is not None
    assert found.factor_to_instability is None
    assert "lr must be right to a step of the grid. No higher learning rate" in found.sentence


def test_nothing_is_recommended_where_nothing_made_progress(cell: Callable[..., Cell]) -> None:
    found = recommend(one := cell(tuned=np.inf, gaps=[np.inf] * 7), measure_of((one,)))
    assert found is None


def test_a_gap_below_rounding_is_given_as_its_bound(cell: Callable[..., Cell]) -> None:
    one = cell(tuned=3e-47)
    found = recommend(one, measure_of((one,)))
    assert found is not None
    assert found.value == 3e-47
    assert "(gap <1e-15)" in found.sentence


def test_a_winner_without_a_landscape_is_recommended_without_margins(edited_cell: Callable[..., Cell]) -> None:
    cell = edited_cell(0, "sgd", landscape=lambda frame: frame.iloc[:0])
    found = recommend(cell, measure_of((cell,)))
    assert found is not None
    assert (found.source, dict(found.ranges), found.factor_to_instability) == ("tuned", {}, None)


def test_a_landscape_that_is_a_slice_of_the_search_has_no_say(edited_cell: Callable[..., Cell]) -> None:
    cell = edited_cell(0, "sgd", info={"optimizer": {"searched": ["lr", "eps"]}})
    found = recommend(cell, measure_of((cell,)))
    assert found is not None
    assert dict(found.ranges) == {}


def test_recommendations_of_a_record_are_json_without_infinities(record: Record) -> None:
    found = recommendations(record)
    assert len(found) == len(record.cells)
    text = json.dumps([one.to_dict() for one in found], allow_nan=False)
    assert json.loads(text)[0]["label"] == "sgd"


def test_of_equal_points_the_middle_one_is_best() -> None:
    value = np.array([[1.0, 0.0, 0.0, 0.0, 1.0]])
    assert best_point(value, np.ones((1, 5), dtype=bool)) == (0, 2)
    assert best_point(value, np.zeros((1, 5), dtype=bool)) is None


@pytest.fixture
def two(edited_cell: Callable[..., Cell]) -> Callable[..., list[Cell]]:
    """A function that makes sgd's cells on two problems from their landscapes."""

    def make(first: Planted, second: Planted, **info: Any) -> list[Cell]:
        return [edited_cell(0, "sgd", landscape=first), edited_cell(2, "sgd", info=info, landscape=second)]

    return make


def made(*progress: float) -> list[float]:
    """Gaps by decades of progress from the ellipse's start."""
    return [10.5 * 10.0**-decades for decades in progress]


def test_the_robust_setting_has_the_least_worst_regret(two: Callable[..., list[Cell]]) -> None:
    problem = {"minimum": 0.0, "start_loss": 10.5}
    first, second = planted(made(4, 3, 2, 1)), planted(made(0, 3, 4, 4.0))
    cells = two(first, lambda frame: second(frame).assign(start_loss=10.5), problem=problem)
    grid = common_grid(cells)
    found = robust_setting(grid)
    assert found.setting["lr"] == pytest.approx(LRS[1])  # regrets .25 and .25; its neighbours 0 and 1, .5 and 0
    assert [regret.value for regret in found.regrets.values()] == pytest.approx([0.25, 0.25])
    matrix = transfer(grid)
    assert matrix.problems == ("ellipse", "classes")
    # the best on the second problem is a tie of the last two rates; the middle one of two is the first
    np.testing.assert_allclose(matrix.regret, [[0, 1], [0.5, 0]])
    json.dumps(found.to_dict(), allow_nan=False)


def test_what_tuning_gains_is_the_mean_of_the_best_scores_less_the_best_mean_score() -> None:
    runs = {"p": np.array([[[4.0, 3.0]]] * 3), "q": np.array([[[0.0, 3.0]]] * 3)}
    grid = CommonGrid("sgd", Axis("lr", "log", 0.01, LRS[:2]), None, runs)
    found = tuning_gain(grid)
    assert (found.each, found.one) == (1.0, pytest.approx(0.875))  # scores 1 and 3/4 on p, 0 and 1 on q
    assert found.gain.value == found.gain.low == found.gain.high == pytest.approx(0.125)
    alike = CommonGrid("sgd", grid.x, None, {"p": runs["p"], "q": runs["p"]})
    assert tuning_gain(alike).gain.value == 0
    stuck = CommonGrid("sgd", grid.x, None, {"p": runs["p"], "q": np.zeros((2, 1, 2))})
    assert tuning_gain(stuck).gain.value == 0


def test_the_setting_of_any_optimizer_is_held_against_the_best_of_all_of_them() -> None:
    def grid(label: str, first: list[float], second: list[float]) -> CommonGrid:
        made_there = {"p": np.array([[first]]), "q": np.array([[second]])}
        return CommonGrid(label, Axis("lr", "log", 0.01, LRS[: len(first)]), None, made_there)

    weak, strong = grid("weak", [1.0, 1.0], [1.0, 1.0]), grid("strong", [4.0, 3.0], [0.0, 3.0])
    assert robust_setting(weak).regrets["p"].value == 0  # it gives away nothing of its own best, which is little
    found = suite_setting([weak, strong])
    assert (found.label, found.setting["lr"]) == ("strong", LRS[1])
    assert [regret.value for regret in found.regrets.values()] == pytest.approx([0.25, 0.0])
    assert (found.worst, found.mean) == ("p", pytest.approx(0.125))
    with pytest.raises(PoolingError, match="other met other problems than weak"):
        suite_setting([weak, CommonGrid("other", strong.x, None, {"p": strong.progress["p"]})])


def test_a_finer_grid_is_interpolated_at_the_points_of_the_coarser(
    two: Callable[..., list[Cell]],
) -> None:
    problem = {"minimum": 0.0, "start_loss": 10.5}
    fine = planted(made(0, 1, 2, 3, 4, 5, 6))
    coarse = planted(made(0, 1, 2), lrs=np.geomspace(1e-4, 1e-1, 3))  # its middle lies on the fourth fine rate
    grid = common_grid(two(fine, lambda frame: coarse(frame).assign(start_loss=10.5), problem=problem))
    np.testing.assert_allclose(grid.progress["ellipse"][0, 0], [0, 3, 6])
    np.testing.assert_allclose(grid.progress["classes"][0, 0], [0, 1, 2])


def test_only_the_range_that_all_share_is_compared_and_none_is_refused(
    two: Callable[..., list[Cell]],
) -> None:
    problem = {"minimum": 0.0, "start_loss": 10.5}
    low = planted(made(0, 1, 2, 3))
    shifted = planted(made(0, 1, 2, 3, 4), lrs=LRS[2:])
    apart = planted(made(0, 1), lrs=np.array([1.0, 2.0]))
    grid = common_grid(two(low, lambda frame: shifted(frame).assign(start_loss=10.5), problem=problem))
    np.testing.assert_allclose(grid.x.values, LRS[2:4])
    with pytest.raises(PoolingError, match="no value of lr in common"):
        common_grid(two(low, lambda frame: apart(frame).assign(start_loss=10.5), problem=problem))


def test_equal_grids_are_compared_as_they_are(record: Record) -> None:
    cells = [cell for cell in record if cell.optimizer == "rmsprop"]
    grid = common_grid(cells)
    own = grid_of(cells[0], measure_of((cells[0],)))
    assert own is not None
    np.testing.assert_array_equal(grid.x.values, own.x.values)
    assert grid.progress["noisy"].shape == (3, 6, 13)
    matrix = transfer(grid)
    assert (np.diag(matrix.regret) == 0).all()
    assert (matrix.low <= matrix.regret).all()
    assert (matrix.regret <= matrix.high).all()


def test_an_optimizer_on_one_problem_has_no_common_grid_and_the_reason_is_said(record: Record) -> None:
    with pytest.raises(PoolingError, match="two mapped problems or more"):
        common_grid([cell for cell in record.of_problem("noisy") if cell.optimizer == "rmsprop"])
