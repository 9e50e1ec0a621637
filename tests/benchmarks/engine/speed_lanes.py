"""Speed of the engine with pytest-benchmark: ``python -m pytest tests/benchmarks/speed_lanes.py``.

Outside the default run (its name is no test_*.py). Compare the lane and the plain loop of one run, not runs with each
other.
"""

from __future__ import annotations

import pytest
import torch

from benchmarks.engine.speed.goals import GOALS, Goal
from benchmarks.engine.speed.plain import plain_loop
from benchmarks.engine.training import train


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("goal", GOALS, ids=[goal.name for goal in GOALS])
def test_lanes(goal: Goal, benchmark) -> None:
    benchmark.extra_info["lane_steps"] = goal.lanes * goal.steps
    benchmark(lambda: train(goal.training(goal.steps), goal.configurations))


@pytest.mark.parametrize("goal", GOALS, ids=[goal.name for goal in GOALS])
def test_plain_loop(goal: Goal, benchmark) -> None:
    problem = goal.training(1).problem
    benchmark.extra_info["lane_steps"] = goal.plain_steps
    benchmark(lambda: plain_loop(problem, goal.plain_steps))
