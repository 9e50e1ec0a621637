"""What the engine is given: a `Training`, which all runs share, and the `Configurations` in which they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from benchmarks.engine.calls import bound_to, evaluation_of, start_of
from benchmarks.engine.devices import check_device, device_here, device_of
from benchmarks.engine.engines import ENGINES, Engine
from benchmarks.engine.segments import Data
from benchmarks.engine.ways import why_native
from benchmarks.errors import UsageError
from benchmarks.naming.foreign import AnyOptimizer, ForeignSpec, called
from benchmarks.naming.groups import ParameterGroup
from benchmarks.naming.registry import make_optimizer, make_problem
from optimizers import Hyperparameter, Rule, Schedule
from problems import Problem

__all__ = ["Configurations", "Evaluate", "Training", "evaluation_steps"]

ON_GPU: Final = 256
"""How many times a problem's chunk a GPU trains together. Measured on an H200: 10,000 lanes of digits-mlp in one chunk
take 0.4 µs a lane-step, in chunks of 64 take 29; a million of ellipse 1 ns, in chunks of 16,384 take 45."""

Evaluate = int | Sequence[int] | None
"""When runs are evaluated, besides at the start and the end: every so many steps, at the steps listed, or not."""


@dataclass(frozen=True, eq=False)
class Configurations:
    """Hyperparameters by name: each a float, the same for all, or a tensor ``[C]`` with a value a configuration.

    Tensors are held in float64 on the CPU; ``len`` is C, 1 where every value is a float, and ``[places]`` cuts a part
    out. What is not named takes the default of the optimizer that is trained. Raises `UsageError` for unequal lengths.
    """

    values: Mapping[str, Tensor | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values = {
            name: value.detach().double().cpu() if isinstance(value, Tensor) and value.dim() else float(value)
            for name, value in self.values.items()
        }
        lengths = {name: tuple(value.shape) for name, value in values.items() if isinstance(value, Tensor)}
        if len(set(lengths.values())) > 1 or any(len(shape) != 1 or shape[0] == 0 for shape in lengths.values()):
            raise UsageError(f"hyperparameters must be floats or tensors [C] of one length C >= 1, got {lengths}")
        object.__setattr__(self, "values", values)

    def __repr__(self) -> str:
        parts = [
            f"{name} {float(value.min()):g} … {float(value.max()):g}"
            if isinstance(value, Tensor)
            else f"{name} {value:g}"
            for name, value in self.values.items()
        ]
        return f"<Configurations: {len(self)} of {', '.join(parts) or 'the defaults'}>"

    def __len__(self) -> int:
        return next((len(value) for value in self.values.values() if isinstance(value, Tensor)), 1)

    def __getitem__(self, places: slice | Tensor) -> Configurations:
        """The configurations at ``places``, a slice or a tensor of indices; floats stay floats."""
        return Configurations(
            {name: value[places] if isinstance(value, Tensor) else value for name, value in self.values.items()}
        )

    def row(self, place: int) -> dict[str, float]:
        """The values of configuration number ``place``."""
        return {
            name: float(value[place]) if isinstance(value, Tensor) else value for name, value in self.values.items()
        }


@dataclass(frozen=True)
class Training:
    """What all runs of a batch share: problem, optimizer, seeds, budget, evaluations, and what is kept of them.

    ``problem`` and ``optimizer`` may be given by name, as ``"quadratic(dim=10)"`` and ``"torch:Adam"``; ``optimizer``
    is an entry of the registry, a foreign one, or a bare rule. ``seeds`` fix start, data order and noise;
    lanes of a seed see the same. ``steps`` are updates; losses are evaluated at step 0, every ``evaluate_every`` steps
    (or at the steps listed; default: none) and at the end. ``schedules`` change a hyperparameter, by its name, from
    step to step. ``device`` is one of torch's, or "auto", a GPU where there is one; by default the CPU, or what
    `on_device` says. ``dtype`` and ``chunk`` (lanes trained together, on a GPU more) default to the problem's; a chunk
    means nothing to a foreign optimizer. Where ``autocast``, losses and their gradients are computed with products of
    matrices in bfloat16, as `torch.autocast` does; evaluations and steps are not.

    ``groups`` are parameters of a module for which something is different (`benchmarks.naming.groups`).

    ``keep_path`` keeps the parameters at every evaluation, ``keep_updates`` the gradient of the last update before it
    and the rule's state after it (a foreign optimizer's is not known). Without ``stop_diverged`` no lane is ever
    marked or stopped, and losses may become inf or NaN. ``engine`` means nothing to a foreign optimizer, and where
    `native` gives a reason;
    ``planned`` are the seconds that torch would take for all trainings like this one, by which it is chosen;
    ``threads`` of this process work on a kernel's lanes, which changes no result.

    Raises `UsageError` for no seed, one given twice, a count below one, a schedule of an unknown hyperparameter or one
    that does not fit its hyperparameter, as one of lr given to a memory (a bare rule takes any function of the step),
    for ``keep_updates`` of a foreign optimizer, and for a device that is not there.
    """

    problem: Problem
    optimizer: AnyOptimizer | Rule
    seeds: Sequence[int]
    steps: int
    evaluate_every: Evaluate = None
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    device: str | torch.device = field(default_factory=device_here)
    dtype: torch.dtype | None = None
    chunk: int | None = None
    keep_path: bool = False
    keep_updates: bool = False
    stop_diverged: bool = True
    engine: Engine = "auto"
    planned: float = 0.0
    threads: int = 1
    autocast: bool = False
    groups: Sequence[ParameterGroup] = ()

    if TYPE_CHECKING:  # the fields hold what the names mean

        def __init__(
            self,
            problem: Problem | str,
            optimizer: AnyOptimizer | Rule | str,
            seeds: Sequence[int],
            steps: int,
            evaluate_every: Evaluate = None,
            schedules: Mapping[str, Schedule] = ...,
            device: str | torch.device = ...,
            dtype: torch.dtype | None = None,
            chunk: int | None = None,
            keep_path: bool = False,
            keep_updates: bool = False,
            stop_diverged: bool = True,
            engine: Engine = "auto",
            planned: float = 0.0,
            threads: int = 1,
            autocast: bool = False,
            groups: Sequence[ParameterGroup] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        if isinstance(self.problem, str):
            object.__setattr__(self, "problem", make_problem(self.problem))
        if isinstance(self.optimizer, str):
            object.__setattr__(self, "optimizer", make_optimizer(self.optimizer))
        device = device_of(self.device) if isinstance(self.device, str) else self.device
        check_device(device)
        object.__setattr__(self, "device", device)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise UsageError(f"train needs at least one seed, each once, got {list(self.seeds)}")
        every = self.evaluate_every
        if self.steps < 1 or (isinstance(every, int) and every < 1):
            raise UsageError(f"steps and evaluate_every must be at least 1, got {self.steps} and {every}")
        if self.engine not in ENGINES:
            raise UsageError(f"the engine is one of {', '.join(ENGINES)}, not {self.engine!r}")
        self._check_names(self.schedules)
        for name, schedule in self.schedules.items():
            if not isinstance(self.optimizer, Rule) and not schedule.fits(self._knobs[name]):
                raise UsageError(f"the schedule {schedule} does not fit {self.name}'s {name}")
        if self.keep_updates and isinstance(self.optimizer, ForeignSpec):
            raise UsageError(f"{self.name} is a foreign optimizer: only our rules show the state of their updates")

    def __repr__(self) -> str:
        on = self.problem.name or type(self.problem).__name__
        seeds = f"{len(self.seeds)} seed{'s' * (len(self.seeds) != 1)}"
        return f"<Training of {self.name} on {on}: {self.steps} steps, {seeds}>"

    @property
    def name(self) -> str:
        """The name of the optimizer in errors."""
        return called(self.optimizer)

    @cached_property
    def native(self) -> str | None:
        """Why these runs are modules of their own, one at a time, in words; None where they are lanes of a tensor."""
        return why_native(self.problem, self.optimizer, self.groups, asked=self.engine == "native")

    @cached_property
    def rule(self) -> Rule:
        """The rule that is trained, told the problem's layout; a foreign optimizer has none.

        Raises `UsageError` where it cannot train tensors of these shapes.
        """
        optimizer = self.optimizer
        assert not isinstance(optimizer, ForeignSpec), "whoever asks has looked"
        return bound_to(self.problem, optimizer if isinstance(optimizer, Rule) else optimizer.rule, self.name)

    @property
    def lanes_together(self) -> int:
        """The lanes of a chunk: as asked for, else the problem's own, which fit a processor's cache. A GPU has none to
        fit and idles with so few; one lane at a time stays one.
        """
        own = self.problem.chunk
        return self.chunk or (own if own == 1 or torch.device(self.device).type == "cpu" else own * ON_GPU)

    @property
    def evaluations(self) -> list[int]:
        """The evaluated steps ``[E]``."""
        return evaluation_steps(self.steps, self.evaluate_every)

    @cached_property
    def data(self) -> Data:
        """The data of every update, kept where it is small, so that to train again does not draw it again."""
        like = torch.empty(0, device=self.device, dtype=self.dtype or self.problem.dtype)
        return Data(self.problem, self.seeds, self.evaluations, like)

    def start(self) -> Tensor:
        """The start points ``[S, P]`` on the device and in the precision of the runs."""
        return start_of(self.problem, self.seeds).to(self.device, self.dtype or self.problem.dtype)

    @cached_property
    def start_loss(self) -> Tensor:
        """The loss ``[S]`` of the start points over all data, which every block of a study asks for."""
        return evaluation_of(self.problem, self.start())["loss"]

    def filled(self, given: Configurations) -> Configurations:
        """``given`` with the optimizer's default for what it does not name: the engine fills in defaults here only.

        Raises `UsageError` for an unknown hyperparameter.
        """
        self._check_names(given.values)
        return Configurations({**{name: knob.default for name, knob in self._knobs.items()}, **given.values})

    @property
    def _knobs(self) -> dict[str, Hyperparameter]:
        return {knob.name: knob for knob in self.optimizer.hyperparameters}

    def _check_names(self, given: Iterable[str]) -> None:
        for strange in sorted(set(given) - set(self._knobs)):
            has = ", ".join(self._knobs) or "none"
            raise UsageError(f"{self.name} has no hyperparameter {strange!r}; it has {has}")


def evaluation_steps(steps: int, every: Evaluate) -> list[int]:
    """The steps evaluated: 0, every ``every`` steps (or those listed), and the last."""
    if every is None or isinstance(every, int):
        return [*range(0, steps, every or steps), steps]
    return [0, *sorted({step for step in every if 0 < step < steps}), steps]
