"""The speed command: what it measures and prints; how fast anything is stays out of the tests."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from benchmarks.engine import speed

UNREACHABLE = speed.Goal("ellipse", 4, 3, 3, 1e12)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "GOALS", (speed.Goal("airfoil", 4, 3, 3, 0), UNREACHABLE))


def test_every_goal_is_measured_as_a_ratio(call: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("speed", "--repeats", "1", "--json") == 0
    free, missed = json.loads(capsys.readouterr().out)
    assert [free["problem"], missed["problem"]] == ["airfoil", "ellipse"]
    assert free["reached"]
    assert not missed["reached"]
    assert free["ratio"] == pytest.approx(free["plain_seconds"] / free["lane_seconds"])


def test_a_missed_goal_is_an_exit_code_only_where_that_is_asked_for(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("speed", "--repeats", "1") == 0
    assert "1000000000000x MISSED" in capsys.readouterr().out
    assert call("speed", "--repeats", "1", "--check") == 1
