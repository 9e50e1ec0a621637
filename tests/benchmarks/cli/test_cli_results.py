"""Commands on a results folder that is there: report, compare, replay, export."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.running.run_suite import run
from benchmarks.suite.suite import Suite


@pytest.mark.slow
def test_a_report_is_written_without_torch(tiny: str, tmp_path: Path) -> None:
    run(Suite.parse(tiny, "the test"), tmp_path / "out")
    code = (
        "import sys\n"
        "from benchmarks.cli.main import main\n"
        f"try:\n    main(['report', {str(tmp_path / 'out')!r}, '--jobs', '1'])\n"
        "except SystemExit as left:\n    assert not left.code\n"
        "assert not {'torch', 'optuna', 'mlflow'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.fixture(scope="module")
def two_runs(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("runs")
    text = tiny.replace('"ellipse"', '"quadratic(dim=4)"').replace("[tuning]", "steps = 20\n[tuning]")
    text = text.replace("studies = 1", "studies = 3")  # what compare asks for
    a, b = (run(Suite.parse(text, "the test"), folder / name).folder for name in "ab")
    return a, b


@pytest.mark.slow
def test_equal_runs_compare_as_equal(
    call: Callable[..., int], two_runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("compare", *two_runs) == 0
    assert "B is equal" in capsys.readouterr().out
    assert call("compare", *two_runs, "--json") == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "equal"


@pytest.mark.slow
def test_one_optimizer_alone_is_no_plan(
    call: Callable[..., int], two_runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("plan", two_runs[0]) != 0
    assert "has no problem with two tuned optimizers and two studies of each" in capsys.readouterr().err
    assert call("compare", *two_runs) == 0
    assert "Studies and seeds sufficed in 1 of 1 cells" in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
@pytest.mark.usefixtures("empty_pictures")
def test_studies_are_exported_and_landscapes_replayed(
    call: Callable[..., int], two_runs: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"journal:///{tmp_path}/studies.log"
    assert call("export", "optuna", two_runs[0], url) == 0
    assert "3 studies written" in capsys.readouterr().out
    assert call("export", "optuna", two_runs[0], url) == 0
    assert "0 studies written" in capsys.readouterr().out
    assert call("replay", two_runs[1], "--sampler", "random", "--budget", "8", "--repeats", "2") == 0
    assert "1 landscapes searched" in capsys.readouterr().out
    assert call("report", two_runs[1], "--jobs", "1") == 0
