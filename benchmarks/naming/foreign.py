"""Foreign optimizers: any `torch.optim.Optimizer` class as an entry like our own, its names translated at the edge.

torch's ``alpha`` of RMSprop and ``rho`` of Adadelta are our ``gamma``; ``betas`` are ``beta1`` and ``beta2``. Defaults
are read from the class's signature; ranges are known for the standard names and given by the user for all others. A
``gamma`` that nobody knows to be a memory is called after its class (AdaBound's, the speed of its bounds, is
``adabound_gamma``), and so is any number with a memory's name whose default no memory could have. What
is no hyperparameter (booleans, tuples, numbers without a range) stays an option, written in brackets behind the name:
``torch:RMSprop(centered=True)``.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata
from importlib.metadata import PackageNotFoundError
from typing import Any, get_args

import torch
from torch import Tensor

from benchmarks.errors import UsageError, nearest
from optimizers import Hyperparameter, OptimizerSpec, Rule
from optimizers.fingerprint import code_of, digest_of, value_text
from optimizers.rule import Scale

__all__ = [
    "STANDARD",
    "AnyOptimizer",
    "ForeignSpec",
    "Range",
    "Ranges",
    "called",
    "choose_axes",
    "first_line",
    "foreign",
    "ranged",
    "with_range",
    "write",
]

version = cache(metadata.version)
"""The version of an installed package, read once in a process: it is asked for of every optimizer."""

Range = Sequence[float | str]
"""Low and high of a hyperparameter, then its scale where that is not the usual one: linear, log or log1m."""
Ranges = Mapping[str, Range]

STANDARD = {
    knob.name: knob
    for knob in (
        Hyperparameter("lr", default=0.01, low=1e-5, high=10.0, scale="log"),
        Hyperparameter("gamma", default=0.9, low=0.0, high=0.9999, scale="log1m"),
        Hyperparameter("momentum", default=0.0, low=0.0, high=0.999, scale="log1m"),
        Hyperparameter("beta1", default=0.9, low=0.0, high=0.999, scale="log1m"),
        Hyperparameter("beta2", default=0.999, low=0.0, high=0.9999, scale="log1m"),
        Hyperparameter("eps", default=1e-8, low=1e-12, high=1.0, scale="log"),
        Hyperparameter("weight_decay", default=0.0, low=0.0, high=0.1),
    )
}
"""The hyperparameters that mean the same in every optimizer, with the ranges searched where the user gives none."""

SCALES: Sequence[str] = get_args(Scale)
SECOND_AXIS = ("gamma", "beta2", "momentum", "beta1")
GAMMA_OF = {"rmsprop": ("alpha", "gamma"), "adadelta": ("rho", "gamma")}
"""Whose leaky average of squared gradients decays by which keyword."""


@dataclass(frozen=True)
class ForeignSpec:
    """A foreign optimizer with the attributes of an `OptimizerSpec`; it is trained one lane at a time.

    ``factory(params, **keywords)`` makes the optimizer. ``options`` are keywords that do not vary; ``places`` tells for
    each of our names the foreign keyword and, where that is a tuple, the place in it. ``searched`` are the names tuning
    searches by default.
    """

    name: str
    factory: Callable[..., torch.optim.Optimizer]
    hyperparameters: tuple[Hyperparameter, ...]
    axes: tuple[str, str | None]
    reference: str
    description: str
    searched: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, tuple[str, int | None]] = field(default_factory=dict)

    def hyperparameter(self, name: str) -> Hyperparameter:
        """The hyperparameter called ``name``; raises ``KeyError`` where there is none."""
        return {knob.name: knob for knob in self.hyperparameters}[name]

    @property
    def default_values(self) -> dict[str, float]:
        """The default value of every hyperparameter."""
        return {knob.name: knob.default for knob in self.hyperparameters}

    def fingerprint(self) -> str:
        """16 hex digits that name what runs: package and version, class and its source, options and defaults.

        Ranges do not count. Of the class's own package its version stands for what other files hold; see
        `optimizers.fingerprint.code_of` for what is read.
        """
        kind = self.factory
        where = [kind.__module__, kind.__qualname__, _version(kind.__module__.partition(".")[0])]
        options, defaults = value_text(self.options), sorted(self.default_values.items())
        return digest_of(*where, code_of(kind, installed=False), options, repr(defaults))

    def our_name(self, name: str) -> str:
        """How we call the hyperparameter that the foreign class calls ``name``; ``name`` itself where that is none."""
        return next((our for our, place in self.places.items() if place == (name, None)), name)

    def torch(self, params: Iterable[Tensor], **hyperparameters: float) -> torch.optim.Optimizer:
        """The optimizer over ``params``; hyperparameters by our names, those not given at their defaults."""
        return self.factory(params, **self.keywords({**self.default_values, **hyperparameters}))

    def keywords(self, values: Mapping[str, float]) -> dict[str, Any]:
        """``values`` by our names as the foreign keywords, with the options."""
        result = dict(self.options)
        for name, value in values.items():
            write(result, self.places[name], value)
        return result


AnyOptimizer = OptimizerSpec | ForeignSpec
"""What the suite, the study and the engine take for an optimizer."""


def called(optimizer: AnyOptimizer | Rule) -> str:
    """The name of an optimizer in errors: that of its entry, or a bare rule's class."""
    return type(optimizer).__name__ if isinstance(optimizer, Rule) else optimizer.name


def write(keywords: dict[str, Any], place: tuple[str, int | None], value: float) -> None:
    """Set a keyword, or one entry of a tuple-valued keyword, to ``value``."""
    keyword, index = place
    if index is None:
        keywords[keyword] = value
    else:
        entries = list(keywords[keyword])
        entries[index] = value
        keywords[keyword] = type(keywords[keyword])(entries)


def foreign(
    name: str, kind: type[torch.optim.Optimizer], given: Mapping[str, Any], ranges: Ranges | None = None
) -> ForeignSpec:
    """The `ForeignSpec` of the optimizer class ``kind``, called ``name``.

    ``given`` are keywords that differ from the signature's defaults, by foreign or by our names; ``ranges`` tells what
    is searched, and is needed for whatever has no standard range. Raises `UsageError` for a name the class does not
    have, a required argument without a value, and where nothing is left to search.
    """
    keywords, places = _signature(kind, given)
    ranges = _our_names(ranges or {}, places)
    knobs: list[Hyperparameter] = []
    for our, (keyword, index) in places.items():
        default = keywords[keyword] if index is None else keywords[keyword][index]
        knob = STANDARD.get(our)
        if our in ranges:
            knob = with_range(knob or Hyperparameter(our, float(default), 0.0, 1.0), ranges[our])
        if knob is not None:
            knobs.append(replace(knob, default=float(default)))
    axes = choose_axes(name, [knob.name for knob in knobs], tuple(ranges))
    searched = tuple(dict.fromkeys(axis for axis in (*axes, *ranges) if axis is not None))
    known = {knob.name for knob in knobs}
    return ForeignSpec(
        name,
        kind,
        tuple(knobs),
        axes,
        f"{kind.__module__}.{kind.__qualname__}",
        first_line(kind),
        searched,
        {key: value for key, value in keywords.items() if (key, None) not in {places[our] for our in known}},
        {our: place for our, place in places.items() if our in known},
    )


def _version(package: str) -> str:
    """The version of a top-level package, as it is installed or says itself; empty where there is none.

    Builds of one version, as torch's for another machine, are alike.
    """
    try:
        found = version(package)
    except PackageNotFoundError:  # called otherwise than what installed it, or not installed at all
        found = str(getattr(sys.modules.get(package), "__version__", ""))
    return found.partition("+")[0]


def ranged(spec: OptimizerSpec, ranges: Ranges) -> OptimizerSpec:
    """``spec`` with other search ranges; raises `UsageError` for an unknown name, an empty range or another scale."""
    known = {knob.name: knob for knob in spec.hyperparameters}
    for name in ranges:
        if name not in known:
            raise UsageError(
                f"{spec.name} has no hyperparameter {name!r}{nearest(name, known)}; it has {', '.join(known)}"
            )
    knobs = [with_range(known[name], given) for name, given in ranges.items()]
    for knob in knobs:
        if knob.scale != known[knob.name].scale:
            raise UsageError(
                f"{spec.name}: {knob.name} is searched on the scale {known[knob.name].scale}, not {knob.scale}"
            )
    return replace(spec, ranges={**spec.ranges, **{knob.name: (knob.low, knob.high) for knob in knobs}})


def choose_axes(name: str, known: Iterable[str], wanted: Iterable[str] = ()) -> tuple[str, str | None]:
    """Two hyperparameters for a landscape: lr first, then the first of those ``wanted``, else a memory, or None.

    ``known`` are those with a range. Raises `UsageError`, with the optimizer's ``name``, where there is none.
    """
    known = list(known)
    candidates = [axis for axis in dict.fromkeys(["lr", *wanted, *SECOND_AXIS]) if axis in known]
    if not candidates:
        raise UsageError(
            f"{name} has no hyperparameter whose range is known; give one, as search = {{ name = [low, high] }}"
        )
    return candidates[0], candidates[1] if len(candidates) > 1 else None


def with_range(knob: Hyperparameter, given: Range) -> Hyperparameter:
    """``knob`` searched over the range ``given``; raises `UsageError` for one that cannot be."""
    try:
        low, high, scale = given if len(given) == 3 else (*given, knob.scale)
        if scale not in SCALES:
            raise ValueError(f"{knob.name}: unknown scale {scale!r}{nearest(str(scale), SCALES)}")
        return replace(knob, low=float(low), high=float(high), scale=scale)  # type: ignore[arg-type]  # just checked
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"the range {given!r} of {knob.name} should be [low, high] or [low, high, scale]: {error}"
        ) from error


def _signature(
    kind: type[torch.optim.Optimizer], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, tuple[str, int | None]]]:
    """The keywords of ``kind`` with their values, and the place of each of our names among them."""
    parameters = list(inspect.signature(kind).parameters.values())[1:]
    keywords = {p.name: p.default for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if keywords.get("lr", 0.0) is inspect.Parameter.empty:
        keywords["lr"] = STANDARD["lr"].default
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
    places = _places(kind, keywords)
    for key, value in given.items():
        if key in places:
            write(keywords, places[key], value)
        elif key in keywords or open_ended:
            keywords[key] = value
        else:
            known = [*places, *keywords]
            raise UsageError(
                f"{kind.__qualname__} has no argument {key!r}{nearest(key, known)}; it has {', '.join(keywords)}"
            )
    missing = [key for key, value in keywords.items() if value is inspect.Parameter.empty]
    if missing:
        raise UsageError(f"{kind.__qualname__} needs a value for {missing[0]}: write it as NAME({missing[0]}=value)")
    return keywords, _places(kind, keywords)


def _places(kind: type, keywords: Mapping[str, Any]) -> dict[str, tuple[str, int | None]]:
    """The place of each of our hyperparameter names among the foreign keywords: every plain number, and ``betas``."""
    gamma = next((known for family, known in GAMMA_OF.items() if family in kind.__name__.lower()), ())
    places: dict[str, tuple[str, int | None]] = {}
    for keyword, value in keywords.items():
        if keyword == "betas" and isinstance(value, tuple | list):
            names = [_known(kind, f"beta{index + 1}", entry) for index, entry in enumerate(value)]
            places.update({name: (keyword, index) for index, name in enumerate(names)})
        elif isinstance(value, int | float) and not isinstance(value, bool):
            meant = "gamma" if keyword in gamma else keyword
            known = keyword in gamma or keyword != "gamma"
            places[_known(kind, meant, value) if known else _own_name(kind, keyword)] = (keyword, None)
    return places


def _known(kind: type, name: str, default: Any) -> str:
    """``name``, or one of the class's own where it is a memory's and the ``default`` could be none."""
    knob = STANDARD.get(name)
    is_number = isinstance(default, int | float)
    return _own_name(kind, name) if knob and knob.is_memory and not (is_number and 0 <= default < 1) else name


def _own_name(kind: type, keyword: str) -> str:
    """What the hyperparameter of a class is called whose keyword means something else everywhere else."""
    return f"{kind.__name__.lower()}_{keyword}"


def _our_names(ranges: Ranges, places: Mapping[str, tuple[str, int | None]]) -> dict[str, Range]:
    """The ranges by our names, whichever name the user gave them; raises `UsageError` for an unknown one."""
    ours = {keyword: our for our, (keyword, index) in places.items() if index is None}
    for name in ranges:
        if name not in places and name not in ours:
            known = list(places)
            raise UsageError(
                f"no hyperparameter {name!r}{nearest(name, known)}; there are {', '.join(known) or 'none'}"
            )
    return {ours.get(name, name): given for name, given in ranges.items()}


def first_line(kind: type) -> str:
    """The first line of a class's docstring that says something, or nothing."""
    return next((line.strip() for line in (kind.__doc__ or "").splitlines() if line.strip()), "")
