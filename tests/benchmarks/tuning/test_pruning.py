"""Pruning: the whole block is judged at once, what is stopped leaves the tensor, and Optuna is told PRUNED."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
import torch

from benchmarks.engine.inputs import evaluation_steps
from benchmarks.engine.training import Training
from benchmarks.errors import UsageError
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.suite.settings import Searching, Tuning
from benchmarks.tuning.pruning import (
    Halving,
    MedianRule,
    make_rungs,
    optuna_pruner,
    rung_steps,
    trial_evaluations,
)
from benchmarks.tuning.space import Space
from benchmarks.tuning.study import tune
from benchmarks.tuning.trials import Study

INF = torch.inf


def tuned(pruner: str, optimizer: str = "rmsprop", sampler: str = "tpe", trials: int = 32) -> Study:
    training = Training(make_problem("quadratic(dim=10)"), OPTIMIZERS[optimizer], (1, 2), 64, 4)
    space = Space.of(OPTIMIZERS[optimizer], Searching())
    return tune("cell", training, space, Tuning(pruner=pruner, trials=trials, block=8, sampler=sampler))


def test_rungs_are_evaluated_steps_that_leave_one_of_a_full_block() -> None:
    evaluations = list(range(0, 65, 4))
    assert rung_steps(Tuning(pruner="halving", block=8), 0, evaluations) == [8, 16, 32]
    assert rung_steps(Tuning(pruner="halving", block=16, reduction=4), 0, evaluations) == [4, 16]
    assert rung_steps(Tuning(pruner="halving", block=8), 0, [0, 64]) == []  # nothing is looked at on the way
    assert rung_steps(Tuning(pruner="halving", block=8), 0, [0, 40, 64]) == [40, 40, 40]  # three halvings at once


@pytest.mark.parametrize("pruner", ["halving", "hyperband", "none"])
def test_the_runs_of_a_study_are_looked_at_where_its_rungs_are_and_nowhere_else(pruner: str) -> None:
    tuning = Tuning(pruner=pruner)
    looks = evaluation_steps(300, trial_evaluations(tuning, 300, 15))
    assert looks == [0, 19, 38, 75, 150, 300]
    if pruner == "halving":
        assert rung_steps(tuning, 0, looks) == looks[1:-1]
    assert evaluation_steps(3, trial_evaluations(tuning, 3, 1)) == [0, 1, 2, 3]


def test_a_suite_that_looks_at_its_runs_less_often_than_there_are_rungs_does_so_in_studies_too() -> None:
    assert trial_evaluations(Tuning(), 300, 100) == 100
    assert trial_evaluations(Tuning(block=2), 300, 100) == [150]


@pytest.mark.parametrize(
    "settings",
    [
        {"objective": ["best"]},
        {"objective": ["auc"]},
        {"objective": ["steps-to-target"]},
        {"objective": ["final", "auc"]},
        {"objective": ["heldout_best"]},
        {"pruner": "median"},
        {"pruner": "optuna:PercentilePruner"},
    ],
    ids=str,
)
def test_who_reads_every_look_at_a_study_has_those_of_the_suite(settings: dict[str, Any]) -> None:
    tuning = Tuning(**settings)
    assert trial_evaluations(tuning, 300, 15) == 15
    assert trial_evaluations(tuning, 300, [1, 17]) == [1, 17]


def test_hyperband_begins_with_a_whole_block_and_adds_earlier_rungs_in_turn() -> None:
    evaluations = list(range(0, 65, 4))
    rungs = [rung_steps(Tuning(pruner="hyperband", block=8), block, evaluations) for block in range(5)]
    assert rungs == [[], [32], [16, 32], [8, 16, 32], []]


def test_halving_keeps_the_best_half_ties_by_number_and_never_the_diverged() -> None:
    rule = Halving(Tuning(), [10])
    values = torch.tensor([3.0, 1.0, INF, 1.0, 2.0])
    assert rule.choose(10, values).tolist() == [False, True, False, True, False]  # type: ignore[union-attr]
    assert rule.choose(11, values) is None
    assert rule(11, {"loss": torch.tensor([[1.0], [torch.nan]])}).tolist() == [True, False]  # type: ignore[union-attr]


def test_a_held_out_objective_is_pruned_by_the_held_out_loss_and_looks_no_oftener_than_the_training_loss() -> None:
    tuning = Tuning(objective="heldout_loss")
    metrics = {"loss": torch.tensor([[1.0], [2.0]]), "heldout_loss": torch.tensor([[4.0], [3.0]])}
    assert Halving(tuning, [10])(10, metrics).tolist() == [False, True]  # type: ignore[union-attr]
    assert trial_evaluations(tuning, 300, 15) == trial_evaluations(Tuning(), 300, 15)


def test_several_rungs_at_one_step_halve_several_times() -> None:
    kept = Halving(Tuning(), [10, 10]).choose(10, torch.arange(8.0))
    assert kept is not None
    assert kept.tolist() == [True, True] + [False] * 6


@pytest.mark.parametrize("pruner", ["halving", "median"])
def test_who_was_at_the_target_with_every_seed_is_not_stopped_where_steps_to_it_count(pruner: str) -> None:
    tuning = Tuning(pruner=pruner, block=4, objective=["steps-to-target"])
    finished = {5: torch.zeros(4), 10: torch.zeros(4)}
    rungs = make_rungs(tuning, 0, [0, 5, 10, 20], finished, [], 1.0)
    assert rungs is not None
    rungs(2, {"loss": torch.tensor([[0.9, 3.0], [0.9, 3.0], [5.0, 5.0], [0.9, 0.9]])})
    kept = rungs(5, {"loss": torch.tensor([[4.0, 0.9], [4.0, 4.0], [0.5, 1.5], [torch.nan, 0.9]])})
    assert kept is not None
    assert kept[0]  # its seeds got there one after the other, though it is among the worst by now
    assert not kept[1]
    assert not kept[3]  # diverged


@pytest.mark.parametrize("objective", ["steps-to-target", "final"])
def test_a_trial_that_was_at_the_target_is_pruned_only_where_that_does_not_count(objective: str) -> None:
    problem = make_problem("bowl")
    training = Training(problem, OPTIMIZERS["sgd"], (1,), 40, 2)
    space = Space.of(OPTIMIZERS["sgd"], Searching(search={"lr": [1e-3, 1.0]}))
    tuning = Tuning(sampler="random", trials=32, block=32, pruner="halving", objective=[objective])
    (block,) = tune("cell", training, space, tuning).blocks
    there = (block.trace.loss.nan_to_num(INF) <= problem.target).any(-1).all(-1)
    pruned = torch.tensor([state == "pruned" for state in block.states])
    assert bool((there & pruned).any()) == (objective == "final")


def test_the_median_rule_waits_for_a_block_of_finished_trials() -> None:
    tuning = Tuning(pruner="median", block=4)
    assert MedianRule(tuning, {10: torch.ones(3)}).choose(10, torch.ones(2)) is None
    kept = MedianRule(tuning, {10: torch.tensor([1.0, 2.0, 3.0, 9.0])}).choose(10, torch.tensor([2.0, 2.1, INF]))
    assert kept is not None
    assert kept.tolist() == [True, False, False]


@pytest.mark.parametrize("pruner", ["halving", "hyperband", "median", "optuna:MedianPruner"])
def test_pruned_trials_save_their_steps_and_keep_their_reason(pruner: str) -> None:
    study, whole = tuned(pruner), tuned("none")
    states = [state for block in study.blocks for state in block.states]
    assert {"pruned", "complete"} <= set(states)
    for block in study.blocks:
        for state, value in zip(block.states, block.objective[:, 0].tolist(), strict=True):
            assert math.isnan(value) == (state == "pruned")
            assert (value == INF) == (state == "diverged")
    assert sum(b.trace.lane_steps for b in study.blocks) < sum(b.trace.lane_steps for b in whole.blocks)
    assert study.winner is not None


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes", "grid"])
def test_every_sampler_goes_on_when_trials_are_pruned(sampler: str) -> None:
    study = tuned("halving", sampler=sampler)
    again = tuned("halving", sampler=sampler)
    assert all(torch.equal(a.values["lr"], b.values["lr"]) for a, b in zip(study.blocks, again.blocks, strict=True))
    assert "pruned" in {state for block in study.blocks for state in block.states}


def test_optuna_is_told_pruned_with_the_intermediate_values(tmp_path) -> None:
    url = f"journal:///{tmp_path}/study.log"
    training = Training(make_problem("quadratic(dim=10)"), OPTIMIZERS["sgd"], (1, 2), 64, 4)
    space = Space.of(OPTIMIZERS["sgd"], Searching())
    result = tune("cell", training, space, Tuning(pruner="halving", trials=8, block=8), storage=url)
    from benchmarks.tuning.storages import open_storage

    study = optuna.load_study(study_name="cell", storage=open_storage(url))
    block = result.blocks[0]
    for trial, state, stopped in zip(study.trials, block.states, block.trace.stopped_at.amax(-1).tolist(), strict=True):
        assert trial.state.name == ("PRUNED" if state == "pruned" else "COMPLETE")
        if state == "pruned":
            assert max(trial.intermediate_values) == stopped  # the last step it was looked at
            assert trial.value == trial.intermediate_values[stopped]


def test_a_pruner_that_optuna_has_not_or_cannot_make_is_a_users_mistake() -> None:
    with pytest.raises(UsageError, match="no pruner 'MedianPrunner', did you mean 'MedianPruner'"):
        optuna_pruner(Tuning(pruner="optuna:MedianPrunner"))
    with pytest.raises(UsageError, match="cannot be made without arguments"):
        optuna_pruner(Tuning(pruner="optuna:PercentilePruner"))
    assert make_rungs(Tuning(pruner="none"), 0, [0, 10], {}, []) is None
