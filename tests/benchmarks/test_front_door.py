"""What is imported from `benchmarks` itself, and the documented imports of older scripts."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import benchmarks
from benchmarks import lanes
from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from optimizers.lr_schedules import Cosine


@pytest.mark.parametrize("name", benchmarks.__all__)
def test_every_name_of_the_front_door_can_be_had(name: str) -> None:
    assert getattr(benchmarks, name) is not None


def test_the_front_door_gives_the_names_of_the_rooms() -> None:
    assert benchmarks.train is train
    assert benchmarks.Training is Training
    assert benchmarks.OPTIMIZERS is OPTIMIZERS
    with pytest.raises(AttributeError, match="'benchmarks' has no attribute 'trian'"):
        _ = benchmarks.trian


def test_the_front_door_opens_without_torch() -> None:
    code = "import benchmarks, sys; assert not {'torch', 'numpy', 'pandas', 'optuna', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_long_call_of_older_scripts_goes_through_the_same_door() -> None:
    problem, values = make_problem("quadratic"), {"lr": torch.logspace(-3, 1, 5), "gamma": 0.9}
    seen: list[int] = []

    def every_one(step: int, metrics: object) -> None:
        seen.append(step)

    old = lanes.train(
        problem,
        OPTIMIZERS["rmsprop"].rule,
        values,
        seeds=[1, 2],
        steps=20,
        evaluate_every=5,
        schedules={"lr": Cosine()},
        on_rung=every_one,
        device="cpu",
        dtype=torch.float64,
        chunk=4,
        keep_path=True,
    )
    training = Training(
        problem, OPTIMIZERS["rmsprop"], [1, 2], 20, 5, {"lr": Cosine()}, dtype=torch.float64, chunk=4, keep_path=True
    )
    new = train(training, values)
    assert seen == [5, 10, 15]
    assert old.path is not None
    assert new.path is not None
    assert torch.equal(old.loss.nan_to_num(-1), new.loss.nan_to_num(-1))
    assert torch.equal(old.path.nan_to_num(-1), new.path.nan_to_num(-1))
    assert torch.equal(old.status, new.status)
