"""The registries: optimizers and problems by name, built in, registered in process, or from an installed plug-in.

Names are unique: registering a taken one is refused. Plug-ins are found by the entry points ``stepscape.optimizers``
and ``stepscape.problems`` and loaded only when their name is asked for, so that a broken one breaks nothing but itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

import optimizers
import problems
from benchmarks.errors import OwnCodeError, StepscapeError, UnknownNameError, UsageError, nearest
from benchmarks.naming.blame import line_of, line_raised, with_line
from benchmarks.naming.call_syntax import (
    check_arguments,
    import_object,
    in_words,
    parse_around,
    parse_call,
    split_outside_brackets,
)
from benchmarks.naming.foreign import AnyOptimizer, Ranges, choose_axes, first_line, foreign, ranged
from benchmarks.naming.own_code import makes_problem
from optimizers import WRAPPERS, OptimizerSpec, Rule, Schedule, Wrapper
from problems import DataError, Problem, ProblemSpec

__all__ = [
    "OF_ANY_RULE",
    "OPTIMIZERS",
    "PROBLEMS",
    "Registry",
    "described",
    "import_object",
    "make_optimizer",
    "make_problem",
    "make_schedules",
    "parse_call",
    "register",
]

OF_ANY_RULE = {
    key: each for key, each in inspect.signature(OptimizerSpec.varied).parameters.items() if each.default != each.empty
}
"""The options that any rule takes."""

Spec = TypeVar("Spec", OptimizerSpec, ProblemSpec)


class Registry(Mapping[str, Spec], Generic[Spec]):
    """Specs by name. Iterating gives all names without loading any plug-in; looking a name up loads its plug-in."""

    spec_type: type[Spec]

    def __init__(self, kind: str, spec_type: type[Spec], builtin: tuple[Spec, ...]) -> None:
        self.kind = kind
        self.spec_type = spec_type
        self._specs: dict[str, Spec] = {}
        for spec in builtin:
            self._add(spec)

    def register(self, spec: Spec) -> Spec:
        """Add ``spec`` under its name and return it; raises `UsageError` where it is no spec or the name is taken."""
        if not isinstance(spec, self.spec_type):
            raise UsageError(f"{self.kind}s are registered as {self.spec_type.__name__}, not as {type(spec).__name__}")
        if spec.name in self.plugins:
            owner = self.plugins[spec.name].value
            raise UsageError(f"the {self.kind} name {spec.name!r} is taken by the plug-in {owner}; choose another")
        return self._add(spec)

    @property
    def plugins(self) -> Mapping[str, EntryPoint]:
        """The entry points of installed plug-ins, by name; one whose name is taken is left out (see `refused`)."""
        return self._installed[0]

    @property
    def refused(self) -> Sequence[str]:
        """One sentence for each installed plug-in whose name is taken."""
        return self._installed[1]

    @cached_property
    def _installed(self) -> tuple[dict[str, EntryPoint], list[str]]:
        """The plug-ins found when first asked, and a sentence for each one that was left out."""
        plugins: dict[str, EntryPoint] = {}
        refused = []
        for point in entry_points(group=f"stepscape.{self.kind}s"):
            if point.name in self._specs or plugins.setdefault(point.name, point) != point:
                owner = "us" if point.name in self._specs else plugins[point.name].value
                refused.append(
                    f"the plug-in {point.value} wants the {self.kind} name {point.name!r}, which is taken by {owner}; "
                    "it was left out"
                )
        return plugins, refused

    def __getitem__(self, name: str) -> Spec:
        if name in self._specs:
            return self._specs[name]
        if name in self.plugins:
            return self._load(self.plugins[name])
        raise UnknownNameError(self.kind, name, self)

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys([*self._specs, *self.plugins])

    def __len__(self) -> int:
        return len(set(self._specs) | set(self.plugins))

    def __contains__(self, name: object) -> bool:
        return name in self._specs or name in self.plugins

    def __repr__(self) -> str:
        names = list(self)
        return f"<{len(names)} {self.kind}s by name: {', '.join(names)}>"

    @property
    def loaded(self) -> Sequence[Spec]:
        """The specs at hand without loading a plug-in."""
        return list(self._specs.values())

    def _load(self, point: EntryPoint) -> Spec:
        try:
            spec = point.load()
        except (Exception, SystemExit) as error:
            raise StepscapeError(
                f"the plug-in {point.value}, which should define the {self.kind} {point.name!r}, cannot be loaded: "
                f"{with_line(error)}"
            ) from error
        if not isinstance(spec, self.spec_type) or spec.name != point.name:
            raise StepscapeError(
                f"the plug-in {point.value} should be of type {self.spec_type.__name__} and named {point.name!r}, "
                f"got {spec!r:.80}"
            )
        return self._add(spec)

    def _add(self, spec: Spec) -> Spec:
        if spec.name in self._specs:
            raise UsageError(f"the {self.kind} name {spec.name!r} is taken; choose another")
        self._specs[spec.name] = spec
        return spec


OPTIMIZERS: Registry[OptimizerSpec] = Registry("optimizer", OptimizerSpec, optimizers.BUILTIN)
PROBLEMS: Registry[ProblemSpec] = Registry("problem", ProblemSpec, problems.BUILTIN)


def register(spec: OptimizerSpec | ProblemSpec) -> None:
    """Register an optimizer or a problem for this process; raises `UsageError` where the name is taken."""
    if isinstance(spec, OptimizerSpec):
        OPTIMIZERS.register(spec)
    else:
        PROBLEMS.register(spec)


def make_optimizer(text: str, ranges: Ranges | None = None) -> AnyOptimizer:
    """The optimizer ``text`` names: a registered name, ``torch:RMSprop(centered=True)``, or ``package.module:OBJECT``
    or ``FILE.py:OBJECT`` for one's own.

    OBJECT is an `OptimizerSpec`, a `Rule` or a subclass of it, or a `torch.optim.Optimizer` class; options are written
    in brackets. Every rule takes ``rmsprop(weight_decay=0.01, decay='decoupled', maximize=True)``, and a wrapper stands
    around any of them: ``lookahead(rmsprop, every=5)``. ``ranges`` replace the ranges searched, and are needed for what
    has no standard one. Raises `UnknownNameError` for an unknown name and `UsageError` for a wrong option or range,
    with the nearest known one.
    """
    if text.partition("(")[0].strip() in WRAPPERS:
        return ranged(_wrapped(text), ranges or {})
    name, given = parse_call(text)
    if ":" not in name:
        thing: Any = OPTIMIZERS[name]
    elif name.startswith("torch:"):
        thing = _torch_class(name.removeprefix("torch:"))
    else:
        thing = import_object(name)
    if isinstance(thing, type) and issubclass(thing, torch.optim.Optimizer):
        return foreign(text.strip(), thing, given, ranges)
    own = inspect.signature(thing).parameters if isinstance(thing, type) else {}
    of_any = {key: given.pop(key) for key in OF_ANY_RULE if key in given and key not in own}
    if isinstance(thing, type) and issubclass(thing, Rule):
        thing, given = _with_options(text, thing, given), {}
    if given:
        raise UsageError(
            f"{name!r} takes no options, got {', '.join(given)}; {', '.join(OF_ANY_RULE)} are written so of any rule, "
            "hyperparameters are fixed or searched instead"
        )
    if isinstance(thing, Rule):
        axes = choose_axes(name, [knob.name for knob in thing.hyperparameters], tuple(ranges or ()))
        thing = OptimizerSpec(text.strip(), thing, axes, type(thing).__module__, first_line(type(thing)))
    if not isinstance(thing, OptimizerSpec):
        kind = type(thing).__name__
        raise UsageError(f"{name!r} is no OptimizerSpec, Rule or torch.optim.Optimizer class, but {kind}")
    if of_any:
        check_arguments(f"optimizer {text!r}", of_any, OF_ANY_RULE)
        thing = _made(text, partial(thing.varied, text.strip(), **of_any))
    return ranged(thing, ranges or {})


def _wrapped(text: str) -> OptimizerSpec:
    """The optimizer ``text``, a wrapper around another one."""
    name, inner, given = parse_around(text)
    spec = make_optimizer(inner)
    if not isinstance(spec, OptimizerSpec):
        raise UsageError(f"{text!r}: {name} goes around our own rules only, and {inner} is somebody else's optimizer")
    kinds = {kind: _own_parameters(kind) for kind in WRAPPERS[name]}
    known = {key: parameter for parameters in kinds.values() for key, parameter in parameters.items()}
    check_arguments(f"optimizer {text!r}", given, known)
    for kind, parameters in kinds.items():
        if given.keys() <= parameters.keys():
            return _made(text, partial(spec.wrapped, kind, text.strip(), **given))
    raise UsageError(f"{text!r}: of {', '.join(known)} {name} takes one; nest two of them instead")


def _own_parameters(kind: type[Wrapper]) -> dict[str, inspect.Parameter]:
    """What a wrapper takes besides the rule inside: its hyperparameters' defaults and its options."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    knobs = {knob.name: inspect.Parameter(knob.name, keyword, annotation="float") for knob in kind.hyperparameters}
    fields = inspect.signature(kind).parameters
    return {key: knobs[key] if key in knobs else fields[key] for key in kind.options()}


def _made(text: str, make: Callable[[], OptimizerSpec]) -> OptimizerSpec:
    """What ``make`` makes of options; raises `UsageError` where it refuses them."""
    try:
        return make()
    except (TypeError, ValueError) as error:
        raise UsageError(f"optimizer {text!r}: {error}") from error


def _torch_class(name: str) -> type[torch.optim.Optimizer]:
    known = {
        key: value
        for key, value in vars(torch.optim).items()
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer
    }
    if name not in known:
        raise UsageError(f"torch.optim has no {name!r}{nearest(name, known)}; it has {', '.join(known)}")
    return known[name]


def _with_options(text: str, kind: type[Rule], given: Mapping[str, Any]) -> Rule:
    check_arguments(f"optimizer {text!r}", given, inspect.signature(kind).parameters)
    try:
        return kind(**given)
    except (Exception, SystemExit) as error:
        raise UsageError(f"optimizer {text!r}: {in_words(error)}") from error


def make_problem(text: str, data: Path | None = None) -> Problem:
    """The problem ``text`` names, with parameters as in ``quadratic(dim=10)``; ``package.module:OBJECT`` or
    ``FILE.py:OBJECT`` is one's own.

    ``data`` is the user's data folder. The instance's name lists the parameters that differ from the defaults.
    Raises `UnknownNameError` for an unknown name and `UsageError` for a wrong parameter, with the nearest known one.
    """
    name, given = parse_call(text)
    if name in OPTIMIZERS and name not in PROBLEMS:
        raise UsageError(f"{name!r} is an optimizer where a problem is expected; the problem comes first")
    spec = _own_problem(name) if ":" in name else PROBLEMS[name]
    if isinstance(spec, Problem):
        if given:
            raise UsageError(f"{name!r} is a ready problem without parameters, got {', '.join(given)}")
        return spec
    known = spec.parameters
    signature = inspect.signature(spec.build).parameters
    check_arguments(f"problem {name!r}", given, {key: signature[key] for key in known})
    try:
        problem = spec.build(**given, **({"data": data} if spec.takes_data else {}))
    except (StepscapeError, DataError):
        raise
    except (Exception, SystemExit) as error:
        line = line_raised(error, spec.build) or line_of(spec.build)
        if line is not None:
            raise OwnCodeError(f"problem {text!r}: {in_words(error)} ({line})") from error
        raise UsageError(f"problem {text!r}: {in_words(error)}") from error
    if not isinstance(problem, Problem):
        line = line_of(spec.build)
        made = f"{type(problem).__name__}{f' ({line})' if line else ''}"
        raise OwnCodeError(f"problem {text!r}: it should make a Problem, and made {made}")
    changed = [f"{key}={value!r}" for key, value in given.items() if value != known[key]]
    return problem.named(f"{name}({', '.join(changed)})" if changed else name)


def described(problem: Problem) -> str:
    """What ``problem`` is: its entry's line with the parameters that differ, else its class's docstring's first line;
    with its remark.

    The line tells of the default instance, so that what differs stands behind it.
    """
    name, changed = parse_call(problem.name)
    if name in PROBLEMS:
        differs = ", ".join(f"{key}={value!r}" for key, value in changed.items())
        text = f"{PROBLEMS[name].description}; here with {differs}" if differs else PROBLEMS[name].description
    else:
        text = first_line(type(problem))
    return f"{text.removesuffix('.')}. {problem.remark}" if problem.remark else text


def make_schedules(text: str) -> dict[str, Schedule]:
    """The schedules ``text`` names, by hyperparameter: ``"cosine"`` (of lr) or ``"lr=cosine gamma=gamma-linear"``.

    A schedule inside a schedule is written as text: ``"warmup(then='cosine', length=0.2)"``. Raises `UnknownNameError`
    for an unknown schedule and `UsageError` for a wrong parameter or a schedule of memories given to lr.
    """
    result: dict[str, Schedule] = {}
    for part in split_outside_brackets(text):
        target, separator, call = part.partition("=")
        if not separator or "(" in target:
            target, call = "lr", part
        if target in result:
            raise UsageError(f"schedule {text!r} gives {target} twice")
        schedule = _make_schedule(call)
        if target == "lr" and schedule.kind == "memory":
            raise UsageError(f"schedule {call!r} is one of memories; write whose, as gamma={call}")
        if not isinstance(schedule, optimizers.schedule.Constant):
            result[target] = schedule
    return result


def _make_schedule(call: str) -> Schedule:
    name, given = parse_call(call)
    if name not in optimizers.SCHEDULES:
        raise UnknownNameError("schedule", name, optimizers.SCHEDULES)
    kind = optimizers.SCHEDULES[name]
    known = inspect.signature(kind).parameters
    check_arguments(f"schedule {name!r}", given, known)
    inner = {key: _make_schedule(value) for key, value in given.items() if known[key].annotation == "Schedule"}
    try:
        return kind(**{**given, **inner})
    except (TypeError, ValueError) as error:
        raise UsageError(f"schedule {call!r}: {error}") from error


def _own_problem(path: str) -> Problem | ProblemSpec:
    """What ``path`` names, not called yet; raises `UsageError` for whatever is not there to make a problem."""
    thing = import_object(path)
    if isinstance(thing, Problem):
        return thing if thing.name else thing.named(path)
    if isinstance(thing, ProblemSpec):
        return thing
    if makes_problem(thing):
        return ProblemSpec(path, thing, "", path)
    raise UsageError(
        f"{path!r} is no Problem, ProblemSpec or function that makes one, but {type(thing).__name__}; a function is "
        "called where it is annotated to return a Problem or, without annotation, where it stands in a file of yours"
    )
