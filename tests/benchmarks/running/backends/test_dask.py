"""A suite on a Dask cluster whose scheduler and worker are threads of this process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from few_cells import few_cells

from analysis.record.cells import Record
from benchmarks.cli.dry_run import dry_run
from benchmarks.cli.execute import Machine
from benchmarks.errors import UsageError
from benchmarks.running.backends import parcel
from benchmarks.running.backends.dask import Dask
from benchmarks.running.backends.remote import ClusterGoneError
from benchmarks.running.backends.versions import versions
from benchmarks.running.observer import RunObserver
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite

distributed = pytest.importorskip("distributed", reason="the extra [dask] is not installed")
pytestmark = pytest.mark.usefixtures("one_thread")

TEXT = few_cells("dasked", ["ellipse"])
SUITE = Suite.parse(TEXT, "test")


class Listener(RunObserver):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.names: list[str] = []

    def noted(self, sentence: str) -> None:
        self.notes.append(sentence)

    def ended(self, result: Any, cost: float) -> None:
        self.names.append(result.name)


def started(workers: int, threads: int = 1) -> Any:
    """A cluster in this process, with an address."""
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=threads,
        processes=False,
        protocol="tcp://",
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    )


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a cluster with one worker."""
    with started(1) as cluster:
        yield str(cluster.scheduler_address)


def test_a_suite_runs_on_a_cluster_that_is_there_and_leaves_it_running(address: str, tmp_path: Path) -> None:
    listener = Listener()
    result = run(SUITE, tmp_path / "out", backend="dask", address=address, observer=listener)
    assert {done.error for done in result.ran} == {None}
    assert sorted(listener.names) == ["ellipse--momentum", "ellipse--sgd"]
    assert listener.notes == []
    assert len(Record.load(tmp_path / "out").cells) == 2
    assert list((tmp_path / "out").glob("unfinished")) == []
    with distributed.Client(address, timeout=5, set_as_default=False) as client:
        assert len(client.nthreads()) == 1
    assert run(SUITE, tmp_path / "out", backend="dask", address="tcp://nobody:1").ran == []  # it needs no worker


def test_a_dry_run_counts_the_workers_and_refuses_those_of_other_versions(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(out=tmp_path / "out", backend="dask", address=address)
    assert dry_run(SUITE, machine).endswith(f"on 1 worker at {address}.")
    others = replace(versions(), code="0123abcd")
    monkeypatch.setattr(parcel.Requirements, "of", classmethod(lambda cls, luggage: cls(others, luggage, {})))
    with pytest.raises(UsageError, match=r"has stepscape's code .* and not 0123abcd"):
        dry_run(SUITE, machine)
    assert not (tmp_path / "out").exists()


def test_workers_of_other_versions_are_refused_before_anything_is_written(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = replace(versions(), torch="1.0")
    monkeypatch.setattr(parcel.Requirements, "of", classmethod(lambda cls, luggage: cls(others, luggage, {})))
    with pytest.raises(UsageError, match=r"has torch .* and not 1\.0: install the driver's versions there"):
        run(SUITE, tmp_path / "out", backend="dask", address=address)
    assert not (tmp_path / "out").exists()


def test_how_far_a_job_is_reaches_the_driver(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcel, "EVERY", 0.01)
    heard: list[str] = []
    hear = Dask._hear
    monkeypatch.setattr(Dask, "_hear", lambda self, event: (heard.append(event[1][0]), hear(self, event)))
    run(SUITE, tmp_path / "out", backend="dask", address=address)
    assert set(heard) <= {"ellipse--momentum", "ellipse--sgd"}
    assert heard


def test_a_worker_with_several_threads_is_refused(tmp_path: Path) -> None:
    with started(1, threads=2) as cluster, pytest.raises(UsageError, match="has 2 threads: start workers with"):
        run(SUITE, tmp_path / "out", backend="dask", address=cluster.scheduler_address)
    assert not (tmp_path / "out").exists()


def test_jobs_wait_for_workers_that_come_later_and_the_user_is_told(tmp_path: Path) -> None:
    with started(0) as cluster:
        listener = Listener()
        listener.noted = lambda sentence: (listener.notes.append(sentence), cluster.scale(1))  # type: ignore[assignment]
        result = run(SUITE, tmp_path / "out", backend="dask", address=cluster.scheduler_address, observer=listener)
    assert listener.notes == [f"{cluster.scheduler_address} has no workers yet; the jobs wait for them"]
    assert len(result.landed) == 2


def test_a_cluster_that_ends_costs_the_jobs_that_are_left_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.running.backends.dask.BUSY", 1.0)
    with started(1) as cluster:
        listener = Listener()
        listener.ended = lambda result, cost: (listener.names.append(result.name), cluster.close())  # type: ignore[assignment]
        result = run(SUITE, tmp_path / "out", backend="dask", address=cluster.scheduler_address, observer=listener)
    (failed,) = result.failed
    assert failed.error is not None
    assert failed.error.startswith("the Dask scheduler at tcp://127.0.0.1:")
    assert len(result.landed) == len(Record.load(tmp_path / "out").cells) == 1


@pytest.mark.slow
def test_a_cluster_of_ours_that_lost_all_workers_gets_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.running.backends.dask.PATIENCE", 8)
    backend = Dask(1, None, None)
    backend.connect()
    try:
        backend.client.retire_workers(list(backend.client.nthreads()))
        handle = backend.client.submit(len, "four", pure=False)
        looks = (backend.ended([handle]) for _ in range(120))  # of a second: a process begins anew
        assert next(filter(None, looks), None) == [handle]
        assert handle.result() == 4
    finally:
        backend.close()


@pytest.mark.slow
def test_a_cluster_that_stays_without_workers_is_said_to_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.running.backends.dask.PATIENCE", 1)
    backend = Dask(1, None, None)
    backend.connect()
    try:
        monkeypatch.setattr(backend.cluster, "scale", lambda _: None)
        backend.client.retire_workers(list(backend.client.nthreads()))
        handle = backend.client.submit(len, "four", pure=False)
        with pytest.raises(ClusterGoneError, match=r"^all workers of the local Dask cluster ended, and none could be"):
            _ = [backend.ended([handle]) for _ in range(60)]
    finally:
        backend.close()
