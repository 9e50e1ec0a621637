"""The registries: names and parameters, one's own things by path, by file and by installed plug-ins."""

import importlib
import sys
import textwrap

import pytest
import torch

from benchmarks.errors import StepscapeError, UnknownNameError, UsageError
from benchmarks.naming import registry
from benchmarks.naming.foreign import ForeignSpec
from benchmarks.naming.plugins import load_plugin_file
from benchmarks.naming.registry import OPTIMIZERS, PROBLEMS, Registry, make_optimizer, make_problem
from optimizers import OptimizerSpec
from optimizers.builtin import BUILTIN
from problems import ProblemSpec

MODULE = """
    import torch
    from dataclasses import dataclass
    from optimizers import Hyperparameter, OptimizerSpec, Rule
    from optimizers.rule import as_like
    from problems import Analytic, ProblemSpec


    @dataclass(frozen=True)
    class Descent(Rule):
        '''Plain descent.'''

        factor: float = 1.0

        hyperparameters = (Hyperparameter("lr", default=0.1, low=1e-3, high=1.0, scale="log"),)

        def init(self, x):
            return {}

        def update(self, g, state, hp, t):
            return g * as_like(-hp["lr"] * self.factor, g)


    def square(x):
        return x.square().sum(-1)


    def line(start: float = 2.0):
        return Analytic(square, (start,), minimum=0.0, steps=5)


    class Odd(torch.optim.SGD):
        def __init__(self, params, lr, stretch=2.0, wanted=None):
            super().__init__(params, lr=lr * stretch)
            self.param_groups[0]["stretch"] = stretch


    class Demanding(torch.optim.SGD):
        def __init__(self, params, strength):
            super().__init__(params, lr=strength)


    spec = OptimizerSpec("descent", Descent(), ("lr", None), "these tests", "plain descent")
    line_spec = ProblemSpec("line", line, "a parabola", "these tests")
    ready = line(3.0)
    number = 7
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of somebody's own, importable as own_things."""
    (tmp_path / "own_things.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("own_things")
    del sys.modules["own_things"]


@pytest.fixture
def installed(tmp_path, monkeypatch, module):
    """A function that installs entry points: it writes their dist-info folder beside the module."""

    def install(**groups):
        info = tmp_path / "own_things-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-things\nVersion: 1.0\n")
        sections = [f"[stepscape.{group}]\n" + "\n".join(lines) + "\n" for group, lines in groups.items()]
        (info / "entry_points.txt").write_text("\n".join(sections))
        importlib.invalidate_caches()

    return install


@pytest.fixture
def optimizers():
    return Registry("optimizer", OptimizerSpec, BUILTIN)


def test_an_unknown_name_is_answered_with_the_nearest(optimizers):
    for text, guess in (("rmsprob", "rmsprop"), ("addam", "adam")):
        with pytest.raises(UnknownNameError, match=f"unknown optimizer '{text}', did you mean '{guess}'"):
            make_optimizer(text)
    with pytest.raises(UnknownNameError, match="unknown problem 'elipse', did you mean 'ellipse'"):
        make_problem("elipse")


def test_every_builtin_name_is_at_hand_without_loading_anything(optimizers):
    assert [spec.name for spec in BUILTIN] == list(optimizers)
    assert len(optimizers) == len(BUILTIN)
    assert optimizers["rmsprop"] is next(spec for spec in BUILTIN if spec.name == "rmsprop")


def test_a_taken_name_is_refused(optimizers, module):
    assert optimizers.register(module.spec) is module.spec
    with pytest.raises(UsageError, match="the optimizer name 'descent' is taken"):
        optimizers.register(module.spec)
    with pytest.raises(UsageError, match="optimizers are registered as OptimizerSpec, not as ProblemSpec"):
        optimizers.register(module.line_spec)


def test_a_plugin_is_listed_by_name_and_loaded_only_when_asked_for(installed, optimizers, monkeypatch):
    installed(optimizers=["descent = own_things:spec"])
    monkeypatch.delitem(sys.modules, "own_things")
    assert "descent" in optimizers
    assert list(optimizers)[-1] == "descent"
    assert len(optimizers) == len(BUILTIN) + 1
    assert "own_things" not in sys.modules
    assert optimizers["descent"].description == "plain descent"
    assert optimizers["descent"] is optimizers["descent"]


def test_a_broken_plugin_breaks_only_itself_and_is_named(installed, optimizers):
    installed(optimizers=["good = own_things:spec", "broken = no_such_module:spec", "number = own_things:number"])
    assert optimizers["sgd"].name == "sgd"
    with pytest.raises(
        StepscapeError, match=r"plug-in no_such_module:spec.*'broken', cannot be loaded: ModuleNotFound"
    ):
        optimizers["broken"]
    with pytest.raises(
        StepscapeError, match=r"own_things:number should be of type OptimizerSpec and named 'number', got 7"
    ):
        optimizers["number"]
    with pytest.raises(StepscapeError, match=r"own_things:spec should be of type OptimizerSpec and named 'good'"):
        optimizers["good"]


def test_a_plugin_whose_name_is_taken_is_left_out_and_said_so(installed, optimizers):
    installed(optimizers=["sgd = own_things:spec", "descent = own_things:spec", "descent = elsewhere:spec"])
    assert optimizers["sgd"] in BUILTIN
    assert optimizers.plugins["descent"].value == "own_things:spec"
    ours, theirs = optimizers.refused
    assert ours == "the plug-in own_things:spec wants the optimizer name 'sgd', which is taken by us; it was left out"
    assert theirs.startswith("the plug-in elsewhere:spec wants the optimizer name 'descent', which is taken by own_th")


def test_a_name_an_installed_plugin_has_is_taken_before_it_is_loaded(installed, optimizers, module):
    installed(optimizers=["descent = own_things:spec"])
    with pytest.raises(UsageError, match="taken by the plug-in own_things:spec"):
        optimizers.register(module.spec)


def test_problems_have_plugins_too(installed):
    installed(problems=["line = own_things:line_spec"])
    assert Registry("problem", ProblemSpec, ())["line"].build().dim == 1


def test_a_plugin_file_registers_what_stands_at_its_top_level(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "OPTIMIZERS", Registry("optimizer", OptimizerSpec, BUILTIN))
    monkeypatch.setattr(registry, "PROBLEMS", Registry("problem", ProblemSpec, ()))
    path = tmp_path / "mine.py"
    path.write_text(textwrap.dedent(MODULE) + "from optimizers.builtin import BUILTIN\nbase = BUILTIN[0]\n")
    load_plugin_file(path)
    assert registry.OPTIMIZERS["descent"].rule.factor == 1.0
    assert registry.PROBLEMS["line"].source == "these tests"
    with pytest.raises(UsageError, match="'descent' is taken"):
        load_plugin_file(path)


def test_a_plugin_file_that_cannot_serve_says_why(tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        load_plugin_file(tmp_path / "missing.py")
    (tmp_path / "fails.py").write_text("1 / 0\n")
    with pytest.raises(StepscapeError, match=r"fails\.py failed: ZeroDivisionError: division by zero"):
        load_plugin_file(tmp_path / "fails.py")
    (tmp_path / "empty.py").write_text("number = 7\n")
    with pytest.raises(StepscapeError, match="defines no OptimizerSpec and no ProblemSpec"):
        load_plugin_file(tmp_path / "empty.py")


def test_a_path_names_a_rule_an_instance_an_entry_or_a_torch_class(module):
    assert make_optimizer("own_things:spec") == module.spec
    rule = make_optimizer("own_things:Descent(factor=2.0)")
    assert (rule.name, rule.rule.factor, rule.axes) == ("own_things:Descent(factor=2.0)", 2.0, ("lr", None))
    assert (rule.description, rule.reference) == ("Plain descent.", "own_things")
    assert isinstance(make_optimizer("torch.optim:Adam"), ForeignSpec)


def test_a_path_names_a_problem_a_function_that_makes_one_or_an_entry(module):
    assert make_problem("own_things:line(start=3.0)").start([0]).tolist() == [[3.0]]
    assert make_problem("own_things:line").name == "own_things:line"
    assert make_problem("own_things:line_spec").dim == 1
    assert make_problem("own_things:ready").name == "own_things:ready"
    with pytest.raises(UsageError, match="is a ready problem without parameters, got start"):
        make_problem("own_things:ready(start=1.0)")
    with pytest.raises(UsageError, match="'own_things:number' is no Problem"):
        make_problem("own_things:number")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("own_things:number", "is no OptimizerSpec, Rule or torch.optim.Optimizer class, but int"),
        ("own_things:nothing", "'own_things:nothing' cannot be imported"),
        ("no_such_module:thing", "cannot be imported: No module named"),
        ("own_things:Descent(speed=2)", "has no parameter 'speed'; it has factor"),
        ("own_things:spec(lr=2)", "takes no options, got lr"),
        ("rmsprop(gamma=0.5)", "takes no options, got gamma"),
        ("torch:RMSProp", "torch.optim has no 'RMSProp', did you mean 'RMSprop'"),
        ("torch:RMSprop(centred=True)", "RMSprop has no argument 'centred', did you mean 'centered'"),
        ("own_things:Demanding", r"Demanding needs a value for strength: write it as NAME\(strength=value\)"),
        ("own_things:Demanding(strength=0.1)", "has no hyperparameter whose range is known"),
        ("torch:SGD(0.1)", "is not of the form name"),
    ],
)
def test_a_name_that_cannot_serve_as_an_optimizer_says_what_is_wrong(module, text, words):
    with pytest.raises(UsageError, match=words):
        make_optimizer(text)


def test_foreign_names_are_translated_and_defaults_read_from_the_signature():
    rmsprop = make_optimizer("torch:RMSprop(centered=True, alpha=0.95)")
    assert rmsprop.axes == rmsprop.searched == ("lr", "gamma")
    assert {knob.name: knob.default for knob in rmsprop.hyperparameters} == {
        "lr": 0.01,
        "gamma": 0.95,
        "eps": 1e-8,
        "weight_decay": 0.0,
        "momentum": 0.0,
    }
    keywords = rmsprop.keywords({"lr": 0.5, "gamma": 0.7})
    assert (keywords["lr"], keywords["alpha"], keywords["centered"]) == (0.5, 0.7, True)
    adam = make_optimizer("torch:Adam(beta1=0.5)")
    assert adam.axes == ("lr", "beta2")
    assert adam.hyperparameter("beta1").default == 0.5
    assert adam.keywords({"beta2": 0.9})["betas"] == (0.5, 0.9)
    assert make_optimizer("torch:Adadelta").hyperparameter("gamma").default == 0.9
    assert make_optimizer("torch:SGD").axes == ("lr", "momentum")
    assert make_optimizer("torch:Adagrad").axes == ("lr", None)


def test_gamma_is_the_decay_of_squared_gradients_only():
    averaged = make_optimizer("torch:ASGD")  # its alpha is the power of a decay of lr
    assert "gamma" not in {knob.name for knob in averaged.hyperparameters}
    assert averaged.options["alpha"] == 0.75


def test_the_user_gives_the_ranges_nobody_can_know(module):
    plain = make_optimizer("own_things:Odd")
    assert [knob.name for knob in plain.hyperparameters] == ["lr"]
    assert plain.options == {"stretch": 2.0, "wanted": None}
    given = make_optimizer("own_things:Odd", {"stretch": (0.5, 8.0, "log")})
    assert given.axes == given.searched == ("lr", "stretch")
    knob = given.hyperparameter("stretch")
    assert (knob.default, knob.low, knob.high, knob.scale) == (2.0, 0.5, 8.0, "log")
    group = given.torch([torch.zeros(1, requires_grad=True)], lr=0.25, stretch=4.0).param_groups[0]
    assert (group["lr"], group["stretch"]) == (1.0, 4.0)
    demanding = make_optimizer("own_things:Demanding(strength=0.1)", {"strength": [0.01, 1.0]})
    assert demanding.axes == ("strength", None)


def test_ranges_may_be_given_by_the_foreign_name_and_to_our_own_entries():
    assert make_optimizer("torch:RMSprop", {"alpha": [0.8, 0.99]}).hyperparameter("gamma").low == 0.8
    ours = make_optimizer("rmsprop", {"lr": [0.01, 1.0], "gamma": [0.5, 0.9, "log1m"]})
    assert [(knob.low, knob.high) for knob in ours.hyperparameters[:2]] == [(0.01, 1.0), (0.5, 0.9)]


@pytest.mark.parametrize(
    ("text", "ranges", "words"),
    [
        ("rmsprop", {"gama": [0, 1]}, "rmsprop has no hyperparameter 'gama', did you mean 'gamma'"),
        ("torch:RMSprop", {"gama": [0, 1]}, "no hyperparameter 'gama', did you mean 'gamma'"),
        ("rmsprop", {"lr": [1.0, 0.1]}, r"the range \[1.0, 0.1\] of lr should be .* low < high"),
        ("rmsprop", {"lr": [1.0]}, "should be"),
        ("torch:Adam", {"lr": [0.1, 1.0, "logarithmic"]}, "unknown scale 'logarithmic', did you mean 'log"),
        ("rmsprop", {"lr": [0.1, 1.0, "linear"]}, "lr is searched on the scale log, not linear"),
    ],
)
def test_a_range_that_cannot_serve_says_what_is_wrong(text, ranges, words):
    with pytest.raises(UsageError, match=words):
        make_optimizer(text, ranges)


def test_the_builtin_registries_refuse_nothing():
    assert [*OPTIMIZERS.refused, *PROBLEMS.refused] == []
