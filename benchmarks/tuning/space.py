"""What a study searches: ranges on their scales, fixed values, and the same in Optuna's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.errors import UsageError, nearest
from benchmarks.naming.foreign import STANDARD, AnyOptimizer, ForeignSpec, with_range
from benchmarks.suite.settings import Searching
from optimizers import Hyperparameter, OptimizerSpec

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution, FloatDistribution

__all__ = ["Space", "by_our_names"]

AT_EDGE = 0.05  # a winner closer than this share of the range to a bound counts as at the edge
WIDENED = 0.5  # by this share of its range, on its scale, a range grows at the end where its winner stood
LEAST = 1e-7  # what a memory forgets at least when its range grows


@dataclass(frozen=True)
class Space:
    """What is searched and what is held fixed, for one optimizer in one suite."""

    searched: tuple[Hyperparameter, ...]
    fixed: Mapping[str, float]

    @classmethod
    def of(cls, spec: AnyOptimizer, searching: Searching, count: int | None = None) -> Space:
        """The spec's own search with the suite's ranges and fixed values; raises `UsageError` for a wrong one.

        ``count`` is how many hyperparameters are searched: its axes, those the suite gives a range, and then the
        others.
        """
        known = {knob.name: knob for knob in spec.hyperparameters}
        for name in (*searching.search, *searching.fixed):
            if name not in known:
                raise UsageError(f"optimizer {spec.name!r} has no hyperparameter {name!r}{nearest(name, known)}")
        try:
            for name, value in searching.fixed.items():
                if isinstance(spec, OptimizerSpec) or name in STANDARD:  # a foreign number may mean anything
                    known[name].validate(value)
        except ValueError as error:
            raise UsageError(f"optimizer {spec.name!r}: {error}") from error
        names = [name for name in dict.fromkeys((*spec.searched, *searching.search)) if name not in searching.fixed]
        if count is not None:
            others = [name for name in known if name not in names and name not in searching.fixed]
            if len(names) + len(others) < count:
                raise UsageError(
                    f"optimizer {spec.name!r} has {len(names) + len(others)} to search, and "
                    f"tuning.searched asks for {count} of every optimizer"
                )
            names = [*names, *others][:count]
        if not names:
            raise UsageError(f"optimizer {spec.name!r}: every hyperparameter is fixed, nothing is left to search")
        given = searching.search
        searched = tuple(with_range(known[name], given[name]) if name in given else known[name] for name in names)
        return cls(searched, {n: k.default for n, k in known.items() if n not in names} | dict(searching.fixed))

    def defaults(self, spec: AnyOptimizer) -> dict[str, float]:
        """The setting of a user who tunes nothing: the spec's defaults, and what the suite fixes."""
        return {name: self.fixed.get(name, default) for name, default in spec.default_values.items()}

    def holds(self, values: Mapping[str, float]) -> bool:
        """Whether every searched hyperparameter of ``values`` lies in its range."""
        return all(knob.low <= values[knob.name] <= knob.high for knob in self.searched)

    @classmethod
    def joined(cls, spaces: Sequence[Space]) -> Space:
        """The space whose ranges hold those of all ``spaces``, which search the same hyperparameters."""
        columns = zip(*(space.searched for space in spaces), strict=True)
        searched = (replace(c[0], low=min(k.low for k in c), high=max(k.high for k in c)) for c in columns)
        return replace(spaces[0], searched=tuple(searched))

    def at_edge(self, values: Mapping[str, float]) -> list[str]:
        """The searched names whose value is at a bound of its range; 0 is no bound one could move."""
        return [knob.name for knob in self.searched if _edge(knob, values[knob.name])]

    def widened(self, values: Mapping[str, float]) -> Space:
        """The space with every range grown at the end where ``values`` is at its edge."""
        return replace(self, searched=tuple(_grown(knob, values[knob.name]) for knob in self.searched))

    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distributions; a memory is searched, and shown by Optuna, as log-uniform "1 - name"."""
        return {_optuna_name(knob): _distribution(knob) for knob in self.searched}

    def from_optuna(self, params: Mapping[str, float]) -> dict[str, float]:
        """The searched values of a trial with Optuna's ``params``."""
        return {
            knob.name: 1 - params[_optuna_name(knob)] if knob.scale == "log1m" else params[knob.name]
            for knob in self.searched
        }

    def to_optuna(self, values: Mapping[str, float]) -> dict[str, float]:
        """Optuna's parameters for searched ``values``, inside their distributions whatever rounding did."""
        params = {}
        for knob in self.searched:
            value = 1 - values[knob.name] if knob.scale == "log1m" else values[knob.name]
            distribution = _distribution(knob)
            params[_optuna_name(knob)] = min(max(value, distribution.low), distribution.high)
        return params


def by_our_names(spec: AnyOptimizer, searching: Searching) -> Searching:
    """``searching`` with the names of a foreign optimizer's hyperparameters translated: torch's alpha is gamma.

    Raises `UsageError` where one is given by both of its names.
    """
    if not isinstance(spec, ForeignSpec):
        return searching
    translated: dict[str, dict[str, Any]] = {"search": {}, "fixed": {}}
    for kind, table in translated.items():
        for name, value in getattr(searching, kind).items():
            ours = spec.our_name(name)
            if ours in table:
                raise UsageError(f"optimizer {spec.name!r}: {kind} gives {ours} twice, also as {name}")
            table[ours] = value
    return Searching(**translated)


def _edge(knob: Hyperparameter, value: float) -> int:
    """-1 or 1 where the value is at the low or high end of its range, else 0."""
    position = knob.position(value)
    if position > 1 - AT_EDGE:
        return 1
    natural = knob.scale != "log" and knob.low == 0
    return -1 if position < AT_EDGE and not natural else 0


def _grown(knob: Hyperparameter, value: float) -> Hyperparameter:
    edge = _edge(knob, value)
    if edge == 0:
        return knob
    beyond = _beyond(knob, 1 + WIDENED if edge > 0 else -WIDENED)
    return replace(knob, high=beyond) if edge > 0 else replace(knob, low=beyond)


def _beyond(knob: Hyperparameter, position: float) -> float:
    """The value at a position outside of [0, 1]; ranges do not cross 0, memories stay below 1 in float32."""
    if knob.scale == "log":
        return float(knob.low * (knob.high / knob.low) ** position)
    if knob.scale == "log1m":
        forgets = (1 - knob.low) * ((1 - knob.high) / (1 - knob.low)) ** position
        return float(max(0.0, 1 - max(forgets, min(LEAST, 1 - knob.high))))
    beyond = float(knob.low + position * (knob.high - knob.low))
    return max(0.0, beyond) if knob.low >= 0 else beyond


def _optuna_name(knob: Hyperparameter) -> str:
    return f"1 - {knob.name}" if knob.scale == "log1m" else knob.name


def _distribution(knob: Hyperparameter) -> FloatDistribution:
    from optuna.distributions import FloatDistribution

    if knob.scale == "log1m":
        return FloatDistribution(1 - knob.high, 1 - knob.low, log=True)
    return FloatDistribution(knob.low, knob.high, log=knob.scale == "log")
