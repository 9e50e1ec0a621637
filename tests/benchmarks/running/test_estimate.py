"""The estimate of a run's time: measured in a moment, whatever kind of optimizer is measured."""

from __future__ import annotations

import pytest

from benchmarks.engine.engines import Engine
from benchmarks.engine.training import train
from benchmarks.running import estimate
from benchmarks.running.prepare import Compute, prepare
from benchmarks.suite.suite import Suite


@pytest.mark.slow
def test_a_foreign_optimizer_is_timed_by_itself_and_on_few_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    timed: dict[str, int] = {}

    def watched(training, values):
        timed[training.name] = max(timed.get(training.name, 0), len(values["lr"]))
        return train(training, values)

    monkeypatch.setattr(estimate, "train", watched)
    suite = Suite.checked(
        {"name": "x", "problems": ["ellipse"], "optimizers": ["sgd", "momentum", "torch:LBFGS"]}, "this test"
    )
    assert estimate.estimate_seconds([prepare(plan) for plan in suite.cells()], 1) > 0
    assert timed == {"sgd": 2048, "torch:LBFGS": 16}


def test_what_a_kernel_will_train_is_expected_sooner_than_by_torch_and_dear_samplers_later() -> None:
    def seconds(**settings: object) -> float:
        plan = {"studies": 1, "trials": 64, **settings}
        engine: Engine = "eager" if plan.pop("eager", False) else "auto"
        suite = Suite.checked(
            {"name": "x", "problems": ["ellipse"], "optimizers": ["sgd"], "steps": 10**6, "tuning": plan}, "this test"
        )
        cost = estimate._Cost(fixed=1e-4, lane=1e-7, evaluation=1e-7)
        return estimate._cell_seconds(prepare(suite.cells()[0], compute=Compute(engine)), cost)

    assert seconds() < seconds(sampler="gp") < seconds(eager=True) / 5
