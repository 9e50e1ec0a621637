"""One suite on every backend: equal tables to the bit, whoever is killed in the middle.

Shards, by themselves and on SLURM, are held to the same in ``record/test_merge.py`` and ``running/test_on_slurm.py``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pytest

from analysis.record.cells import Record
from benchmarks.running.backends.choose import BackendName
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite

pytestmark = pytest.mark.usefixtures("one_thread")

DASK = pytest.param("dask", marks=pytest.mark.slow)
RAY = pytest.param(
    "ray",
    marks=[
        pytest.mark.ray,
        pytest.mark.skipif(find_spec("ray") is None, reason="the extra [ray] is not installed"),
        pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
        pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # sockets that Ray leaves open
    ],
)
LOCAL = pytest.param("local", marks=pytest.mark.slow)

FRAGILE = '''
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from optimizers.sgd import SGD

HERE = Path("{folder}")


def suffer():
    """Every worker dies as long as there were fewer deaths than ordered; or holds once so many cells have landed."""
    if (HERE / "driver").is_file() and (HERE / "driver").read_text() != str(os.getpid()):
        if len(list(HERE.glob("dead-*"))) < int((HERE / "deaths").read_text()):
            (HERE / f"dead-{{os.getpid()}}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    while (HERE / "hold").is_file():
        count, _, out = (HERE / "hold").read_text().partition(" ")
        if len(list(Path(out).glob("cells/[!.]*"))) < int(count):
            break
        time.sleep(0.02)


@dataclass(frozen=True)
class Fragile(SGD):
    def update(self, g, state, hp, t):
        if t == 5:
            suffer()
        return super().update(g, state, hp, t)
'''
TEXT = """
name = "matrix"
problems = ["ellipse", "rosenbrock", "quadratic(dim=4)"]
optimizers = ["{file}:Fragile"]
steps = 10
evaluations = 2
[tuning]
studies = 1
trials = 4
block = 2
seeds = 1
pruner = "none"
[test]
seeds = 2
[landscape]
grid = "3x2"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the suite, of a rule that can be made to kill its worker, and of what both make undisturbed."""
    here = tmp_path_factory.mktemp("matrix")
    file = here / f"fragile_{here.name}.py"
    file.write_text(FRAGILE.format(folder=here))
    (here / "matrix.toml").write_text(TEXT.format(file=file))
    assert not run(Suite.load(here / "matrix.toml"), here / "whole", engine="eager").failed
    return here


@pytest.fixture
def deaths(folder: Path) -> Callable[[int], None]:
    """A function that orders so many deaths of workers from now on."""

    def order(count: int) -> None:
        for name in ("hold", *(file.name for file in folder.glob("dead-*"))):
            (folder / name).unlink(missing_ok=True)
        (folder / "deaths").write_text(str(count))
        (folder / "driver").write_text(str(os.getpid()))

    return order


def same_records(one: Path, other: Path) -> None:
    a, b = Record.load(one), Record.load(other)
    assert [cell.name for cell in a] == [cell.name for cell in b]
    for left, right in zip(a, b, strict=True):
        for table in ("trials", "runs", "curves", "landscape"):
            pd.testing.assert_frame_equal(getattr(left, table), getattr(right, table))


@pytest.mark.parametrize("backend", [LOCAL, DASK, RAY])
def test_with_a_worker_killed_in_the_middle_nothing_is_lost_and_nothing_there_twice(
    backend: BackendName, folder: Path, deaths: Callable[[int], None], tmp_path: Path
) -> None:
    deaths(1)
    result = run(Suite.load(folder / "matrix.toml"), tmp_path / "out", jobs=2, engine="eager", backend=backend)
    assert len(list(folder.glob("dead-*"))) == 1
    assert [done.error for done in result.ran] == [None] * 3
    assert len({done.name for done in result.ran}) == 3
    same_records(tmp_path / "out", folder / "whole")


@pytest.mark.parametrize("backend", [DASK, RAY])
def test_a_job_that_kills_its_worker_three_times_fails_and_the_others_go_on(
    backend: BackendName, folder: Path, deaths: Callable[[int], None], tmp_path: Path
) -> None:
    deaths(99)
    text = (folder / "matrix.toml").read_text()
    name = text.split('optimizers = ["')[1].partition('"')[0]
    suite = Suite.parse(
        text.replace('"ellipse", "rosenbrock", "quadratic(dim=4)"', '"ellipse"').replace(
            f'"{name}"', f'"{name}", "sgd", "momentum", "rmsprop"'
        ),
        "test",
    )
    result = run(suite, tmp_path / "out", jobs=2, engine="eager", backend=backend)
    (failed,) = result.failed
    assert "Fragile" in failed.name
    assert failed.error is not None
    assert failed.error.startswith("the worker that ran it ended 3 times")
    assert len(list(folder.glob("dead-*"))) == 3
    assert len(result.landed) == 3


@pytest.mark.parametrize("backend", [DASK, RAY])
def test_an_interrupted_and_a_killed_driver_leave_no_worker_and_go_on_where_they_stopped(
    backend: BackendName, folder: Path, tmp_path: Path
) -> None:
    for name in ("driver", "deaths"):
        (folder / name).unlink(missing_ok=True)
    out, mark = tmp_path / "out", uuid4().hex
    command = [sys.executable, "-m", "benchmarks", "run", folder / "matrix.toml", "--trust", "--engine", "eager"]
    command += ["--out", out, "--no-tracking", "--jobs", "1", "--backend", backend]
    for landed, number in enumerate((signal.SIGINT, signal.SIGKILL), start=1):
        (folder / "hold").write_text(f"{landed} {out}")  # there is always more to do when the signal comes
        process = subprocess.Popen(
            [*map(str, command)],
            env={**os.environ, "STEPSCAPE_TEST_MARK": mark},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        while process.poll() is None and len(list(out.glob("cells/[!.]*"))) < landed:
            time.sleep(0.05)
        assert process.poll() is None, "it ended before the signal came"
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        if number == signal.SIGINT:
            assert process.returncode == 130, said
            assert said.strip().endswith("the same command goes on from there"), said
        until = time.monotonic() + 60
        while marked(mark) and time.monotonic() < until:
            time.sleep(0.1)
        assert marked(mark) == [], number
    (folder / "hold").unlink()
    result = run(Suite.load(folder / "matrix.toml"), out, engine="eager")
    assert len(result.kept) == 2
    same_records(out, folder / "whole")


def marked(mark: str) -> list[str]:
    """The command lines of the processes that have ``mark`` in their environment: the driver's, and its workers."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (place / "environ").read_bytes():
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    # two of Ray's own processes find out by themselves, some minutes later where the machine is busy
    return [line for line in found if line and not line.startswith(("ray::DashboardAgent", "ray::RuntimeEnvAgent"))]
