"""The estimate of a run's time: measured in a moment, whatever kind of optimizer is measured."""

from __future__ import annotations

import pytest

from benchmarks.engine.training import train
from benchmarks.running import estimate
from benchmarks.running.prepare import prepare
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
