"""Bars show the way of a run, inside its cells too, on a terminal, in a notebook and from Python."""

from __future__ import annotations

import io
import sys
import time
import types
from pathlib import Path

import pytest

from benchmarks.running.bars import Bar, SuiteBar
from benchmarks.running.jobs import JobResult
from benchmarks.running.observer import RunObserver
from benchmarks.running.run_suite import run
from benchmarks.running.watch import Watch
from benchmarks.suite.suite import Suite


class Terminal(io.StringIO):
    """A terminal that remembers what was written."""

    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """From now on; pytest sets the stream anew between fixtures and test."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def test_where_there_is_no_terminal_there_is_no_bar() -> None:
    with Bar("export", 3) as bar:
        assert bar.bar.disable


def test_a_bar_ticks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    monkeypatch.setattr("benchmarks.running.bars.TICK", 0.01)
    with Bar("compare"):
        shown = len(terminal.getvalue())
        deadline = time.monotonic() + 5
        while len(terminal.getvalue()) == shown and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(terminal.getvalue()) > shown
    assert "compare 00:00 elapsed" in terminal.getvalue()


def test_a_notebook_shows_bars_though_it_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    with Bar("export", 3) as bar:
        assert not bar.bar.disable


def test_what_is_done_inside_of_cells_counts_and_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_terminal(monkeypatch)
    with SuiteBar(Suite.load("smoke")) as bar:
        bar.started(100.0, 0)
        bar.inside(30.0)
        assert bar.done == 30.0
        bar.ended(JobResult("a", "cell a", 1.0), 25.0)
        assert bar.done == 30.0  # 25 of it has ended; what runs beside it is told again in half a second
        bar.inside(10.0)
        assert bar.done == 35.0
        bar.inside(999.0)
        assert bar.done == 100.0


def test_the_bar_of_a_suite_shows_what_mlflow_and_the_report_still_need(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    with SuiteBar(Suite.load("smoke")) as bar:
        bar.started(100.0, 0)
        for show, text in ((bar.mirrored, "MLflow"), (bar.reported, "report"), (bar.mirrored, "MLflow")):
            show(1, 4)
            bar.bar.refresh()
            last = terminal.getvalue().split("\r")[-1]
            assert text in last
            assert "25%" in last


def test_running_cells_are_looked_at_until_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.running.watch.EVERY", 0.01)
    told: list[float] = []

    class Asked(RunObserver):
        def inside(self, cost: float) -> None:
            told.append(cost)

    (tmp_path / "left.progress").write_text("0.9")  # a killed worker's, which is no cell that runs now
    with Watch(tmp_path, {"cell": 200.0}, Asked()):
        (tmp_path / "cell.progress").write_text("0.25")
        deadline = time.monotonic() + 5
        while 50.0 not in told and time.monotonic() < deadline:
            time.sleep(0.01)
    assert 50.0 in told
    assert list(tmp_path.iterdir()) == []


def test_a_run_from_python_shows_a_bar_by_itself(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch)
    result = run(Suite.parse(tiny, "tiny"), tmp_path / "out")
    assert [done.error for done in result.ran] == [None]
    assert "tiny 1/1 cells" in terminal.getvalue()
    assert not (tmp_path / "out" / "unfinished").exists()
