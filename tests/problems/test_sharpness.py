"""A problem that states its sharpness is a quadratic with that largest curvature, wherever one looks."""

from __future__ import annotations

import pytest
import torch

from problems import BUILTIN


def stated() -> list[str]:
    """The names of problems that state a sharpness, of those small enough for a Hessian."""
    return [spec.name for spec in BUILTIN if not spec.takes_data and spec.build().sharpness is not None]


@pytest.mark.parametrize("name", [*stated(), "airfoil"])
def test_the_stated_sharpness_is_the_largest_curvature_at_any_point(name: str) -> None:
    problem = next(spec for spec in BUILTIN if spec.name == name).build()
    start = problem.start([0])[0].double()
    for shift in (0.0, 3.0):
        hessian = torch.autograd.functional.hessian(lambda x: problem.evaluate(x)["loss"], start + shift)
        largest = float(torch.linalg.eigvalsh(hessian)[-1])
        assert problem.sharpness == pytest.approx(largest, rel=1e-9)


def test_every_kind_of_quadratic_states_it() -> None:
    assert {"ellipse", "ellipse-rotated", "bowl-noisy", "quadratic", "quadratic-deep", "diabetes"} <= set(stated())
