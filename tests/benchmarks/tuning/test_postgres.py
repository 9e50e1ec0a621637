"""Studies shared through a real PostgreSQL server: several processes work on one study and lose nothing."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from analysis.record.cells import Record
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite
from benchmarks.tuning.optuna_export import export_cell, study_name
from benchmarks.tuning.storages import close_storage, open_storage

pytestmark = pytest.mark.postgres

SUITE = """
name = "shared"
problems = ["quadratic(dim=4)"]
optimizers = ["rmsprop"]
steps = 32
[tuning]
studies = 1
trials = 48
block = 8
seeds = 2
[test]
seeds = 2
[landscape]
enabled = false
"""
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
WORKER = """
import sys
from pathlib import Path
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite
failed = run(Suite.load(sys.argv[1]), Path(sys.argv[2]), storage=sys.argv[3]).failed
sys.exit(failed[0].error if failed else 0)
"""
LONGER = (
    SUITE.replace('"shared"', '"four"')
    .replace("steps = 32", "steps = 3000")
    .replace("trials = 48", 'trials = 64\npruner = "none"')
)


def binary(name: str) -> str | None:
    """The newest server's program of that name, on the path or where Debian puts it."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(debian[0]) if debian else None)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A throw-away server on a free loopback port; its URL."""
    initdb, postgres = binary("initdb"), binary("postgres")
    if initdb is None or postgres is None:
        pytest.skip("no PostgreSQL server is installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        Path(folder).chmod(0o777)
        data = f"{folder}/data"
        subprocess.run([*as_user, initdb, "-D", data, "-A", "trust", "-U", "bench"], check=True, capture_output=True)
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [*as_user, postgres, "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            ready = [binary("pg_isready") or "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
            for _ in range(60):
                if subprocess.run(ready, check=False, capture_output=True).returncode == 0:
                    break
            yield f"postgresql+psycopg://bench@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*as_user, "kill", "-INT", str(_postmaster(data) or process.pid)], check=False)
            process.wait(timeout=30)


def _postmaster(data: str) -> int | None:
    try:
        return int((Path(data) / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError):
        return None


def test_two_processes_share_a_study_and_every_trial_is_told_once(server: str, tmp_path: Path) -> None:
    (tmp_path / "shared.toml").write_text(SUITE)
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, tmp_path / "shared.toml", tmp_path / name, server])
        for name in ("one", "two")
    ]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    storage = open_storage(server)
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    close_storage(storage)
    told = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    assert sorted(trial.number for trial in trials) == list(range(len(trials)))
    assert 49 <= len(told) <= 49 + 8  # both may ask their last block at once
    assert len({trial.user_attrs["stepscape.worker"] for trial in told}) == 2


def test_an_export_to_postgresql_can_be_loaded(server: str, tmp_path: Path) -> None:
    run(Suite.parse(SUITE.replace('"shared"', '"exported"'), "test"), tmp_path / "out")
    cell = Record.load(tmp_path / "out").cells[0]
    assert export_cell(cell, server)
    storage = open_storage(server)
    best = optuna.load_study(study_name=study_name(cell), storage=storage).best_value
    close_storage(storage)
    assert best == cell.info.winner.objective


def driver(server: str, suite: Path, out: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER, suite, out, server])


def trials_of(server: str, study: str) -> list[FrozenTrial]:
    """The trials of the study whose name begins so; none before there is one."""
    storage = open_storage(server)
    try:
        names = [name for name in optuna.get_all_study_names(storage) if name.startswith(study)]
        return optuna.load_study(study_name=names[0], storage=storage).trials if names else []
    finally:
        close_storage(storage)


def asked_by(process: subprocess.Popen[bytes], trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.user_attrs["stepscape.worker"].endswith(f":{process.pid}")]


def in_the_middle(trials: list[FrozenTrial]) -> bool:
    return {trial.state for trial in trials} >= {TrialState.COMPLETE, TrialState.RUNNING}


def test_of_four_drivers_on_one_study_one_is_killed_and_no_trial_is_lost_or_counted_twice(
    server: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    suite = tmp_path / "four.toml"
    suite.write_text(LONGER)
    drivers = [driver(server, suite, tmp_path / str(number)) for number in range(4)]
    request.addfinalizer(lambda: [(each.kill(), each.wait()) for each in drivers])
    killed, *others = drivers
    left: list[FrozenTrial] = []
    while not in_the_middle(left):
        assert killed.poll() is None, "it ended before it could be killed in the middle"
        if in_the_middle(asked_by(killed, trials_of(server, "four/"))):
            killed.send_signal(signal.SIGSTOP)  # what is seen now is what it has when it is killed
            left = asked_by(killed, trials_of(server, "four/"))
            killed.send_signal(signal.SIGSTOP if in_the_middle(left) else signal.SIGCONT)
    killed.kill()
    killed.wait()
    assert [each.wait(timeout=240) for each in others] == [0, 0, 0]

    trials = trials_of(server, "four/")
    told = {trial.number: trial for trial in trials if trial.state in FINISHED}
    given_up = [trial for trial in trials if trial.state not in FINISHED]
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert 65 <= len(told) <= 65 + 3 * 8  # those asked for and the defaults; all may ask their last block at once
    assert {trial.state for trial in given_up} == {TrialState.FAIL}
    gave_way = {trial.number for trial in given_up if trial.params == trials[0].params}  # drivers that begin together
    lost = {trial.number for trial in left if trial.state not in FINISHED}
    assert {trial.number for trial in given_up} == lost | gave_way
    assert len(gave_way) <= 4
    assert {trial.number for trial in left if trial.state in FINISHED} <= set(told)  # what it told before is kept
    trained = [tuple(sorted(trial.params.items())) for trial in told.values()]
    assert len(set(trained)) == len(trained)  # none twice
    assert tuple(sorted(trials[0].params.items())) in trained  # the defaults, by whichever of those that began together

    again = driver(server, suite, tmp_path / "0")  # it goes on from what is there, and asks nothing
    assert again.wait(timeout=120) == 0
    assert len(trials_of(server, "four/")) == len(trials)
    recorded = [Record.load(tmp_path / str(number)).cells[0] for number in range(4)]
    for cell in recorded:
        numbers = list(cell.trials["trial"])
        assert len(numbers) == len(set(numbers))
        assert set(numbers) <= set(told)
        rates = {number: told[number].params["lr"] for number in numbers}
        assert dict(zip(numbers, cell.trials["lr"], strict=True)) == rates
    assert set(recorded[0].trials["trial"]) == set(told)  # the last one to end has them all
    assert any(set(cell.trials["trial"]) == set(told) for cell in recorded[1:])
