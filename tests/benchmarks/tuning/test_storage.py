"""Studies in a storage of the user's, live and shared; finished ones exported with everything Optuna shows."""

from __future__ import annotations

import shutil
import socket
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pandas as pd
import pytest
import torch
from optuna.trial import TrialState

from analysis.record.cells import Cell, Record
from benchmarks.cli.main import main
from benchmarks.engine.training import Training
from benchmarks.errors import StepscapeError, UsageError
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.record.checkpoints import Checkpoints, OutOfTime
from benchmarks.running.cell_tables import trials_table
from benchmarks.running.run_suite import run
from benchmarks.suite.judging import Aggregate
from benchmarks.suite.settings import Overrides, Searching, Tuning
from benchmarks.suite.suite import Suite
from benchmarks.tuning import session as module
from benchmarks.tuning.optuna_export import export_cell, study_name
from benchmarks.tuning.session import WORKER
from benchmarks.tuning.space import Space
from benchmarks.tuning.storages import close_storage, open_storage
from benchmarks.tuning.study import tune
from benchmarks.tuning.trials import Study

SPEC = OPTIMIZERS["rmsprop"]
SPACE = Space.of(SPEC, Searching())
SUITE = Suite.checked(
    {
        "name": "tiny", "problems": ["quadratic(dim=4)"], "optimizers": ["rmsprop", "sgd"], "steps": 32,
        "tuning": {"studies": 1, "trials": 24, "block": 8, "seeds": 2, "pruner": "halving"},
        "test": {"seeds": 2}, "landscape": {"enabled": False},
    },
    "test",
)  # fmt: skip


TINY = {"name": "tiny", "problems": ["ellipse"], "optimizers": ["sgd"], "steps": 5, "landscape": {"enabled": False}}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"journal:///{tmp_path}/studies.log"


def search(url: str | None, trials: int = 16) -> Study:
    training = Training(make_problem("ellipse"), SPEC, (1,), 20, 2)
    return tune("cell", training, SPACE, Tuning(trials=trials, block=8), storage=url)


def test_a_study_in_a_storage_has_every_trial_with_natural_names(url: str) -> None:
    result = search(url)
    study = optuna.load_study(study_name="cell", storage=open_storage(url))
    assert len(study.trials) == 16
    lr = torch.cat([block.values["lr"] for block in result.blocks]).tolist()
    assert [trial.params["lr"] for trial in study.trials] == lr
    gamma = torch.cat([block.values["gamma"] for block in result.blocks]).tolist()
    assert [trial.user_attrs["gamma"] for trial in study.trials] == gamma
    assert set(study.trials[0].distributions) == {"lr", "1 - gamma"}


def test_a_second_process_adds_only_what_is_missing_and_sees_the_others_trials(url: str) -> None:
    first = search(url, trials=8)
    second = search(url, trials=16)
    assert sum(len(block.trials) for block in second.blocks) == 8
    assert [other.number for other in second.others] == list(range(8))
    assert second.winner is not None
    assert first.winner is not None
    assert second.winner.objective <= first.winner.objective
    third = search(url, trials=16)
    assert third.blocks == []
    assert third.winner is not None
    assert third.winner.objective == second.winner.objective


def test_running_trials_of_a_dead_process_are_failed_and_asked_again(url: str) -> None:
    search(url, trials=8)
    study = optuna.load_study(study_name="cell", storage=open_storage(url))
    zombie, elsewhere = study.ask(SPACE.distributions()), study.ask(SPACE.distributions())
    zombie.set_user_attr(WORKER, f"{socket.gethostname()}:{2**22 + 1}")  # above the largest process number
    elsewhere.set_user_attr(WORKER, "another-machine:1")
    search(url, trials=16)
    states = [trial.state for trial in study.get_trials()]
    assert states.count(TrialState.FAIL) == 1
    assert states.count(TrialState.RUNNING) == 1  # it may well be alive over there
    assert states.count(TrialState.COMPLETE) + states.count(TrialState.PRUNED) == 15


def test_a_process_killed_while_it_asks_leaves_no_trial_behind(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(study: optuna.Study, _: object) -> optuna.Trial:
        study.ask()  # in the storage, and nothing suggested yet
        raise KeyboardInterrupt

    with monkeypatch.context() as killing:
        killing.setattr(module, "ask_quietly", killed)
        killing.setattr(module, "_worker", lambda: f"{socket.gethostname()}:{2**22 + 1}")
        with pytest.raises(KeyboardInterrupt):
            search(url)
    search(url)
    states = [trial.state for trial in optuna.load_study(study_name="cell", storage=open_storage(url)).trials]
    assert states.count(TrialState.COMPLETE) + states.count(TrialState.PRUNED) == 16
    assert states.count(TrialState.RUNNING) + states.count(TrialState.WAITING) == 0


def test_a_shared_study_that_widens_numbers_its_trials_on(url: str) -> None:
    spec = OPTIMIZERS["sgd"]
    space = Space.of(spec, Searching(search={"lr": [1e-3, 1e-2]}))  # the best lr is near 0.45
    training = Training(make_problem("ellipse"), spec, (1,), 20, 2)
    result = tune("wide", training, space, Tuning(trials=24, block=8, widen=2, pruner="none"), storage=url)
    assert result.widened == 2
    assert [number for block in result.blocks for number in block.trial_numbers] == list(range(72))
    assert optuna.get_all_study_names(open_storage(url)) == ["wide", "wide widened 1", "wide widened 2"]
    again = tune("wide", training, space, Tuning(trials=24, block=8, widen=2, pruner="none"), storage=url)
    assert again.winner == result.winner
    assert [other.number for other in again.others] == list(range(72))


def test_a_study_that_is_out_of_time_closes_its_storage(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []
    monkeypatch.setattr(module, "close_storage", closed.append)
    training = Training(make_problem("ellipse"), SPEC, (1,), 20, 2)
    with pytest.raises(OutOfTime):
        tune("cell", training, SPACE, Tuning(trials=16, block=8), Checkpoints(deadline=0.0), url)
    assert len(closed) == 1


@pytest.mark.parametrize(
    ("url", "sampler", "message"),
    [
        ("sqlite:///unused.db", "grid", "a grid needs no storage"),
        ("studies.db", "tpe", "a storage is a URL"),
        ("sqlite:////no/such/folder/x.db", "tpe", "cannot be opened"),
    ],
)
def test_a_storage_that_does_not_serve_is_refused_before_anything_is_written(
    url: str, sampler: str, message: str, tmp_path: Path
) -> None:
    suite = Suite.checked({**TINY, "tuning": {"trials": 4, "sampler": sampler}}, "test")
    with pytest.raises(StepscapeError, match=message):
        run(suite, tmp_path / "out", storage=url)
    assert not (tmp_path / "out").exists()


def test_a_suite_that_changed_its_objective_has_another_study(url: str, tmp_path: Path) -> None:
    for number, tuning in enumerate([{"trials": 4}, {"trials": 4, "objective": "best"}, {"trials": 6}]):
        run(Suite.checked({**TINY, "tuning": {"studies": 1, **tuning}}, "test"), tmp_path / str(number), storage=url)
    storage = open_storage(url)
    studies = [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]
    assert sorted(len(study.trials) for study in studies) == [5, 7]  # more trials join those that are there
    (cell,) = Record.load(tmp_path / "2")
    assert cell.info.protocol.trials == len(cell.trials) - 1 == 6  # the defaults aside
    close_storage(storage)


def test_quasi_random_trials_in_a_storage_are_one_sequence(url: str) -> None:
    tuning = Tuning(sampler="qmc", trials=16, block=4)
    space = Space.of(OPTIMIZERS["sgd"], Searching())
    training = Training(make_problem("ellipse"), OPTIMIZERS["sgd"], (1,), 5, 2)
    study = tune("cell", training, space, tuning, storage=url)
    places = [space.searched[0].position(float(lr)) for block in study.blocks for lr in block.values["lr"]]
    assert sorted(int(16 * place) for place in places) == list(range(16))


def test_both_objectives_of_other_processes_are_recorded(url: str) -> None:
    tuning = Tuning(trials=4, block=4, objective=["final", "best"])
    training = Training(make_problem("ellipse"), SPEC, (1,), 5, 2)
    mine = tune("cell", training, SPACE, tuning, storage=url)
    seen = trials_table([tune("cell", training, SPACE, tuning, storage=url)])
    pd.testing.assert_frame_equal(
        trials_table([mine])[["objective", "objective_2"]], seen[["objective", "objective_2"]], check_exact=True
    )


@pytest.mark.parametrize("url", ["studies.db", "sqlite", ""])
def test_a_malformed_storage_is_a_users_mistake(url: str) -> None:
    with pytest.raises(UsageError, match="a storage is a URL"):
        open_storage(url)


def test_a_storage_that_cannot_be_opened_says_so_without_the_password() -> None:
    with pytest.raises(StepscapeError, match="cannot be opened") as caught:
        open_storage("postgresql+psycopg://me:secret@127.0.0.1:9/none")
    assert "secret" not in str(caught.value)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cell, ...]:
    folder = tmp_path_factory.mktemp("storage") / "tiny"
    assert not run(SUITE, folder).failed
    return Record.load(folder).cells


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_an_exported_study_is_what_optuna_would_have(cells: tuple[Cell, ...], kind: str, tmp_path: Path) -> None:
    cell = cells[0]
    url = f"{kind}:///{tmp_path}/studies"
    assert export_cell(cell, url)
    study = optuna.load_study(study_name=study_name(cell), storage=open_storage(url))
    assert len(study.trials) == len(cell.trials)
    assert study.best_value == cell.trials["objective"].min() == cell.info.winner.objective
    assert study.best_trial.user_attrs["gamma"] == cell.info.winner.hyperparameters["gamma"]
    assert study.user_attrs["fingerprint"] == cell.info.problem.fingerprint
    assert study.metric_names == ["final"]
    for trial, row in zip(study.trials, cell.trials.to_dict("records"), strict=True):
        assert (trial.state is TrialState.PRUNED) == (row["state"] == "pruned")
        assert trial.params["lr"] == pytest.approx(row["lr"], rel=1e-12)
        assert 1 - trial.params["1 - gamma"] == pytest.approx(row["gamma"], abs=1e-12)
        assert trial.intermediate_values
    for evaluator in (optuna.importance.FanovaImportanceEvaluator(n_trees=8, seed=0), None):  # None: PED-ANOVA
        importances = optuna.importance.get_param_importances(study, evaluator=evaluator)
        assert set(importances) == {"lr", "1 - gamma"}
        assert sum(importances.values()) == pytest.approx(1)


@pytest.mark.parametrize("aggregate", ["mean", "median", "q0.9"])
def test_an_exported_study_says_what_the_live_one_was_told(aggregate: str, url: str, tmp_path: Path) -> None:
    tuning = SUITE.tuning.model_copy(
        update={"aggregate": Aggregate.parse(aggregate), "seeds": [1, 2, 3], "sampler": "random"}
    )
    steep = {"sgd": Overrides(search={"lr": [1e-2, 100.0]})}  # many diverge, some seeds a few steps before others
    suite = SUITE.model_copy(update={"optimizers": ["sgd"], "tuning": tuning, "optimizer": steep})
    (cell,) = Record.load(run(suite, tmp_path / "tiny", storage=url).folder).cells
    assert {"complete", "diverged", "pruned"} == set(cell.trials["state"])
    storage = open_storage(url)
    (live,) = optuna.get_all_study_names(storage)
    assert export_cell(cell, url, diverged="inf")
    told, exported = (optuna.load_study(study_name=name, storage=storage).trials for name in (live, study_name(cell)))
    for one, other in zip(told, exported, strict=True):
        assert (one.state, one.params, one.distributions) == (other.state, other.params, other.distributions)
        assert one.state is TrialState.PRUNED or one.values == other.values
        assert one.intermediate_values == pytest.approx(other.intermediate_values, rel=1e-12)  # another sum's rounding


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_diverged_trial_is_exported_as_a_failed_one_that_no_plot_takes_for_the_best(
    kind: str, tmp_path: Path
) -> None:
    steep = {"sgd": Overrides(search={"lr": [1e-2, 100.0]})}
    suite = SUITE.model_copy(update={"optimizers": ["sgd"], "optimizer": steep})
    (cell,) = Record.load(run(suite, tmp_path / "tiny").folder).cells
    url = f"{kind}:///{tmp_path}/exported"
    assert export_cell(cell, url)
    trials = optuna.load_study(study_name=study_name(cell), storage=open_storage(url)).trials
    failed = [trial.number for trial in trials if trial.state is TrialState.FAIL]
    assert failed == [int(n) for n in cell.trials.loc[cell.trials["state"] == "diverged", "trial"]] != []
    assert all(np.isfinite(trial.value) for trial in trials if trial.state is TrialState.COMPLETE)


def test_an_exported_study_has_a_note_the_logarithm_of_the_gap_and_times_that_add_up(
    cells: tuple[Cell, ...], tmp_path: Path
) -> None:
    cell, url = cells[0], f"sqlite:///{tmp_path}/studies"
    assert export_cell(cell, url)
    study = optuna.load_study(study_name=study_name(cell), storage=open_storage(url))
    attributes = study._storage.get_study_system_attrs(study._study_id)
    assert attributes["dashboard:note_ver"] == 1
    assert attributes["dashboard:note_str:0"].startswith("**rmsprop on quadratic(dim=4)**, study 1 of 1.")
    assert f"Trial {cell.info.winner.trial} won: lr " in attributes["dashboard:note_str:0"]
    finished = [trial for trial in study.trials if trial.state is TrialState.COMPLETE]
    for trial in finished:
        assert 10 ** trial.user_attrs["log10_gap"] == pytest.approx(trial.value - cell.floor, rel=1e-6)
    spans = sorted({(trial.datetime_start, trial.datetime_complete) for trial in study.trials})
    assert len(spans) == cell.trials["block"].nunique() > 1
    for (_, ended), (began, _) in pairwise(spans):
        assert ended == began
    lasted = (spans[-1][1] - spans[0][0]).total_seconds()
    assert lasted == pytest.approx(cell.info.seconds.tuning, abs=1e-4)


def test_a_long_note_is_kept_in_pieces(cells: tuple[Cell, ...], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies"
    told = replace(cells[0].info, problem=replace(cells[0].info.problem, description="long " * 1000))
    cell = Cell(cells[0].path, told)
    assert export_cell(cell, url)
    study = optuna.load_study(study_name=study_name(cell), storage=open_storage(url))
    attributes = study._storage.get_study_system_attrs(study._study_id)
    pieces = [attributes[f"dashboard:note_str:{place}"] for place in range(3)]
    assert max(map(len, pieces)) <= 2045
    assert "long " * 1000 in "".join(pieces)


def test_other_trials_of_the_same_study_are_not_taken_for_it(cells: tuple[Cell, ...], url: str, tmp_path: Path) -> None:
    assert export_cell(cells[0], url)
    folder = shutil.copytree(cells[0].path, tmp_path / "again")
    (folder / "digests.json").unlink()  # by which the table would be known for another
    cells[0].trials.assign(lr=cells[0].trials["lr"] / 2).to_parquet(folder / "trials.parquet")
    with pytest.raises(UsageError, match="holds another study named"):
        export_cell(Cell.load(folder), url)


def test_an_export_is_repeatable_and_never_overwrites(cells: tuple[Cell, ...], url: str, tmp_path: Path) -> None:
    assert export_cell(cells[0], url)
    assert not export_cell(cells[0], url)
    other = run(SUITE.model_copy(update={"steps": 16}), tmp_path / "other")
    changed = Record.load(other.folder).cells[0]
    with pytest.raises(UsageError, match="holds another study named"):
        export_cell(changed, url)


def test_a_suite_run_in_a_storage_records_what_it_trained(url: str, tmp_path: Path) -> None:
    result = run(SUITE, tmp_path / "tiny", storage=url)
    assert not result.failed
    for cell in Record.load(tmp_path / "tiny"):
        storage = open_storage(url)
        (name,) = [n for n in optuna.get_all_study_names(storage) if n.startswith(f"tiny/{cell.name}/")]
        study = optuna.load_study(study_name=name, storage=storage)
        assert len(study.trials) == len(cell.trials) == 25
        assert study.best_value == cell.info.winner.objective


def test_the_dashboard_shows_every_study_and_leaves_no_file(
    cells: tuple[Cell, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = []

    def run_server(storage: optuna.storages.RDBStorage, host: str, port: int) -> None:
        shown.extend([set(optuna.get_all_study_names(storage)), Path(storage.engine.url.database), (host, port)])
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "optuna_dashboard", SimpleNamespace(run_server=run_server))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(SystemExit) as left:
        main(["dashboard", str(cells[0].path.parents[1]), "--port", str(port)])
    assert left.value.code == 0
    assert f"http://127.0.0.1:{port}" in capsys.readouterr().out
    names, file, where = shown
    assert names == {study_name(cell) for cell in cells}
    assert where == ("127.0.0.1", port)
    assert not file.exists()


def test_the_dashboard_says_how_it_is_installed(
    cells: tuple[Cell, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    with pytest.raises(SystemExit) as left:
        main(["dashboard", str(cells[0].path.parents[1])])
    assert left.value.code == 2
    assert "not installed: pip install 'stepscape[dashboard]'" in capsys.readouterr().err
