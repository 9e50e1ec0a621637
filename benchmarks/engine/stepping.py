"""What steps the parameters of one run: a `torch.optim.Optimizer`, or several that share them by groups.

Rules of ours step as a `RuleOptimizer`, foreign ones as what they are; both are set to their schedules, told their mode
and asked for a step in the same way, and what they refuse is one sentence in their name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from benchmarks.errors import StepscapeError, UsageError
from benchmarks.naming.blame import blame, line_raised
from benchmarks.naming.call_syntax import in_words
from benchmarks.naming.foreign import AnyOptimizer, ForeignSpec, called, write
from benchmarks.naming.groups import ParameterGroup, by_our_names_in, shared_out
from optimizers import Rule, Schedule
from optimizers.torch_optimizer import RuleOptimizer

__all__ = ["Stepper", "has_modes"]

EXPECTED = "it steps on parameters as any torch.optim.Optimizer"

Closure = Callable[[], Tensor]


class Stepper:
    """The optimizer of one run at ``values`` over its ``named`` parameters, and those of ``groups`` beside it.

    ``over`` says in errors what the parameters are. Raises `UsageError` where a class refuses the values or parameters,
    keeps a scheduled hyperparameter out of its groups, or would have no parameters.
    """

    def __init__(
        self,
        optimizer: AnyOptimizer | Rule,
        values: Mapping[str, float],
        named: Mapping[str, Tensor],
        over: str,
        schedules: Mapping[str, Schedule],
        groups: Sequence[ParameterGroup] = (),
    ) -> None:
        self.parameters = list(named.values())
        *parts, rest = shared_out(groups, named)
        main: list[tuple[Mapping[str, Tensor], dict[str, float]]] = [(rest, {})] if rest else []
        others: list[tuple[AnyOptimizer, Mapping[str, Tensor], dict[str, float]]] = []
        for group, part in zip(groups, parts, strict=True):
            own, theirs = group.own, by_our_names_in(group, optimizer)
            if own is None:
                main.append((part, theirs))
            else:
                others.append((own, part, theirs))
        if not main:
            raise UsageError(f"{called(optimizer)} has no parameters: its groups give all of them to other optimizers")
        self._members = [_Member(optimizer, values, main, over, schedules)]
        self._members += [_Member(own, given, [(part, {})], over, schedules) for own, part, given in others]

    @property
    def needs_closure(self) -> bool:
        """Whether a step demands a function that computes the loss and the gradients again."""
        return any(member.needs_closure for member in self._members)

    @property
    def has_modes(self) -> bool:
        """Whether it is judged elsewhere than where it steps."""
        return any(has_modes(member.optimizer) for member in self._members)

    @property
    def state_bytes(self) -> int:
        """Bytes of the tensors that the optimizers keep."""
        return sum(_bytes_of(member.optimizer.state) for member in self._members)

    def schedule(self, t: int, steps: int) -> None:
        """Set the scheduled hyperparameters of step ``t``."""
        for member in self._members:
            member.schedule(t, steps)

    def set_mode(self, mode: Literal["train", "eval"]) -> None:
        """Say that the run is trained, or looked at, where that makes a difference."""
        for member in self._members:
            member.set_mode(mode)

    def put_back(self, parameters: Sequence[Tensor]) -> None:
        """Let every parameter be as it was: an average taken out and put in again would leave its rounding."""
        for p, before in zip(self.parameters, parameters, strict=True):
            p.data.copy_(before)

    def step(self, closure: Closure | None = None) -> None:
        """Step by the gradients that the parameters have; those that demand a ``closure`` go first."""
        for member in sorted(self._members, key=lambda member: not member.needs_closure):
            member.step(closure if member.needs_closure else None)


class _Member:
    """One optimizer, with the hyperparameters of each of its groups by our names."""

    def __init__(
        self,
        spec: AnyOptimizer | Rule,
        values: Mapping[str, float],
        groups: Sequence[tuple[Mapping[str, Tensor], Mapping[str, float]]],
        over: str,
        schedules: Mapping[str, Schedule],
    ) -> None:
        self.spec, self.name, self.over = spec, called(spec), over
        self.schedules = {name: schedule for name, schedule in schedules.items() if name in _knobs(spec)}
        self.values = [{**_defaults(spec), **values, **own} for _, own in groups]
        given: Any = [
            {"params": list(part.values()), **self._keywords(whole, own)}
            for (part, own), whole in zip(groups, self.values, strict=True)
        ]
        if len(given) == 1 and len(given[0]) == 1:  # some classes take tensors only
            given = given[0]["params"]
        try:
            if isinstance(spec, Rule):
                self.optimizer: torch.optim.Optimizer = RuleOptimizer(given, spec, **dict[str, Any](values))
            else:
                self.optimizer = spec.torch(given, **values)
        except (Exception, SystemExit) as error:
            if not isinstance(error, ValueError):  # which is how a class refuses a value
                blame(error, f"optimizer {self.name!r}: its construction", EXPECTED, self._owner)
            what = _said(error, self._owner)
            several = sum(len(part) for part, _ in groups) > 1
            way = "; a parameter group can give some of them to another optimizer" if several else ""
            raise UsageError(f"{self.name} refuses {dict(values)} on {over}: {what}{way}") from error
        for name in self.schedules:
            keyword = self._place(name)[0]
            if keyword not in self.optimizer.param_groups[0]:
                raise UsageError(f"{self.name} keeps no {keyword!r} in its groups, so {name} takes no schedule")
        closure = inspect.signature(type(self.optimizer).step).parameters.get("closure")
        self.needs_closure = closure is not None and closure.default is closure.empty

    def schedule(self, t: int, steps: int) -> None:
        for name, schedule in self.schedules.items():
            for place, group in enumerate(self.optimizer.param_groups):
                values = self.values[min(place, len(self.values) - 1)]  # some classes make groups of their own
                write(group, self._place(name), float(schedule(values[name], t, steps)))

    def set_mode(self, mode: Literal["train", "eval"]) -> None:
        if not has_modes(self.optimizer):
            return
        try:
            getattr(self.optimizer, mode)()
        except (Exception, SystemExit) as error:
            blame(error, f"optimizer {self.name!r}: {mode}", EXPECTED, self.optimizer)
            raise UsageError(f"{self.name} cannot {mode}: {_said(error, self.optimizer)}") from error

    def step(self, closure: Closure | None) -> None:
        optimizer: Any = self.optimizer  # torch types a closure as giving a float; its own L-BFGS needs a tensor
        try:
            optimizer.step(*([] if closure is None else [closure]))
        except StepscapeError:  # of the problem, whose loss the optimizer asked for
            raise
        except (Exception, SystemExit) as error:
            blame(error, f"optimizer {self.name!r}: step", EXPECTED, optimizer)
            raise UsageError(f"{self.name} cannot step on {self.over}: {_said(error, optimizer)}") from error

    @property
    def _owner(self) -> object:
        """Whose code it is."""
        return self.spec.factory if isinstance(self.spec, ForeignSpec) else self.spec

    def _place(self, name: str) -> tuple[str, int | None]:
        return self.spec.places[name] if isinstance(self.spec, ForeignSpec) else (name, None)

    def _keywords(self, whole: Mapping[str, float], own: Mapping[str, float]) -> dict[str, Any]:
        """The keywords of a group whose ``own`` values differ from the others', and what it is told besides."""
        if not isinstance(self.spec, ForeignSpec):
            return dict(own)
        told = {name: value for name, value in own.items() if isinstance(value, bool)}
        every = self.spec.keywords({name: value for name, value in whole.items() if name not in told})
        places = dict.fromkeys(self._place(name)[0] for name in own if name not in told)
        return {**{keyword: every[keyword] for keyword in places}, **told}


def has_modes(optimizer: torch.optim.Optimizer) -> bool:
    """Whether it steps from other parameters than those it should be judged by, as schedule-free ones do."""
    return all(callable(getattr(optimizer, mode, None)) for mode in ("train", "eval"))


def _bytes_of(state: object) -> int:
    """Bytes of the tensors in ``state``, which authors keep by parameter, in lists, or beside both."""
    if isinstance(state, Tensor):
        return state.numel() * state.element_size()
    parts = state.values() if isinstance(state, Mapping) else state if isinstance(state, list | tuple) else ()
    return sum(map(_bytes_of, parts))


def _knobs(spec: AnyOptimizer | Rule) -> set[str]:
    return {knob.name for knob in spec.hyperparameters}


def _defaults(spec: AnyOptimizer | Rule) -> dict[str, float]:
    return {knob.name: knob.default for knob in spec.hyperparameters}


def _said(error: BaseException, owner: object) -> str:
    """What an exception of the optimizer says, with the line of its class or of the user's that raised."""
    line = line_raised(error, owner)
    return f"{in_words(error)} ({line})" if line else in_words(error)
