"""Problems and schedules as they are written: parameters in brackets, and what is said of those that cannot be."""

import sys

import pytest

from benchmarks.errors import StepscapeError, UsageError
from benchmarks.naming.call_syntax import parse_call
from benchmarks.naming.registry import PROBLEMS, make_optimizer, make_problem, make_schedules


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Modules of somebody's own with something wrong in each."""
    (tmp_path / "own_odd.py").write_text("def count():\n    return 5\ndef fail():\n    raise KeyError('gone')\n")
    (tmp_path / "own_good.py").write_text(
        "from problems import Analytic\n"
        "def line(start: float | None = None, steps=5, scale: float = 1):\n"
        "    return Analytic(lambda x: x.sum(-1), (start or scale,), minimum=None, steps=steps)\n"
    )
    (tmp_path / "own_broken.py").write_text("1 / 0\n")
    (tmp_path / "own_leaving.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def acting(tmp_path, monkeypatch):
    """A module of somebody's own, and an installed one, whose functions leave a file behind when they are called."""
    act = f"    open({str(tmp_path / 'acted')!r}, 'w').close()\n"
    make = f"{act}    return Analytic(lambda x: x.sum(-1), (1.0,), minimum=None, steps=5)\n"
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (tmp_path / "own_acting.py").write_text(
        "from functools import partial\nfrom subprocess import getoutput\nfrom problems import Analytic, Problem\n"
        "from installed_acting import unsaid\n"
        f"def delete() -> None:\n{act}"
        f"class Caller:\n    def __init__(self):\n    {act}"
        f"def said() -> Problem:\n{make}"
        f"def plain():\n{make}"
        "ready = partial(plain)\n"
    )
    (installed / "installed_acting.py").write_text(
        "from problems import Analytic, Problem\n"
        f"def unsaid():\n{make}"
        f"def said() -> Analytic:\n{make}"
        f"def unsure() -> 'Problem | None':\n{make}"
        f"def unknown() -> 'Missing':\n{make}"
    )
    monkeypatch.syspath_prepend(installed)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "acted"
    for name in ("own_acting", "installed_acting"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ellipse", ("ellipse", {})),
        ("quadratic(dim=10, noise='student-t')", ("quadratic", {"dim": 10, "noise": "student-t"})),
        (" f(x=-1e-3, y=(1, 2), z=None) ", ("f", {"x": -1e-3, "y": (1, 2), "z": None})),
    ],
)
def test_a_call_is_read_as_a_name_and_literals(text, expected):
    assert parse_call(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("f(1)", "parameters are written key=value"),
        ("f(x=1", "was never closed"),
        ("f(x=open('y'))", "x is a number, a text in quotes, True, False, None or a list of such"),
        ("f(x=10**20)", "x is a number"),
        ("f(x=nan)", "x is a number"),
        ("f(x=1e999)", "x is not finite"),
        ("f(x)", "parameters are written key=value"),
        ("f(x=1) g", "invalid syntax"),
        ("f(x=1)(y=2)", "parameters are written key=value"),
        ("f(x=1, x=2)", "each parameter is written once"),
        ("f(**{'x': 1})", "each parameter is written once, as key=value"),
        (f"f(x={'-' * 10000}1)", "is not of the form"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_not_a_call_with_literals_is_refused(text, words):
    with pytest.raises(UsageError, match="is not of the form name") as refused:
        parse_call(text)
    assert words in str(refused.value)


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("quadratic(dim=2.5)", "problem 'quadratic': dim is a whole number, got 2.5"),
        ("quadratic(dim=True)", "dim is a whole number, got True"),
        ("quadratic(dim='x')", "dim is a whole number, got 'x'"),
        ("quadratic(rotated=1)", "rotated is True or False, got 1"),
        ("quadratic(condition='1e3')", "condition is a number, got '1e3'"),
        ("quadratic(dim=1000000000)", "quadratic needs 1 <= dim <= 1000000"),
        ("sphere(dim=1000000000000)", "sphere needs 1 <= dim <= 1000000"),
        ("robust-huber(loss=3)", "loss is a text in quotes, got 3"),
        ("own_odd:count", "it should make a Problem, and made int"),
        ("own_odd:fail", "problem 'own_odd:fail': KeyError: 'gone'"),
        ("own_broken:line", "cannot be imported: ZeroDivisionError"),
        ("own_leaving:line", "cannot be imported: SystemExit"),
    ],
)
def test_a_problem_that_cannot_be_made_says_what_is_wrong(text, words):
    with pytest.raises(UsageError) as refused:
        make_problem(text)
    assert words in str(refused.value)


def test_a_schedule_without_a_target_is_one_of_lr_and_constants_are_left_out():
    assert make_schedules("constant") == {}
    assert list(make_schedules("cosine")) == ["lr"]
    both = make_schedules("lr=step(every=10) gamma=gamma-linear")
    assert list(both) == ["lr", "gamma"]
    assert both["lr"].every == 10


def test_a_schedule_may_hold_another_one():
    warmup = make_schedules("warmup(then='step(every=7)', length=4)")["lr"]
    assert (warmup.length, warmup.then.every) == (4, 7)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cosin", "unknown schedule 'cosin', did you mean 'cosine'"),
        ("lr=cosine lr=step", "gives lr twice"),
        ("step(evry=10)", "schedule 'step' has no parameter 'evry', did you mean 'every'"),
        ("gamma-linear", "is one of memories; write whose, as gamma=gamma-linear"),
        ("warmup(then='steep')", "unknown schedule 'steep', did you mean 'step'"),
        ("step(every=0)", "schedule 'step"),
        ("cosine(final='x')", "schedule 'cosine': final is a number, got 'x'"),
        ("warmup(then=3)", "then is a schedule's name in quotes, got 3"),
        ("multi-step(milestones=3)", "milestones is a list of numbers, got 3"),
    ],
)
def test_a_schedule_that_cannot_serve_says_what_is_wrong(text, words):
    with pytest.raises(StepscapeError, match=words):
        make_schedules(text)


def test_the_registered_instance_is_named_by_what_differs_from_the_default():
    parameters = PROBLEMS["quadratic"].parameters
    assert make_problem(f"quadratic(dim={parameters['dim']})").name == "quadratic"
    assert make_problem("quadratic(dim=7)").name == "quadratic(dim=7)"
    with pytest.raises(UsageError, match="problem 'quadratic' has no parameter 'dims', did you mean 'dim'"):
        make_problem("quadratic(dims=7)")


@pytest.mark.usefixtures("modules")
def test_parameters_of_ones_own_are_held_to_plain_annotations_only():
    problem = make_problem("own_good:line(start=2, steps=7, scale=0.5)")
    assert (problem.steps, problem.start([0]).item()) == (7, 2.0)
    with pytest.raises(UsageError, match="scale is a number, got 'x'"):
        make_problem("own_good:line(scale='x')")


@pytest.mark.parametrize(
    "text",
    [
        "torch.utils.collect_env:run(command='touch ACTED')",
        "matplotlib.cbook:_get_data_path",
        "own_acting:getoutput(cmd='touch ACTED')",
        "own_acting:delete",
        "own_acting:Caller",
        "own_acting:ready",
        "own_acting:unsaid",
        "installed_acting:unsaid",
        "installed_acting:unsure",
        "installed_acting:unknown",
        "benchmarks.naming.call_syntax:parse_call(text='f')",
        "problems:ProblemSpec(name='f')",
    ],
)
def test_what_does_not_make_a_problem_is_refused_before_it_is_called(acting, text):
    with pytest.raises(UsageError, match="is no Problem, ProblemSpec or function that makes one"):
        make_problem(text.replace("ACTED", str(acting)))
    assert not acting.exists()


@pytest.mark.parametrize("make", [make_problem, make_optimizer])
@pytest.mark.parametrize("name", ["subprocess:getoutput(cmd='touch ACTED')", "os:system", "antigravity:webbrowser"])
def test_nothing_of_pythons_own_library_is_called_or_imported(acting, monkeypatch, make, name):
    monkeypatch.delitem(sys.modules, "antigravity", raising=False)
    with pytest.raises(UsageError, match="is part of Python, which has neither problems nor optimizers"):
        make(name.replace("ACTED", str(acting)))
    assert not acting.exists()
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("name", ["own_acting:plain", "own_acting:said", "installed_acting:said"])
def test_a_function_of_ones_own_or_one_that_says_so_makes_a_problem(acting, name):
    assert make_problem(name).name == name
    assert acting.exists()


@pytest.mark.parametrize("name", ["own_acting:plain", "own_acting:delete", "own_acting:Caller", "own_acting:getoutput"])
def test_no_function_is_called_for_an_optimizer(acting, name):
    with pytest.raises(UsageError, match="is no OptimizerSpec, Rule or"):
        make_optimizer(name)
    assert not acting.exists()


def test_a_file_is_named_by_its_path_and_may_import_what_lies_beside_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "beside_it.py").write_text("WIDTH = 3\n")
    (tmp_path / "train_it.py").write_text(
        "from beside_it import WIDTH\nfrom problems import Analytic\n"
        "def make_problem():\n    return Analytic(lambda x: x.sum(-1), (1.0,) * WIDTH, minimum=None, steps=5)\n"
    )
    path = f"{tmp_path / 'train_it.py'}:make_problem"
    assert make_problem(path).dim == 3
    assert make_problem(path).name == path
    with pytest.raises(UsageError, match="defines no 'make_prblem', did you mean 'make_problem'"):
        make_problem(path.replace("problem", "prblem"))
    with pytest.raises(UsageError, match=r"there is no file 'trin\.py'"):
        make_problem("trin.py:make_problem")


def test_a_file_whose_name_is_a_modules_is_still_that_file(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "random.py").write_text(
        "from problems import Analytic\n"
        "def make_problem():\n    return Analytic(lambda x: x.sum(-1), (1.0, 2.0), minimum=None, steps=5)\n"
    )
    assert make_problem(f"{tmp_path / 'random.py'}:make_problem").dim == 2
    import random

    assert hasattr(random, "random")
