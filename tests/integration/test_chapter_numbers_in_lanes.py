"""The numbers the book's chapter prints, to its digits, by the lanes engine on the registered ellipse.

An integration test: optimizers, problem and engine together print what `tests/optimizers/test_chapter_numbers.py` holds
of the optimizers alone.
"""

import pytest
import torch

from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import OPTIMIZERS, make_problem

STEPS = 20


@pytest.mark.parametrize(
    ("name", "hp", "printed"),
    [
        ("sgd", {"lr": 0.4}, "-0.943467, -0.000073"),
        ("sgd", {"lr": 0.6}, "-0.387814, -1673.365109"),
        ("momentum", {"lr": 0.6, "momentum": 0.5}, "0.007188, 0.002553"),
        ("momentum", {"lr": 0.6, "momentum": 0.25}, "-0.126340, -0.186632"),
        ("adagrad", {"lr": 0.4}, "-2.382563, -0.158591"),
        ("adagrad", {"lr": 2.0}, "-0.002295, -0.000000"),
        ("rmsprop", {"lr": 0.4, "gamma": 0.9}, "-0.010599, 0.000000"),
    ],
)
def test_the_lanes_engine_prints_the_chapters_digits(name: str, hp: dict[str, float], printed: str) -> None:
    spec = OPTIMIZERS[name]
    values = {**spec.default_values, **hp}
    columns = {key: torch.tensor([value, value / 2], dtype=torch.float64) for key, value in values.items()}
    trace = train(Training(make_problem("ellipse"), spec, seeds=[0], steps=STEPS, keep_path=True), columns)
    assert trace.path is not None
    x1, x2 = trace.path[0, 0, -1].tolist()
    assert f"{x1:.6f}, {x2:.6f}" == printed


def test_rmsprops_whole_path_starts_as_recorded() -> None:
    training = Training(make_problem("ellipse"), OPTIMIZERS["rmsprop"], [0], 5, evaluate_every=1, keep_path=True)
    trace = train(training, {"lr": 0.4, "gamma": 0.9})
    assert trace.path is not None
    recorded = [-5, -3.7350953, -2.9525565, -2.3729807, -1.9152522, -1.5430706]
    assert trace.path[0, 0, :, 0].tolist() == pytest.approx(recorded, abs=5e-8)
