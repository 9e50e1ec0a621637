"""Axes of hyperparameters: places, ticks, text."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.measures.axis import Axis
from analysis.words import number, value_text


def gamma(low: float = 0.0, high: float = 0.999) -> Axis:
    values = 1 - np.geomspace(1 - low, 1 - high, 7)
    return Axis("gamma", "log1m", 0.9, values)


def test_a_memory_is_drawn_by_the_decades_of_its_distance_from_one() -> None:
    np.testing.assert_allclose(gamma().place([0, 0.9, 0.99, 0.999]), [0, 1, 2, 3], atol=1e-12)


def test_a_memory_axis_is_labelled_with_its_values() -> None:
    assert gamma().ticks[1] == ["0", "0.9", "0.99", "0.999"]


def test_a_short_memory_axis_has_halves_of_decades() -> None:
    assert gamma(0.5, 0.95).ticks[1] == ["0.5", "0.9", "0.95"]


def test_a_rate_axis_is_labelled_in_decades() -> None:
    assert Axis("lr", "log", 0.01, np.geomspace(1e-4, 10, 6)).ticks[1] == ["1e-4", "0.001", "0.01", "0.1", "1", "10"]


def test_edges_enclose_every_grid_value_by_half_a_step() -> None:
    np.testing.assert_allclose(gamma().edges, np.arange(-0.25, 3.3, 0.5), atol=1e-12)


def test_an_axis_of_one_value_has_two_edges() -> None:
    np.testing.assert_allclose(Axis("lr", "log", 0.01, np.array([0.1])).edges, [-1.5, -0.5])


@pytest.mark.parametrize(("value", "held"), [(0.9, True), (0.9995, False), (0.0, True), (1.0, False)])
def test_an_axis_knows_whether_its_grid_holds_a_value(value: float, held: bool) -> None:
    assert gamma().holds(value) is held


def test_the_nearest_grid_value_is_near_on_the_drawn_scale() -> None:
    assert gamma().values[gamma().nearest(0.985)] == pytest.approx(0.99)


NUMBERS = {0.0: "0", 0.01234: "0.0123", 12.5: "12.5", 1234.4: "1,234", 3.14e-9: "3.14e-9", 1e-4: "0.0001"}
NUMBERS |= {np.inf: "∞", np.nan: "–", 2.5e12: "2.5e12", -0.5: "-0.5"}


@pytest.mark.parametrize(("value", "text"), NUMBERS.items())
def test_numbers_are_written_as_people_write_them(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.9, "0.9"), (0.98765, "0.988"), (0.99954, "0.99954"), (0.0, "0")])
def test_a_memory_gets_the_digits_that_tell_it_from_one(value: float, text: str) -> None:
    assert value_text(value, "log1m") == text


def test_no_tick_of_a_memory_lies_below_zero_whatever_a_coarse_grid_leaves_room_for() -> None:
    coarse = Axis("beta2", "log1m", 0.999, np.array([0.0, 0.99, 0.9999]))
    assert coarse.ticks[1][0] == "0"
