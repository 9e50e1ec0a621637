"""Verdicts of unit tests by thresholds worked out by hand, and which tests are flagged as telling nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.measures.unit_results import Outcomes, unit_results
from analysis.measures.unit_verdicts import best_place, common_place, flags, judge, reference, share_passed

START = np.array([200.0])
BEST = np.array([100.0])  # a gain of 100, so that 190 is a tenth of it
INF, NAN = np.inf, np.nan

THRESHOLDS = [
    ([90.0] * 10, 1.1, "passed"),
    ([190.0] * 10, 0.1, "stuck"),
    ([189.9] * 10, 0.101, "passed"),
    ([250.0] * 10, -0.5, "stuck"),
    ([0.0] * 10, 2.0, "passed"),
    ([-0.1] * 10, 2.001, "excelled"),
    ([-INF] * 10, 1e8, "excelled"),  # below -1e10 all are alike
    ([100.0] * 8 + [195.0] * 2, 1.0, "passed"),
    ([100.0] * 7 + [195.0] * 3, 1.0, "unreliable"),
    ([100.0] * 9 + [NAN], 1.0, "fragile"),
    ([100.0] * 5 + [NAN] * 5, 1.0, "fragile"),
    ([100.0] * 4 + [2e10] * 6, INF, "diverged"),
    ([NAN] * 10, INF, "diverged"),
    ([195.0] * 9 + [NAN], 0.05, "stuck"),
]


@pytest.mark.parametrize(
    ("values", "gain", "verdict"), THRESHOLDS, ids=[f"{verdict} {i}" for i, (_, _, verdict) in enumerate(THRESHOLDS)]
)
def test_a_verdict_follows_from_its_thresholds(values: list[float], gain: float, verdict: str) -> None:
    judged = judge(np.array([[values]]), START, BEST)
    assert judged.verdict[0, 0] == verdict
    if verdict != "diverged":
        assert judged.gain[0, 0] == pytest.approx(gain, rel=1e-6)


def test_the_reference_is_the_lowest_median_and_is_down_only_where_that_is_below_the_start() -> None:
    values = np.array(
        [
            [[199.0] * 3, [150.0, 160.0, 170.0], [NAN] * 3],
            [[200.0 - 1e-8] * 3, [201.0] * 3, [NAN] * 3],  # dust is no way down
        ]
    )
    found = reference(values, np.array([200.0, 200.0]))
    assert found.value.tolist() == [160.0, 200.0 - 1e-8]
    assert found.place.tolist() == [1, 0]
    assert found.is_down.tolist() == [True, False]


def test_a_test_that_everybody_or_nobody_passes_or_that_nothing_can_improve_tells_nothing() -> None:
    verdicts = np.array(
        [["passed", "stuck", "passed", "passed", "stuck"], ["excelled", "diverged", "stuck", "stuck", "stuck"]]
    )
    is_down, solved = np.array([True, True, True, False, False]), np.array([False, False, False, False, True])
    assert flags(verdicts, is_down, solved).tolist() == ["everybody", "nobody", "", "no way down", "solved"]


def test_the_common_learning_rate_passes_most_of_the_tests_that_count() -> None:
    values = np.array([[[190.0], [100.0], [150.0]], [[100.0], [NAN], [150.0]], [[100.0], [100.0], [NAN]]])
    judged = judge(values, np.repeat(START, 3), np.repeat(BEST, 3))
    assert common_place(judged, np.array([True, True, True])) == 0  # two of three each, and the smallest of them
    assert common_place(judged, np.array([True, True, False])) == 2
    assert best_place(judged).tolist() == [1, 0, 0]


def test_variants_of_one_function_are_resampled_together() -> None:
    verdicts = np.array(["passed"] * 50 + ["stuck"] * 50)
    alike = share_passed(verdicts, ["a"] * 50 + ["b"] * 50)
    apart = share_passed(verdicts, [str(i) for i in range(100)])
    assert (alike.value, alike.n, apart.value, apart.n) == (0.5, 2, 0.5, 100)
    assert (alike.low, alike.high) == (0.0, 1.0)
    assert apart.low == pytest.approx(0.5 - 1.645 * 0.05, abs=0.02)
    assert np.isnan(share_passed(verdicts[:0], []).value)


def test_tables_count_the_telling_tests_of_every_group_a_test_being_in_several() -> None:
    tests = pd.DataFrame(
        {"test": ["t1", "t2", "t3"], "groups": ["a;b", "b", "c"], "function": ["f", "f", "g"], "start": [200.0] * 3}
    )
    sgd = Outcomes(np.array([[[100.0]], [[100.0]], [[200.0]]]), np.array([0.1]))
    other = Outcomes(np.array([[[199.0]], [[100.0]], [[0.0]]]), np.array([0.3]))
    found = unit_results(tests, np.zeros(3, dtype=bool), sgd, {"sgd": sgd, "other": other}, ["c", "b", "a"])
    assert found.tables["tests"]["each"].tolist() == ["", "everybody", "no way down"]
    groups = found.tables["groups"].query("choice == 'one'").set_index("group")
    assert list(groups.index) == ["c", "b", "a"]
    assert groups[["tests", "telling", "everybody", "no_way_down"]].values.tolist() == [
        [1, 0, 0, 1],
        [2, 1, 1, 0],
        [1, 1, 0, 0],
    ]
    counts = found.tables["counts"].query("choice == 'one'").set_index(["optimizer", "group", "verdict"])["tests"]
    assert (counts["sgd", "b", "passed"], counts["other", "b", "stuck"], counts["other", "a", "passed"]) == (1, 1, 0)
    assert found.one.lr == {"sgd": 0.1, "other": 0.3}
    assert (found.one.telling, found.one.passed) == (1, {"sgd": 1.0, "other": 0.0})
    rates = found.tables["rates"].set_index(["optimizer", "verdict"])["tests"]
    assert (rates["other", "passed"], rates["other", "stuck"], rates["sgd", "passed"]) == (1, 1, 2)
