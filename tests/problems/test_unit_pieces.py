"""Pieces and chains of the unit tests: values and slopes worked out by hand from their definitions, and joints."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from problems.unit_list import SCALES, named_units
from problems.unit_pieces import PIECES, Chain, chain_of

ROOT2 = math.sqrt(2)
CLIFF_TIP = 1 / (1 + math.sqrt(2 / 101))  # arcs of equal length: (1 + 1) tip² = (1 + 100) (1 - tip)²
RIDGE_DROP = 10 * (1 - CLIFF_TIP)
EXACT = {"rtol": 1e-12, "atol": 1e-12}

BY_HAND = [
    ("line", "steep", 2.0, 180.0, -10.0),
    ("relu", "normal", 5.0, 200 - (ROOT2 - 1), 0.0),
    ("abs", "normal", 0.25, 199.75, -1.0),
    ("abs", "normal", 0.5, 199.5, 0.0),
    ("abs", "steep", 0.75, 197.5, 10.0),
    ("bend", "normal", 0.25, 200.0, 0.0),
    ("bend", "normal", 1.0, 200 - (ROOT2 - 1), -1.0),
    ("cliff", "normal", CLIFF_TIP + 0.1, 200 - CLIFF_TIP + 1, 10.0),
    ("ridge", "normal", 1.0, 200 - CLIFF_TIP - RIDGE_DROP, -10.0),
    ("exponential", "normal", 1.0, 200 - 0.999 / math.log(1000), -0.001),
    ("exponential", "flat", 1e3, 2 - 0.1 / math.log(1000), 0.0),
    ("quad_convex", "normal", 1.0, 199.45, -0.1),
    ("quad_convex", "saddle", 1.0, 205.5, 10.0),
    ("quad_bowl", "normal", 0.25, 199.8125, -0.5),
    ("quad_bowl", "saddle", 2.0, 198.0, -3.0),
    ("gauss_bowl", "normal", 0.5, 225 - 25 * math.exp(0.01), 0.0),
    ("gauss_bowl", "normal", 1.0, 200.0, 1.0),
    ("gauss_convex", "normal", 1.0, None, -0.1 * ROOT2 * math.exp(0.49)),
    ("gauss_nonconvex", "normal", 1.0, None, -ROOT2 / 8 * math.exp(15.5)),
    ("gauss_nonconvex", "saddle", 1.0, None, 4 * ROOT2 * math.exp(-15.5)),
    ("laplace_bowl", "normal", 0.5, 205 - 5 * math.exp(0.1), 0.0),
    ("laplace_convex", "normal", 1.0, 200 - (math.exp(0.9) - 1) / 0.9, -math.exp(0.9)),
    ("laplace_nonconvex", "steep", 1.0, 200 - 10 / 7 * (math.exp(7) - 1), -10 * math.exp(7)),
    ("laplace_nonconvex", "saddle", 1.0, 200 + (1 - math.exp(-7)) / 7, math.exp(-7)),
    ("relu-bend", "normal", 0.7, 200 - (ROOT2 - 1) / 2, 0.0),
]


def chain(names: str, scale: str = "normal") -> Chain:
    height, slope = (torch.full((1,), number, dtype=torch.float64) for number in SCALES[scale])
    return chain_of(names.split("-"), height, slope)


def one(number: float) -> Tensor:
    return torch.tensor([number], dtype=torch.float64)


@pytest.mark.parametrize(("names", "scale", "x", "value", "slope"), BY_HAND)
def test_values_and_slopes_are_those_worked_out_by_hand(
    names: str, scale: str, x: float, value: float | None, slope: float
) -> None:
    found, falls = chain(names, scale).at(one(x))
    torch.testing.assert_close(falls, one(slope), **EXACT)
    if value is not None:
        torch.testing.assert_close(found, one(value), **EXACT)


def test_a_chain_takes_up_the_slope_that_it_had_before_a_plateau() -> None:
    third, down = 1 / 3, (ROOT2 - 1) / 3  # of three pieces, each a third wide: relu and bend lose `down` each
    relu_bend_line = chain("relu-bend-line")
    value, slope = relu_bend_line.at(torch.tensor([third, 2 * third, 1.0], dtype=torch.float64))
    torch.testing.assert_close(slope, torch.tensor([0.0, -1.0, -1.0], dtype=torch.float64), **EXACT)
    expected = torch.tensor([200 - down, 200 - 2 * down, 200 - 2 * down - third], dtype=torch.float64)
    torch.testing.assert_close(value, expected, **EXACT)


@pytest.mark.parametrize("scale", SCALES)
def test_value_and_slope_are_continuous_at_every_joint(scale: str) -> None:
    chains = {names for unit in named_units() for names in unit.functions if len(names) > 1}
    assert len(chains) == 37
    for names in chains:
        whole = chain("-".join(names), scale)
        for (before, after), joint in zip(zip(whole.pieces, whole.pieces[1:], strict=False), whole.joints, strict=True):
            (left, falls), (right, goes_on) = before.at(one(joint)), after.at(one(joint))
            torch.testing.assert_close(left, right, rtol=1e-9, atol=0)
            torch.testing.assert_close(goes_on, falls, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", PIECES)
def test_slopes_are_those_of_the_values(name: str, scale: str) -> None:
    x = torch.linspace(-0.7, 1.9, 27, dtype=torch.float64)
    x.requires_grad_()
    value, slope = chain(name, scale).at(x)
    (derived,) = torch.autograd.grad(value.sum(), x)
    smooth = (x.detach() - 0.5).abs() > 1e-9  # abs and the peaks have no slope there
    torch.testing.assert_close(slope[smooth], derived[smooth], rtol=1e-9, atol=1e-12)


def test_a_bell_on_a_plateau_begins_almost_flat_and_downhill() -> None:
    _, slope = chain("relu-gauss_bowl").at(one(0.5))
    torch.testing.assert_close(slope, one(-1e-7), **EXACT)


def test_a_point_that_is_no_number_has_no_value() -> None:
    value, _ = chain("line-quad_bowl-line").at(one(math.nan))
    assert bool(value.isnan().all())
