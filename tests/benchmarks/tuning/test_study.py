"""Studies: deterministic for every sampler, inside their ranges, with diverged configurations told inf."""

from __future__ import annotations

import math

import pytest
import torch

from analysis.record.outcome import Outcome
from benchmarks.engine.training import Training
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.suite.settings import SAMPLERS, Searching, Tuning
from benchmarks.tuning.samplers import grid_shape, trial_count
from benchmarks.tuning.space import Space
from benchmarks.tuning.study import tune
from benchmarks.tuning.trials import Study

RMSPROP = OPTIMIZERS["rmsprop"]
FAST = [name for name in SAMPLERS if name != "gp"]  # each GP ask after the first block costs a second


def study(sampler: str = "tpe", trials: int = 24, block: int = 8, cell: str = "ellipse--rmsprop", **searching) -> Study:
    space = Space.of(RMSPROP, Searching(**searching))
    tuning = Tuning(sampler=sampler, trials=trials, block=block, pruner="none")
    return tune(cell, training("rmsprop", steps=20), space, tuning)


def training(optimizer: str, problem: str = "ellipse", steps: int = 50, seeds: tuple[int, ...] = (1,)) -> Training:
    return Training(make_problem(problem), OPTIMIZERS[optimizer], seeds, steps, max(1, steps // 10))


def column(result: Study, name: str) -> torch.Tensor:
    return torch.cat([block.values[name] for block in result.blocks])


def objectives(result: Study) -> torch.Tensor:
    return torch.cat([block.objective[:, 0] for block in result.blocks])


@pytest.mark.parametrize("sampler", FAST)
def test_a_study_is_a_function_of_its_cell(sampler: str) -> None:
    first, again, other = study(sampler), study(sampler), study(sampler, cell="another cell")
    assert torch.equal(column(first, "lr"), column(again, "lr"))
    assert torch.equal(column(first, "gamma"), column(again, "gamma"))
    assert torch.equal(objectives(first), objectives(again))
    assert first.winner == again.winner
    assert torch.equal(column(first, "lr"), column(other, "lr")) == (sampler == "grid")


@pytest.mark.parametrize("sampler", FAST)
def test_trials_stay_inside_the_ranges_and_are_counted(sampler: str) -> None:
    result = study(sampler, search={"lr": [0.01, 0.5], "gamma": [0.5, 0.99]})
    lr, gamma = column(result, "lr"), column(result, "gamma")
    assert len(lr) == trial_count(Tuning(sampler=sampler, trials=24), Space.of(RMSPROP, Searching())) <= 24
    assert [n for block in result.blocks for n in block.trial_numbers] == list(range(len(lr)))
    assert ((lr >= 0.01) & (lr <= 0.5)).all()
    assert ((gamma >= 0.5 - 1e-12) & (gamma <= 0.99 + 1e-12)).all()  # 1 - (1 - 0.99) rounds
    assert len(set(lr.tolist())) > 3


@pytest.mark.slow
def test_the_gaussian_process_sampler_is_deterministic_too() -> None:
    first, again = study("gp", trials=12, block=4), study("gp", trials=12, block=4)
    assert torch.equal(column(first, "lr"), column(again, "lr"))


@pytest.mark.slow
def test_the_gaussian_process_is_told_inf_without_a_warning() -> None:
    result = study("gp", trials=8, block=4, search={"lr": [1.0, 1e6]})  # a warning is an error here
    assert objectives(result).isinf().any()


def test_memories_are_spread_evenly_in_the_logarithm_of_what_they_forget() -> None:
    forgets = (1 - column(study("random", trials=400, block=100), "gamma")).log10()
    assert forgets.min() < -3.5
    assert abs(float((forgets < -2).double().mean()) - 0.5) < 0.1  # 400 draws: a standard error of 0.025


def test_quasi_random_trials_cover_the_range_from_the_first_block_on() -> None:
    lr = column(study("qmc", trials=16, block=16), "lr").log10()
    strata = ((lr + 5) / 6 * 16).floor().long().clamp(0, 15)  # lr from 1e-5 to 10; Sobol: one point a sixteenth
    assert len(set(strata.tolist())) == 16


@pytest.mark.slow
def test_tpe_finds_a_better_objective_than_random_search_of_the_same_size() -> None:
    better = 0
    for cell in "abcde":
        tpe = study("tpe", trials=64, block=8, cell=cell, fixed={"gamma": 0.9}, search={"lr": [1e-5, 10.0]})
        random = study("random", trials=64, block=8, cell=cell, fixed={"gamma": 0.9}, search={"lr": [1e-5, 10.0]})
        better += bool(objectives(tpe).median() < objectives(random).median())
    assert better == 5  # the median trial, not the best: where the sampler looks


def test_a_diverged_configuration_is_told_inf_and_the_study_goes_on() -> None:
    sgd = OPTIMIZERS["sgd"]
    space = Space.of(sgd, Searching(search={"lr": [0.1, 100.0]}))
    tuning = Tuning(trials=24, block=8, pruner="none")
    result = tune("c", training("sgd"), space, tuning)
    objective = objectives(result)
    diverged = torch.cat([block.trace.status for block in result.blocks])[:, 0] == Outcome.DIVERGED
    assert 0 < int(diverged.sum()) < 24
    assert torch.equal(objective.isinf(), diverged)
    assert not objective.isnan().any()


def test_a_study_whose_trials_all_diverge_has_no_winner() -> None:
    sgd = OPTIMIZERS["sgd"]
    space = Space.of(sgd, Searching(search={"lr": [50.0, 100.0]}))
    result = tune("c", training("sgd"), space, Tuning(trials=4, block=4, pruner="none"))
    assert result.winner is None
    assert [int(n) for n in result.blocks[0].diverged] == [1, 1, 1, 1]


def test_the_winner_is_the_lowest_objective_and_carries_every_hyperparameter() -> None:
    result = study(fixed={"eps": 1e-4})
    assert result.winner is not None
    assert result.winner.objective == float(objectives(result).min())
    assert set(result.winner.values) == {"lr", "gamma", "eps"}
    assert result.winner.values["eps"] == 1e-4
    assert result.winner.values["lr"] == float(column(result, "lr")[result.winner.trial])


def test_one_diverged_seed_makes_the_configuration_diverged() -> None:
    space = Space.of(OPTIMIZERS["sgd"], Searching(search={"lr": [0.01, 100.0]}))
    noisy = training("sgd", "quadratic(sigma=0.5)", steps=60, seeds=(1, 2, 3))
    result = tune("c", noisy, space, Tuning(trials=32, block=32, pruner="none"))
    some = (result.blocks[0].trace.status == Outcome.DIVERGED).any(-1)
    assert torch.equal(result.blocks[0].objective[:, 0].isinf(), some)


def test_a_winner_at_a_bound_is_flagged_but_no_memory_at_all_is_not_a_bound() -> None:
    space = Space.of(RMSPROP, Searching(search={"lr": [1e-3, 1.0]}))
    assert space.at_edge({"lr": 0.03, "gamma": 0.9}) == []
    assert space.at_edge({"lr": 0.999, "gamma": 0.9}) == ["lr"]
    assert space.at_edge({"lr": 1.001e-3, "gamma": 0.99989}) == ["lr", "gamma"]
    assert space.at_edge({"lr": 0.03, "gamma": 0.0}) == []


@pytest.mark.parametrize(("trials", "axes", "shape"), [(64, 2, [8, 8]), (48, 2, [7, 6]), (10, 1, [10]), (1, 2, [1, 1])])
def test_a_grid_has_at_most_the_trials_asked_for(trials: int, axes: int, shape: list[int]) -> None:
    assert grid_shape(trials, axes) == shape
    assert math.prod(shape) <= trials
