"""What a worker and a small command do not import: each of these takes a second of every process."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

HEAVY = (
    "scipy",
    "sklearn",
    "seaborn",
    "matplotlib",
    "mlflow",
    "sqlalchemy",
    "optuna",
    "joblib",
    "sympy",
    "torch._dynamo",
    "benchmarks.exhibits",
)


def imported(script: str) -> set[str]:
    """Those of `HEAVY` that are loaded after ``script`` in a process of its own."""
    code = f"{script}\nimport sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [
        "benchmarks.running.run_suite",
        "benchmarks.mlflow_mirror.tracker",
        "analysis.pages.report",
        "benchmarks.cli.main",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(module: str) -> None:
    assert imported(f"import {module}") == set()


@pytest.mark.slow
def test_a_tuned_cell_with_its_tables_imports_optuna_and_nothing_else(tmp_path) -> None:
    script = (
        "from pathlib import Path; from benchmarks import Suite; from benchmarks.record.folder import RecordFolder\n"
        "from benchmarks.running.jobs import CellJob, carry_out; from benchmarks.running.prepare import prepare\n"
        "suite = Suite.checked({'name': 'x', 'problems': ['digits-mlp'], 'optimizers': ['sgd'], 'steps': 2,\n"
        "  'tuning': {'studies': 1, 'trials': 2, 'block': 1}, 'landscape': {'grid': '2x2'}}, 'this test')\n"
        f"folder = RecordFolder(Path({str(tmp_path / 'x')!r})); folder.open(suite)\n"
        "done = carry_out(CellJob.of(prepare(suite.cells()[0]), folder, None, None, None))\n"
        "assert done.error is None, done.error"
    )
    assert imported(script) == {"optuna"}


@pytest.mark.slow
def test_a_command_and_its_workers_rarely_look_for_garbage() -> None:
    from benchmarks.running.workers import map_unordered

    script = (
        "import gc; from benchmarks.cli.main import main\n"
        "try: main(['--version'])\n"
        "finally: assert gc.get_threshold()[0] == 20_000, gc.get_threshold()"
    )
    subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert {first for first, *_ in map_unordered(_threshold, [1, 2], 2)} == {20_000}


def _threshold(_: int) -> tuple[int, int, int]:
    return gc.get_threshold()


@pytest.mark.slow
def test_what_a_suite_can_decide_is_said_before_the_first_worker_starts_and_without_the_second_that_scipy_stats_takes():
    script = (
        "import sys; from benchmarks import Suite; from benchmarks.running.decide import what_decides\n"
        "assert what_decides(Suite.load('quick').cells())\n"
        "assert not {'scipy.stats', 'scipy.optimize'} & set(sys.modules)"
    )
    assert imported(script) == {"scipy"}
