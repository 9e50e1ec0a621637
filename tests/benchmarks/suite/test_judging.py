"""How trials are judged: the words of a suite become values, and are written back as they stood."""

from __future__ import annotations

import pytest

from benchmarks.suite.judging import Aggregate, Objective, Pruner, PrunerKind
from benchmarks.suite.settings import Tuning
from benchmarks.suite.suite import Suite


@pytest.mark.parametrize(
    ("text", "level"),
    [("mean", None), ("median", 0.5), ("q0.5", 0.5), ("q0.50", 0.5), ("q.9", 0.9)],
)
def test_an_aggregate_knows_its_level_and_keeps_its_spelling(text: str, level: float | None) -> None:
    aggregate = Tuning(aggregate=text).aggregate
    assert (aggregate.level, str(aggregate)) == (level, text)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("none", PrunerKind.NONE, ""),
        ("halving", PrunerKind.HALVING, ""),
        ("hyperband", PrunerKind.HYPERBAND, ""),
        ("median", PrunerKind.MEDIAN, ""),
        ("optuna:MedianPruner", PrunerKind.OPTUNA, "MedianPruner"),
    ],
)
def test_a_pruner_knows_its_kind_and_is_written_as_it_was_read(text: str, kind: PrunerKind, name: str) -> None:
    pruner = Tuning(pruner=text).pruner
    assert (pruner, str(pruner)) == (Pruner(kind, name), text)


@pytest.mark.parametrize("parse", [Aggregate.parse, Pruner.parse])
def test_a_word_that_is_none_of_them_is_refused(parse) -> None:
    with pytest.raises(ValueError, match="average"):
        parse("average")


def test_what_an_objective_needs_of_a_problem_is_a_fact_of_its_own() -> None:
    assert [objective for objective in Objective if objective.needs_floor] == [Objective.AUC]
    assert [objective for objective in Objective if objective.needs_target] == [Objective.STEPS_TO_TARGET]


def test_an_objective_says_what_it_looks_at_and_how_often() -> None:
    held = {Objective.HELDOUT_LOSS, Objective.HELDOUT_BEST}
    assert {objective for objective in Objective if objective.metric == "heldout_loss"} == held
    assert {objective for objective in Objective if not objective.needs_the_way} == {
        Objective.FINAL,
        Objective.HELDOUT_LOSS,
    }


def test_a_suite_is_written_with_the_words_it_was_read_from() -> None:
    tuning = {"objective": ["auc"], "aggregate": "q.90", "pruner": "optuna:MedianPruner"}
    suite = Suite.checked(
        {
            "name": "mine",
            "problems": ["ellipse"],
            "optimizers": ["sgd"],
            "tuning": tuning,
            "optimizer": {"sgd": {"tuning": {"aggregate": "q0.5", "pruner": "halving"}}},
        },
        "test",
    )
    written = suite.to_toml()
    for line in ('objective = ["auc"]', 'aggregate = "q.90"', 'pruner = "optuna:MedianPruner"'):
        assert line in written.splitlines()
    assert 'tuning = {"aggregate" = "q0.5", "pruner" = "halving"}' in written
    assert Suite.parse(written, "again") == suite
    (plan,) = suite.cells()
    assert (str(plan.tuning.aggregate), str(plan.tuning.pruner)) == ("q0.5", "halving")
