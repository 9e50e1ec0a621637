"""Hyperparameters: their scales, their ranges, and what is refused."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers import BUILTIN, Hyperparameter

LOG = Hyperparameter("lr", default=0.01, low=1e-5, high=10.0, scale="log")
MEMORY = Hyperparameter("gamma", default=0.9, low=0.0, high=0.9999, scale="log1m")
LINEAR = Hyperparameter("weight_decay", default=0.0, low=-1.0, high=3.0)
RANGES = {(knob.low, knob.high, knob.scale): knob for spec in BUILTIN for knob in spec.hyperparameters}

repeatable = settings(derandomize=True, deadline=None, database=None, max_examples=40)
every_knob = pytest.mark.parametrize(
    "knob", [LINEAR, *RANGES.values()], ids=lambda knob: f"{knob.scale} {knob.low}..{knob.high}"
)
positions = st.floats(0, 1)


@every_knob
@repeatable
@given(position=positions)
def test_position_is_the_inverse_of_at(knob: Hyperparameter, position: float) -> None:
    assert knob.position(knob.at(position)) == pytest.approx(position, abs=1e-9)


@every_knob
@repeatable
@given(position=st.floats(-1, 2))
def test_at_never_leaves_the_range(knob: Hyperparameter, position: float) -> None:
    assert knob.low <= knob.at(position) <= knob.high


@every_knob
@repeatable
@given(pair=st.tuples(positions, positions))
def test_at_rises_with_position(knob: Hyperparameter, pair: tuple[float, float]) -> None:
    low, high = sorted(pair)
    assert knob.at(low) <= knob.at(high)


@every_knob
@pytest.mark.parametrize("count", [2, 3, 17])
def test_a_grid_begins_and_ends_exactly_at_the_range(knob: Hyperparameter, count: int) -> None:
    grid = knob.grid(count)
    assert len(grid) == count
    assert (grid[0], grid[-1]) == (knob.low, knob.high)
    assert sorted(set(grid)) == grid


@every_knob
def test_a_grid_of_one_is_the_middle(knob: Hyperparameter) -> None:
    assert knob.grid(1) == [knob.at(0.5)]


def test_a_log_grid_has_equal_ratios() -> None:
    grid = LOG.grid(7)
    assert [b / a for a, b in pairwise(grid)] == pytest.approx([10.0] * 6)


def test_a_memory_grid_has_equal_ratios_of_one_minus_value() -> None:
    grid = MEMORY.grid(5)
    assert [1 - value for value in grid] == pytest.approx([1.0, 0.1, 0.01, 0.001, 0.0001])


def test_positions_outside_the_range_are_outside_zero_and_one() -> None:
    assert LOG.position(100.0) == pytest.approx(1 + 1 / 6)
    assert LOG.position(1e-6) == pytest.approx(-1 / 6)


def test_a_value_the_scale_cannot_hold_has_no_position() -> None:
    with pytest.raises(ValueError, match=r"math domain error|expected a positive input"):
        LOG.position(0.0)
    with pytest.raises(ValueError, match=r"math domain error|expected a positive input"):
        MEMORY.position(1.0)


def test_memories_are_those_searched_as_one_minus_value() -> None:
    assert MEMORY.is_memory
    assert not LOG.is_memory
    assert not LINEAR.is_memory


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_every_memory_from_zero_to_one_is_valid_even_outside_the_search_range(value: float) -> None:
    MEMORY.validate(value)


@pytest.mark.parametrize("value", [-1e-9, 1.0000001, math.nan, math.inf])
def test_a_memory_outside_zero_to_one_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="gamma"):
        MEMORY.validate(value)


@pytest.mark.parametrize(
    ("low", "high", "scale", "message"),
    [
        (1.0, 1.0, "log", "low < high"),
        (2.0, 1.0, "linear", "low < high"),
        (math.nan, 1.0, "linear", "low < high"),
        (0.0, 1.0, "log", "a log range needs low > 0"),
        (0.0, 1.0, "log1m", "a log1m range needs high < 1"),
    ],
)
def test_a_range_its_scale_cannot_hold_is_refused(low: float, high: float, scale: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Hyperparameter("x", default=0.5, low=low, high=high, scale=scale)  # type: ignore[arg-type]
