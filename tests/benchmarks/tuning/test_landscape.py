"""Landscapes: every point of the grid is the run it says it is."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from analysis.record.anytime import ACCURACY, LOST, packed
from analysis.record.cells import Record
from analysis.record.outcome import Outcome
from benchmarks.engine.training import Training, train
from benchmarks.errors import UsageError
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.running import prepare
from benchmarks.running.prepare import look_up
from benchmarks.running.run_suite import run
from benchmarks.suite.settings import Searching
from benchmarks.suite.suite import Suite
from benchmarks.tuning import landscape as module
from benchmarks.tuning.landscape import GridMap, grid_axes, landscape
from benchmarks.tuning.space import Space


def map_of(optimizer: str, problem: str = "ellipse", grid: tuple[int, int] = (6, 4), **searching) -> GridMap:
    spec = OPTIMIZERS[optimizer]
    return landscape(training(optimizer, problem), Space.of(spec, Searching(**searching)), grid)


def training(optimizer: str, problem: str = "ellipse", steps: int = 20, seeds: tuple[int, ...] = (1, 2)) -> Training:
    return Training(make_problem(problem), OPTIMIZERS[optimizer], seeds, steps, evaluate_every=steps)


def test_a_grid_spans_both_ranges_ends_included() -> None:
    grid = map_of("rmsprop", search={"lr": [1e-3, 1.0], "gamma": [0.0, 0.99]})
    lr, gamma = sorted(set(grid.values["lr"].tolist())), sorted(set(grid.values["gamma"].tolist()))
    assert (len(lr), len(gamma)) == (6, 4)
    assert (lr[0], lr[-1]) == (1e-3, 1.0)
    assert (gamma[0], gamma[-1]) == (0.0, 0.99)
    ratios = [b / a for a, b in pairwise(lr)]
    assert max(ratios) - min(ratios) < 1e-9


def test_a_one_knob_rule_has_a_line() -> None:
    grid = map_of("sgd")
    assert list(grid.values) == ["lr"]
    assert grid.final_loss.shape == (6, 2)


def test_every_point_is_its_own_run() -> None:
    grid = map_of("rmsprop", "quadratic")
    for c in (0, 7, 23):
        values = {name: float(value[c]) for name, value in grid.values.items()}
        alone = train(Training(make_problem("quadratic"), OPTIMIZERS["rmsprop"].rule, [1, 2], 20), values)
        assert torch.equal(alone.final_loss[0].nan_to_num(-1), grid.final_loss[c].nan_to_num(-1))


def test_a_bare_rule_names_no_axes_and_has_no_landscape() -> None:
    spec = OPTIMIZERS["rmsprop"]
    bare = Training(make_problem("ellipse"), spec.rule, (1,), 5)
    with pytest.raises(UsageError, match="names its axes, got the bare rule RMSProp"):
        landscape(bare, Space.of(spec, Searching()), (4, 3))


def test_training_in_groups_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = map_of("rmsprop", "quadratic", (40, 30))
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(module, "GROUP", 1)
    spec = OPTIMIZERS["rmsprop"]
    cut = landscape(
        training("rmsprop", "quadratic"),
        Space.of(spec, Searching()),
        (40, 30),
        on_progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(512, 1200), (1024, 1200), (1200, 1200)]
    assert torch.equal(whole.final_loss.nan_to_num(-1), cut.final_loss.nan_to_num(-1))


def test_divergence_is_kept_as_data() -> None:
    grid = map_of("sgd", search={"lr": [0.01, 100.0]}, grid=(20, 2))
    diverged = grid.status == Outcome.DIVERGED
    assert 0 < int(diverged.sum()) < diverged.numel()
    assert torch.equal(grid.final_loss.isnan(), diverged)
    assert (grid.stopped_at[~diverged] == 20).all()
    assert (grid.stopped_at[diverged] < 20).all()
    assert set(grid.status.unique().tolist()) == {Outcome.FINISHED, Outcome.DIVERGED}


def test_the_boundary_of_gradient_descent_is_two_over_the_largest_eigenvalue() -> None:
    spec = OPTIMIZERS["sgd"]
    space = Space.of(spec, Searching(search={"lr": [0.1, 1.0]}))
    grid = landscape(training("sgd", steps=400, seeds=(1,)), space, (400, 2))
    worse = (grid.status[:, 0] == Outcome.DIVERGED) | (grid.final_loss[:, 0] > grid.start_loss[:, 0])
    first = float(grid.values["lr"][worse].min())
    assert first == pytest.approx(2 / 4, rel=10 ** (1 / 399) - 1 + 1e-9)  # to one grid spacing


def test_off_the_axes_the_defaults_hold() -> None:
    spec = OPTIMIZERS["adam"]
    space = Space.of(spec, Searching())
    assert [(knob.name, count) for knob, count in grid_axes(spec, space, (5, 3))] == [("lr", 5), ("beta2", 3)]
    fixed = Space.of(spec, Searching(fixed={"beta2": 0.99}))
    assert [(knob.name, count) for knob, count in grid_axes(spec, fixed, (5, 3))] == [("lr", 5)]


def test_a_landscape_covers_the_ranges_that_the_study_was_widened_to(tmp_path):
    suite = Suite.checked(
        {
            "name": "wide",
            "problems": ["ellipse"],
            "optimizers": ["sgd"],
            "tuning": {"studies": 1, "sampler": "grid", "trials": 8, "widen": 2, "pruner": "none"},
            "landscape": {"grid": "9x2"},
            "optimizer": {"sgd": {"search": {"lr": [1e-4, 1e-3]}}},
        },
        "test",
    )
    (cell,) = Record.load(run(suite, tmp_path / "wide").folder).cells
    (lr,) = cell.info.optimizer.hyperparameters
    assert [study.widened for study in cell.info.studies] == [2]
    assert lr.high > 2e-3
    assert (cell.landscape["lr"].min(), cell.landscape["lr"].max()) == (lr.low, lr.high)
    assert cell.landscape["lr"].max() >= cell.info.winner.hyperparameters["lr"]


def test_after_fewer_steps_a_run_is_where_a_run_of_fewer_steps_ends() -> None:
    steps, space = [3, 10, 32], Space.of(OPTIMIZERS["rmsprop"], Searching(search={"lr": [1e-3, 1e3]}))
    for problem in ("quadratic", "ellipse"):
        long = Training(make_problem(problem), OPTIMIZERS["rmsprop"], (1, 2), 100, evaluate_every=steps)
        grid = landscape(long, space, (6, 4))
        assert grid.horizons == (3, 10, 32)
        assert grid.anytime is not None
        assert grid.anytime.dtype == torch.int16
        for place, step in enumerate(grid.horizons):
            short = landscape(replace(long, steps=step), space, (6, 4))
            gap = short.final_loss - (long.problem.minimum or 0.0)
            assert grid.anytime[..., place].tolist() == packed(gap.numpy()).tolist()
        assert bool((grid.anytime[..., -1] == LOST).any())


@pytest.mark.slow
def test_the_horizons_are_the_same_by_torch_and_by_a_kernel() -> None:
    space = Space.of(OPTIMIZERS["momentum"], Searching())
    eager, compiled = (
        landscape(
            Training(make_problem("ellipse"), OPTIMIZERS["momentum"], (1,), 60, [4, 15], engine=engine), space, (6, 4)
        )
        for engine in ("eager", "kernel")
    )
    assert eager.horizons == compiled.horizons == (4, 15)
    assert eager.anytime is not None
    assert compiled.anytime is not None
    assert int((eager.anytime.int() - compiled.anytime.int()).abs().max()) <= 1  # rounding, at the border of a code


def test_a_landscape_without_a_look_on_the_way_keeps_none() -> None:
    assert map_of("sgd").horizons == ()
    assert map_of("sgd").anytime is None


def test_a_cell_keeps_twelve_looks_of_every_run_or_as_many_as_its_size_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    definition = {"name": "looks", "problems": ["ellipse"], "optimizers": ["rmsprop"], "steps": 1000}
    cell = look_up(Suite.checked({**definition, "landscape": {"grid": "20x10"}}, "test").cells()[0])
    assert cell.mapping.evaluations == [0, 2, 3, 6, 10, 18, 32, 56, 100, 178, 316, 562, 1000]
    monkeypatch.setattr(prepare, "KEPT", 600)
    assert cell.mapping.evaluations == [0, 10, 100, 1000]  # 200 runs
    monkeypatch.setattr(prepare, "KEPT", 1)
    assert cell.mapping.evaluations == [0, 1000]


def test_a_record_holds_what_its_landscape_kept(tmp_path):
    suite = {
        "name": "kept",
        "problems": ["ellipse"],
        "optimizers": ["sgd"],
        "steps": 64,
        "tuning": {"enabled": False},
        "landscape": {"grid": "9x2", "evaluations": 3},
    }
    (cell,) = Record.load(run(Suite.checked(suite, "test"), tmp_path / "kept").folder).cells
    kept = cell.anytime
    assert kept is not None
    assert list(kept) == [4, 16]
    for step, values in kept.items():
        short = train(
            Training(make_problem("ellipse"), OPTIMIZERS["sgd"], [0], step),
            {"lr": torch.tensor(cell.landscape["lr"].to_numpy())},
        )
        assert values.tolist() == pytest.approx(short.final_loss[:, 0].tolist(), rel=ACCURACY * 1.001, nan_ok=True)
