"""Zooms into the boundary of divergence: it lies where theory has it, and they stop where float64 ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.engine.training import Training
from benchmarks.errors import UsageError
from benchmarks.naming.foreign import AnyOptimizer
from benchmarks.naming.registry import make_optimizer
from benchmarks.suite.settings import Searching
from benchmarks.tuning import zoom as module
from benchmarks.tuning.space import Space
from benchmarks.tuning.zoom import Plane, zoom
from problems import Batch, Facts, Problem


def plane_of(
    problem: Problem | str,
    optimizer: str,
    search: dict[str, list[float | str]] | None = None,
    axes: tuple[str | None, str | None] = (None, None),
    size: int = 32,
    steps: int = 30,
) -> Plane:
    spec: AnyOptimizer = make_optimizer(optimizer)
    space = Space.of(spec, Searching(search=search or {}))
    return Plane.of(Training(problem, spec, [1], steps), space, axes, size)


def decayed(size: int = 32, lr: tuple[float, float] = (1e-5, 10.0), most: float = 2.0) -> Plane:
    """Gradient descent with weight decay on x², of curvature 2: it converges where lr < 2 / (2 + weight_decay)."""
    search: dict[str, list[float | str]] = {"lr": [*lr], "weight_decay": [0.0, most]}
    return plane_of("square", "sgd(weight_decay=0.01)", search, (None, "weight_decay"), size)


def test_the_boundary_of_gradient_descent_is_two_over_the_curvature_eight_decades_deep_and_straight() -> None:
    found = zoom(decayed(most=0.1), 8, at=(1.0, 0.0))
    deepest = found.levels[8]
    row, column = np.argwhere(deepest.boundary)[0]
    assert deepest.x[-1] - deepest.x[0] < 3e-7
    assert deepest.y[row] == 0
    assert deepest.x[column : column + 2].mean() == pytest.approx(2 / 2, rel=1e-8)
    dimension = found.dimension
    assert dimension.n == 9
    assert dimension.low - 1e-9 <= 1 <= dimension.high + 1e-9
    assert dimension.high - dimension.low < 0.05


def test_the_boundary_follows_the_curvature_that_weight_decay_adds() -> None:
    found = zoom(decayed(), 8)
    for level in found.levels[1:]:
        row, column = np.argwhere(level.boundary)[0]
        corner = level.x[column : column + 2], level.y[row : row + 2]
        assert corner[0][0] * (2 + corner[1][0]) <= 2 <= corner[0][1] * (2 + corner[1][1])
    assert found.dimension.value == pytest.approx(1.0, abs=0.03)


def test_a_zoom_stops_where_float64_cannot_tell_neighbours_apart() -> None:
    found = zoom(decayed(16), 16, at=(1.0, 0.0))
    assert 12 <= len(found.levels) - 1 < 16
    assert found.stopped.startswith(f"stopped after {len(found.levels) - 1} decades of 16: neighbours in lr")
    assert "float64 tells rounding" in found.stopped


def test_a_zoom_stops_where_no_boundary_is() -> None:
    calm = plane_of("square", "momentum", {"lr": [1e-4, 1e-3], "momentum": [0.0, 0.5]}, size=16)
    found = zoom(calm, 5)
    assert len(found.levels) == 1
    assert found.stopped.endswith("there is no boundary in window 0: every run converged")
    assert found.dimension.n == 0


def test_a_level_is_the_same_to_the_bit_in_any_groups_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    plane = plane_of("rosenbrock", "momentum", size=16, steps=60)
    whole = zoom(plane, 2)
    monkeypatch.setattr(module, "group_size", lambda training: 37)
    parts = zoom(plane, 2)
    assert whole.dimension == parts.dimension
    for one, other in zip(whole.levels, parts.levels, strict=True):
        assert np.array_equal(one.converged, other.converged)
        assert np.array_equal(one.slowness, other.slowness)


def test_runs_of_a_problem_in_single_precision_are_trained_in_double_on_one_seed() -> None:
    plane = plane_of("airfoil", "rmsprop", size=16, steps=20)
    assert plane.training.dtype == torch.float64
    assert plane.training.start().dtype == torch.float64
    first, again = plane.level(module.Window()), plane.level(module.Window())
    assert first.count > 0
    assert np.array_equal(first.slowness, again.slowness)


def test_what_did_not_converge_is_ordered_by_its_time_to_diverge_and_the_rest_by_its_mean_loss() -> None:
    level = decayed(lr=(0.9, 2.0)).level(module.Window())
    slowest = level.slowness[0]
    along = level.converged[0]
    assert (np.diff(slowest[along]) > 0).all()  # the nearer to the boundary, the slower
    assert slowest[along].max() < 100  # the loss at the start
    lost = slowest[~along]
    assert (np.diff(lost) <= 0).all()  # the larger lr, the sooner
    assert lost[-1] < 30 < lost[0] <= 31  # of the 30 steps, and of those that only ended higher


@dataclass(frozen=True)
class Single(Problem):
    """A bowl whose matrix is kept in single precision."""

    facts = Facts(dim=2, minimum=0.0, minimisers=((0.0, 0.0),), steps=10)

    def start(self, seeds: list[int]) -> Tensor:  # type: ignore[override]
        return torch.ones(len(seeds), 2, dtype=torch.float64)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        return (x.float() @ torch.eye(2)).square().sum(-1)


@pytest.mark.parametrize(
    ("problem", "optimizer", "axes", "said"),
    [
        ("square", "sgd", (None, None), "needs two hyperparameters of sgd"),
        ("square", "sgd(weight_decay=0.1)", (None, None), "give --y, one of weight_decay"),
        ("square", "momentum", ("momentum", None), "two different hyperparameters"),
        ("square", "momentum", (None, "momentun"), "no hyperparameter 'momentun', did you mean 'momentum'?"),
        ("digits-convnet", "momentum", (None, None), "a zoom needs lanes"),
        (Single().named("single"), "momentum", (None, None), "single cannot be computed in float64"),
    ],
)
def test_what_cannot_be_zoomed_is_a_sentence(
    problem: Problem | str, optimizer: str, axes: tuple[str | None, str | None], said: str
) -> None:
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        plane_of(problem, optimizer, axes=axes)


def test_a_place_beyond_the_ranges_is_a_sentence() -> None:
    with pytest.raises(UsageError, match="lr 100 is beyond its range, 1e-05 to 10"):
        zoom(decayed(), 1, at=(100.0, 0.0))
