"""What is searched: ranges of a suite on their scales, fixed values, the edge of a range and how it is widened."""

from __future__ import annotations

import pytest

from benchmarks.errors import UsageError
from benchmarks.naming.registry import OPTIMIZERS
from benchmarks.suite.settings import Searching
from benchmarks.tuning.space import Space
from optimizers import Hyperparameter, OptimizerSpec

RMSPROP = OPTIMIZERS["rmsprop"]


def test_a_search_for_something_the_optimizer_has_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no hyperparameter 'gama', did you mean 'gamma'\?"):
        Space.of(RMSPROP, Searching(search={"gama": [0.5, 0.9]}))
    with pytest.raises(UsageError, match="low < high"):
        Space.of(RMSPROP, Searching(search={"lr": [1.0, 0.1]}))
    with pytest.raises(UsageError, match="nothing is left to search"):
        Space.of(RMSPROP, Searching(fixed={"lr": 0.1, "gamma": 0.9}))


def test_a_suite_can_search_what_is_not_searched_by_default() -> None:
    space = Space.of(RMSPROP, Searching(search={"eps": [1e-10, 1e-2]}, fixed={"gamma": 0.9}))
    assert [knob.name for knob in space.searched] == ["lr", "eps"]
    assert space.fixed == {"gamma": 0.9}


def test_the_defaults_are_the_specs_own_with_what_the_suite_fixes() -> None:
    spec: OptimizerSpec = OPTIMIZERS["rmsprop-torch"]
    assert Space.of(spec, Searching()).defaults(spec)["gamma"] == 0.99
    assert Space.of(spec, Searching(fixed={"eps": 1e-3})).defaults(spec)["eps"] == 1e-3


LR = Hyperparameter("lr", default=0.01, low=1e-3, high=0.1, scale="log")
GAMMA = Hyperparameter("gamma", default=0.9, low=0.5, high=0.995, scale="log1m")
DECAY = Hyperparameter("weight_decay", default=0.0, low=1.0, high=3.0)


@pytest.mark.parametrize(
    ("knob", "value", "low", "high"),
    [
        (LR, 0.099, 1e-3, 1.0),
        (LR, 1.01e-3, 1e-4, 0.1),
        (LR, 0.01, 1e-3, 0.1),
        (GAMMA, 0.9949, 0.5, 0.9995),
        (GAMMA, 0.501, 0.0, 0.995),
        (DECAY, 2.99, 1.0, 4.0),
        (DECAY, 1.01, 0.0, 3.0),
    ],
)
def test_a_range_grows_by_half_of_itself_on_its_scale_at_the_end_where_its_winner_stands(
    knob: Hyperparameter, value: float, low: float, high: float
) -> None:
    space = Space((knob,), {})
    (grown,) = space.widened({knob.name: value}).searched
    assert (grown.low, grown.high) == pytest.approx((low, high), abs=1e-12)  # rounding
    assert bool(space.at_edge({knob.name: value})) == ((grown.low, grown.high) != (knob.low, knob.high))


def test_a_memory_of_zero_is_no_edge() -> None:
    whole = Hyperparameter("gamma", default=0.9, low=0.0, high=0.99, scale="log1m")
    assert Space((whole,), {}).at_edge({"gamma": 0.0}) == []


def test_a_suite_can_ask_for_equal_numbers_of_searched_hyperparameters() -> None:
    adam = OPTIMIZERS["adam"]
    assert [knob.name for knob in Space.of(adam, Searching()).searched] == ["lr", "beta2"]
    assert [knob.name for knob in Space.of(adam, Searching(), 1).searched] == ["lr"]
    assert [knob.name for knob in Space.of(adam, Searching(), 4).searched] == ["lr", "beta2", "beta1", "eps"]
    held = Space.of(adam, Searching(fixed={"beta2": 0.99}), 2)
    assert [knob.name for knob in held.searched] == ["lr", "beta1"]
    assert held.fixed == {"beta2": 0.99, "eps": adam.default_values["eps"]}
    assert "beta2" in Space.of(adam, Searching(), 1).fixed
    with pytest.raises(UsageError, match=r"'sgd' has 1 to search, and tuning\.searched asks for 2"):
        Space.of(OPTIMIZERS["sgd"], Searching(), 2)


def test_the_space_joined_of_several_holds_them_all() -> None:
    one, two, three = (
        Space.of(RMSPROP, Searching(search={"lr": lr, "gamma": gamma}, fixed={"eps": 1e-4}))
        for lr, gamma in (([1e-3, 1.0], [0.5, 0.9]), ([1e-4, 0.1], [0.5, 0.99]), ([1e-2, 0.5], [0.1, 0.9]))
    )
    joined = Space.joined([one, two, three])
    assert [(knob.name, knob.low, knob.high) for knob in joined.searched] == [("lr", 1e-4, 1.0), ("gamma", 0.1, 0.99)]
    assert joined.fixed == one.fixed
    assert Space.joined([one, one]) == one


def test_a_space_holds_what_lies_in_all_of_its_ranges() -> None:
    space = Space.of(RMSPROP, Searching(search={"lr": [1e-3, 1.0], "gamma": [0.5, 0.9]}))
    assert space.holds({"lr": 1e-3, "gamma": 0.9, "eps": 1e-6})
    assert not space.holds({"lr": 0.9e-3, "gamma": 0.9})
    assert not space.holds({"lr": 1e-3, "gamma": 0.91})
