"""Whatever is wrong with somebody's own problem or optimizer is one sentence with their line, and costs its cells."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from odd_problems import MODULES, PROBLEMS, RULES, plugin_file

from benchmarks.conformance.report import check_name
from benchmarks.engine.training import Training, train
from benchmarks.errors import OwnCodeError, StepscapeError
from benchmarks.naming.plugins import load_plugin_file
from benchmarks.naming.registry import OPTIMIZERS, make_optimizer, make_problem
from benchmarks.naming.registry import PROBLEMS as REGISTERED
from benchmarks.running.run_suite import SuiteResult, run
from benchmarks.suite.suite import Suite

ODD = {**PROBLEMS, **MODULES}
SUITE = """
name = "odd"
steps = 4
evaluations = 2
plugins = {plugins}
problems = {problems}
optimizers = {optimizers}
[tuning]
enabled = {tuned}
studies = 1
trials = 3
block = 3
seeds = 2
pruner = "none"
[test]
seeds = 2
[landscape]
enabled = {mapped}
grid = "4x2"
seeds = 2
"""


def suite(
    plugin: Path, problems: list[str], optimizers: list[str], *, tuned: bool = True, mapped: bool = True
) -> Suite:
    words = {"plugins": [str(plugin)], "problems": problems, "optimizers": optimizers, "tuned": tuned, "mapped": mapped}
    return Suite.parse(SUITE.format(**{name: json.dumps(word) for name, word in words.items()}), "test")


def failures(result: SuiteResult) -> dict[str, str]:
    return {failed.name: str(failed.error) for failed in result.failed}


def names_the_line(said: str, body: str, plugin: Path) -> bool:
    """Whether the sentence names a line of the plug-in file: the marked one where the body marks one."""
    named = re.search(rf"\(\S*{plugin.name}:(\d+)\)", said)
    line = plugin.read_text().splitlines()[int(named[1]) - 1] if named else ""
    return line.endswith("# here") if "# here" in body else bool(line)


@pytest.fixture(scope="module", autouse=True)
def registries() -> Iterator[None]:
    """The registries, as they were before once these tests are over: no list shows an odd problem."""
    before = [(registry, dict(registry._specs)) for registry in (OPTIMIZERS, REGISTERED)]
    yield
    for registry, specs in before:
        registry._specs.clear()
        registry._specs.update(specs)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("odd") / "odd.py"
    path.write_text(plugin_file())
    return path


@pytest.fixture(scope="module")
def ran(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> SuiteResult:
    return run(suite(plugin, [*ODD, "good"], ["sgd"]), tmp_path_factory.mktemp("ran") / "odd")


@pytest.mark.parametrize("name", ODD)
def test_an_odd_problem_is_a_failed_cell_with_one_sentence_that_names_it_and_the_line(
    ran: SuiteResult, plugin: Path, name: str
) -> None:
    body, words = ODD[name]
    said = failures(ran)[f"{name}--sgd"]
    assert said.startswith(f"problem '{name}': ")
    assert words in said
    assert "\n" not in said
    assert len(said) < 700
    assert names_the_line(said, body, plugin)


def test_the_cells_of_a_good_problem_beside_them_land(ran: SuiteResult) -> None:
    assert len(ran.failed) == len(ODD)
    assert [done.name for done in ran.landed] == ["good--sgd"]


@pytest.mark.parametrize("kind", ["tune", "landscape"])
def test_a_study_and_a_landscape_alone_say_the_same(plugin: Path, kind: str, tmp_path: Path) -> None:
    wanted = suite(plugin, [*ODD, "good"], ["sgd"], tuned=kind == "tune", mapped=kind == "landscape")
    said = failures(run(wanted, tmp_path / kind))
    assert set(said) == {f"{name}--sgd" for name in ODD}
    assert not [name for name, (_, words) in ODD.items() if "lanes" not in name and words not in said[f"{name}--sgd"]]


@pytest.mark.slow
@pytest.mark.parametrize("name", ODD)
def test_a_check_of_an_odd_problem_never_breaks_off(ran: SuiteResult, name: str) -> None:
    assert ran.failed
    try:
        lines = check_name(name).lines
    except StepscapeError as error:
        lines = [str(error)]
    assert lines
    assert all("\n" not in line for line in lines)


def test_a_problem_is_tried_once_however_many_cells_it_has(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr("benchmarks.running.prepare.try_problem", lambda problem: calls.append(problem.name))
    run(suite(plugin, ["good"], ["sgd", "momentum"], tuned=False, mapped=False), tmp_path / "out")
    assert calls == ["good"]


def test_an_interrupt_from_a_problem_is_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "interrupting.py"
    source = plugin_file().partition("class Odd0")[0].replace("'good'", "'interrupting'")
    path.write_text(source.replace("return x.square().sum(-1)", "raise KeyboardInterrupt"))
    with pytest.raises(KeyboardInterrupt):
        run(suite(path, ["interrupting"], ["sgd"]), tmp_path / "out")


def test_training_from_python_says_the_same(ran: SuiteResult) -> None:
    assert ran.failed
    with pytest.raises(OwnCodeError, match=r"problem 'loss-late': loss raised ValueError: late \(\S+:\d+\); loss\(x"):
        train(Training(make_problem("loss-late"), make_optimizer("sgd"), [1], 3), {})


def test_an_error_of_our_own_problems_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ellipse = make_problem("ellipse")
    monkeypatch.setattr("torch.Tensor.square", {}.__getitem__)
    with pytest.raises(TypeError):
        train(Training(ellipse, make_optimizer("sgd"), [1], 3), {})


PLUGINS: Mapping[str, tuple[str, str]] = {
    "exit": ("exit()", "SystemExit"),
    "exit-0": ("import sys\nsys.exit(0)", "SystemExit: 0"),
    "exit-text": ("import sys\nsys.exit('done')", "SystemExit: done"),
    "raises": ("\n\nraise KeyError('k')", "KeyError: 'k'"),
    "memory": ("raise MemoryError", "MemoryError"),
    "no-dim": ("from problems import Facts\n\nclass P:\n    facts = Facts(minimum=0.0)", "'dim'"),
    "function": ("def f():\n    return 1 / 0\nf()", "ZeroDivisionError"),
    "import": ("import nowhere_to_be_found", "ModuleNotFoundError"),
}


@pytest.mark.parametrize("kind", PLUGINS)
def test_a_plugin_file_that_fails_is_a_sentence_with_its_line_and_exit_code_2(
    call: Callable[..., int], kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, words = PLUGINS[kind]
    path = tmp_path / "plugin.py"
    path.write_text(source + "\n")
    line = 2 if kind == "function" else len(source.splitlines())
    assert call("tune", "ellipse", "sgd", "--plugin", path, "--out", tmp_path / "out", "--no-tracking") == 2
    said = capsys.readouterr().err
    assert said.startswith(f"stepscape: the plug-in file {path} failed: ")
    assert words in said
    assert said.endswith(f"plugin.py:{line})\n")
    assert said.count("\n") == 1


def test_a_plugin_file_that_is_interrupted_interrupts(tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_plugin_file(tmp_path / "plugin.py")


def test_rules_that_fail_cost_their_cells_and_name_their_line(ran: SuiteResult, plugin: Path, tmp_path: Path) -> None:
    assert ran.failed
    result = run(suite(plugin, ["ellipse"], [*RULES, "sgd"]), tmp_path / "rules")
    said = failures(result)
    assert set(said) == {f"ellipse--{name}" for name in RULES}
    assert [done.name for done in result.landed] == ["ellipse--sgd"]
    for name, (body, words) in RULES.items():
        assert said[f"ellipse--{name}"].startswith(f"optimizer '{name}': ")
        assert words in said[f"ellipse--{name}"]
        assert names_the_line(said[f"ellipse--{name}"], body, plugin)


FOREIGN = """
import torch

class Good(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)

class Raises(Good):
    def step(self, closure=None):
        raise OverflowError('no step')  # here

class Late(Good):
    steps = 0
    def step(self, closure=None):
        self.steps += 1
        if self.steps > 2: raise OverflowError('late')  # here
        super().step()

class Leaves(Good):
    def step(self, closure=None):
        exit(0)  # here

class Unmade(Good):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)
        raise OSError('unmade')  # here

class Asks(Good):
    def step(self, closure):
        closure()
        raise OverflowError('asked')  # here
"""


def test_foreign_optimizers_that_fail_cost_their_cells_and_name_their_line(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own_foreign.py"
    path.write_text(FOREIGN)
    monkeypatch.syspath_prepend(tmp_path)
    optimizers = [f"own_foreign:{name}" for name in ("Raises", "Late", "Leaves", "Unmade", "Asks", "Good")]
    result = run(suite(plugin, ["ellipse"], optimizers), tmp_path / "foreign")
    assert [done.name.rpartition("-")[0] for done in result.landed] == ["ellipse--own_foreign_Good"]
    said = [str(failed.error) for failed in result.failed]
    words = [
        "OverflowError: no step",
        "OSError: unmade",
        "SystemExit: 0",
        "OverflowError: late",
        "OverflowError: asked",
    ]
    assert len(said) == 5
    for word in words:
        (sentence,) = [one for one in said if word in one]
        assert sentence.startswith("optimizer 'own_foreign:")
        assert names_the_line(sentence, "# here", path)


@pytest.mark.usefixtures("empty_pictures")
def test_the_command_names_what_failed_at_its_end_and_keeps_the_rest(
    call: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "two.py"
    source = plugin_file().partition("class Odd0")[0].replace("'good'", "'good-of-two'")
    body = "class Late(Base):\n    def loss(self, x, batch):\n        if moved(x): exit()\n        return good(x)\n"
    path.write_text(f"{source}{body}late_spec = ProblemSpec('late-of-two', Late, 'Odd.', 'here')\n")
    file = tmp_path / "two.toml"
    file.write_text(suite(path, ["late-of-two", "good-of-two"], ["sgd"]).to_toml())
    assert call("run", file, "--trust", "--out", tmp_path / "out", "--no-tracking", "--jobs", "1") == 1
    said = capsys.readouterr()
    assert "stepscape: cell late-of-two--sgd failed: problem 'late-of-two': loss raised SystemExit" in said.err
    assert "Traceback" not in said.err
    assert (tmp_path / "out" / "report" / "index.html").is_file()
    assert "good-of-two" in REGISTERED
