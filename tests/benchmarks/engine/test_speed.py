"""The speed command: what it measures and prints; how fast anything is stays out of the tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.engine.speed import goals, landscape, machine, measure
from benchmarks.engine.speed.goals import GOALS, Goal
from benchmarks.engine.speed.machine import Machine, one_core
from benchmarks.engine.speed.measure import Speed
from benchmarks.engine.speed.table import duration, markdown, text
from benchmarks.engine.speed.work import Limit
from benchmarks.engine.training import train

UNREACHABLE = Goal("ellipse", 4, 3, 3, 1e12)
MACHINE = Machine({4: 100e9, 8: 50e9}, 100e9, 20e9)
MADE_UP = Speed(
    Goal("airfoil", 2048, 10, 10, 30_000, leads=True),
    {"flat": 90e-6, "module": 60e-6},
    eager=100e-9,
    kernel=2e-9,
    jax=30e-9,
    ready={"eager": 0.1, "kernel": 0.3, "jax": 0.5},
    limit=Limit(1e-9, "flops"),
)
"""A measurement that nobody made."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goals, "GOALS", (Goal("airfoil", 4, 3, 3, 0, 2), UNREACHABLE))
    monkeypatch.setattr(measure, "has_jax", lambda: False)  # its threads would outlive the test
    monkeypatch.setattr(machine, "IN_MEMORY", 2**10)
    monkeypatch.setattr(machine, "NUMBERS", 1)
    monkeypatch.setattr(machine, "PRODUCTS", (8,))


def test_every_goal_is_measured_as_a_ratio(call: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert call("speed", "--repeats", "1", "--json") == 0
    free, missed = json.loads(capsys.readouterr().out)
    assert [free["problem"], missed["problem"]] == ["airfoil", "ellipse"]
    assert free["reached"]
    assert not missed["reached"]
    assert free["ratio"] == pytest.approx(free["plain_seconds"] / free["lane_seconds"])
    assert free["plain_seconds"] == min(free["plain_loops"].values())
    assert set(free["plain_loops"]) == {"flat", "module"}
    assert set(missed["plain_loops"]) == {"flat"}


def test_a_missed_goal_is_an_exit_code_only_where_that_is_asked_for(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("speed", "--repeats", "1") == 0
    assert "1000000000000x MISSED" in capsys.readouterr().out
    assert call("speed", "--repeats", "1", "--check") == 1


def test_problems_can_be_chosen_and_an_unknown_one_is_refused(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("speed", "airfoil", "--repeats", "1", "--json") == 0
    assert [found["problem"] for found in json.loads(capsys.readouterr().out)] == ["airfoil"]
    assert call("speed", "sphere") == 2
    assert "speed measures airfoil, ellipse, and not 'sphere'" in capsys.readouterr().err


def test_a_landscape_says_its_seconds_and_its_engine(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.cli.speed.landscape_speed", lambda: landscape.landscape_speed(3, 2, "eager"))
    assert call("speed", "--landscape") == 0
    assert "ellipse: 9 runs of 2 steps in" in (said := capsys.readouterr().out)
    assert ", eager; 4 s reached" in said


def test_a_problem_of_the_table_is_measured_as_a_tuning_block_and_as_many_lanes() -> None:
    for block, many in zip(GOALS[::2], GOALS[1::2], strict=True):
        assert block.problem == many.problem
        assert (block.lanes, block.seeds, many.seeds) == (128, 8, 1)
        assert many.lanes > block.lanes
    named = [goal.problem for goal in GOALS[::2]]
    assert named[:4] == ["ellipse", "rosenbrock", "quadratic", "airfoil"]
    assert named[4:] == ["breast-cancer", "digits-softmax", "digits-mlp", "char-gru"]
    assert {goal.problem: goal.ratio for goal in GOALS if goal.ratio} == {
        "ellipse": 20_000,
        "quadratic": 2_500,
        "airfoil": 30_000,
        "digits-mlp": 40,
    }
    assert all(goal.leads for goal in GOALS)


def test_every_configuration_of_a_goal_has_its_own_lr_and_gamma() -> None:
    for goal in GOALS:
        assert {len(values) for values in goal.configurations.values()} == {goal.lanes // goal.seeds}
        assert len(goal.training(1).seeds) == goal.seeds


def test_a_measurement_is_held_against_every_goal() -> None:
    assert [str(verdict) for verdict in MADE_UP.verdicts] == ["30000x reached", "JAX reached", "eager reached"]
    assert MADE_UP.reached
    slow = replace(MADE_UP, kernel=110e-9)
    assert [verdict.reached for verdict in slow.verdicts] == [False, False, False]
    assert not slow.reached


def test_without_a_kernel_eager_lanes_are_what_is_held_against_the_others() -> None:
    eager = replace(MADE_UP, kernel=None, jax=None)
    assert eager.lane_seconds == eager.eager
    assert [verdict.text for verdict in eager.verdicts] == ["30000x"]


def test_the_table_has_a_dash_where_there_is_no_such_side() -> None:
    head, row, *_ = text([replace(MADE_UP, kernel=None, jax=None)], MACHINE).splitlines()
    ends = [head.index(name) + len(name) - 1 for name in ("kernel", "JAX", "/ eager", "/ JAX")]
    assert [row[end] for end in ends] == ["-"] * 4


def test_the_table_says_times_ratios_and_how_near_the_limit_they_are() -> None:
    head, row, *notes = text([MADE_UP], MACHINE).splitlines()
    assert head.split()[:2] == ["problem", "lanes"]
    assert row.split()[:3] == ["airfoil", "2,048", "60.0"]
    for said in ("2.00 ns", "30,000x", "50x", "15x", "50% of flops", "30000x reached, JAX reached, eager reached"):
        assert said in row
    assert "100 GF/s in single and 50 in double precision" in notes[2]
    assert "kernel: 0.3 s; jax: 0.5 s" in notes[3]


def test_the_table_in_markdown_has_the_same_cells() -> None:
    table = markdown([MADE_UP], MACHINE).splitlines()[:3]
    assert {line.count("|") for line in table} == {12}
    assert "| airfoil | 2,048 |" in table[2]


@pytest.mark.parametrize(("seconds", "said"), [
    (None, "-"), (1.234e-9, "1.23 ns"), (123.4e-9, "123 ns"), (45.6e-6, "45.6 us"), (0.0789, "78.9 ms"),
])  # fmt: skip
def test_times_have_three_digits_in_the_unit_that_suits_them(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


def test_one_core_is_given_back() -> None:
    before = torch.get_num_threads()
    with one_core():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_lanes_that_are_timed_make_as_many_steps_as_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    updates = 0

    def counting(training, configurations, on_rung, on_segment):
        def counted(more: int) -> None:
            nonlocal updates
            updates += more
            on_segment(more)

        return train(training, configurations, on_rung, counted)

    monkeypatch.setattr(measure, "train", counting)
    monkeypatch.setattr(measure.time, "process_time", lambda: float(updates))  # a clock that updates turn
    assert measure._lanes(Goal("ellipse", 4, 70, 1), "eager")() == 1
    assert updates == 71 * 4


def test_the_page_on_performance_names_every_goal() -> None:
    page = (Path(__file__).parents[3] / "docs" / "performance.md").read_text(encoding="utf-8")
    for goal in GOALS:
        assert f"| {goal.problem} | {goal.lanes:,} |" in page
