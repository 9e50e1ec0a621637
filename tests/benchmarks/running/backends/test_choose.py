"""Backends that cannot be had are refused in a sentence, before anything is started or written."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from benchmarks.cli.main import main
from benchmarks.errors import UsageError
from benchmarks.running.backends import choose, remote
from benchmarks.running.backends.choose import backend_of
from benchmarks.running.backends.dask import Dask
from benchmarks.running.backends.local import Local
from benchmarks.running.backends.ray import Ray


def nobodys_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port: int = place.getsockname()[1]
    return port


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
    assert remote.ANSWER < 10
    monkeypatch.setattr("benchmarks.running.backends.dask.ANSWER", 0.3)
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
