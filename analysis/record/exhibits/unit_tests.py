"""Which unit tests an optimizer passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from analysis.record.exhibits.schema import OPTIMIZER, ExhibitSchema, Facts

__all__ = ["UNIT_TESTS", "Choice", "UnitTestsFacts"]


@dataclass(frozen=True)
class Choice:
    """The results under one way to choose the learning rate."""

    flagged: Mapping[str, int]
    """``{why: tests}`` that tell nothing, and why."""
    telling: int
    """Tests that some pass and others do not."""
    lr: Mapping[str, float]
    """``{optimizer: learning rate}`` where it is one for all tests."""
    passed: Mapping[str, float]
    """``{optimizer: share}`` of the telling tests that it passes; empty where none tells."""
    low: Mapping[str, float]
    """The lower end of its 90% interval, of resampled functions."""
    high: Mapping[str, float]
    """The upper end."""


@dataclass(frozen=True)
class UnitTestsFacts(Facts):
    """The facts of the exhibit ``unit-tests``."""

    optimizers: tuple[str, ...]
    """Names of the optimizers, in order."""
    tests: int
    """Tests that were run."""
    functions: int
    """Functions of which they are variants."""
    steps: int
    """Updates a run."""
    repetitions: int
    """Runs of every test at every learning rate."""
    rates: int
    """Learning rates tried, of all optimizers but sgd."""
    reference_rates: int
    """Learning rates of the SGD that all are measured by."""
    each: Choice
    """Where every test has the learning rate that ends lowest."""
    one: Choice
    """Where all tests have the one that passes most of them."""
    not_run: str
    """Groups that were left out, and why; empty where none was."""


UNIT_TESTS: Final = ExhibitSchema(
    name="unit-tests",
    question="Which unit tests of optimizers does it pass?",
    tables={
        "tests": {
            "test": "the test, as a problem is written",
            "groups": "the groups that count it, by semicolons",
            "function": "pieces, for each variable",
            "noise": "name of the noise",
            "scale": "name of value and slope at the start",
            "change": "what changes every ten steps",
            "stress": "what is done to it besides",
            "dim": "number of variables",
            "start": "value at the start",
            "best": "median value where the best SGD ends; infinite where all are lost",
            "best_lr": "its learning rate",
            "each": "why it tells nothing where every test has its own learning rate; empty where it tells",
            "one": "the same where all tests have one",
        },
        "verdicts": {
            "optimizer": OPTIMIZER,
            "test": "the test",
            "choice": "each: the learning rate that ends lowest in this test | one: the same in all tests",
            "lr": "the learning rate",
            "gain": "how far below the start it ends, over how far the best SGD does",
            "verdict": "excelled | passed | unreliable | fragile | stuck | diverged",
        },
        "groups": {
            "choice": "each | one",
            "group": "group of tests",
            "tests": "tests in it",
            "solved": "of which are solved at their start",
            "no_way_down": "of which have no way down for SGD",
            "everybody": "of which everybody passes",
            "nobody": "of which nobody passes",
            "telling": "of which tell optimizers apart",
        },
        "counts": {
            "choice": "each | one",
            "optimizer": OPTIMIZER,
            "group": "group of tests",
            "verdict": "the verdict",
            "tests": "telling tests with it",
        },
        "rates": {
            "optimizer": OPTIMIZER,
            "lr": "learning rate",
            "verdict": "the verdict",
            "tests": "tests with a way down that have it at this learning rate",
        },
    },
    facts=UnitTestsFacts,
)
