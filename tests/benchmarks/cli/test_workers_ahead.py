"""Workers are started while the command itself still imports, where several are sure to be used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from analysis.record.shard import Shard
from benchmarks.cli import execute as module
from benchmarks.cli.execute import Executed, Machine, execute
from benchmarks.errors import UsageError
from benchmarks.running.observer import RunObserver
from benchmarks.running.run_suite import SuiteResult
from benchmarks.suite.suite import Suite

SMOKE = Suite.load("smoke")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was started and ended; nothing is run."""
    told: list[object] = []

    def start_workers(jobs: int) -> Generator[None]:
        told.append(jobs)
        try:
            yield
        except GeneratorExit:
            told.append("ended")

    def started(jobs: int) -> Generator[None]:
        waiting = start_workers(jobs)
        next(waiting)
        return waiting

    monkeypatch.setattr("benchmarks.running.workers.start_workers", started)
    monkeypatch.setattr(
        module, "_executed", lambda suite, machine, _: Executed(machine.out, SuiteResult(machine.out), None)
    )
    return told


@pytest.mark.parametrize(("jobs", "expected"), [(2, [2]), (3, [3]), (64, [4]), (1, [])])
def test_as_many_start_as_cells_and_cores_are_there(
    tmp_path: Path, started: list[object], jobs: int, expected: list[object]
) -> None:
    execute(SMOKE, Machine(tmp_path, jobs), RunObserver())
    assert started == expected


@pytest.mark.parametrize(
    "options",
    [{"memory": "1GiB"}, {"backend": "dask"}, {"shard": Shard(1, 2)}],
    ids=["a bound", "a cluster", "a shard"],
)
def test_none_start_where_their_memory_may_be_missed_or_others_do_the_work(
    tmp_path: Path, started: list[object], options: dict[str, object]
) -> None:
    execute(SMOKE, Machine(tmp_path, 2, **options), RunObserver())  # type: ignore[arg-type]
    assert started == []


def test_none_start_beside_a_large_landscape(tmp_path: Path, started: list[object]) -> None:
    large = SMOKE.model_copy(update={"landscape": SMOKE.landscape.model_copy(update={"grid": (1000, 500)})})
    execute(large, Machine(tmp_path, 2), RunObserver())
    assert started == []


def test_those_that_started_end_at_once_with_a_mistake(
    tmp_path: Path, started: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> Executed:
        raise UsageError("no such optimizer")

    monkeypatch.setattr(module, "_executed", refused)
    with pytest.raises(UsageError):
        execute(SMOKE, Machine(tmp_path, 2), RunObserver())
    assert started == [2, "ended"]


@pytest.mark.slow
def test_they_start_before_the_command_has_imported_torch(tmp_path: Path) -> None:
    script = (
        "import sys, benchmarks.running.workers as workers\n"
        "def start_workers(jobs): print(jobs, 'torch' in sys.modules); sys.exit(0)\n"
        "workers.start_workers = start_workers\n"
        f"sys.argv = ['stepscape', 'run', 'smoke', '--jobs', '2', '--out', {str(tmp_path)!r}]\n"
        "from benchmarks.cli.main import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["2", "False"]
