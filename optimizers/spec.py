"""A named optimizer: a rule with its defaults, search ranges, landscape axes and source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from torch import Tensor

from optimizers.fingerprint import code_of, digest_of, options_text, value_text
from optimizers.rule import Decay, Hyperparameter, Rule
from optimizers.torch_optimizer import RuleOptimizer
from optimizers.wrappers import Wrapper, varied

__all__ = ["OptimizerSpec"]


@dataclass(frozen=True)
class OptimizerSpec:
    """One entry of the registry.

    ``axes`` are the two hyperparameters a landscape spans (the second is None for a rule with a single knob), and what
    tuning searches. ``defaults`` and ``ranges`` replace the rule's own where this variant is used with others.
    ``reference`` cites the source, ``description`` says in a few words what sets this optimizer apart.

    Raises ``ValueError`` for an axis, default or range of a hyperparameter the rule does not have, for two equal axes,
    and for a default or a range that `Hyperparameter` refuses.
    """

    name: str
    rule: Rule
    axes: tuple[str, str | None]
    reference: str
    description: str
    defaults: Mapping[str, float] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {knob.name for knob in self.rule.hyperparameters}
        unknown = ({*self.defaults, *self.ranges, *self.axes} - {None}) - known
        if unknown:
            raise ValueError(f"{self.name}: the rule has no hyperparameter {', '.join(sorted(map(str, unknown)))}")
        if self.axes[0] == self.axes[1]:
            raise ValueError(f"{self.name}: a landscape needs two different axes, got {self.axes[0]} twice")
        for knob in self.hyperparameters:
            knob.validate(knob.default)

    @cached_property
    def hyperparameters(self) -> tuple[Hyperparameter, ...]:
        """The rule's hyperparameters with this variant's defaults and ranges."""
        return tuple(self._variant(knob) for knob in self.rule.hyperparameters)

    def _variant(self, knob: Hyperparameter) -> Hyperparameter:
        low, high = self.ranges.get(knob.name, (knob.low, knob.high))
        return replace(knob, default=self.defaults.get(knob.name, knob.default), low=low, high=high)

    def hyperparameter(self, name: str) -> Hyperparameter:
        """The hyperparameter called ``name``; raises ``KeyError`` where there is none."""
        return {knob.name: knob for knob in self.hyperparameters}[name]

    @property
    def searched(self) -> tuple[str, ...]:
        """The names tuning searches by default: the landscape's axes."""
        return tuple(axis for axis in self.axes if axis is not None)

    @property
    def default_values(self) -> dict[str, float]:
        """The default value of every hyperparameter."""
        return {knob.name: knob.default for knob in self.hyperparameters}

    def fingerprint(self) -> str:
        """16 hex digits that name what runs: the rule's code with all it calls, its options and the defaults.

        Names, descriptions, ranges, comments and docstrings do not count. What is read, and what stands for source
        where none can be had, as in a notebook, is told by `optimizers.fingerprint.code_of`.
        """
        options, defaults = options_text(self.rule, value_text), sorted(self.default_values.items())
        return digest_of(code_of(type(self.rule)), options, repr(defaults))

    def varied(
        self, name: str, weight_decay: float | None = None, decay: Decay | None = None, maximize: bool = False
    ) -> OptimizerSpec:
        """This optimizer, called ``name``, with weight decay (coupled where ``decay`` does not say) and, or, uphill.

        Raises ``ValueError`` for another ``decay`` than the rule's own, and for a negative ``weight_decay``.
        """
        rule = varied(self.rule, decay=decay, decays=weight_decay is not None, maximize=maximize)
        defaults = self.defaults if weight_decay is None else {**self.defaults, "weight_decay": float(weight_decay)}
        said = [f"with {rule.decay} weight decay"] * (rule.decay != self.rule.decay) + ["uphill"] * maximize
        return replace(self, name=name, rule=rule, defaults=defaults, description=", ".join([self.description, *said]))

    def wrapped(self, kind: type[Wrapper], name: str, **given: Any) -> OptimizerSpec:
        """This optimizer inside a wrapper, called ``name``; ``given`` are options and defaults of the wrapper's own.

        Raises ``ValueError`` and ``TypeError`` as ``kind`` does.
        """
        own = {knob.name for knob in kind.hyperparameters}
        rule = kind(self.rule, **{key: value for key, value in given.items() if key not in own})
        return replace(
            self,
            name=name,
            rule=rule,
            defaults={**self.defaults, **{key: value for key, value in given.items() if key in own}},
            description=f"{kind.says}: {self.description}",
            reference=f"{kind.source}; {self.reference}",
        )

    def torch(self, params: Iterable[Tensor] | Iterable[dict[str, Any]], **hyperparameters: Any) -> RuleOptimizer:
        """This optimizer as a `torch.optim.Optimizer` over ``params``; see `RuleOptimizer` for the keywords.

        ``weight_decay`` is coupled, unless the rule has its own or ``decay="decoupled"``; ``maximize`` goes uphill.
        """
        return RuleOptimizer(params, self.rule, **{**self.default_values, **hyperparameters})
