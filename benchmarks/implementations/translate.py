"""Settings of an optimizer in another framework, with the measured error of the path.

The rule that stands for the target is tried in every way the target can be asked for. Where none is exact, of the
nearest that is taken which deviates least where it deviates most, over gradients of all sizes: eps has to hold the gain
of the smallest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any, Final

import torch

from benchmarks.engine.calls import project_
from benchmarks.engine.training import Training
from benchmarks.errors import UsageError, nearest
from benchmarks.implementations.forms import Form, differences
from benchmarks.implementations.frameworks import FRAMEWORKS, Spelling, framework_of, spellings_of
from benchmarks.implementations.implementation import on_a_vector
from benchmarks.implementations.parity import PROBLEMS, STEPS
from benchmarks.implementations.paths import Ride, apart, coordinates_apart, first_apart, forced, free, rounding_bound
from benchmarks.implementations.probes import CONSTRUCTED, FALLING, rides
from benchmarks.naming.call_syntax import parse_call
from benchmarks.naming.registry import make_problem
from optimizers import Rule
from optimizers.adagrad import Adagrad
from optimizers.adam import Adam
from optimizers.rmsprop import RMSProp
from optimizers.sgd import SGD, Momentum

__all__ = ["Deviation", "Setting", "Translation", "counterpart", "translate"]


@dataclass(frozen=True)
class Setting:
    """One setting on both sides: as it was, as it is written there, and what became of it in words."""

    here: str
    there: str
    how: str


@dataclass(frozen=True)
class Deviation:
    """How far the target's path is from the source's at most, as a share of the way gone, and after which step."""

    problem: str
    largest: float
    at_step: int


@dataclass(frozen=True)
class Translation:
    """The line of ``code`` of the target, and how well it does what the source does.

    ``exact`` means to rounding, on every problem and under constructed gradients at a constant lr; ``under_schedule``
    that it stays so where lr falls. ``worst`` is the largest deviation of a coordinate under gradients of all sizes,
    and ``worst_size`` the size of the gradients it is of; ``falling`` is the same where lr falls in the middle.
    ``remains`` are the traits, here and there, that the target cannot be asked for.
    """

    source: str
    target: str
    code: str
    settings: tuple[Setting, ...]
    exact: bool
    under_schedule: bool
    deviations: tuple[Deviation, ...]
    worst: float
    worst_size: float
    falling: float
    remains: tuple[tuple[str, str], ...]
    steps: int

    def as_dict(self) -> dict[str, Any]:
        """All of it, JSON-ready; what is not finite is None."""
        plain = asdict(self)
        for each in [plain, *plain["deviations"]]:
            each.update({k: None for k, v in each.items() if isinstance(v, float) and not math.isfinite(v)})
        return plain


def translate(
    source: str,
    to: str,
    settings: Mapping[str, Any] | None = None,
    problems: Sequence[str] = PROBLEMS,
    steps: int = STEPS,
) -> Translation:
    """How ``source`` is written in the framework ``to``.

    ``source`` is a registered name, or ``FRAMEWORK:NAME`` as ``torch:RMSprop``; its ``settings``, by our names or by
    its own, may stand in brackets behind it. Raises `UsageError` for an unknown framework, name or setting, and for a
    setting that the target cannot express.
    """
    here, form, spelling, chosen = counterpart(source, to, settings)
    constructed = _constructed(form)
    exact, deviations = _on_problems(form, chosen, problems, steps)
    steady, falling = ((forced(form, ride), forced(chosen, ride)) for ride in constructed.values())
    shares = coordinates_apart(*steady)
    sizes = constructed[CONSTRUCTED].gradients.abs().median(0).values
    agree = {
        key: first_apart(*pair, rounding_bound(form, constructed[key], pair[0])) is None
        for key, pair in ((CONSTRUCTED, steady), (FALLING, falling))
    }
    exact_everywhere = exact and all(agree.values())
    return Translation(
        f"{here.framework}:{here.name}",
        f"{spelling.framework}:{spelling.name}",
        spelling.written(chosen),
        tuple(_settings(here, form, spelling, chosen)),
        exact and agree[CONSTRUCTED],
        exact_everywhere,
        deviations,
        float(shares.max()),
        float(sizes[shares.argmax()]),
        float(coordinates_apart(*falling).max()),
        () if exact_everywhere else _remaining(form, chosen),
        steps,
    )


def counterpart(
    source: str, to: str, settings: Mapping[str, Any] | None = None
) -> tuple[Spelling, Form, Spelling, Form]:
    """How the source is written and what it is, and the same of the target; raises as `translate` does."""
    target = framework_of(to)
    name, given = parse_call(source)
    here, form = _source(name, {**given, **(settings or {})})
    ways = [(spelling, each) for spelling in FRAMEWORKS[target] for each in _ways(form, spelling)]
    if not ways:
        raise _inexpressible(here, form, target)
    return here, form, *_best(here.name, form, ways, _constructed(form)[CONSTRUCTED])


def _constructed(form: Form) -> dict[str, Ride]:
    """The constructed gradients, the form's eps among their sizes."""
    return rides([form.values["eps"]] if form.values.get("eps") else [])


def _source(name: str, given: Mapping[str, Any]) -> tuple[Spelling, Form]:
    """The spelling that is meant and the form that it is at what was ``given``."""
    found = spellings_of(name)
    spelling = next((each for each in found if not set(given) - set(_known(each))), found[0])
    known = _known(spelling)
    values: dict[str, float] = {}
    options: dict[str, Any] = {}
    for key, value in given.items():
        if key == "betas" and isinstance(value, tuple | list) and len(value) == 2:
            values |= {"beta1": float(value[0]), "beta2": float(value[1])}
        elif key not in known:
            raise UsageError(f"{name!r} has no setting {key!r}{nearest(key, known)}; it has {', '.join(known)}")
        elif known[key] in spelling.options:
            options[known[key]] = value
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"{name!r}: {key} is a number, got {value!r}")
        else:
            values[known[key]] = float(value)
    try:
        form = spelling.form(values, options)
        for knob in form.rule.hyperparameters:
            if knob.name in form.values:
                knob.validate(form.values[knob.name])
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name!r}: {error}") from error
    return spelling, form


def _known(spelling: Spelling) -> dict[str, str]:
    """Our name of whatever may be set, by our name and by theirs."""
    ours = {name: name for name in (*spelling.keywords, *spelling.options)}
    return ours | {theirs: name for name, theirs in {**spelling.keywords, **spelling.options}.items()}


def _ways(form: Form, spelling: Spelling) -> Iterator[Form]:
    """Every form of the target's spelling that may stand for ``form``: none where it lacks something that is set."""
    values = _values(form, spelling)
    if values is None:
        return
    own = {name: getattr(form.rule, name, None) for name in spelling.options}
    plain = {name: getattr(spelling.rule, name) for name in spelling.options}
    choices = [
        (False, True) if isinstance(plain[name], bool) else tuple(dict.fromkeys((own[name] or 0.0, plain[name])))
        for name in spelling.options
    ]
    for options in product(*choices):
        try:
            rule = spelling.form({}, dict(zip(spelling.options, options, strict=True))).rule
        except ValueError:  # options that exclude each other
            continue
        for lr, eps in product(_rates(form), _epsilons(form, spelling, rule)):
            yield replace(spelling.form({**values, "lr": lr, **eps}, {}), rule=rule)


def _values(form: Form, spelling: Spelling) -> dict[str, float] | None:
    """The values of ``form`` for the target's rule, lr and eps aside; None where the target has no place for one."""
    here = _family(form.rule)
    there = _family(spelling.rule)
    given = {name: value for name, value in form.values.items() if name not in ("lr", "eps")}
    if (here, there) == (RMSProp, Adam) and not given.get("momentum"):
        given = {"beta1": 0.0, "beta2": given["gamma"]} | {k: v for k, v in given.items() if k == "weight_decay"}
    elif (here, there) == (Adam, RMSProp) and not given["beta1"]:
        given = {"gamma": given["beta2"]} | {k: v for k, v in given.items() if k == "weight_decay"}
    elif here is not there:
        return None
    placed = {name: value for name, value in given.items() if name in spelling.keywords}
    lost = {name: value for name, value in given.items() if name not in placed}
    if any(value != spelling.fixed.get(name, 0.0) for name, value in lost.items()):
        return None
    zero = {name: 0.0 for name in ("momentum", "weight_decay") if name in spelling.keywords}
    return zero | placed


FAMILY: Final = (Adagrad, RMSProp, Adam)


def _family(rule: Rule) -> type[Rule]:
    if isinstance(rule, SGD | Momentum):
        return Momentum
    return next(kind for kind in FAMILY if isinstance(rule, kind))


def _rates(form: Form) -> Sequence[float]:
    """The learning rates that may mean the same: a buffer that averages needs 1 / (1 - momentum) of one that sums."""
    lr, momentum = form.values["lr"], form.values.get("momentum", 0.0)
    return (lr, lr * (1 - momentum), lr / (1 - momentum)) if 0 < momentum < 1 else (lr,)


def _epsilons(form: Form, spelling: Spelling, rule: Rule) -> Sequence[dict[str, float]]:
    """The eps that may mean the same: itself; under a root its square where it stood beside one, its root otherwise."""
    eps = form.values.get("eps")
    if eps is None or "eps" not in spelling.keywords:
        return ({},)
    inside, there = (getattr(each, "eps_inside", False) for each in (form.rule, rule))
    if inside == there:
        return ({"eps": eps},)
    return ({"eps": math.sqrt(eps) if inside else eps**2}, {"eps": eps})


def _best(name: str, form: Form, ways: Sequence[tuple[Spelling, Form]], ride: Ride) -> tuple[Spelling, Form]:
    """The way that is exact; else, of those with the fewest traits that differ, the one whose worst coordinate is
    least far from the source's. Of equal ones the one that is called so too, then the one that says least.
    """
    path = forced(form, ride)

    def worth(way: tuple[Spelling, Form]) -> tuple[bool, int, float, bool, int]:
        spelling, made = way
        furthest = float(coordinates_apart(path, forced(made, ride)).max())
        differ = [each for each in differences(form, made) if not each.is_value]
        traits = sum(MANY if each.trait == "rule" else 1 for each in differ)
        off = furthest > ROUNDING
        is_other = spelling.name.lower() != name.lower()
        return off, traits, float(f"{furthest:.6g}") if off else 0.0, is_other, len(spelling.written(made))

    return min(ways, key=worth)


MANY: Final = 100
"""As how many differing traits a rule of another kind counts."""

ROUNDING: Final = 1e-9
"""Deviations below are alike when ways are compared; whether the one chosen is exact, the bound of rounding says."""


def _on_problems(form: Form, chosen: Form, problems: Sequence[str], steps: int) -> tuple[bool, tuple[Deviation, ...]]:
    """Whether the two agree to rounding on every problem, and how far apart they are at most."""
    exact, found = True, []
    for name in problems:
        problem = on_a_vector(make_problem(name))
        run = free(form, problem, Training(problem, form.rule, [0], steps, dtype=torch.float64))
        ride = Ride(run.path[0], run.gradients, project=partial(project_, problem))
        path, other = forced(form, ride), forced(chosen, ride)
        exact &= first_apart(path, other, rounding_bound(form, ride, path)) is None
        share = apart(path, other)
        found.append(Deviation(name, float(share.max()), int(share.argmax())))
    return exact, tuple(found)


def _settings(here: Spelling, form: Form, spelling: Spelling, chosen: Form) -> Iterator[Setting]:
    """What became of every setting."""
    for name, value in form.values.items():
        if name in OFF and not value:
            continue
        ours = f"{here.keywords.get(name, name)} {value:.6g}"
        there = {"gamma": "beta2", "beta2": "gamma"}.get(name, name) if name not in chosen.values else name
        if there not in chosen.values:
            continue
        became = chosen.values[there]
        theirs = spelling.keywords.get(there, there)
        theirs = "add_decayed_weights" if theirs.startswith("(") else theirs
        yield Setting(ours, f"{theirs} {became:.6g}", _how(name, value, became, fixed=there in spelling.fixed))


OFF: Final = ("momentum", "weight_decay")


def _how(name: str, value: float, became: float, *, fixed: bool) -> str:
    if fixed:
        return "fixed there" if value == became else "fixed there at another value"
    if math.isclose(value, became, rel_tol=1e-9):
        return "the same"
    if name == "eps":
        return (
            "its square, for it stands under the root" if became < value else "its root, for it stands beside the root"
        )
    return f"times {became / value:.6g}, for the buffer is filled otherwise" if value else ""


def _remaining(form: Form, chosen: Form) -> tuple[tuple[str, str], ...]:
    """The traits that the target does not share, here and there."""
    return tuple((each.first, each.second) for each in differences(form, chosen) if not each.is_value)


def _inexpressible(here: Spelling, form: Form, target: str) -> UsageError:
    """The sentence for settings that no optimizer of the target's has."""
    family = _family(form.rule)
    near = [each for each in FRAMEWORKS[target] if _family(each.rule) is family]
    what = f"{here.framework}:{here.name}"
    if not near:
        return UsageError(f"{target} has nothing like {what}")
    settable = set().union(*(each.keywords for each in near))
    lost = [
        name
        for name, value in form.values.items()
        if name not in settable and name != "eps" and all(each.fixed.get(name, 0.0) != value for each in near)
    ]
    names = ", ".join(dict.fromkeys(each.name for each in near))
    if not lost:
        return UsageError(f"{target} has no optimizer with all settings of {what} at once; it has {names}")
    return UsageError(f"{target} cannot express {', '.join(lost)} of {what}: its {names} has no such setting")
