"""What advances the lanes of a suite: chosen by work, named in the record, kept on disk between processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.record.cells import Cell
from benchmarks.engine.kernel.compiler import find_compiler
from benchmarks.errors import UsageError
from benchmarks.running import run_suite
from benchmarks.running.prepare import Compute, prepare
from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite

SUITE = {
    "name": "engines",
    "problems": ["ellipse"],
    "optimizers": ["momentum", "torch:SGD"],
    "steps": 30,
    "tuning": {"studies": 1, "trials": 4, "block": 4},
    "landscape": {"grid": "5x3"},
}


@pytest.fixture
def suite() -> Suite:
    return Suite.checked(SUITE, "this test")


needs_compiler = pytest.mark.skipif(find_compiler() is None, reason="there is no C compiler")


@needs_compiler
@pytest.mark.filterwarnings("ignore:.*is trained without a kernel")
def test_the_record_names_the_engine_of_each_cell(suite: Suite, tmp_path: Path) -> None:
    for engine in ("eager", "kernel"):
        run(suite, tmp_path / engine, engine=engine)
        told = [Cell.load(path).info for path in (tmp_path / engine / "cells").iterdir()]
        assert {info.optimizer.name: info.engines for info in told} == {"momentum": (engine,), "torch:SGD": ("native",)}


@needs_compiler
def test_both_engines_make_the_same_record_of_an_elementwise_cell(suite: Suite, tmp_path: Path) -> None:
    own = suite.model_copy(update={"optimizers": ["momentum"]})
    tables = []
    for engine in ("eager", "kernel"):
        run(own, tmp_path / engine, engine=engine)
        cell = Cell.load(tmp_path / engine / "cells" / "ellipse--momentum")
        tables.append((cell.trials.drop(columns="seconds", errors="ignore"), cell.runs, cell.info.studies))
    for one, other in zip(*tables, strict=True):
        assert one.equals(other) if hasattr(one, "equals") else one == other


def test_a_kernel_that_is_asked_for_needs_a_compiler(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_suite, "why_no_compiler", lambda: "there is no C compiler here")
    with pytest.raises(UsageError, match="kernels need a C compiler: there is no C compiler here"):
        run(suite, tmp_path / "out", engine="kernel")
    assert not (tmp_path / "out").exists()


def test_a_cell_that_is_alone_takes_all_cores_and_several_share_them(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, int] = {}

    def noted(job: run_suite.CellJob) -> Callable[..., object]:
        seen[job.name] = job.compute.threads
        raise UsageError("not run")

    monkeypatch.setattr(run_suite.CellJob, "run", noted)
    run(suite, tmp_path / "two", jobs=1)
    assert set(seen.values()) == {1}
    run(suite.model_copy(update={"optimizers": ["sgd"]}), tmp_path / "one", jobs=3)
    assert seen["ellipse--sgd"] == 3


def test_the_estimate_of_a_cell_counts_its_studies_its_tests_and_its_landscape(suite: Suite) -> None:
    plan = suite.cells()[0]
    ready = prepare(plan, compute=Compute("auto"))
    assert ready.lane_steps == 30 * (2 + 5 + 15)  # two settings tested, the defaults and four trials, the grid
    longer = replace(ready, steps=3000)
    assert longer.training([1], 1).planned == pytest.approx(100 * ready.training([1], 1).planned)


@pytest.mark.slow
@needs_compiler
def test_a_second_process_neither_traces_nor_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPSCAPE_CACHE", str(tmp_path))
    script = (
        "import sys; from benchmarks import Training, train\n"
        "from benchmarks.engine.kernel.compiler import Compiler\n"
        "built, build = [], Compiler.build\n"
        "def counted(self, source, target): built.append(target.name); build(self, source, target)\n"
        "Compiler.build = counted\n"
        "trace = train(Training('bowl', 'sgd', [1], 5, engine='kernel'), {'lr': 0.1})\n"
        "print(trace.engine, built.count('kernel.so'), 'benchmarks.engine.kernel.tracing' in sys.modules)"
    )
    said = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert said == ["kernel 2 True", "kernel 0 False"]
