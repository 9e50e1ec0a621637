"""One cell in several processes: killed among its slices it goes on with them; workers of a cluster share it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.running import slices
from benchmarks.running.backends import remote
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite

pytestmark = pytest.mark.slow


NETWORK = {
    "name": "shared", "problems": ["digits-mlp"], "optimizers": ["rmsprop"], "steps": 80,
    "tuning": {"studies": 2, "trials": 4, "block": 2, "seeds": 2}, "test": {"seeds": 2},
    "landscape": {"grid": "24x16", "seeds": 2},
}  # fmt: skip
PROGRAM = """
import json, sys
from pathlib import Path
from benchmarks.running import slices
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite

slices.LEAST = 0.1
run(Suite.checked(json.loads(sys.argv[1]), "this test"), sys.argv[2], jobs=2, engine="eager")
"""


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts the run of a network's cell in two processes of its own group."""
    started = list[subprocess.Popen[bytes]]()

    def start() -> subprocess.Popen[bytes]:
        asked = json.dumps(NETWORK)
        started.append(
            subprocess.Popen([sys.executable, "-c", PROGRAM, asked, str(tmp_path / "cut")], start_new_session=True)
        )
        return started[-1]

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of the cell in one piece."""
    return run(Suite.checked(NETWORK, "this test"), tmp_path_factory.mktemp("uncut") / "whole", engine="eager").folder


def assert_equal(cut: Path, whole: Path) -> None:
    """The cell that was cut has the tables of one that was not, to the byte."""
    tables = [sorted(folder.glob("cells/*/*.parquet")) for folder in (cut, whole)]
    assert [file.name for file in tables[0]] == [file.name for file in tables[1]]
    for one, other in zip(*tables, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def wait_for(count: int, folder: Path) -> None:
    """Wait until so many groups of a landscape are kept."""
    until = time.monotonic() + 120
    while len(list(folder.glob("unfinished/*/landscape-*.pt"))) < count:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_run_killed_among_its_slices_goes_on_with_them_and_a_killed_worker_costs_nothing(
    begun: Callable[[], subprocess.Popen[bytes]], whole: Path, tmp_path: Path
) -> None:
    first = begun()
    wait_for(1, tmp_path / "cut")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.glob("cut/unfinished/*/landscape-*.pt")}
    again = begun()
    wait_for(len(kept) + 1, tmp_path / "cut")
    assert kept == {file: file.stat().st_mtime_ns for file in kept}
    workers = Path(f"/proc/{again.pid}/task/{again.pid}/children")
    if workers.exists():
        found = [int(pid) for pid in workers.read_text().split()]
        trains = [pid for pid in found if b"popen_loky" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(trains[0], signal.SIGKILL)
    assert again.wait() == 0
    assert_equal(tmp_path / "cut", whole)


def test_the_workers_of_a_cluster_share_one_cell(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="the extra [dask] is not installed")
    monkeypatch.setattr(slices, "LEAST", 0.1)
    monkeypatch.setattr(slices, "SHARE", 3)
    cell = Suite.checked(NETWORK, "this test")
    landed, land_ = list[str](), remote.land
    monkeypatch.setattr(remote, "land", lambda returned, job: landed.append(job.name) or land_(returned, job))
    assert run(cell, tmp_path / "cut", jobs=2, engine="eager", backend="dask").landed
    assert len(landed) > 3
    assert landed[-1] == "digits-mlp--rmsprop"
    assert_equal(tmp_path / "cut", whole)
