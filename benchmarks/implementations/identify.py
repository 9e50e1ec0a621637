"""What an implementation does, found by experiment: the variant of our rules that takes its steps, to rounding.

Every rule of the SGD, Adagrad, RMSProp and Adam families in every combination of its static options, and every other
built-in rule, is led along the same constructed gradients. Values are those the implementation names; where it names
none, those in use are tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final, Literal

import torch

from benchmarks.implementations.forms import Form, differences, form_of, without_buffer
from benchmarks.implementations.implementation import Implementation
from benchmarks.implementations.paths import Ride, coordinates_apart, first_apart, forced, rounding_bound
from optimizers import BUILTIN, Rule
from optimizers.adagrad import Adagrad
from optimizers.adam import Adam, AdamW
from optimizers.rmsprop import RMSProp, RMSPropMomentum
from optimizers.rule import Decay, Hyperparameter
from optimizers.sgd import SGD, Momentum

__all__ = ["ROLES", "Identity", "Well", "identify"]

ROLES: Final[Mapping[str, Sequence[str]]] = {
    "lr": ("lr", "learning_rate", "eta", "step_size"),
    "gamma": ("gamma", "alpha", "rho", "decay", "decay_rate", "beta2", "beta_2", "b2", "smoothing"),
    "momentum": ("momentum", "mu", "beta", "beta1", "beta_1", "b1"),
    "beta1": ("beta1", "beta_1", "b1", "momentum"),
    "beta2": ("beta2", "beta_2", "b2", "gamma", "alpha", "rho", "decay"),
    "eps": ("eps", "epsilon", "delta", "eps_root"),
    "weight_decay": ("weight_decay", "wd", "l2"),
}
"""What implementations call our hyperparameters, the likeliest first."""

IN_USE: Final[Mapping[str, Sequence[float]]] = {
    "gamma": (0.9, 0.99, 0.999),
    "momentum": (0.0,),
    "beta1": (0.9,),
    "beta2": (0.999,),
    "eps": (1e-8, 1e-7, 1e-6),
    "lr": (),
}
"""Values that are tried of what an implementation does not name."""

SCREEN: Final = 2
"""Steps that most hypotheses do not survive."""

SINGLE: Final = 1e-6
"""Of a way gone in double precision, what an intermediate in single precision (unit 6e-8) leaves at most."""


Well = Literal["to rounding", "to single precision", "at a constant lr"]
"""How well a form reproduces an implementation: wholly; as if a quantity were kept in single precision; or only as long
as lr does not change."""


@dataclass(frozen=True)
class Identity:
    """The form that reproduces an implementation, and how ``well``."""

    form: Form
    well: Well = "to rounding"


def identify(given: Implementation, rides: Mapping[str, Ride], like: Form | None = None) -> Identity | None:
    """What ``given`` does; None where no variant reproduces it. Of several the one most like ``like`` is taken."""
    known = form_of(given)
    if known is not None and any(type(known.rule) is type(spec.rule) for spec in BUILTIN):
        return Identity(known)
    wanted = {name: forced(given, ride) for name, ride in rides.items()}
    bounds = {name: rounding_bound(given, ride, wanted[name]) for name, ride in rides.items()}
    first_steps = replace(next(iter(rides.values())), gradients=next(iter(rides.values())).gradients[:SCREEN])
    screen = next(iter(wanted.values()))[: SCREEN + 1]
    nearly: Identity | None = None
    uphill = _goes_up(given)
    hypotheses = (replace(form, uphill=uphill) for form in _candidates(given))
    for form in sorted(hypotheses, key=lambda form: (0, 0) if like is None else _distance(like, form)):
        if coordinates_apart(screen, forced(form, first_steps)).max() > SINGLE:
            continue
        paths = {name: forced(form, ride) for name, ride in rides.items()}
        agrees = {name: first_apart(wanted[name], paths[name], bounds[name]) is None for name in rides}
        if all(agrees.values()):
            return Identity(form)
        if nearly is None and all(coordinates_apart(wanted[name], paths[name]).max() <= SINGLE for name in rides):
            nearly = Identity(form, "to single precision")
        if nearly is None and all(agrees[name] for name, ride in rides.items() if ride.shares is None):
            nearly = Identity(form, "at a constant lr")
    return nearly


def _goes_up(given: Implementation) -> bool:
    """Whether the first step under a gradient of 1 is one up."""
    path = forced(given, Ride(torch.zeros(1).double(), torch.ones(1, 1).double()))
    return bool(path[1] > path[0])


def _distance(first: Form, second: Form) -> tuple[int, int]:
    """In how many traits two forms differ, rules of another kind in more than any number of options."""
    found = differences(first, second)
    return int(any(each.trait == "rule" for each in found)), len(found)


def _candidates(given: Implementation) -> Iterator[Form]:
    """Every form that has a value for what it needs, plain before special."""
    numbers = given.numbers
    decays: tuple[Decay | None, ...] = ("coupled", "decoupled") if _named(numbers, "weight_decay") else (None,)
    for rule in _rules(numbers):
        knobs = [knob for knob in rule.hyperparameters if knob.name != "weight_decay"]
        own_decay = len(knobs) < len(rule.hyperparameters)
        for values in product(*(_choices(numbers, knob) for knob in knobs)):
            chosen = {knob.name: value for knob, value in zip(knobs, values, strict=True)}
            if isinstance(rule, Momentum | RMSPropMomentum) and not chosen["momentum"] and not _plain_buffer(rule):
                continue
            weight_decay = {"weight_decay": _named(numbers, "weight_decay") or 0.0}
            if own_decay:
                yield Form(rule, chosen | weight_decay)
                continue
            for decay in decays:
                yield without_buffer(Form(rule, chosen | weight_decay if decay else chosen, decay))


def _choices(numbers: Mapping[str, float], knob: Hyperparameter) -> Sequence[float]:
    """The values that a hyperparameter may have: the one named, or those in use, or the rule's default."""
    named = _named(numbers, knob.name)
    return IN_USE.get(knob.name, (knob.default,)) if named is None else (named,)


def _named(numbers: Mapping[str, float], name: str) -> float | None:
    return next((numbers[alias] for alias in ROLES.get(name, (name,)) if alias in numbers), None)


def _rules(numbers: Mapping[str, float]) -> list[Rule]:
    """The rules of the four families in every option, then every other built-in rule."""
    starts = {0.0, 1.0, 0.1} | {value for name, value in numbers.items() if name.startswith("initial_")}
    dampening = {0.0} | {value for name, value in numbers.items() if name == "dampening"}
    off_on = (False, True)
    grids = (
        (Momentum, {"nesterov": off_on, "lr_inside": off_on, "averaged": off_on, "dampening": sorted(dampening)}),
        (Adagrad, {"eps_inside": off_on, "averaged": off_on, "start": sorted(starts)}),
        (
            RMSPropMomentum,
            {
                "eps_inside": off_on,
                "lr_inside": off_on,
                "corrected": off_on,
                "first_square": off_on,
                "centered": off_on,
                "running_max": off_on,
                "start": sorted(starts),
            },
        ),
        (Adam, {"eps_inside": off_on, "eps_hat": off_on, "running_max": off_on, "corrected": off_on[::-1]}),
    )
    rules = [rule for kind, grid in grids for rule in _all_of(kind, grid)]
    told = (SGD, Momentum, Adagrad, RMSProp, RMSPropMomentum, Adam, AdamW)
    return [*rules, *(spec.rule for spec in BUILTIN if type(spec.rule) not in told)]


def _all_of(kind: type[Rule], grid: Mapping[str, Iterable[object]]) -> Iterator[Rule]:
    for values in product(*grid.values()):
        try:
            yield kind(**dict(zip(grid, values, strict=True)))
        except ValueError:  # options that exclude each other
            continue


def _plain_buffer(rule: Momentum | RMSPropMomentum) -> bool:
    """Whether the options of a buffer are as by default: others are the same rule without momentum."""
    if isinstance(rule, RMSPropMomentum):
        return not rule.lr_inside
    return not (rule.lr_inside or rule.nesterov or rule.averaged or rule.dampening)
