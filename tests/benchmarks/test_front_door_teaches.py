"""What a newcomer meets in Python: `import stepscape`, `help(benchmarks)`, names for objects, reprs, sentences."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import benchmarks
import stepscape
from benchmarks import Configurations, Suite, Training, make_problem, train
from benchmarks.errors import SuiteError
from benchmarks.naming.registry import OPTIMIZERS, PROBLEMS
from benchmarks.running.jobs import JobResult
from benchmarks.running.run_suite import SuiteResult
from benchmarks.suite.settings import Tuning
from benchmarks.testing import check_problem
from optimizers.rmsprop import RMSProp

ROOT = Path(benchmarks.__file__).parents[1]


def python(code: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python run in ``folder``, which comes first on its path, as where a user works."""
    command = [sys.executable, *(words or ("-c", code))]
    path = os.pathsep.join([str(folder), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_name_of_the_suite_is_the_front_door() -> None:
    assert stepscape.train is train
    assert set(benchmarks.__all__) <= set(dir(stepscape))
    with pytest.raises(AttributeError, match="'stepscape' has no attribute 'trian'"):
        _ = stepscape.trian


@pytest.mark.parametrize("module", [benchmarks, stepscape])
def test_what_help_teaches_is_true(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted > 1
    assert result.failed == 0


@pytest.mark.parametrize("name", ["optimizers", "problems", "analysis"])
def test_a_file_of_the_users_that_hides_a_package_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("mine = 1\n")
    said = python("import stepscape; stepscape.run", tmp_path)
    last = said.stderr.strip().splitlines()[-1]
    assert last.startswith(f"benchmarks.shadowing.ShadowedError: {tmp_path / f'{name}.py'} is imported in place of")
    assert last.endswith("rename it")


def test_a_file_of_the_users_that_hides_the_harness_is_named(tmp_path: Path) -> None:
    (tmp_path / "benchmarks.py").write_text("mine = 1\n")
    said = python("import stepscape", tmp_path)
    assert f"{tmp_path / 'benchmarks.py'} is imported as 'benchmarks'" in said.stderr.splitlines()[-1]


def test_the_command_says_it_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "optimizers.py").write_text("mine = 1\n")
    for module in ("benchmarks", "stepscape"):
        said = python("", tmp_path, "-m", module, "list", "suites")
        assert said.returncode == 2
        (line,) = said.stderr.splitlines()
        assert line.startswith(f"stepscape: {tmp_path / 'optimizers.py'} is imported in place of")


def test_names_stand_for_problems_and_optimizers() -> None:
    values = {"lr": 0.1, "gamma": 0.9}
    by_name = train(Training("ellipse", "rmsprop", [1], 5), values)
    by_object = train(Training(make_problem("ellipse"), OPTIMIZERS["rmsprop"], [1], 5), values)
    assert torch.equal(by_name.loss, by_object.loss)
    assert Training("ellipse", "torch:Adam", [1], 5).name == "torch:Adam"
    assert check_problem("ellipse").ok


def test_a_suite_is_run_by_its_name_and_a_folder_by_its_text(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(
        'name = "tiny"\nproblems = ["ellipse"]\noptimizers = ["sgd"]\n[tuning]\ntrials = 4\n[landscape]\ngrid = "2x2"\n'
    )
    result = benchmarks.run(str(tmp_path / "tiny.toml"), str(tmp_path / "out"))
    assert [done.name for done in result.landed] == ["ellipse--sgd"]


def test_objects_say_in_a_line_what_they_are() -> None:
    training = Training("ellipse", "sgd", [1], 4)
    trace = train(training, {"lr": torch.tensor([0.1, 1e9], dtype=torch.float64)})
    assert repr(training) == "<Training of sgd on ellipse: 4 steps, 1 seed>"
    assert repr(trace).startswith(
        "<Trace of 2 configurations × 1 seeds: 1 finished, 1 diverged; loss at 2 steps up to 4"
    )
    assert repr(Configurations({"lr": torch.tensor([0.1, 1.0]), "gamma": 0.9})) == (
        "<Configurations: 2 of lr 0.1 … 1, gamma 0.9>"
    )
    assert repr(make_problem("sphere(dim=3)")) == (
        "<problem sphere(dim=3): 3 parameters, 1000 steps, analytic, bbob, convex, deterministic, smooth>"
    )
    assert repr(OPTIMIZERS).startswith(f"<{len(OPTIMIZERS)} optimizers by name: sgd, momentum, ")
    assert repr(PROBLEMS).startswith(f"<{len(PROBLEMS)} problems by name: ellipse, ")
    assert repr(RMSProp(centered=True)).startswith("RMSProp(eps_inside=True")
    smoke = Suite.load("smoke")
    assert repr(smoke) == str(smoke) == "<Suite 'smoke': 4 cells (2 problems × 2 optimizers × 1 schedule)>"


def test_a_finished_run_says_what_came_of_it() -> None:
    done, failed = JobResult("a", "cell a", 1.0), JobResult("b", "cell b", 1.0, "no such thing")
    said = repr(SuiteResult(Path("out"), [done, failed], ["c"], ["MLflow was out"]))
    assert said == (
        "<results in out: 1 run now, 1 kept, 1 failed; analysis.Record.load('out') reads them>"
        "\ncell b failed: no such thing\nMLflow was out"
    )


def test_a_problem_whose_facts_fail_can_be_printed() -> None:
    class Broken(type(make_problem("ellipse"))):  # type: ignore[misc]
        facts = property(lambda self: 1 / 0)

    assert repr(object.__new__(Broken)) == "<problem Broken()>"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"tuning": {"trails": 3}}, "^Suite: unknown key 'tuning.trails', did you mean 'trials'\\?$"),
        ({"problem": {"ellipse": {"tuning": {"trails": 3}}}}, "did you mean 'trials'\\?$"),
        ({"cell": [{"trails": 3}]}, "did you mean 'trials'\\?$"),
        ({"optimizers": ["sgd", "sgd"]}, "^Suite: optimizers: 'sgd' stands twice$"),
        (
            {"tuning": {"objective": ["final", "best"]}, "problem": {"ellipse": {"tuning": {"sampler": "gp"}}}},
            "^Suite: the sampler gp takes one objective",
        ),
    ],
)
def test_wrong_settings_are_sentences_from_python_too(settings: dict[str, object], sentence: str) -> None:
    usual = {"name": "mine", "problems": ["ellipse"], "optimizers": ["sgd"]}
    with pytest.raises(SuiteError, match=sentence):
        Suite(**{**usual, **settings})  # type: ignore[arg-type]


def test_a_single_table_of_settings_says_it_too() -> None:
    with pytest.raises(SuiteError, match=r"^Tuning: trials: input should be greater than 0$"):
        Tuning(trials=0)
