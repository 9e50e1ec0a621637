"""What a suite takes is known before it starts, and kept within what it may take: a landscape of millions too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from analysis.record.cells import Cell
from benchmarks.engine.training import Training
from benchmarks.errors import UsageError
from benchmarks.naming.registry import make_optimizer, make_problem
from benchmarks.running import cell_tables
from benchmarks.running.memory import fitting_jobs, memory_size, size_text
from benchmarks.running.prepare import ReadyCell, prepare
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite
from benchmarks.tuning import landscape as mapping
from benchmarks.tuning.landscape import landscape
from benchmarks.tuning.space import Space

GIB = 2**30

PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def ready(grid: str, seeds: int = 1) -> list[ReadyCell]:
    """The cells of a suite that maps two optimizers on a problem with noise."""
    text = f"""
    name = "large"
    problems = ["airfoil"]
    optimizers = ["rmsprop", "momentum"]
    [tuning]
    enabled = false
    [landscape]
    grid = "{grid}"
    seeds = {seeds}
    """
    return [prepare(plan) for plan in Suite.parse(text, "the test").cells()]


@pytest.mark.parametrize(
    ("text", "size"), [("2GiB", 2 * GIB), ("2g", 2 * GIB), ("1.5 GB", 3 * GIB // 2), ("800MiB", 800 * 2**20), ("7", 7)]
)
def test_a_size_is_written_as_people_write_it(text: str, size: int) -> None:
    assert memory_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-2GiB", "0", "2 XiB", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--memory is a size, as 2GiB or 800MiB, got"):
        memory_size(text)


def test_sizes_are_said_in_words() -> None:
    assert [size_text(size) for size in (300 * 2**20, 3 * GIB // 2)] == ["300 MiB", "1.5 GiB"]


def test_a_million_runs_fit_into_two_gibibytes_and_fewer_processes_keep_a_bound() -> None:
    assert fitting_jobs(ready("1000x1000"), 2, 2 * GIB) == 1
    assert fitting_jobs(ready("1000x1000"), 2, 8 * GIB) == 2
    assert fitting_jobs(ready("40x30"), 4, 4 * GIB) == 4


@pytest.mark.parametrize("memory", [2 * GIB, None])
def test_what_does_not_fit_is_refused_with_the_estimate_before_it_runs(memory: int | None) -> None:
    with pytest.raises(UsageError) as caught:
        fitting_jobs(ready("4000x2500", 10), 2, memory)
    said = str(caught.value)
    assert "large needs about " in said
    assert "most of it for airfoil--" in said
    assert "(100,000,000 runs of its landscape)" in said
    assert ("--memory allows 2.0 GiB" if memory else "this machine has ") in said


def test_the_command_refuses_a_landscape_that_is_too_large_and_writes_nothing(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    asked = ["landscape", "ellipse", "rmsprop", "--grid", "4000x2500", "--no-tracking", "--memory", "2GiB"]
    assert call(*asked, "--out", out) == 2
    said = capsys.readouterr().err
    assert "10,000,000 runs of its landscape" in said
    assert "and --memory allows 2.0 GiB; give a smaller grid" in said
    assert not out.exists()


def test_a_landscape_trained_in_small_groups_is_the_same_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make_optimizer("rmsprop")
    training = Training(make_problem("ellipse"), spec, [1], 12, 3)
    space = Space(tuple(spec.hyperparameters[:2]), {})
    whole = landscape(training, space, (180, 100))
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(mapping, "HELD", 1.0)
    parts = landscape(training, space, (180, 100), on_progress=lambda done, every: calls.append((done, every)))
    assert len(calls) > 1
    for name in ("status", "stopped_at", "start_loss", "final_loss", "best_loss"):
        assert torch.equal(getattr(parts, name).nan_to_num(7.0), getattr(whole, name).nan_to_num(7.0)), name
    ends = parts.start_loss.untyped_storage().nbytes() + parts.final_loss.untyped_storage().nbytes()
    assert ends == 2 * 8 * 180 * 100  # and no curves behind them


def test_a_large_table_is_written_in_row_groups_and_read_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = Suite.parse(
        'name = "parts"\nproblems = ["ellipse"]\noptimizers = ["rmsprop"]\nsteps = 8\n'
        '[tuning]\nenabled = false\n[landscape]\ngrid = "9x7"\n',
        "the test",
    )
    frames: list[pd.DataFrame] = []
    for rows, groups in ((131_072, 1), (10, 7)):
        monkeypatch.setattr(cell_tables, "ROWS", rows)
        folder = run(suite, tmp_path / str(rows)).folder / "cells" / "ellipse--rmsprop"
        assert pq.read_metadata(folder / "landscape.parquet").num_row_groups == groups
        frames.append(Cell.load(folder).landscape)
        some = Cell.load(folder).landscape_columns({"lr", "status"})
        assert list(some) == ["lr", "status"]
        assert np.array_equal(some["status"].astype(str), frames[-1]["status"])
    pd.testing.assert_frame_equal(*frames)


@pytest.mark.slow
def test_a_landscape_of_a_hundred_thousand_runs_keeps_the_bound_report_included(tmp_path: Path) -> None:
    asked = ["landscape", "ellipse", "rmsprop", "--grid", "400x250", "--steps", "20", "--no-tracking", "--jobs", "1"]
    command = [sys.executable, "-m", "benchmarks", *asked, "--memory", "1GiB", "--out", str(tmp_path / "out")]
    # a process begins with the peak of the one that started it, which here is that of every test before
    done = subprocess.run([sys.executable, "-c", PEAK, *command], capture_output=True, text=True, check=True)
    peak = int(done.stdout.splitlines()[-1])
    assert peak * (1 if sys.platform == "darwin" else 1024) < GIB  # before it was bounded, 3 GiB
