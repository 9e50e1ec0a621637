"""Speed of the engine with pytest-benchmark: ``python -m pytest tests/benchmarks/speed_lanes.py``.

Outside the default run (its name is no test_*.py). Compare the lane and the plain loop of one run, not runs with each
other.
"""

from __future__ import annotations

import pytest
import torch

from benchmarks.engine.speed import GOALS, Goal, plain_loop
from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import OPTIMIZERS, make_problem


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("goal", GOALS, ids=[goal.problem for goal in GOALS])
def test_lanes(goal: Goal, benchmark) -> None:
    problem, rule = make_problem(goal.problem), OPTIMIZERS["rmsprop-torch"].rule
    lr = torch.logspace(-4, -1, goal.lanes, dtype=torch.float64)
    benchmark.extra_info["lane_steps"] = goal.lanes * goal.steps
    benchmark(lambda: train(Training(problem, rule, [1], goal.steps), {"lr": lr, "gamma": 0.9}))


@pytest.mark.parametrize("goal", GOALS, ids=[goal.problem for goal in GOALS])
def test_plain_loop(goal: Goal, benchmark) -> None:
    problem = make_problem(goal.problem)
    benchmark.extra_info["lane_steps"] = goal.plain_steps
    benchmark(lambda: plain_loop(problem, goal.plain_steps))
