"""Arguments and surroundings that nobody has on purpose: one sentence each, and no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.exceptions import ExperimentalWarning

from benchmarks.naming.registry import PROBLEMS, make_problem
from benchmarks.running.run_suite import run
from benchmarks.suite.settings import Tuning
from benchmarks.suite.suite import Suite
from benchmarks.tuning.pruning import optuna_pruner
from benchmarks.tuning.samplers import make_sampler
from benchmarks.tuning.space import Space
from optimizers import Hyperparameter
from problems import ProblemSpec

LONG = "a" * 300


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "smoke", "--tracking-uri", "http://["], "'http://[' is no address of an MLflow store"),
        (["run", "smoke", "--dry-run", "--jobs", str(2**63)], "is not in the range 1<=x<="),
        (["tune", "ellipse", "sgd", "--dry-run", "--trials", str(2**64)], "is not in the range 1<=x<="),
        (["replay", "nowhere", "--budget", str(2**64)], "is not in the range 1<=x<="),
        (["run", "smoke", "--children", "9" * 5000], "--children is a number, all or none"),
        (["run", "smoke", "--children", "²"], "--children is a number, all or none"),
        (["run", f"{LONG}.toml"], "too long for a name or a path on this machine"),
        (["run", "smoke", "--dry-run", "--out", LONG * 14], "too long for a name or a path on this machine"),
        (["report", LONG], "too long for a name or a path on this machine"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_short_sentence(
    call: Callable[..., int],
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*arguments) == 2
    line = capsys.readouterr().err
    assert said in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f'name = "{LONG}"', "name: "),
        (f'name = "counts"\nsteps = {2**63 - 1}', "steps: "),
        (f'name = "nested"\ndescription = {"[" * 5000}', "too deeply nested"),
    ],
)
def test_so_is_what_cannot_be_in_a_suite(
    call: Callable[..., int], line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.toml").write_text(f'{line}\nproblems = ["ellipse"]\noptimizers = ["sgd"]\n')
    assert call("run", tmp_path / "s.toml", "--dry-run") == 2
    assert said in capsys.readouterr().err


def test_a_terminal_of_one_column_is_written_to(
    call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "1")
    for arguments in (["show", "rmsprop"], ["show", "ellipse"], ["--help"], ["run", "--help"]):
        assert call(*arguments) == 0
    assert "rmsprop" in capsys.readouterr().out


def test_a_long_problem_is_tuned_under_a_name_that_a_folder_may_have(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("tune", f"ellipse(start=(0.5{'0' * 300}, 1))", "sgd", "--dry-run") == 0
    assert "1 part to run" in capsys.readouterr().out


def test_an_installed_problem_with_facts_of_the_wrong_kind_costs_its_own_line_only(
    call: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = make_problem("ellipse")

    class Odd(type(good)):  # type: ignore[misc]
        minimum = "0"

    def build() -> Odd:
        odd = object.__new__(Odd)
        odd.__dict__.update(vars(good))
        return odd

    specs = {"odd-facts": ProblemSpec("odd-facts", build, "Odd.", "nowhere"), "rosenbrock": PROBLEMS["rosenbrock"]}
    monkeypatch.setattr(PROBLEMS, "_specs", specs)
    assert call("list", "problems") == 0
    listed = capsys.readouterr().out
    assert "minimum = '0', which should be a finite number" in listed
    assert "rosenbrock" in listed
    assert call("show", "odd-facts") == 2


@pytest.fixture(scope="module")
def record(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("record")
    return run(Suite.parse(tiny, "the test"), folder / "out").folder


def test_replays_that_are_there_are_replaced_only_on_demand(
    call: Callable[..., int], record: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(record, tmp_path / "copy")
    command = ["replay", copy, "--sampler", "random", "--repeats", "1", "--budget"]
    assert call(*command, "2") == 0
    (file,) = copy.glob("cells/*/replays.parquet")
    before = file.read_bytes()
    assert call(*command, "3") == 2
    assert "has replays already; --again replaces them" in capsys.readouterr().err
    assert file.read_bytes() == before
    assert call(*command, "3", "--again") == 0
    assert file.read_bytes() != before


@pytest.mark.usefixtures("empty_pictures")
def test_a_record_that_may_not_be_written_has_its_report_elsewhere(
    call: Callable[..., int],
    record: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {file: file.stat().st_mtime_ns for file in record.rglob("*")}
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and may(path, mode))
    assert call("report", record) == 2
    assert f"{record} may not be written; say with --out where the report goes" in capsys.readouterr().err
    assert call("report", record, "--out", tmp_path / "page", "--jobs", "1") == 0
    assert (tmp_path / "page" / "index.html").is_file()
    assert {file: file.stat().st_mtime_ns for file in record.rglob("*")} == before


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "cmaes", "gp"])
def test_no_experimental_warning_reaches_the_user(sampler: str) -> None:
    space = Space((Hyperparameter("lr", 0.1, 0.01, 1.0, "log"), Hyperparameter("gamma", 0.9, 0.1, 0.9, "linear")), {})
    with warnings.catch_warnings():
        warnings.simplefilter("error", ExperimentalWarning)
        make_sampler(Tuning(sampler=sampler), space.distributions(), "study", 0)
        optuna_pruner(Tuning(pruner="optuna:HyperbandPruner"))


TWO_COMMANDS = """
from benchmarks.cli.main import main
for words in (["list", "problems"], ["check", "sgd"]):
    try:
        main(words)
    except SystemExit as left:
        if left.code:
            raise
"""
"""In one process, for which everything is compiled anew."""


@pytest.mark.slow
@pytest.mark.parametrize("program", [["-c", TWO_COMMANDS], ["-m", "benchmarks", "--help"]], ids=["commands", "help"])
def test_python_without_docstrings_and_asserts_does_the_same(program: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-B", *program],
        env={**os.environ, "PYTHONOPTIMIZE": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
