"""The ladder held against rates that are known, and against rungs that are none."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.record.exhibits import check_exhibit
from benchmarks.errors import StepscapeError
from benchmarks.exhibits import ladder
from benchmarks.exhibits.ladder import Ladder

CONDITION, STEPS = 1000.0, 300
BOWL = "quadratic(dim=10, noise='none')"  # of the condition that is the default


@pytest.fixture(scope="module")
def climbed():
    """Momentum, and gradient descent again under another name, over gradient descent on a bowl without noise."""
    question = Ladder(
        on=[BOWL],
        optimizers=["sgd", "sgd(maximize=False)", "sgd -> momentum", "muon"],
        alone=[],
        trials=16,
        studies=6,
        steps=STEPS,
    )
    answer = question.answer(None)
    check_exhibit("ladder", answer.tables, answer.facts)
    return answer


@pytest.mark.slow
def test_a_rung_that_is_the_same_rule_adds_nothing(climbed) -> None:
    same = climbed.tables["ingredients"].set_index("after").loc["sgd(maximize=False)"]
    assert (same["verdict"], same["change"], same["at_most"]) == ("adds nothing", 0.0, 0.0)


@pytest.mark.slow
def test_momentum_helps_on_an_ill_conditioned_bowl_as_much_as_the_rates_allow(climbed) -> None:
    helped = climbed.tables["ingredients"].set_index("after").loc["momentum"]
    assert helped["verdict"] == "helps"
    gaps = climbed.tables["rungs"].set_index("optimizer")["value"]
    curvatures = np.geomspace(1 / CONDITION, 1, 10)  # the registry's spectrum; the start is all ones
    rates = np.geomspace(0.1, 2, 4000)[:, None]
    best = 0.5 * (curvatures * (1 - rates * curvatures) ** (2 * STEPS)).sum(-1).min()
    assert best <= gaps["sgd"] < 3 * best  # tuned to within what 24 points leave
    # no first-order method gets below the rate (√κ - 1) / (√κ + 1) (Nesterov 2004, theorem 2.1.13)
    root = np.sqrt(CONDITION)
    assert ((root - 1) / (root + 1)) ** (2 * STEPS) * 0.5 / CONDITION < gaps["momentum"] < 0.05 * best


@pytest.mark.slow
def test_rules_of_matrices_are_left_out_where_there_are_none(climbed) -> None:
    assert climbed.facts.left_out == {BOWL: ("muon",)}
    assert "muon" not in set(climbed.tables["rungs"]["optimizer"])


@pytest.mark.slow
def test_the_problem_whose_minimum_is_where_weights_decay_to_is_named(climbed) -> None:
    assert climbed.facts.at_zero == (BOWL,)


@pytest.mark.slow
def test_every_optimizer_gets_as_many_settings_and_fresh_seeds(climbed) -> None:
    assert set(climbed.tables["runs"].groupby("optimizer").size()) == {6}  # a seed says all of it
    assert set(climbed.tables["runs"]["seed"]) == {1001}


def test_the_time_is_that_of_a_search_for_every_study_of_every_optimizer(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(
        ladder, "run_seconds", lambda problem, spec, trials, seeds, steps: asked.append((spec.name, trials)) or 2.0
    )
    on = Ladder(on=["deep-linear(depth=2)"], optimizers=["sgd", "momentum", "muon"], alone=[], studies=4, trials=7)
    assert on.estimate(None) == pytest.approx(3 * (4 * 2.0 + ladder.TESTING))
    assert asked == [("sgd", 7), ("muon", 7)]  # those that see matrices take longer


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimizers": ["momentum -> muon"], "on": ["airfoil"]}, "digits-mlp, deep-linear"),
        ({"optimizers": ["sgd"]}, "two optimizers at least"),
        ({"optimizers": ["sgd -> momentum -> adam"]}, "is written sgd -> momentum"),
        ({"optimizers": ["-> momentum"]}, "is written sgd -> momentum"),
        ({"optimizers": ["sgd -> momentun"]}, "did you mean 'momentum'"),
    ],
)
def test_a_ladder_that_cannot_be_climbed_is_refused_before_anything_is_trained(options, words) -> None:
    with pytest.raises(StepscapeError, match=words):
        Ladder(**{"alone": [], **options}).problems(None)
