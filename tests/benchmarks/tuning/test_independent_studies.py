"""The studies of a cell: independent of each other, each begun with the defaults, and the first as if it were alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from analysis.record.cells import Cell, Record
from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.record import checkpoints as kept
from benchmarks.record.checkpoints import Checkpoints
from benchmarks.record.folder import RecordFolder
from benchmarks.running.jobs import CellJob
from benchmarks.running.prepare import prepare
from benchmarks.running.run_suite import run
from benchmarks.suite.settings import SAMPLERS, Searching, Tuning
from benchmarks.suite.suite import Suite
from benchmarks.tuning import session
from benchmarks.tuning.optuna_export import export_cell, study_name
from benchmarks.tuning.samplers import trial_count
from benchmarks.tuning.space import Space
from benchmarks.tuning.storages import open_storage
from benchmarks.tuning.study import tune
from benchmarks.tuning.trials import Study

SPEC = OPTIMIZERS["rmsprop"]
TRAINING = Training(make_problem("ellipse"), SPEC, (1,), 20, 2)
DEFAULTS = SPEC.default_values
NUMBERS = ["block", "objective", "lr", "gamma"]
SUITE = Suite.checked(
    {
        "name": "tiny", "problems": ["quadratic(dim=4)"], "optimizers": ["rmsprop"], "steps": 32,
        "tuning": {"trials": 6, "block": 4, "seeds": 2}, "test": {"seeds": 2}, "landscape": {"enabled": False},
    },
    "test",
)  # fmt: skip
ALONE = SUITE.model_copy(update={"tuning": SUITE.tuning.model_copy(update={"studies": 1})})


def study(sampler: str, *, defaults: bool, storage: str | None = None, **searching) -> Study:
    trials = 4 if sampler == "gp" else 12  # each GP ask after the first block costs a second
    tuning = Tuning(sampler=sampler, trials=trials, block=4, pruner="none")
    space = Space.of(SPEC, Searching(**searching))
    return tune("cell", TRAINING, space, tuning, storage=storage, first=DEFAULTS if defaults else None)


def draws(result: Study) -> list[tuple[float, ...]]:
    return [tuple(trial.values.values()) for trial in result.trials]


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Cell:
    """A cell of three studies."""
    (found,) = Record.load(run(SUITE, tmp_path_factory.mktemp("three") / "tiny").folder).cells
    return found


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_study_begins_with_the_defaults_beside_the_trials_asked_for(sampler: str) -> None:
    result, without = study(sampler, defaults=True), study(sampler, defaults=False)
    assert result.trials[0].values == {name: DEFAULTS[name] for name in ("lr", "gamma")}  # to the bit
    assert [trial.number for trial in result.trials] == list(range(len(without.trials) + 1))
    assert [len(block.trials) for block in result.blocks[:2]] == [5, 4][: len(result.blocks)]
    assert (
        result.asked == without.asked == trial_count(Tuning(sampler=sampler, trials=len(without.trials)), result.space)
    )


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "cmaes"])  # seeded by each trial's number
def test_the_defaults_shift_nothing_that_a_sampler_draws(sampler: str) -> None:
    result, without = draws(study(sampler, defaults=True))[1:], draws(study(sampler, defaults=False))
    assert result[:4] == without[:4]
    assert sampler in ("tpe", "gp") or result == without  # these two learn of the first block, and so of the defaults


@pytest.mark.parametrize("sampler", ["tpe", "qmc", "grid"])
def test_defaults_outside_of_the_searched_ranges_are_left_out(sampler: str) -> None:
    beyond = {"search": {"lr": [0.1, 1.0]}}  # the default is 0.01
    result = study(sampler, defaults=True, **beyond)
    assert result.before == 0
    assert draws(result) == draws(study(sampler, defaults=False, **beyond))


def test_what_a_study_finds_is_never_worse_than_the_defaults_on_its_seeds() -> None:
    poor = {"search": {"lr": [1e-6, 0.0101]}, "fixed": {"gamma": 0.9}}  # on a log scale hardly a draw is above 0.01
    own = float(train(TRAINING, DEFAULTS).final_loss[0, 0])
    found, without = study("random", defaults=True, **poor).winner, study("random", defaults=False, **poor).winner
    assert found is not None
    assert without is not None
    assert found.objective <= own < without.objective
    assert (found.trial, found.values) == (0, DEFAULTS)


def test_a_widened_study_tries_the_defaults_once() -> None:
    space = Space.of(SPEC, Searching(search={"lr": [0.005, 0.02]}))  # the best lr is far above
    tuning = Tuning(trials=8, block=4, pruner="none", widen=1)
    result = tune("cell", TRAINING, space, tuning, first=DEFAULTS)
    assert result.widened == 1
    assert [trial.number for trial in result.trials if trial.values["lr"] == DEFAULTS["lr"]] == [0]
    assert (len(result.trials), result.asked) == (17, 16)


def test_a_shared_study_begins_with_the_defaults_and_other_processes_do_not_repeat_them(tmp_path: Path) -> None:
    url = f"journal:///{tmp_path}/studies.log"
    result = study("random", defaults=True, storage=url)
    again = study("random", defaults=True, storage=url)
    assert (again.blocks, len(again.others), again.asked) == ([], 13, 12)
    first = optuna.load_study(study_name="cell", storage=open_storage(url)).trials[0]
    assert {name: first.user_attrs[name] for name in ("lr", "gamma")} == result.trials[0].values
    assert result.trials[0].values["gamma"] == DEFAULTS["gamma"]


def test_a_process_killed_while_it_trains_the_defaults_leaves_them_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"journal:///{tmp_path}/studies.log"
    dead = f"{session.socket.gethostname()}:{2**22 + 1}"  # above the largest process number
    with monkeypatch.context() as killing:
        killing.setattr(session, "_worker", lambda: dead)
        killing.setattr(session.Session, "tell", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            study("random", defaults=True, storage=url)
    result = study("random", defaults=True, storage=url)
    trials = optuna.load_study(study_name="cell", storage=open_storage(url)).trials
    assert [trial.state for trial in trials].count(TrialState.FAIL) == 5
    assert [trial.state for trial in trials].count(TrialState.COMPLETE) == 13
    assert result.trials[0].values == {name: DEFAULTS[name] for name in ("lr", "gamma")}
    for trial in result.trials:  # what was trained is what the storage says
        assert trials[trial.number].params["lr"] == trial.values["lr"]


@pytest.mark.slow
def test_processes_that_begin_a_study_at_once_train_what_the_storage_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, asked, late = f"journal:///{tmp_path}/studies.log", session.ask_quietly, []

    def beaten(study: optuna.Study, distributions: dict) -> optuna.Trial:
        if not late:  # another process takes the trial that was added here
            late.append(study.ask(distributions))
        return asked(study, distributions)

    monkeypatch.setattr(session, "ask_quietly", beaten)
    monkeypatch.setattr(session, "LEAST_PATIENCE", 0.5)  # that process is never heard of again
    result = study("random", defaults=True, storage=url)
    trials = optuna.load_study(study_name="cell", storage=open_storage(url)).trials
    assert len(result.trials) == 12
    for trial in result.trials:
        told = trials[trial.number]
        assert told.params["lr"] == trial.values["lr"] == told.user_attrs["lr"]
        assert told.user_attrs[session.WORKER]
    assert late[0].params["lr"] == DEFAULTS["lr"]


def test_the_studies_of_a_cell_draw_and_train_each_by_themselves(cell: Cell) -> None:
    assert cell.info.protocol.studies == len(cell.info.studies) == 3
    assert [of.tuning_seeds for of in cell.info.studies] == [(1, 2), (10001, 10002), (20001, 20002)]
    assert [of.trials for of in cell.info.studies] == [7, 7, 7]
    assert (cell.info.protocol.trials, cell.info.protocol.tuning_seeds) == (6, (1, 2))
    sampled = cell.trials[cell.trials["trial"] > 0]
    assert sampled["lr"].is_unique
    for of in cell.info.studies:
        runs = cell.runs[(cell.runs["setting"] == "trial") & (cell.runs["study"] == of.study)]
        assert set(runs["seed"]) == set(of.tuning_seeds)
        trials = cell.trials[cell.trials["study"] == of.study].set_index("trial")
        assert trials.loc[0, "lr"] == cell.info.defaults["lr"]
        assert of.winner is not None
        assert (of.winner.trial, of.winner.objective) == (trials["objective"].idxmin(), trials["objective"].min())


def test_the_winner_of_every_study_is_tested_and_the_defaults_once(cell: Cell) -> None:
    tested = cell.runs[cell.runs["setting"] != "trial"]
    assert list(tested["setting"]) == ["tuned"] * 6 + ["default"] * 2
    assert tested.loc[tested["setting"] == "default", "study"].isna().all()
    for of in cell.info.studies:
        runs = tested[tested["study"] == of.study]
        assert list(runs["seed"]) == [1001, 1002]
        assert set(runs["lr"]) == {of.winner.hyperparameters["lr"]}
    best = min(cell.info.studies, key=lambda of: of.winner.objective)
    assert cell.info.best_study == best
    assert cell.info.winner == best.winner


def test_the_first_of_three_studies_is_the_study_of_a_cell_that_has_one(cell: Cell, tmp_path: Path) -> None:
    (alone,) = Record.load(run(ALONE, tmp_path / "tiny").folder).cells
    assert alone.info.studies == cell.info.studies[:1]
    for table in ("trials", "runs", "curves"):
        mine, its = getattr(cell, table), getattr(alone, table)
        first = mine[(mine["study"] == 0) | mine["study"].isna()].reset_index(drop=True)
        pd.testing.assert_frame_equal(first, its, check_exact=True)


def test_a_cell_broken_off_in_its_second_study_ends_like_one_that_was_not(
    cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "WORTH_KEEPING", 0.0)
    plain, names = Checkpoints.trace, []

    def counted(self, name, configurations, make):
        if len(names) == 3:
            raise KeyboardInterrupt
        names.append(name)
        return plain(self, name, configurations, make)

    RecordFolder(tmp_path).open(SUITE)
    job = CellJob(SUITE.cells()[0], RecordFolder(tmp_path))
    with monkeypatch.context() as broken:
        broken.setattr(Checkpoints, "trace", counted)
        with pytest.raises(KeyboardInterrupt):
            job.run()
    files = sorted((tmp_path / "unfinished").rglob("*.pt"))
    assert [(file.parent.name, file.name[:10]) for file in files] == [
        ("study-1", "block-0000"), ("study-1", "block-0001"), ("study-2", "block-0000"),
    ]  # fmt: skip
    again = Cell.load(job.run())
    assert replace(again.info, seconds=cell.info.seconds, cost=cell.info.cost) == cell.info
    for table in ("trials", "runs", "curves"):
        pd.testing.assert_frame_equal(getattr(again, table), getattr(cell, table), check_exact=True)


def test_each_study_of_a_cell_is_exported_as_a_study(cell: Cell, tmp_path: Path) -> None:
    url = f"journal:///{tmp_path}/studies.log"
    assert export_cell(cell, url) == 3
    assert export_cell(cell, url) == 0
    storage = open_storage(url)
    name = f"tiny/{cell.name}"
    assert sorted(optuna.get_all_study_names(storage)) == [name, f"{name} study 2", f"{name} study 3"]
    for of in cell.info.studies:
        loaded = optuna.load_study(study_name=study_name(cell, of.study), storage=storage)
        own = cell.trials[cell.trials["study"] == of.study]
        assert [trial.params["lr"] for trial in loaded.trials] == own["lr"].tolist()
        assert loaded.best_value == of.winner.objective
        assert loaded.user_attrs["study"] == of.study + 1
        assert tuple(loaded.user_attrs["tuning_seeds"]) == of.tuning_seeds
        assert all(trial.intermediate_values for trial in loaded.trials)


def test_each_study_of_a_cell_is_a_study_of_its_own_in_a_shared_storage(tmp_path: Path) -> None:
    url = f"journal:///{tmp_path}/studies.log"
    for count in (2, 3):
        tuning = SUITE.tuning.model_copy(update={"studies": count, "trials": 2})
        result = run(SUITE.model_copy(update={"tuning": tuning}), tmp_path / str(count), storage=url)
    names = optuna.get_all_study_names(open_storage(url))
    assert sorted(name.rpartition("/")[2][16:] for name in names) == ["", " study 2", " study 3"]
    (cell,) = Record.load(result.folder).cells
    assert [len(of) for _, of in cell.trials.groupby("study")] == [3, 3, 3]
    trained = cell.trials["block"] >= 0  # the first two studies were there already
    assert trained.groupby(cell.trials["study"]).any().tolist() == [False, False, True]


def test_the_updates_ahead_are_those_of_all_studies_and_their_winners() -> None:
    lanes = 3 * (1 + 6) * 2 + (3 + 1) * 2
    assert prepare(SUITE.cells()[0]).lane_steps == lanes * 32
    assert prepare(ALONE.cells()[0]).lane_steps == ((1 + 6) * 2 + (1 + 1) * 2) * 32


def test_a_landscape_spans_what_every_study_searched(tmp_path: Path) -> None:
    tables = {
        "tuning": {"studies": 2, "sampler": "random", "trials": 18, "block": 18, "widen": 1, "pruner": "none"},
        "landscape": {"grid": "5x2"},
        "optimizer": {"sgd": {"search": {"lr": [0.02, 0.3]}}},
    }
    suite = Suite.checked({"name": "wide", "problems": ["ellipse"], "optimizers": ["sgd"], **tables}, "test")
    (cell,) = Record.load(run(suite, tmp_path / "wide").folder).cells
    (lr,) = cell.info.optimizer.hyperparameters
    assert [of.widened for of in cell.info.studies] == [1, 0]
    assert (cell.landscape["lr"].min(), cell.landscape["lr"].max()) == (lr.low, lr.high)
    assert lr.low == 0.02
    assert lr.high > 1
    assert cell.trials["lr"].between(lr.low, lr.high).all()
