"""Work broken off: kept traces are taken up to the bit, and a time budget ends at a block."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from analysis.record.cells import Cell
from benchmarks.engine.training import Configurations, Training, train
from benchmarks.errors import UsageError
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.record import checkpoints as module
from benchmarks.record.checkpoints import Checkpoints, OutOfTime
from benchmarks.record.folder import RecordFolder
from benchmarks.record.lock import alone
from benchmarks.running.jobs import CellJob
from benchmarks.running.run_suite import run
from benchmarks.suite.settings import SAMPLERS, Searching, Tuning
from benchmarks.suite.suite import Suite
from benchmarks.tuning.space import Space
from benchmarks.tuning.study import tune
from benchmarks.tuning.trials import Study

SPEC = OPTIMIZERS["rmsprop"]
TRAINING = Training(make_problem("quadratic(dim=5)"), SPEC, (1, 2), 20, 2)
SPACE = Space.of(SPEC, Searching())
SUITE = Suite.checked(
    {
        "name": "tiny", "problems": ["quadratic(dim=4)"], "optimizers": ["rmsprop", "sgd"], "steps": 32,
        "tuning": {"studies": 1, "trials": 24, "block": 8, "seeds": 2}, "test": {"seeds": 2},
        "landscape": {"grid": "6x4", "seeds": 2},
    },
    "test",
)  # fmt: skip


class StopsAfter(Checkpoints):
    """Work that is broken off after some traces, as a killed process would be."""

    def __init__(self, folder: Path, traces: int) -> None:
        super().__init__(folder)
        object.__setattr__(self, "left", traces)

    def trace(self, name, configurations, make):
        object.__setattr__(self, "left", self.left - 1)
        if self.left < 0:
            raise KeyboardInterrupt
        return super().trace(name, configurations, make)


@pytest.fixture(autouse=True)
def keep_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORTH_KEEPING", 0.0)


def equal(a: Study, b: Study) -> bool:
    return a.winner == b.winner and all(
        torch.equal(one.objective.nan_to_num(-1), two.objective.nan_to_num(-1))
        and all(torch.equal(one.values[name], two.values[name]) for name in one.values)
        and torch.equal(one.trace.loss.nan_to_num(-1), two.trace.loss.nan_to_num(-1))
        for one, two in zip(a.blocks, b.blocks, strict=True)
    )


PRUNERS = ("none", "hyperband", "median", "optuna:SuccessiveHalvingPruner")


@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [  # every sampler and every pruner; among the slow tests every one with every other
        pytest.param(sampler, pruner, marks=[pytest.mark.slow] * (place % len(PRUNERS) != turn))
        for place, sampler in enumerate(name for name in SAMPLERS if name != "gp")
        for turn, pruner in enumerate(PRUNERS)
    ],
)
def test_a_study_broken_off_ends_like_one_that_was_not(sampler: str, pruner: str, tmp_path: Path) -> None:
    if sampler == "grid" and pruner.startswith("optuna:"):
        pruner = "halving"  # a grid refuses Optuna's own pruners
    tuning = Tuning(sampler=sampler, trials=32, block=8, pruner=pruner)
    whole = tune("cell", TRAINING, SPACE, tuning)
    with pytest.raises(KeyboardInterrupt):
        tune("cell", TRAINING, SPACE, tuning, StopsAfter(tmp_path, 2))
    assert len(list(tmp_path.glob("*.pt"))) == 2
    assert equal(whole, tune("cell", TRAINING, SPACE, tuning, Checkpoints(tmp_path)))


@pytest.mark.slow
def test_the_gaussian_process_too_ends_like_one_that_was_not_broken_off(tmp_path: Path) -> None:
    tuning = Tuning(sampler="gp", trials=12, block=4)
    whole = tune("cell", TRAINING, SPACE, tuning)
    with pytest.raises(KeyboardInterrupt):
        tune("cell", TRAINING, SPACE, tuning, StopsAfter(tmp_path, 2))
    assert equal(whole, tune("cell", TRAINING, SPACE, tuning, Checkpoints(tmp_path)))


def test_a_trace_read_back_is_the_trace(tmp_path: Path) -> None:
    made = train(replace(TRAINING, keep_path=True), {"lr": torch.logspace(-3, 2, 6, dtype=torch.float64)})
    work = Checkpoints(tmp_path)
    assert work.trace("one", Configurations({"lr": 0.1}), lambda _: made) is made
    read = work.trace("one", Configurations({"lr": 0.1}), lambda _: pytest.fail("it is there"))
    assert read.path is not None
    assert made.path is not None
    assert torch.equal(read.loss.nan_to_num(-1), made.loss.nan_to_num(-1))
    assert torch.equal(read.status, made.status)
    assert torch.equal(read.path.nan_to_num(-1), made.path.nan_to_num(-1))
    work.forget()
    assert not tmp_path.exists()


def test_a_trace_that_the_disk_does_not_take_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file: file write failed")

    monkeypatch.setattr("torch.save", full)
    made = train(TRAINING, {"lr": 0.1})
    assert Checkpoints(tmp_path).trace("one", Configurations({"lr": 0.1}), lambda _: made) is made
    assert not list(tmp_path.iterdir())


def test_a_folder_is_worked_in_by_one_process_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "cells" / ".half.123").mkdir(parents=True)
    (tmp_path / ".mlflow.db.123").touch()
    (tmp_path / ".report-abc").mkdir()
    (tmp_path / ".gitignore").touch()
    with alone(RecordFolder(tmp_path)):
        assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [".gitignore", "cells"]
        with pytest.raises(UsageError, match="another stepscape is at work"), alone(RecordFolder(tmp_path)):
            pass
    with alone(RecordFolder(tmp_path)):
        pass


def test_after_the_deadline_nothing_new_is_made_but_what_is_there_is_read(tmp_path: Path) -> None:
    made = train(TRAINING, {"lr": 0.1})
    Checkpoints(tmp_path).trace("one", Configurations({"lr": 0.1}), lambda _: made)
    late = Checkpoints(tmp_path, deadline=time.time() - 1)
    assert torch.equal(late.trace("one", Configurations({"lr": 0.1}), lambda _: made).loss, made.loss)
    with pytest.raises(OutOfTime):
        late.trace("two", Configurations({"lr": 0.1}), lambda _: made)
    with pytest.raises(OutOfTime):
        late.trace("one", Configurations({"lr": 0.2}), lambda _: made)  # kept for other values is not kept


def test_a_cell_broken_off_in_its_landscape_lands_like_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = SUITE.cells()[0]
    for name in ("whole", "broken"):
        RecordFolder(tmp_path / name).open(SUITE)
    whole = Cell.load(CellJob(plan, RecordFolder(tmp_path / "whole")).run())
    assert not list((tmp_path / "whole" / "unfinished").glob("*"))
    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.running.cell._landscape", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            CellJob(plan, RecordFolder(tmp_path / "broken")).run()
    assert len(list((tmp_path / "broken" / "unfinished").rglob("*.pt"))) == 3
    again = Cell.load(CellJob(plan, RecordFolder(tmp_path / "broken")).run())
    for table in ("trials", "runs", "curves", "landscape"):
        pd.testing.assert_frame_equal(getattr(whole, table), getattr(again, table))


def test_a_run_out_of_time_says_which_cells_are_missing_and_goes_on_later(tmp_path: Path) -> None:
    late = run(SUITE, tmp_path / "out", deadline=time.time() - 1)
    assert {cell.name for cell in late.unfinished} == {plan.name for plan in SUITE.cells()}
    assert not late.landed
    assert not late.failed
    assert len(run(SUITE, tmp_path / "out").landed) == 2


@pytest.mark.parametrize("left", [b"", b"PK", b"junk" * 100])
def test_a_trace_that_a_power_cut_left_unreadable_is_made_again(left: bytes, tmp_path: Path) -> None:
    whole = tune("cell", TRAINING, SPACE, Tuning(trials=8, block=8), Checkpoints(tmp_path))
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(left)
    again = tune("cell", TRAINING, SPACE, Tuning(trials=8, block=8), Checkpoints(tmp_path))
    assert torch.equal(again.blocks[0].trace.loss, whole.blocks[0].trace.loss)
    assert torch.load(kept, weights_only=True)["metrics"]["loss"].equal(whole.blocks[0].trace.loss)
