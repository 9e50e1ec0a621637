"""Kill -9 at any moment: nothing is half there, and the run taken up again equals one that was never stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from analysis.pages.drawing import drawn
from analysis.record.cells import Record
from benchmarks.cli import listing as catalog
from benchmarks.cli.main import main
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite

SUITE = """
name = "killed"
problems = ["digits-mlp", "quadratic(dim=10)"]
optimizers = ["rmsprop", "sgd"]
[tuning]
studies = 1
trials = 32
block = 8
seeds = 2
[test]
seeds = 2
[landscape]
grid = "8x6"
"""


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [2])
def test_a_killed_run_goes_on_to_the_same_record(jobs: int, tmp_path: Path) -> None:
    (tmp_path / "killed.toml").write_text(SUITE)
    suite, out = Suite.load(tmp_path / "killed.toml"), tmp_path / "out"
    command = [sys.executable, "-m", "benchmarks", "run", tmp_path / "killed.toml", "--out", out, "--jobs", str(jobs)]
    seen = 0
    for _ in range(3):
        process = subprocess.Popen(
            [*map(str, command), "--no-tracking"],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None and _written(out) <= seen:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        seen = _written(out)
    assert seen >= 2
    run(suite, out)
    run(suite, tmp_path / "whole")
    broken, whole = Record.load(out), Record.load(tmp_path / "whole")
    assert [cell.name for cell in broken] == [cell.name for cell in whole]
    for one, other in zip(broken, whole, strict=True):
        assert one.info.winner == other.info.winner
        for table in ("trials", "runs", "curves", "landscape"):
            pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


SLEEPERS = """
import os, sys, time
from pathlib import Path
from benchmarks.running.workers import map_unordered

def sleep(task):
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(600)

list(map_unordered(sleep, [1, 2], 2))
"""


DRAWERS = """
import os, sys, time
from pathlib import Path
from analysis.pages.drawing import drawn

def draw(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(1)  # and then idle, while the other draws

def draw_long(folder):
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)

list(drawn([(draw_long, (sys.argv[1],)), (draw, (sys.argv[1],))], 2))
"""


@pytest.mark.slow
@pytest.mark.parametrize("program", [SLEEPERS, DRAWERS])
def test_workers_end_with_the_process_that_was_killed(program: str, tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", program.replace("sys.argv[1]", repr(str(tmp_path)))])
    while process.poll() is None and len(list(tmp_path.iterdir())) < 2:
        time.sleep(0.05)
    process.kill()
    process.wait()
    workers = [int(item.name) for item in tmp_path.iterdir()]
    assert len(workers) == 2
    until = time.monotonic() + 60
    while any(map(_alive, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(_alive, workers))


def _draw_once(folder: Path, number: int) -> int:
    if number == 1 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.slow
def test_pages_are_drawn_all_the_same_where_a_worker_is_killed(tmp_path: Path) -> None:
    tasks = [(_draw_once, (tmp_path, number)) for number in range(4)]
    assert list(drawn(tasks, 2)) == [0, 1, 2, 3]
    assert (tmp_path / "died").exists()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _written(out: Path) -> int:
    """How many traces and cells there are."""
    return len(list(out.glob("unfinished/**/*.pt"))) + 5 * len(list(out.glob("cells/*/cell.json")))


def test_a_command_that_is_interrupted_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(catalog, "entries", interrupted)
    with pytest.raises(SystemExit) as left:
        main(["list", "suites"])
    assert left.value.code == 130
    assert capsys.readouterr().err.strip().startswith("stepscape: interrupted; what is finished is kept")
