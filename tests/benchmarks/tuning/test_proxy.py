"""Studies kept behind Optuna's gRPC proxy server: the same trials as anywhere, and what fails there as one sentence."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pandas as pd
import pytest

from analysis.record.cells import Record
from benchmarks.engine.training import Training
from benchmarks.errors import StepscapeError, UsageError
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.running.run_suite import run
from benchmarks.suite.settings import Searching, Tuning
from benchmarks.suite.suite import Suite
from benchmarks.tuning import storages
from benchmarks.tuning.space import Space
from benchmarks.tuning.storages import close_storage, open_storage
from benchmarks.tuning.study import tune
from benchmarks.tuning.trials import Trial

SERVER = """
import sys
import optuna
optuna.storages.run_grpc_proxy_server(optuna.storages.get_storage(sys.argv[1]), port=int(sys.argv[2]))
"""
STARTING = 60  # seconds


def tiny(sampler: str) -> Suite:
    tuning = {"studies": 1, "trials": 24, "block": 8, "seeds": 2, "sampler": sampler}
    definition = {"name": "tiny", "problems": ["ellipse"], "optimizers": ["rmsprop"], "steps": 20, "tuning": tuning}
    return Suite.checked({**definition, "test": {"seeds": 2}, "landscape": {"enabled": False}}, "test")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A proxy server before an SQLite file, and its address."""
    pytest.importorskip("grpc", reason="grpcio is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-c", SERVER, f"sqlite:///{tmp_path}/behind.db", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    url = f"grpc://127.0.0.1:{port}"
    began = time.monotonic()
    while True:
        try:
            close_storage(open_storage(url))
            break
        except StepscapeError:
            assert process.poll() is None
            assert time.monotonic() - began < STARTING
    try:
        yield process, url
    finally:
        process.kill()
        process.wait()


def searched(sampler: str, storage: str | None) -> list[Trial]:
    spec = OPTIMIZERS["rmsprop"]
    training = Training(make_problem("ellipse"), spec, (1,), 20, 2)
    tuning = Tuning(trials=24, block=8, sampler=sampler)
    return list(tune("cell", training, Space.of(spec, Searching()), tuning, storage=storage).trials)


def recorded(folder: Path, storage: str | None) -> pd.DataFrame:
    result = run(tiny("tpe"), folder, storage=storage)
    assert not result.failed
    return Record.load(folder).cells[0].trials


@pytest.mark.slow
def test_a_proxy_gives_the_trials_that_memory_or_a_file_gives(
    server: tuple[subprocess.Popen[bytes], str], tmp_path: Path
) -> None:
    _, url = server
    assert repr(searched("qmc", url)) == repr(searched("qmc", None))  # nan of a pruned one is not equal to itself
    # TPE draws for each process that shares a study otherwise: here it is the same one
    there, here = recorded(tmp_path / "proxy", url), recorded(tmp_path / "file", f"sqlite:///{tmp_path}/studies.db")
    pd.testing.assert_frame_equal(there, here, check_exact=True)


@pytest.mark.slow
def test_a_proxy_that_stops_is_one_sentence_and_what_was_told_is_kept(
    server: tuple[subprocess.Popen[bytes], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, url = server
    tell, told = optuna.Study.tell, [0]

    def stopping(*arguments: object, **named: object) -> object:
        told[0] += 1
        if told[0] == 12:
            process.kill()
            process.wait()
        return tell(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(optuna.Study, "tell", stopping)
    (failed,) = run(tiny("tpe"), tmp_path / "out", storage=url).failed
    assert failed.error is not None
    # in which words depends on whether the connection is lost or not made any more
    assert failed.error.startswith("the Optuna storage failed: a call of its proxy ended (")
    assert failed.error.endswith("what was told is kept there, and the same command goes on from it")
    assert "\n" not in failed.error
    storage = open_storage(f"sqlite:///{tmp_path}/behind.db")
    (name,) = optuna.get_all_study_names(storage)
    trials = optuna.load_study(study_name=name, storage=storage).trials
    close_storage(storage)
    assert sum(trial.state.is_finished() for trial in trials) == 11


@pytest.mark.parametrize(
    "url",
    ["grpc://", "grpc://host", "grpc://host:", "grpc://host:port", "grpc://:13000", "grpc://me:secret@host:13000",
     "grpc://host:13000/studies", "grpc://[::1:13000"],
)  # fmt: skip
def test_an_address_that_is_none_of_a_proxy_is_a_users_mistake(url: str) -> None:
    with pytest.raises(UsageError, match="is grpc://HOST:PORT, as grpc://localhost:13000, got") as caught:
        open_storage(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["grpc://localhost:13000", "grpc://[::1]:13000/"])
def test_a_proxy_without_its_package_says_how_to_install_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(UsageError, match=r"needs the package grpcio: pip install 'stepscape\[grpc\]'"):
        open_storage(url)


def test_a_proxy_that_does_not_answer_is_given_up_in_seconds(
    call: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    monkeypatch.setattr(storages, "SILENCE", 0.2)
    out = tmp_path / "out"
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"grpc://127.0.0.1:{silent.getsockname()[1]}"
        assert call("tune", "ellipse", "sgd", "--trials", "4", "--out", out, "--storage", url) == 2
    said = capsys.readouterr().err
    assert f"the storage {url} cannot be opened: no proxy server answered within 0.2 seconds" in said
    assert not out.exists()


def test_a_database_is_waited_for_a_few_seconds_unless_its_address_says_how_long() -> None:
    assert storages.patience("postgresql+psycopg://me@host/db") == {"connect_timeout": storages.SILENCE}
    assert storages.patience("postgresql+psycopg://me@host/db?connect_timeout=60") == {}
    assert storages.patience("mysql+mysqlconnector://me@host/db") == {}  # which has another word for it
    assert storages.patience("sqlite:///studies.db") == {"timeout": storages.LOCKED}
    assert storages.SILENCE <= 10
