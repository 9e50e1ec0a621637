"""Studies that several processes share through one file: no trial is asked twice, none is missing in the end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import OperationalError

from benchmarks.engine.training import Training
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.record.checkpoints import Checkpoints, OutOfTime
from benchmarks.running.run_suite import run
from benchmarks.suite.settings import Searching, Tuning
from benchmarks.suite.suite import Suite
from benchmarks.tuning import session as module
from benchmarks.tuning.session import WORKER, Session
from benchmarks.tuning.space import Space
from benchmarks.tuning.storages import open_storage
from benchmarks.tuning.study import tune
from benchmarks.tuning.trials import Study

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
SEARCHER = """
import sys
import time
from pathlib import Path
from benchmarks.engine.training import Training
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.suite.settings import Searching, Tuning
from benchmarks.tuning.space import Space
from benchmarks.tuning.study import tune

url, folder, mine, wanted, steps = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
spec = OPTIMIZERS["rmsprop"]
training = Training(make_problem("quadratic(dim=4)"), spec, (1, 2), steps, steps // 16)
(folder / mine).touch()
while len(list(folder.iterdir())) < wanted:  # so that all begin at once
    time.sleep(0.01)
tune("cell", training, Space.of(spec, Searching()), Tuning(trials=24, block=4), storage=url)
"""


def searchers(url: str, folder: Path, count: int, steps: int = 32) -> list[subprocess.Popen[bytes]]:
    folder.mkdir()
    arguments = [[url, folder, str(number), str(count), str(steps)] for number in range(count)]
    return [subprocess.Popen([sys.executable, "-c", SEARCHER, *map(str, one)]) for one in arguments]


def trials_at(url: str) -> Sequence[FrozenTrial]:
    return optuna.load_study(study_name="cell", storage=open_storage(url)).get_trials(deepcopy=False)


def search(url: str, checkpoints: Checkpoints | None = None) -> Study:
    spec = OPTIMIZERS["rmsprop"]
    training = Training(make_problem("ellipse"), spec, (1,), 20, 2)
    return tune("cell", training, Space.of(spec, Searching()), Tuning(trials=16, block=8), checkpoints, url)


def leave_running(url: str, pid: int) -> None:
    """Put a trial there that process ``pid`` of this machine asked and has not told."""
    study = optuna.create_study(study_name="cell", storage=open_storage(url), load_if_exists=True)
    study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={WORKER: f"{socket.gethostname()}:{pid}"}))


@pytest.mark.slow
def test_four_processes_that_share_an_sqlite_file_all_finish_and_miss_no_trial(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    assert [process.wait(120) for process in searchers(url, tmp_path / "ready", 4)] == [0] * 4
    trials = trials_at(url)
    assert {trial.state for trial in trials} <= set(FINISHED)
    assert 24 <= len(trials) <= 24 + 4 * 3  # all may ask their last block at once
    assert [trial.number for trial in trials] == list(range(len(trials)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_the_trials_of_a_process_that_is_killed_are_made_up_by_the_others(kind: str, tmp_path: Path) -> None:
    url = f"{kind}:///{tmp_path}/studies.db"
    killed, *survivors = searchers(url, tmp_path / "ready", 3, steps=5000)
    mine = f"{socket.gethostname()}:{killed.pid}"
    while not [trial for trial in _trials_so_far(url) if trial.user_attrs[WORKER] == mine]:
        time.sleep(0.5)
    killed.kill()
    assert [process.wait(240) for process in survivors] == [0, 0]
    states = [trial.state for trial in trials_at(url)]
    assert sum(state in FINISHED for state in states) >= 24
    assert TrialState.RUNNING not in states
    killed.wait()


def _trials_so_far(url: str) -> Sequence[FrozenTrial]:
    try:
        return trials_at(url)
    except Exception:  # the study is not made yet
        return []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_a_study_waits_for_what_another_process_trains_and_makes_up_for_it(kind: str, tmp_path: Path) -> None:
    url = f"{kind}:///{tmp_path}/studies.db"
    other = subprocess.Popen(["sleep", "1"])  # ends, and nobody looks after it
    leave_running(url, other.pid)
    study = search(url)
    assert len(study.trials) == 16
    assert [trial.state for trial in trials_at(url)].count(TrialState.FAIL) == 1
    other.wait()


def test_a_study_waits_no_longer_than_its_deadline(tmp_path: Path) -> None:
    url = f"journal:///{tmp_path}/studies.log"
    leave_running(url, os.getppid())
    with pytest.raises(OutOfTime):
        search(url, Checkpoints(deadline=time.time() + 1))


DEFAULTS = {"lr": 0.01, "gamma": 0.9}


def session(url: str) -> Session:
    space = Space.of(OPTIMIZERS["rmsprop"], Searching())
    return Session("cell", space, Tuning(trials=16, block=4), optuna.pruners.NopPruner(), url, DEFAULTS)


def defaults_at(url: str) -> list[TrialState]:
    """The states of the trials of the defaults."""
    return [trial.state for trial in trials_at(url) if trial.user_attrs.get("lr", 0.01) == trial.params["lr"] == 0.01]


def test_of_drivers_that_begin_in_the_same_moment_one_tries_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"journal:///{tmp_path}/studies.log"
    one, other = session(url), session(url)
    monkeypatch.setattr(other, "_trials_there", list)  # both have seen a study without any trial
    first, second = one.ask(0), other.ask(0)
    assert first is not None
    assert second is not None
    assert dict(first.values[0]) == DEFAULTS
    assert DEFAULTS not in second.values
    assert len(second.values) == 4
    assert defaults_at(url) == [TrialState.RUNNING, TrialState.FAIL]
    for each in (one, other):
        each.close()


def test_defaults_whose_driver_ended_are_tried_by_another(tmp_path: Path) -> None:
    url = f"journal:///{tmp_path}/studies.log"
    lost, other = session(url), session(url)
    assert lost.ask(0) is not None
    second = other.ask(0)
    lost.close()  # which fails its trials
    third = other.ask(1)
    assert second is not None
    assert third is not None
    assert DEFAULTS not in second.values
    assert dict(third.values[0]) == DEFAULTS
    assert defaults_at(url) == [TrialState.FAIL, TrialState.RUNNING]
    other.close()


def test_who_is_just_being_asked_is_waited_for_before_the_defaults_are_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"journal:///{tmp_path}/studies.log"
    leave_running(url, os.getpid())  # a trial without values yet
    monkeypatch.setattr(module, "ASKING", 0.3)
    late = session(url)
    monkeypatch.setattr(late, "_trials_there", list)
    began = time.monotonic()
    asked = late.ask(0)
    assert time.monotonic() - began > 0.3
    assert asked is not None
    assert dict(asked.values[0]) == DEFAULTS
    late.close()


def test_a_process_that_hangs_is_not_waited_for_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_PATIENCE", 0.1)
    url = f"journal:///{tmp_path}/studies.log"
    leave_running(url, os.getppid())
    assert len(search(url).trials) == 15


def test_a_search_that_is_broken_off_leaves_its_trials_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"journal:///{tmp_path}/studies.log"
    with monkeypatch.context() as breaking:
        breaking.setattr(Checkpoints, "trace", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            search(url)
    assert {trial.state for trial in trials_at(url)} == {TrialState.FAIL}
    assert len(search(url).trials) == 16


def test_a_trial_that_waits_in_an_sqlite_file_is_given_to_one_process_only(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    first, second = (
        optuna.create_study(study_name="cell", storage=open_storage(url), load_if_exists=True) for _ in "ab"
    )
    first.enqueue_trial({})
    (waiting,) = second.get_trials(deepcopy=False)
    states = open_storage(url)
    with states.engine.begin() as reading:  # one process has looked at the trial and not taken it yet
        reading.exec_driver_sql("SELECT state FROM trials").all()
        taken = subprocess.Popen(
            [sys.executable, "-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0.1)"
             ".execute('UPDATE trials SET number = 7')", str(tmp_path / "studies.db")], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert taken.wait() == 1  # the file is locked
    assert waiting.number == 0
    assert {first.ask().number, second.ask().number} == {0, 1}


class StoppedError(Exception):
    """What a driver raises for a server that is shut down."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    ["create_new_trial", pytest.param("set_trial_state_values", marks=pytest.mark.slow), "get_all_trials"],
)
def test_a_database_that_stops_is_one_line_and_the_trials_that_were_told_are_kept(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    definition = {"problems": ["ellipse"], "optimizers": ["sgd"], "steps": 5, "tuning": {"trials": 8, "block": 4}}
    suite = Suite.checked({"name": "tiny", **definition, "landscape": {"enabled": False}}, "test")
    backend = type(optuna.storages.get_storage(open_storage(url)))
    calls, works = [0], getattr(backend, method)

    def stopping(*arguments: object, **named: object) -> object:
        calls[0] += 1
        if calls[0] <= 6:
            return works(*arguments, **named)
        raise StorageInternalError("An exception is raised during the commit.") from OperationalError(
            "UPDATE trials", {}, StoppedError("terminating connection due to administrator command\nserver closed")
        )

    monkeypatch.setattr(module, "LEAST_PATIENCE", 0.5)  # what was not told is waited for
    with monkeypatch.context() as stopped:
        stopped.setattr(backend, method, stopping)
        (failed,) = run(suite, tmp_path / "out", storage=url).failed
    assert failed.error == (
        "the Optuna storage failed: terminating connection due to administrator command; what was told is kept there, "
        "and the same command goes on from it"
    )
    assert not run(suite, tmp_path / "out", storage=url).failed
