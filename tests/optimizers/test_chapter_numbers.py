"""The numbers the book's chapter prints, to its digits: 20 steps on f(x) = 0.1 x₁² + 2 x₂² from (-5, -2).

Each goes through `RuleOptimizer` with the gradient written out.
"""

import pytest
import torch

from optimizers import BUILTIN

SPECS = {spec.name: spec for spec in BUILTIN}
STEPS = 20

PRINTED: list[tuple[str, dict[str, float], str]] = [
    ("sgd", {"lr": 0.4}, "-0.943467, -0.000073"),
    ("sgd", {"lr": 0.6}, "-0.387814, -1673.365109"),
    ("momentum", {"lr": 0.6, "momentum": 0.5}, "0.007188, 0.002553"),
    ("momentum", {"lr": 0.6, "momentum": 0.25}, "-0.126340, -0.186632"),
    ("adagrad", {"lr": 0.4}, "-2.382563, -0.158591"),
    ("adagrad", {"lr": 2.0}, "-0.002295, -0.000000"),
    ("rmsprop", {"lr": 0.4, "gamma": 0.9}, "-0.010599, 0.000000"),
]
every_number = pytest.mark.parametrize(("name", "hp", "printed"), PRINTED, ids=[f"{n}-{h}" for n, h, _ in PRINTED])


def ends_alone(name: str, hp: dict[str, float], steps: int = STEPS) -> list[float]:
    x = torch.tensor([-5.0, -2.0], dtype=torch.float64, requires_grad=True)
    optimizer = SPECS[name].torch([x], **hp)
    for _ in range(steps):
        optimizer.zero_grad()
        (0.1 * x[0] ** 2 + 2 * x[1] ** 2).backward()
        optimizer.step()
    return x.tolist()


@every_number
def test_the_class_prints_the_chapters_digits(name: str, hp: dict[str, float], printed: str) -> None:
    x1, x2 = ends_alone(name, hp)
    assert f"{x1:.6f}, {x2:.6f}" == printed


def test_rmsprop_ends_at_the_recorded_double() -> None:
    x1, x2 = ends_alone("rmsprop", {"lr": 0.4, "gamma": 0.9})
    assert x1 == pytest.approx(-0.01059867213411372, rel=1e-12)
    assert x2 == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "x1"), [("rmsprop", "-0.010599"), ("rmsprop-torch", "-0.010598"), ("rmsprop-tf1", "-0.504124")]
)
def test_three_libraries_rmsprop_end_the_same_run_at_three_places(name: str, x1: str) -> None:
    assert f"{ends_alone(name, {'lr': 0.4, 'gamma': 0.9})[0]:.6f}" == x1


@pytest.mark.parametrize(
    ("lr", "gamma", "recorded"),
    [
        (0.1, 0.9, [-2.451840, -0.141068]),
        (0.01, 0.9, [-4.716853, -1.720875]),
        (1.0, 0.9, [0.0, -0.744051]),
        (0.4, 0.0, [-0.200026, 0.164056]),
    ],
)
def test_rmsprop_at_other_settings_ends_where_recorded(lr: float, gamma: float, recorded: list[float]) -> None:
    assert ends_alone("rmsprop", {"lr": lr, "gamma": gamma}) == pytest.approx(recorded, abs=5e-7)
