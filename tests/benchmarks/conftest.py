"""The command as tests call it, a suite that takes a second, and a made-up cell's own words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.record.cell_info import (
    CellInfo,
    HyperparameterInfo,
    OptimizerInfo,
    ProblemInfo,
    Protocol,
    Seconds,
    StepCost,
    StudyInfo,
    WinnerInfo,
)
from benchmarks.cli.main import main

TINY = """
name = "tiny"
problems = ["ellipse"]
optimizers = ["sgd"]
[tuning]
studies = 1
trials = 4
[landscape]
grid = "4x3"
"""


@pytest.fixture(scope="session")
def tiny() -> str:
    """The text of a suite of one cell."""
    return TINY


@pytest.fixture(scope="session")
def cell_info() -> CellInfo:
    """What a made-up cell says of itself, for tests to replace what they are about."""
    knobs = HyperparameterInfo("lr", 0.01, 1e-4, 10.0, "log"), HyperparameterInfo("gamma", 0.9, 0.0, 0.999, "log1m")
    return CellInfo(
        cell="bowl--rmsprop",
        suite="made-up",
        position=0,
        problem=ProblemInfo(
            name="bowl",
            description="A bowl.",
            dim=2,
            minimum=0.0,
            target=None,
            steps=5,
            tags=(),
            deterministic=True,
            fingerprint="f",
            start_loss=10.0,
            metrics=(),
            sharpness=None,
            minimisers=((0.0, 0.0),),
        ),
        optimizer=OptimizerInfo(
            name="rmsprop",
            description="Divides by the root of a leaky average.",
            reference="a book",
            axes=("lr", "gamma"),
            searched=("lr", "gamma"),
            fixed={},
            hyperparameters=knobs,
            fingerprint="o",
        ),
        schedule="constant",
        protocol=Protocol(
            studies=1,
            sampler="random",
            trials=1,
            block=1,
            objectives=("final",),
            aggregate="mean",
            pruner="none",
            tuning_seeds=(1,),
            test_seeds=(1001,),
            landscape_seeds=(2001,),
            grid=(21, 7),
            steps=5,
            evaluate_every=5,
        ),
        studies=(StudyInfo(0, (1,), 1, widened=0, winner=WinnerInfo(0, 0.5, {"lr": 0.1, "gamma": 0.9}, at_edge=())),),
        defaults={"lr": 0.01, "gamma": 0.9},
        seconds=Seconds(tuning=0.4, sampling=0.1, test=0.2, landscape=0.3),
        lane_steps=5,
        engines=("eager",),
        device="cpu",
        dtype="float64",
        cost=StepCost(seconds=2e-4, optimizer_share=0.25, state_bytes=16),
    )


@pytest.fixture(scope="session")
def call() -> Callable[..., int]:
    """A function that runs the command with the words it is given and returns the exit code."""

    def run(*arguments: str | Path) -> int:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return int(left.value.code or 0)

    return run
