"""A suite from plan to record: checked before anything is written, resumed where it stopped."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch

from analysis.record.cell_info import CellInfo
from analysis.record.cells import Cell, Record
from analysis.record.columns import check_columns
from benchmarks.engine.training import Training, train
from benchmarks.errors import TrackingError, UnknownNameError, UsageError
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.record.folder import RecordFolder
from benchmarks.running.jobs import CellJob
from benchmarks.running.observer import RunObserver
from benchmarks.running.prepare import prepare
from benchmarks.running.run_suite import run
from benchmarks.running.workers import map_unordered
from benchmarks.suite.suite import Suite

TEXT = """
name = "tiny"
problems = ["ellipse", "airfoil"]
optimizers = ["sgd", "rmsprop"]
steps = 30
evaluations = 5
[tuning]
studies = 1
trials = 6
block = 4
seeds = 2
pruner = "none"
[test]
seeds = 3
[landscape]
grid = "4x3"
seeds = 2
"""
TINY = Suite.parse(TEXT, "test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runner") / "tiny"
    result = run(TINY, path)
    assert not result.failed
    return path


def test_every_cell_lands_with_all_its_tables(folder: Path) -> None:
    found = Record.load(folder)
    assert [cell.name for cell in found] == ["ellipse--sgd", "ellipse--rmsprop", "airfoil--sgd", "airfoil--rmsprop"]
    for cell in found:
        for table in ("trials", "runs", "curves", "landscape"):
            check_columns(table, getattr(cell, table))
        assert (cell.paths is not None) == (cell.surface is not None) == (cell.problem == "ellipse")


def test_what_a_cell_says_of_itself_is_read_and_written_back_to_the_byte(folder: Path) -> None:
    files = sorted((folder / "cells").glob("*/cell.json"))
    assert len(files) == 4
    for file in files:
        text = file.read_text(encoding="utf-8")
        written = CellInfo.from_json(json.loads(text)).to_json()
        assert json.dumps(written, indent=2, ensure_ascii=False) + "\n" == text


def test_the_tables_hold_what_the_protocol_says(folder: Path) -> None:
    cell = Cell.load(folder / "cells" / "airfoil--rmsprop")
    assert len(cell.trials) == 7  # the defaults and six asked for
    assert list(cell.trials["block"]) == [0, 0, 0, 0, 0, 1, 1]
    assert len(cell.runs) == 7 * 2 + 2 * 3
    # trials at the start, at 8, 15 and 30 steps; tests at the start and every 6
    assert len(cell.curves) == 7 * 2 * 4 + 2 * 3 * 6
    assert len(cell.landscape) == 4 * 3 * 2
    tuning = cell.runs[cell.runs["setting"] == "trial"]
    assert set(tuning["seed"]) == set(cell.info.protocol.tuning_seeds) == {1, 2}
    reported = cell.runs[cell.runs["setting"] != "trial"]
    assert set(reported["seed"]) == {1001, 1002, 1003}
    assert reported["trial"].isna().all()


def test_nothing_random_is_trained_on_one_seed_only(folder: Path) -> None:
    cell = Cell.load(folder / "cells" / "ellipse--sgd")
    assert cell.info.protocol.test_seeds == (1001,)
    assert set(cell.runs[cell.runs["setting"] == "tuned"]["seed"]) == {1001}


def test_a_reported_number_can_be_made_again_from_the_record(folder: Path) -> None:
    cell = Cell.load(folder / "cells" / "airfoil--rmsprop")
    winner = cell.info.winner.hyperparameters
    again = train(
        Training(make_problem("airfoil"), OPTIMIZERS["rmsprop"].rule, [1001, 1002, 1003], 30, evaluate_every=6), winner
    )
    tuned = cell.runs[cell.runs["setting"] == "tuned"].sort_values("seed")
    assert again.final_loss[0].tolist() == tuned["final_loss"].tolist()


def test_the_objective_of_a_trial_is_the_mean_of_its_runs(folder: Path) -> None:
    cell = Cell.load(folder / "cells" / "airfoil--rmsprop")
    means = cell.runs[cell.runs["setting"] == "trial"].groupby("trial")["final_loss"].mean()
    pd.testing.assert_series_equal(
        means.reset_index(drop=True), cell.trials["objective"], check_names=False, check_dtype=False
    )


def test_a_second_run_keeps_everything(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    result = run(TINY, folder)
    assert result.ran == []
    assert len(result.kept) == 4
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_run_that_was_broken_off_ends_like_one_that_was_not(folder: Path, tmp_path: Path) -> None:
    RecordFolder(tmp_path).open(TINY)
    CellJob(TINY.cells()[3], RecordFolder(tmp_path)).run()
    result = run(TINY, tmp_path)
    assert (len(result.kept), len(result.ran)) == (1, 3)
    for plan in TINY.cells():
        for table in ("trials", "runs", "curves", "landscape"):
            whole = getattr(Cell.load(folder / "cells" / plan.name), table)
            pd.testing.assert_frame_equal(whole, getattr(Cell.load(tmp_path / "cells" / plan.name), table))


@pytest.mark.slow
def test_the_number_of_processes_changes_nothing(folder: Path, tmp_path: Path) -> None:
    result = run(TINY, tmp_path, jobs=2)
    assert not result.failed
    for plan in TINY.cells():
        whole = Cell.load(folder / "cells" / plan.name)
        parallel = Cell.load(tmp_path / "cells" / plan.name)
        pd.testing.assert_frame_equal(whole.curves, parallel.curves)
        assert whole.info.winner == parallel.info.winner


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (("ellipse", "elipse"), UnknownNameError, "unknown problem 'elipse', did you mean 'ellipse'"),
        (("rmsprop", "rmsprob"), UnknownNameError, "unknown optimizer 'rmsprob', did you mean 'rmsprop'"),
        (('"airfoil"', '"airfoil(bach=3)"'), UsageError, "no parameter 'bach', did you mean 'batch'"),
        (("steps = 30", 'schedules = ["cosin"]'), UnknownNameError, "unknown schedule 'cosin'"),
        (
            ("steps = 30", 'schedules = ["gamma=constant", "gamma=bias-correction"]'),
            UsageError,
            "'sgd' has no hyperparameter",
        ),
    ],
)
def test_a_wrong_name_is_found_before_anything_is_written(change, error, message, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        run(Suite.parse(TEXT.replace(*change), "test"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_cell_that_fails_is_reported_and_the_others_land(tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(
        "from dataclasses import dataclass\n"
        "from optimizers import OptimizerSpec\n"
        "from optimizers.sgd import SGD\n"
        "@dataclass(frozen=True)\n"
        "class Broken(SGD):\n"
        "    def update(self, g, state, hp, t):\n"
        "        raise RuntimeError('out of luck')\n"
        "SPEC = OptimizerSpec('broken-for-test', Broken(), ('lr', None), 'nobody', 'fails')\n"
    )
    suite = TINY.model_copy(update={"optimizers": ["sgd", "broken-for-test"], "plugins": [str(plugin)]})
    result = run(suite, tmp_path / "out")
    assert {cell.name for cell in result.failed} == {"ellipse--broken-for-test", "airfoil--broken-for-test"}
    assert all("out of luck" in str(cell.error) for cell in result.failed)
    assert len(Record.load(tmp_path / "out").cells) == 2


def test_cells_of_another_instance_of_a_problem_are_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(folder, tmp_path / "copy")
    path = tmp_path / "copy" / "cells" / "airfoil--sgd" / "cell.json"
    info = json.loads(path.read_text())
    info["problem"]["fingerprint"] = "0" * 16
    path.write_text(json.dumps(info))
    with pytest.raises(UsageError, match="another instance of problem 'airfoil'"):
        run(TINY, tmp_path / "copy")


def test_an_outage_of_the_mirror_costs_a_warning_and_no_cell(tmp_path: Path) -> None:
    calls: list[Path] = []

    def mirror(cell: Path) -> None:
        calls.append(cell)
        raise TrackingError("MLflow is away")

    result = run(TINY, tmp_path, mirror=mirror)
    assert len(calls) == 1
    assert result.warnings == ["MLflow is away"]
    assert len(Record.load(tmp_path).cells) == 4


def test_the_mirror_is_given_the_cells_of_earlier_runs_too(folder: Path) -> None:
    calls: list[str] = []
    run(TINY, folder, mirror=lambda cell: calls.append(cell.name))
    assert sorted(calls) == sorted(plan.name for plan in TINY.cells())


def test_tuning_and_landscape_can_be_left_out(tmp_path: Path) -> None:
    suite = Suite.checked(
        {
            "name": "map",
            "problems": ["ellipse"],
            "optimizers": ["rmsprop"],
            "tuning": {"enabled": False},
            "landscape": {"grid": "4x3"},
        },
        "test",
    )
    run(suite, tmp_path / "map")
    cell = Cell.load(tmp_path / "map" / "cells" / "ellipse--rmsprop")
    assert cell.info.winner is None
    assert len(cell.trials) == 0
    assert set(cell.runs["setting"]) == {"default"}
    assert len(cell.landscape) == 12


def test_a_suite_may_call_a_foreign_hyperparameter_by_its_own_name(tmp_path: Path) -> None:
    given = {"search": {"alpha": [0.5, 0.99]}, "fixed": {"lr": 0.01}}
    tables = {
        "tuning": {"studies": 1, "trials": 4},
        "landscape": {"enabled": False},
        "optimizer": {"torch:RMSprop": given},
    }
    suite = Suite.checked({"name": "alpha", "problems": ["ellipse"], "optimizers": ["torch:RMSprop"], **tables}, "test")
    assert not run(suite, tmp_path / "alpha").failed
    (cell,) = Record.load(tmp_path / "alpha")
    assert cell.info.optimizer.searched == ("gamma",)
    assert cell.trials["gamma"].between(0.5, 0.99).all()
    twice = suite.model_copy(update={"optimizer": {}, "name": "twice"}).model_dump()
    twice["optimizer"] = {"torch:RMSprop": {"search": {"alpha": [0.5, 0.9], "gamma": [0.1, 0.2]}}}
    with pytest.raises(UsageError, match="search gives gamma twice, also as gamma"):
        run(Suite.checked(twice, "test"), tmp_path / "twice")


def test_the_estimate_of_lane_steps_is_what_a_stable_cell_makes(folder: Path) -> None:
    ready = prepare(TINY.cells()[1])
    recorded = Cell.load(folder / "cells" / ready.plan.name).info.lane_steps
    assert recorded == ready.lane_steps  # nothing diverges in 30 steps of RMSProp on the ellipse


def test_evaluations_can_be_spaced_by_powers() -> None:
    suite = TINY.model_copy(update={"spacing": "log", "evaluations": 4, "steps": 625})
    assert prepare(suite.cells()[0]).evaluate == [1, 5, 25, 125, 625]
    assert prepare(TINY.cells()[0]).evaluate == 6


def test_a_cell_trains_on_one_thread(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        RecordFolder(tmp_path).open(TINY)
        CellJob(TINY.cells()[0], RecordFolder(tmp_path)).run()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)


def _die_once(task: tuple[Path, int]) -> int:
    folder, number = task
    if number == 2 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / str(number)).touch()
    return number


@pytest.mark.slow
def test_a_killed_worker_costs_only_the_work_it_held(tmp_path: Path) -> None:
    tasks = [(tmp_path, number) for number in range(4)]
    assert sorted(map_unordered(_die_once, tasks, 2)) == [0, 1, 2, 3]
    assert {item.name for item in tmp_path.iterdir()} == {"died", "0", "1", "2", "3"}


class Notes(RunObserver):
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def noted(self, sentence: str) -> None:
        self.sentences.append(sentence)


@pytest.mark.parametrize(
    ("file", "left", "fault"),
    [
        ("cell.json", b"", "cell.json is no JSON"),
        ("runs.parquet", b"", "runs.parquet is no table"),
        ("trials.parquet", b"PAR1 junk", "trials.parquet is no table"),
        ("curves.parquet", None, "curves.parquet is missing"),
    ],
)
def test_a_cell_that_a_power_cut_damaged_is_run_again_and_the_user_is_told(
    file: str, left: bytes | None, fault: str, folder: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(folder, tmp_path / "tiny")
    if left is None:
        (copy / "cells" / "ellipse--sgd" / file).unlink()
    else:
        (copy / "cells" / "ellipse--sgd" / file).write_bytes(left)
    notes = Notes()
    result = run(TINY, copy, observer=notes)
    assert [done.name for done in result.ran] == ["ellipse--sgd"]
    assert notes.sentences == [f"{copy / 'cells' / 'ellipse--sgd'} is damaged ({fault}) and is made again"]
    for table in ("trials", "runs", "curves", "landscape"):
        again, before = (getattr(Cell.load(there / "cells" / "ellipse--sgd"), table) for there in (copy, folder))
        pd.testing.assert_frame_equal(again, before)
    assert run(TINY, copy, observer=notes).ran == []
