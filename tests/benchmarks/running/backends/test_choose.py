"""Backends that cannot be had are refused in a sentence, before anything is started or written."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.cli.main import main
from benchmarks.errors import UsageError
from benchmarks.running.backends import choose, reach
from benchmarks.running.backends.choose import backend_of
from benchmarks.running.backends.dask import Dask
from benchmarks.running.backends.local import Local
from benchmarks.running.backends.ray import Ray
from benchmarks.suite.settings import Tuning
from benchmarks.tuning.storages import reach_storage


def nobodys_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port: int = place.getsockname()[1]
    return port


@pytest.fixture
def silent() -> Iterator[int]:
    """A port of this machine at which somebody listens and says nothing, as a scheduler that hangs."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        place.listen()
        yield place.getsockname()[1]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as left:
        main(["run", "smoke", *arguments])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_backends_are_known_by_their_names_and_start_nothing() -> None:
    kinds = {"local": Local, "dask": Dask, "ray": Ray}
    if choose.find_spec("ray") is None:
        del kinds["ray"]
    for name, kind in kinds.items():
        backend = backend_of(name, None, None)
        assert isinstance(backend, kind)
        assert (backend.here, backend.jobs, backend.room(), backend.shares()) == (True, 1, 1, {})
        backend.close()
    assert backend_of("dask", "tcp://h:1", None).jobs is None
    with pytest.raises(UsageError, match="one of local, dask, ray, got 'spark'"):
        backend_of("spark", None, 1)


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_a_backend_whose_extra_is_missing_says_how_it_is_installed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choose, "find_spec", lambda package: None)
    said = refused(["--out", str(tmp_path / "out"), "--backend", name], capsys)
    assert f"pip install 'stepscape[{name}]'" in said
    assert not (tmp_path / "out").exists()


def test_an_address_without_a_cluster_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(["--out", str(tmp_path / "out"), "--address", "tcp://host:8786"], capsys)
    assert "say --backend dask or --backend ray" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("storage", ["sqlite:///studies.db", "journal:///studies.log"])
def test_a_storage_that_is_a_file_is_refused_for_workers_elsewhere(storage: str) -> None:
    with pytest.raises(UsageError, match="is a file of this machine"):
        backend_of("dask", "tcp://host:8786", None, storage=storage)
    backend_of("dask", None, None, storage=storage)
    backend_of("dask", "tcp://host:8786", None, storage="postgresql://host/studies")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{port}", "host-without-a-port", "tcp://"])
def test_an_address_of_dask_at_which_nobody_answers_is_refused_soon(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reach.ANSWER < 10
    monkeypatch.setattr("benchmarks.running.backends.reach.ANSWER", 0.3)
    where = address.format(port=nobodys_port())
    began = time.monotonic()
    said = refused(["--out", str(tmp_path / "out"), "--no-tracking", "--backend", "dask", "--address", where], capsys)
    assert f"no Dask scheduler answers at {where}" in said
    assert time.monotonic() - began < 10
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "host-without-a-port", "127.0.0.1:x"]
)
def test_an_address_of_ray_at_which_nobody_answers_is_refused_soon(address: str) -> None:
    backend = Ray(None, address.format(port=nobodys_port()), None)
    with pytest.raises(UsageError, match="no Ray cluster answers at"):
        backend.check_address()


def test_ray_that_ended_without_a_word_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{nobodys_port()}")
    with pytest.raises(UsageError, match="no Ray cluster answers at auto"):
        Ray(None, "auto", None).check_address()


def test_a_ray_cluster_that_refuses_us_is_asked_a_few_times_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")
    setting = "RAY_gcs_server_port_wait_time_s"
    monkeypatch.delenv(setting, raising=False)
    tried: list[str] = []

    def init(address: str, **quiet: object) -> None:
        tried.append(os.environ[setting])  # what Ray reads: some seconds for each
        raise ConnectionError("a token is missing")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UsageError, match=r"a token is missing; where it asks for a token, set RAY_AUTH_MODE=token"):
        Ray(None, "127.0.0.1:6379", None).connect()
    assert tried == ["3"]
    assert setting not in os.environ


@pytest.mark.parametrize("kind", [Dask, Ray])
def test_what_listens_and_never_answers_is_given_up_soon(
    kind: type[Dask | Ray], silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "ANSWER", 0.1)
    with pytest.raises(UsageError, match=f"answers at 127.0.0.1:{silent}: is it running"):
        kind(None, f"127.0.0.1:{silent}", None).check_address()


@pytest.mark.parametrize("check", [reach.check_dask, reach.check_ray])
def test_another_service_is_no_cluster(check: Callable[[str], None]) -> None:
    heard = threading.Event()

    def answer() -> None:
        with server.accept()[0] as connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n")
            heard.wait()

    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(ConnectionError, match=r"it is not (Dask|Ray) that answers"):
            check(f"127.0.0.1:{server.getsockname()[1]}")
        heard.set()
        answering.join()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--backend", "dask", "--address", "tcp://127.0.0.1:{port}"], "no Dask scheduler answers at"),
        (["--backend", "ray", "--address", "127.0.0.1:{port}"], "no Ray cluster answers at"),
        (["--address", "127.0.0.1:{port}"], "say --backend dask or --backend ray"),
        (["--storage", "postgresql+psycopg://x@127.0.0.1:{port}/db"], "cannot be opened"),
        (["--storage", "studies.db"], "a storage is a URL"),
        (["--tracking-uri", "runs"], "is no MLflow store"),
        (["--children", "some"], "--children is a number, all or none"),
        (["--backend", "slurm", "--shards", "2", "--slurm", "cluster=local", "--slurm", "x=1"], "--slurm cannot be so"),
    ],
)
def test_a_dry_run_refuses_what_the_run_would_refuse(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [part.format(port=nobodys_port()) for part in arguments]
    assert said in refused(["--dry-run", "--out", str(tmp_path / "out"), *given], capsys)
    assert not list(tmp_path.iterdir())


def test_a_dry_run_says_what_an_extra_is_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choose, "find_spec", lambda package: None)
    assert "pip install 'stepscape[dask]'" in refused(["--dry-run", "--backend", "dask"], capsys)


def test_a_dry_run_makes_no_file_of_a_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite:///studies.db", "journal:///studies.log"):
        reach_storage(url, [Tuning()])
    with pytest.raises(UsageError, match="a grid needs no storage"):
        reach_storage("sqlite:///studies.db", [Tuning(sampler="grid")])
    assert not list(tmp_path.iterdir())
