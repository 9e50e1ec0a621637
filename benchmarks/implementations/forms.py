"""Forms: our own rules in every static option, as hypotheses of what somebody else's implementation does.

A `Form` is a rule, how it decays weights, and values. `differences` says in which traits two forms differ, each in
words and ready to be switched by itself, which is how its effect is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import torch
from torch import Tensor

from benchmarks.implementations.implementation import Implementation
from optimizers import OptimizerSpec, Rule, RuleOptimizer
from optimizers.adagrad import Adagrad
from optimizers.adam import Adam, AdamW
from optimizers.rmsprop import RMSProp, RMSPropMomentum
from optimizers.rule import Decay
from optimizers.sgd import SGD, Momentum
from optimizers.wrappers import Decayed, Maximized

__all__ = ["Difference", "Form", "differences", "form_of", "without_buffer"]


@dataclass(frozen=True)
class Form:
    """A ``rule`` of ours at ``values``, how it decays weights where ``weight_decay`` is not 0, and if it goes up."""

    rule: Rule
    values: Mapping[str, float] = field(default_factory=dict)
    decay: Decay | None = None
    uphill: bool = False

    def optimizer(self, x: Tensor, values: Mapping[str, float]) -> torch.optim.Optimizer:
        """The optimizer over ``x [P]`` at ``values``."""
        given: dict[str, Any] = {**values, "maximize": self.uphill}
        return RuleOptimizer([x], self.rule, **(given if self.decay is None else {**given, "decay": self.decay}))

    @property
    def name(self) -> str:
        """The rule with the options in which it is not as by default, and its values: a call, to be read."""
        options = _options(self.rule)
        plain = {each.name: each.default for each in fields(self.rule)}  # type: ignore[arg-type]
        said = [f"{key}={value!r}" for key, value in options.items() if value != plain[key]]
        said += [f"decay={self.decay!r}"] if self.decay else []
        said += ["maximize=True"] if self.uphill else []
        return f"{type(self.rule).__name__}({', '.join(said)})"


@dataclass(frozen=True)
class Difference:
    """A trait in which two forms differ: what it is of each in words, and the first form with it alone switched.

    ``switched`` is None where the trait makes sense only together with another that differs too.
    """

    trait: str
    first: str
    second: str
    switched: Form | None

    @property
    def is_value(self) -> bool:
        """Whether it is a hyperparameter's value and no difference of the rule."""
        return self.trait in VALUES


VALUES: Final = ("lr", "gamma", "momentum", "beta1", "beta2", "eps", "weight_decay")


@dataclass(frozen=True)
class _Trait:
    """A trait of rules: the static options that make it, and what they say of a rule, in words."""

    name: str
    options: tuple[str, ...]
    words: Callable[[Any], str]


def _place_of_eps(rule: Any) -> str:
    if getattr(rule, "eps_hat", False):
        return "eps beside the root that is not corrected"
    return "eps inside the root" if rule.eps_inside else "eps outside the root"


def _start(rule: Any) -> str:
    if isinstance(rule, Adagrad):
        return f"the sum starts at {rule.start:g}"
    if isinstance(rule, Adam):
        return f"averages {'corrected' if rule.corrected else 'not corrected'} for their start at 0"
    if rule.first_square:
        return "the average starts at the first square"
    if rule.corrected:
        return "the average starts at 0 and is corrected for it"
    return f"the average starts at {rule.start:g}{', not corrected for it' if not rule.start else ''}"


def _share(rule: Any) -> str:
    if isinstance(rule, Adagrad):
        return f"the {'mean' if rule.averaged else 'sum'} of squares"
    if rule.averaged:
        return "gradients enter the buffer as (1 - momentum) g"
    if rule.dampening:
        return f"gradients enter the buffer with dampening {rule.dampening:g}"
    return "gradients enter the buffer whole"


TRAITS: Final = (
    _Trait("place of eps", ("eps_inside", "eps_hat"), _place_of_eps),
    _Trait("start", ("start", "first_square", "corrected"), _start),
    _Trait("lr and buffer", ("lr_inside",), lambda rule: f"lr {'inside' if rule.lr_inside else 'outside'} the buffer"),
    _Trait("look-ahead", ("nesterov",), lambda rule: f"{'Nesterov' if rule.nesterov else 'no'} look-ahead"),
    _Trait("what enters", ("averaged", "dampening"), _share),
    _Trait(
        "centring", ("centered",), lambda rule: f"{'variance' if rule.centered else 'mean'} of squares under the root"
    ),
    _Trait(
        "maximum", ("running_max",), lambda rule: f"the {'largest' if rule.running_max else 'latest'} second moment"
    ),
)
"""The traits of the rules of the SGD, Adagrad, RMSProp and Adam families, by their static options."""


BUFFER: Final = ("lr_inside", "nesterov", "averaged", "dampening")
"""Options of a buffer, which say nothing where momentum is 0."""


def form_of(given: Implementation) -> Form | None:
    """The form of an implementation that is one of our rules; None of a foreign one."""
    if not isinstance(given.spec, OptimizerSpec):
        return None
    rule, values = given.spec.rule, dict(given.values)
    uphill = isinstance(rule, Maximized)
    rule = rule.rule if isinstance(rule, Maximized) else rule
    decay: Decay | None = None
    if type(rule) is AdamW:
        rule, decay = Adam(**_options(rule)), "decoupled"
    elif type(rule) is Decayed:
        rule, decay = rule.rule, rule.decay
    if decay is not None and not values["weight_decay"]:
        del values["weight_decay"]
        decay = None
    return Form(rule, values, decay, uphill)


def differences(first: Form, second: Form) -> tuple[Difference, ...]:
    """The traits and values in which two forms differ; of two rules of another kind, only that.

    A rule without momentum is one with momentum 0, so that what a buffer does is asked only where both have one.
    """
    first, second = _lifted(first), _lifted(second)
    if type(first.rule) is not type(second.rule):
        return (Difference("rule", first.name, second.name, None),)
    found = _of_options(first, second)
    if first.uphill != second.uphill:
        here, there = (f"goes {'up' if each.uphill else 'down'} the gradient" for each in (first, second))
        found.append(Difference("direction", here, there, replace(first, uphill=second.uphill)))
    if first.decay and second.decay and first.decay != second.decay:
        switched = replace(first, decay=second.decay)
        found.append(Difference("weight decay", f"{first.decay} decay", f"{second.decay} decay", switched))
    for name in VALUES:
        value, other = first.values.get(name, 0.0), second.values.get(name, 0.0)
        if value != other:
            found.append(_of_value(name, value, other, _with_value(first, name, other, second.decay)))
    return tuple(found)


def _of_options(first: Form, second: Form) -> list[Difference]:
    """The traits of two rules of one class that differ."""
    no_buffer = not (first.values.get("momentum", 0.0) and second.values.get("momentum", 0.0))
    here, there = _options(first.rule), _options(second.rule)
    found = []
    for trait in TRAITS:
        options = [
            name for name in trait.options if name in here and not (no_buffer and _is_of_buffer(first.rule, name))
        ]
        if all(here[name] == there[name] for name in options):
            continue
        words = (trait.words(first.rule), trait.words(second.rule))
        found.append(Difference(trait.name, *words, _switched(first, {name: there[name] for name in options})))
    return found


def _is_of_buffer(rule: Rule, option: str) -> bool:
    return option in BUFFER and isinstance(rule, Momentum | RMSPropMomentum)


def _of_value(name: str, here: float, there: float, switched: Form) -> Difference:
    return Difference(name, f"{name} {here:.6g}", f"{name} {there:.6g}", switched)


def _with_value(form: Form, name: str, value: float, decay: Decay | None) -> Form:
    """``form`` at another value of one hyperparameter; a weight decay that it had none of is of the kind ``decay``."""
    if name != "weight_decay":
        return replace(form, values={**form.values, name: value})
    kept = {key: each for key, each in form.values.items() if key != name}
    if not value:
        return replace(form, values=kept, decay=None)
    return replace(form, values={**kept, name: value}, decay=form.decay or decay)


def _switched(form: Form, options: Mapping[str, Any]) -> Form | None:
    """``form`` with other static options; None where its rule refuses them beside those it keeps."""
    try:
        return replace(form, rule=replace(form.rule, **options))  # type: ignore[type-var]  # rules are dataclasses
    except ValueError:
        return None


def _lifted(form: Form) -> Form:
    """The same form as one of a rule with a buffer, of momentum 0, where its rule has none."""
    if type(form.rule) is SGD:
        return replace(form, rule=Momentum(), values={**form.values, "momentum": 0.0})
    if type(form.rule) is RMSProp:
        rule = RMSPropMomentum(**_options(form.rule))
        return replace(form, rule=rule, values={**form.values, "momentum": 0.0})
    return form


def without_buffer(form: Form) -> Form:
    """The same form as one of a rule without a buffer, where its momentum is 0."""
    if form.values.get("momentum") != 0 or not isinstance(form.rule, Momentum | RMSPropMomentum):
        return form
    values = {name: value for name, value in form.values.items() if name != "momentum"}
    options = {name: value for name, value in _options(form.rule).items() if name != "lr_inside"}
    rule = SGD() if isinstance(form.rule, Momentum) else RMSProp(**options)
    return replace(form, rule=rule, values=values)


def _options(rule: Rule) -> dict[str, Any]:
    return {each.name: getattr(rule, each.name) for each in fields(rule)}  # type: ignore[arg-type]  # a dataclass
