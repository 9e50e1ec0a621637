"""Parameter groups by name: what is different for some of a module's parameters, as in a suite so from Python.

    ParameterGroup(("*.bias", "*norm*"), values={"weight_decay": 0.0})
    ParameterGroup(dims=(1, 4), optimizer="torch:AdamW", values={"lr": 0.001})
    ParameterGroup(dims=(2,), values={"use_muon": True})

A parameter belongs to the first group whose patterns match its name, and to the optimizer itself where none does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from torch import Tensor

from benchmarks.errors import UsageError, nearest
from benchmarks.naming.foreign import AnyOptimizer, ForeignSpec, called
from benchmarks.naming.registry import make_optimizer
from optimizers import Rule

__all__ = ["ParameterGroup", "by_our_names_in", "shared_out"]


@dataclass(frozen=True)
class ParameterGroup:
    """The parameters whose names match one of the patterns, and what is theirs alone.

    Patterns are those of `fnmatch`; ``dims``, where given, are the numbers of axes that a parameter may have besides.
    ``optimizer``, a name or an entry, trains them in place of the run's; ``values`` are its hyperparameters, or those
    of the run's optimizer that differ here. True and False are for a class from elsewhere that asks its groups.
    """

    parameters: Sequence[str] = ("*",)
    dims: Sequence[int] | None = None
    optimizer: AnyOptimizer | str | None = None
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def own(self) -> AnyOptimizer | None:
        """The optimizer of this group, None where it is the run's."""
        return make_optimizer(self.optimizer) if isinstance(self.optimizer, str) else self.optimizer

    def takes(self, name: str, parameter: Tensor) -> bool:
        """Whether the ``parameter`` called ``name`` is one of this group."""
        shaped = self.dims is None or parameter.dim() in self.dims
        return shaped and any(fnmatchcase(name, pattern) for pattern in self.parameters)

    def __str__(self) -> str:
        """The group in a line, the same for equal groups."""
        own = self.own
        parts = [own.name] if own is not None else []
        parts += [f"{name}={_written(value)}" for name, value in sorted(self.values.items())]
        return f"{self.which}: {' '.join(parts)}"

    @property
    def which(self) -> str:
        """Which parameters it is for, in words."""
        axes = "" if self.dims is None else f" of {' or '.join(map(str, self.dims))} axes"
        return f"{', '.join(self.parameters)}{axes}"


def by_our_names_in(group: ParameterGroup, optimizer: AnyOptimizer | Rule) -> dict[str, float]:
    """The values of ``group`` by our names, for its own optimizer or the run's, which is ``optimizer``; and what a
    foreign class is told of the group, True or False.

    Raises `UsageError` for a hyperparameter that it does not have, and for a value that it cannot take.
    """
    meant = group.own or optimizer
    known = {knob.name: knob for knob in meant.hyperparameters}
    values: dict[str, float] = {}
    for given, value in group.values.items():
        if isinstance(value, bool) and isinstance(meant, ForeignSpec):
            values[given] = value
            continue
        name = meant.our_name(given) if isinstance(meant, ForeignSpec) else given
        if name not in known:
            raise UsageError(
                f"the parameter group {group.which!r}: {called(meant)} has no hyperparameter {given!r}"
                f"{nearest(given, known)}; it has {', '.join(known)}"
            )
        values[name] = float(value)
    return values


def _written(value: float) -> str:
    """A value as a suite has it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def shared_out(groups: Sequence[ParameterGroup], named: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The parameters of each group, and last those of none, by name.

    Raises `UsageError` for a group that has none of the ``named`` parameters.
    """
    parts: list[dict[str, Tensor]] = [{} for _ in range(len(groups) + 1)]
    for name, parameter in named.items():
        place = next((at for at, group in enumerate(groups) if group.takes(name, parameter)), len(groups))
        parts[place][name] = parameter
    for group, part in zip(groups, parts, strict=False):
        if not part:
            matched = any(group.takes(name, parameter) for name, parameter in named.items())
            there = ", ".join(f"{name} {list(parameter.shape)}" for name, parameter in named.items())
            why = "those it matches belong to groups before it" if matched else f"there are {there}"
            raise UsageError(f"the parameter group {group.which!r} has no parameters: {why}")
    return parts
