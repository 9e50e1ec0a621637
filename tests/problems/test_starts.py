"""Every analytic problem starts where it is told to, and says why it does not where that makes no sense."""

from __future__ import annotations

import pytest
import torch

from problems import BUILTIN, Analytic, ProblemSpec
from problems.analytic import NoisyAnalytic

SPECS = {spec.name: spec for spec in BUILTIN}
ANALYTIC = [spec for spec in BUILTIN if isinstance(spec.build(), Analytic | NoisyAnalytic)]


def test_there_are_analytic_problems_of_every_family() -> None:
    assert len(ANALYTIC) >= 60


@pytest.mark.parametrize("spec", ANALYTIC, ids=lambda spec: spec.name)
def test_every_analytic_problem_starts_where_it_is_told_to_as_another_instance(spec: ProblemSpec) -> None:
    usual = spec.build()
    at = usual.start([1])[0] * 0.9375 + 0.015625
    moved = spec.build(start=at.tolist())
    assert torch.equal(moved.start([1, 2]), at.expand(2, -1))
    assert moved.fingerprint() != usual.fingerprint()
    assert moved.minimum == usual.minimum
    assert torch.equal(moved.loss(at, None), usual.loss(at, None))


@pytest.mark.parametrize("name", ["rosenbrock", "sphere", "bowl-noisy"])
def test_the_usual_start_is_the_usual_instance(name: str) -> None:
    usual = SPECS[name].build()
    assert SPECS[name].build(start=usual.start([0])[0].tolist()).fingerprint() == usual.fingerprint()


def test_starts_that_are_the_same_to_five_decimals_are_different_instances() -> None:
    near, nearer = (SPECS["sphere"].build(dim=1, start=(at,)).fingerprint() for at in (2.0, 2.0000001))
    assert near != nearer


def test_a_target_that_is_a_share_of_the_gap_moves_with_the_start_and_a_stated_one_stays() -> None:
    assert SPECS["sphere"].build(dim=2, start=(10.0, 0.0)).target == pytest.approx(0.1)
    assert SPECS["rosenbrock"].build(start=(0.0, 0.0)).target == SPECS["rosenbrock"].build().target


def test_a_picture_shows_a_start_beyond_its_frame() -> None:
    frame = SPECS["rosenbrock"].build(start=(9.0, -4.0)).frame
    assert frame is not None
    (left, right), (low, high) = frame
    assert left == -2.0
    assert right > 9.0
    assert low < -4.0
    assert high == 3.0


@pytest.mark.parametrize(
    ("name", "start", "reason"),
    [
        ("rosenbrock", (1.0,), "one number a parameter, 2 here, got 1"),
        ("rosenbrock", (1.0, float("nan")), "a start is finite"),
        ("mccormick", (9.0, 0.0), "inside the box"),
        ("cosh", (1e4,), "the loss is not finite"),
        ("bowl-noisy", (1.0, 2.0, 3.0), "one number a parameter"),
    ],
)
def test_a_start_that_makes_no_sense_is_refused(name: str, start: tuple[float, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        SPECS[name].build(start=start)
