"""Objectives: what a trial is worth, in known answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
import torch

from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Training
from benchmarks.errors import UsageError
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.suite.settings import Searching, Tuning
from benchmarks.tuning.objectives import check_objectives, intermediate_values, trial_values
from benchmarks.tuning.space import Space
from benchmarks.tuning.study import tune
from problems import Analytic, Batch, Facts, Problem

ELLIPSE = make_problem("ellipse")  # floor 0, target 1e-3 of the start's gap or stated
NAN, INF = torch.nan, torch.inf


def trace(losses: list[list[list[float]]], status: list[list[int]] | None = None) -> Trace:
    loss = torch.tensor(losses, dtype=torch.float64)
    codes = torch.tensor(status, dtype=torch.int8) if status else torch.zeros(loss.shape[:2], dtype=torch.int8)
    step = torch.arange(loss.shape[-1]) * 10
    return Trace(step, {"loss": loss}, codes, torch.full(loss.shape[:2], int(step[-1])), 0.0, 0)


ONE = trace([[[10.0, 1.0, 0.1], [10.0, 0.01, 1.0]]])  # one configuration, two seeds, steps 0, 10, 20


@pytest.mark.parametrize(
    ("objective", "aggregate", "value"),
    [
        ("final", "mean", 0.55),
        ("final", "median", 0.55),
        ("final", "q0.9", 0.91),
        ("best", "mean", 0.055),
        ("auc", "mean", ((1 + 0 - 1) / 3 + (1 - 2 + 0) / 3) / 2),
    ],
)
def test_an_objective_joins_runs_and_seeds(objective: str, aggregate: str, value: float) -> None:
    tuning = Tuning(objective=objective, aggregate=aggregate)
    assert trial_values(ELLIPSE, tuning, ONE).item() == pytest.approx(value)


def test_steps_to_target_counts_the_first_time_and_orders_those_that_miss() -> None:
    problem = Analytic(lambda x: x.square().sum(-1), (3.0, 1.0), minimum=0.0, target=0.5, steps=20)
    tuning = Tuning(objective="steps-to-target")
    at_once = trace([[[10.0, 0.4, 3.0]]])
    late = trace([[[10.0, 1.0, 0.5]]])
    near, far = trace([[[10.0, 9.0, 0.6]]]), trace([[[10.0, 9.0, 5.0]]])
    values = [trial_values(problem, tuning, run).item() for run in (at_once, late, near, far)]
    assert values[:2] == [10, 20]
    assert 20 < values[2] < values[3] == pytest.approx(40)  # ten times the target's gap: one budget more


def test_a_diverged_seed_makes_a_trial_infinite_and_a_pruned_one_has_no_value() -> None:
    runs = trace([[[10.0, 1.0, 1.0], [10.0, NAN, NAN]], [[10.0, 1.0, NAN], [10.0, 1.0, NAN]]], [[0, 1], [2, 2]])
    for objective in ("final", "best", "auc"):
        values = trial_values(ELLIPSE, Tuning(objective=objective), runs)[:, 0]
        assert values[0] == INF
        assert values[1].isnan()


def test_intermediate_values_end_where_the_trial_stopped() -> None:
    runs = trace([[[10.0, 4.0, NAN], [10.0, 2.0, NAN]]], [[2, 2]])
    assert list(intermediate_values(Tuning(), runs)) == [[(0, 10.0), (10, 3.0)]]


def test_two_objectives_stand_side_by_side() -> None:
    tuning = Tuning(objective=["final", "best"])
    assert trial_values(ELLIPSE, tuning, ONE)[0].tolist() == pytest.approx([0.55, 0.055])


def test_an_objective_without_its_fact_is_a_users_mistake() -> None:
    problem = Analytic(lambda x: x.square().sum(-1), (3.0, 1.0), minimum=None, steps=20)
    with pytest.raises(UsageError, match="auc needs a known floor"):
        check_objectives(problem, Tuning(objective="auc"))
    with pytest.raises(UsageError, match="steps-to-target needs a target"):
        check_objectives(problem, Tuning(objective="steps-to-target"))


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "grid"])
def test_a_study_may_have_two_objectives(sampler: str) -> None:
    training = Training(ELLIPSE, OPTIMIZERS["rmsprop"], (1,), 20, 2)
    space = Space.of(OPTIMIZERS["rmsprop"], Searching())
    tuning = Tuning(objective=["final", "steps-to-target"], trials=24, block=8, sampler=sampler)
    result = tune("cell", training, space, tuning)
    objective = torch.cat([block.objective for block in result.blocks])
    assert objective.shape[1] == 2
    assert result.winner is not None
    assert result.winner.objective == float(objective[:, 0].min())


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_range_can_be_widened_as_often_as_a_suite_may_ask(name: str, end: str) -> None:
    spec = OPTIMIZERS[name]
    every = {knob.name: [knob.low, knob.high] for knob in spec.hyperparameters}
    space = Space.of(spec, Searching(search=every))
    for _ in range(5):
        space = space.widened({knob.name: getattr(knob, end) for knob in space.searched})
    for knob in space.searched:
        assert 0 <= knob.low <= every[knob.name][0] < every[knob.name][1] <= knob.high < float("inf")
        assert knob.scale != "log1m" or knob.high < 1 - 1e-8 or knob.high == every[knob.name][1]


def test_a_winner_at_the_edge_widens_the_search_where_the_suite_allows_it() -> None:
    spec = OPTIMIZERS["sgd"]
    space = Space.of(spec, Searching(search={"lr": [1e-3, 1e-2]}))  # the best lr is near 0.45
    training = Training(ELLIPSE, spec, (1,), 20, 2)
    narrow = tune("cell", training, space, Tuning(trials=32, block=8, pruner="none"))
    assert narrow.winner is not None
    assert narrow.winner.at_edge == ["lr"]
    wide = tune("cell", training, space, Tuning(trials=32, block=8, pruner="none", widen=5))
    assert wide.winner is not None
    assert wide.widened >= 3
    assert wide.space.searched[0].high > 0.1
    assert wide.winner.objective < narrow.winner.objective
    numbers = [number for block in wide.blocks for number in block.trial_numbers]
    assert numbers == list(range(32 * (wide.widened + 1)))
    assert torch.equal(wide.blocks[0].objective, narrow.blocks[0].objective)


@dataclass(frozen=True)
class Overfits(Problem):
    """Downhill x² in training, while held-out data wants x at 2, on the way from 3."""

    facts = Facts(dim=1, minimum=0.0, steps=20)

    def start(self, seeds: Sequence[int]) -> torch.Tensor:
        return torch.full((len(seeds), 1), 3.0, dtype=torch.float64)

    def loss(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        return x[..., 0].square()

    def evaluate(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": self.loss(x, None), "heldout_loss": (x[..., 0] - 2).square()}


def test_held_out_objectives_read_the_held_out_loss_at_the_end_and_at_its_lowest() -> None:
    runs = replace(ONE, metrics={"loss": ONE.loss, "heldout_loss": torch.tensor([[[5.0, 1.0, 3.0], [5.0, 4.0, 2.0]]])})
    for objective, value in (("heldout_loss", 2.5), ("heldout_best", 1.5)):
        assert trial_values(ELLIPSE, Tuning(objective=objective), runs).item() == value
    assert list(intermediate_values(Tuning(objective="heldout_loss"), runs)) == [[(0, 5.0), (10, 2.5), (20, 2.5)]]


def test_a_held_out_objective_needs_a_problem_that_measures_it() -> None:
    check_objectives(Overfits(), Tuning(objective="heldout_best"))
    with pytest.raises(
        UsageError, match="heldout_loss needs a loss on held-out data, and 'ellipse' measures only loss"
    ):
        check_objectives(ELLIPSE, Tuning(objective="heldout_loss"))


@pytest.mark.parametrize("pruner", ["none", "hyperband", "median"])
@pytest.mark.parametrize(("objective", "ends_at"), [("final", 0.0), ("heldout_loss", 2.0)])
def test_what_a_study_finds_depends_on_the_data_that_judges_it(objective: str, ends_at: float, pruner: str) -> None:
    training = Training(Overfits(), OPTIMIZERS["sgd"], (1,), 20, 2)
    tuning = Tuning(objective=objective, trials=32, block=8, pruner=pruner)
    study = tune("cell", training, Space.of(OPTIMIZERS["sgd"], Searching()), tuning)
    assert study.winner is not None
    x = 3 * (1 - 2 * study.winner.values["lr"]) ** 20  # where sgd ends on x² from 3
    assert x == pytest.approx(ends_at, abs=0.35)


def test_early_stopping_makes_every_rate_that_passes_the_lowest_point_good() -> None:
    training = Training(Overfits(), OPTIMIZERS["sgd"], (1,), 20, 1)
    space = Space.of(OPTIMIZERS["sgd"], Searching(search={"lr": [0.05, 0.2]}))  # all go past 2, to the end at 0
    found = {
        objective: tune("cell", training, space, Tuning(objective=objective, trials=16, block=8, pruner="none"))
        for objective in ("heldout_loss", "heldout_best")
    }
    lowest = torch.cat([block.objective for block in found["heldout_best"].blocks])
    at_end = torch.cat([block.objective for block in found["heldout_loss"].blocks])
    assert lowest.max() < 0.2 < at_end.min()
