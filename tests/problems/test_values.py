"""Problems are frozen values: nothing about them is set from outside, and equal parameters make equal problems."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, fields
from functools import cached_property

import pytest
import torch
from torch import Tensor

from problems import BUILTIN, Batch, Facts, Problem
from problems.quadratic import Quadratic

SPECS = {spec.name: spec for spec in BUILTIN}


@dataclass(frozen=True)
class Bowl(Problem):
    """An outsider's problem, as the documentation says it is written."""

    dim: int = 2
    steepness: float = 1.0

    @cached_property
    def facts(self) -> Facts:
        return Facts(dim=self.dim, steps=50)

    @cached_property
    def minimum(self) -> float:
        return 0.0 * self.steepness

    def start(self, seeds: list[int]) -> Tensor:
        return torch.ones(len(seeds), self.dim, dtype=torch.float64)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        return self.steepness * x.square().sum(-1)


@pytest.mark.parametrize("name", SPECS)
def test_nothing_a_problem_says_of_itself_can_be_set(name: str) -> None:
    problem = SPECS[name].build()
    for attribute in ("name", "facts", "anything", *(fact.name for fact in fields(Facts))):
        with pytest.raises(FrozenInstanceError):
            setattr(problem, attribute, 1)


def test_a_parameter_cannot_be_set() -> None:
    with pytest.raises(FrozenInstanceError):
        Bowl().steepness = 2.0


def test_a_definition_is_the_parameters_by_name() -> None:
    assert Bowl(3).definition() == {"dim": 3, "steepness": 1.0}


def test_a_fact_is_read_off_the_parameters_or_computed_when_asked_for() -> None:
    problem = Bowl(3)
    assert (problem.dim, problem.steps, problem.target) == (3, 50, None)
    assert problem.facts.minimum is None
    assert problem.minimum == 0.0


def test_equal_parameters_make_equal_problems() -> None:
    assert Quadratic(dim=10) == Quadratic(dim=10) != Quadratic(dim=11)
    assert len({Bowl(3), Bowl(3), Bowl(4)}) == 2


@pytest.mark.parametrize("problem", [Bowl(3), SPECS["ellipse"].build(), SPECS["char-gru"].build()])
def test_a_name_is_given_to_a_copy(problem: Problem) -> None:
    named = problem.named("mine")
    assert (named.name, problem.name) == ("mine", "")
    assert type(named) is type(problem)
    assert named.fingerprint() == problem.fingerprint()
