"""A ready cell: its names looked up, its budgets and seeds settled, its mistakes found before it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import torch

from benchmarks.engine.devices import DeviceName, device_of
from benchmarks.engine.engines import Engine
from benchmarks.engine.inputs import Evaluate, Training
from benchmarks.engine.kernel_lanes import planned, seconds_by_torch
from benchmarks.engine.try_out import check_facts, try_optimizer, try_problem
from benchmarks.engine.ways import why_native
from benchmarks.errors import OwnCodeError, StepscapeError, UsageError, nearest
from benchmarks.naming.call_syntax import parse_call
from benchmarks.naming.foreign import AnyOptimizer, ForeignSpec
from benchmarks.naming.groups import ParameterGroup
from benchmarks.naming.plugins import load_plugin_file
from benchmarks.naming.registry import make_optimizer, make_problem, make_schedules
from benchmarks.suite.settings import Group
from benchmarks.suite.suite import CellPlan
from benchmarks.tuning.landscape import grid_axes
from benchmarks.tuning.objectives import check_objectives
from benchmarks.tuning.pruning import optuna_pruner, trial_evaluations
from benchmarks.tuning.samplers import trial_count
from benchmarks.tuning.space import Space, by_our_names
from optimizers import Schedule
from optimizers.fingerprint import digest_of, value_text
from problems import BUILTIN as PROBLEMS
from problems import DataError, Problem

__all__ = [
    "MODULE",
    "SECOND",
    "Compute",
    "ReadyCell",
    "Tried",
    "load_plugins",
    "look_up",
    "mistakes",
    "prepare",
    "try_cell",
]

BUILTIN = frozenset(spec.name for spec in PROBLEMS)
"""Problems that the suite's own tests hold; all others are tried before they run."""

SECOND: Final = 3e6
"""What a second of torch's costs, in the units of `ReadyCell.cost`."""

MODULE: Final = 1e-3  # seconds that a step of a module as it is takes, small as it may be
FOREIGN: Final = 1e-4  # and a step of a foreign optimizer

KEPT: Final = 32_000_000
"""Numbers that are kept of a landscape's runs on their way, of two bytes each: 64 MB, as the file has at most."""


Tried = MutableMapping[str, OwnCodeError | None]
"""What came of problems of the user's own that were tried: by the text that names them, the error, or None."""


@dataclass(frozen=True)
class Compute:
    """What lanes are trained with: an engine, threads of one process, and a device, by its name. Results differ by
    rounding at most.
    """

    engine: Engine = "auto"
    threads: int = 1
    device: DeviceName = "cpu"


@dataclass(frozen=True)
class ReadyCell:
    """A cell plan with its names looked up and its budgets and seeds settled.

    ``fingerprint`` names the optimizer, its schedules and its groups: their code, options and defaults. ``native`` says
    why its runs are modules of their own, None where they are lanes.
    """

    plan: CellPlan
    problem: Problem
    spec: AnyOptimizer
    schedules: Mapping[str, Schedule]
    space: Space
    steps: int
    fingerprint: str
    compute: Compute = field(default_factory=Compute)
    groups: Sequence[ParameterGroup] = ()
    native: str | None = None

    def training(self, seeds: Sequence[int], evaluate: Evaluate, *, keep_path: bool = False) -> Training:
        """The training of this cell on ``seeds``, evaluated every ``evaluate`` steps, or at the steps listed."""
        dtype = self.plan.dtype
        training = Training(
            self.problem,
            self.spec,
            seeds,
            self.steps,
            evaluate,
            self.schedules,
            device=device_of(self.compute.device),
            dtype=None if dtype is None else getattr(torch, "float32" if dtype == "bfloat16" else dtype),
            keep_path=keep_path,
            engine=self.compute.engine,
            threads=self.compute.threads,
            autocast=dtype == "bfloat16",
            groups=self.groups,
        )
        return planned(training, self._lanes)

    @property
    def dtype(self) -> str:
        """The precision of the runs: the plan's, else the problem's."""
        return self.plan.dtype or str(self.problem.dtype).removeprefix("torch.")

    @property
    def evaluate(self) -> int | list[int]:
        """When the runs of tests are evaluated."""
        count = self.plan.evaluations
        if self.plan.spacing == "linear":
            return max(1, self.steps // count)
        return sorted({round(self.steps ** (place / count)) for place in range(count + 1)})

    @property
    def evaluate_trials(self) -> Evaluate:
        """When the runs of studies are evaluated."""
        return trial_evaluations(self.plan.tuning, self.steps, self.evaluate)

    @property
    def mapping(self) -> Training:
        """The training of the landscape, evaluated at steps at even distances of their logarithm: as often as the plan
        says, or less where the runs are so many that they would keep more than `KEPT` numbers.
        """
        wanted = self.plan.landscape
        count = max(1, min(wanted.evaluations, KEPT // self._mapped))
        steps = sorted({round(self.steps ** (place / count)) for place in range(1, count + 1)})
        return self.training(self.seeds(wanted.seeds), steps)

    def seeds(self, listed: Sequence[int]) -> list[int]:
        """Those of the ``listed`` seeds to train on: only the first where the problem is deterministic."""
        return list(listed[:1] if self.problem.deterministic else listed)

    @property
    def lane_steps(self) -> int:
        """The number of updates the cell will make, for estimates of time."""
        return sum(self._lanes) * self.steps

    @property
    def _lanes(self) -> list[int]:
        """The lanes of every training that the cell will make."""
        plan, tuning = self.plan, self.plan.tuning
        studies, seeds = tuning.studies if tuning.enabled else 0, len(self.seeds(tuning.seeds))
        trainings = [(studies + 1) * len(self.seeds(plan.test.seeds))]
        if studies:
            trials = 1 + trial_count(tuning, self.space)
            blocks = [tuning.block] * (trials // tuning.block) + [trials % tuning.block] * (trials % tuning.block > 0)
            trainings += studies * [block * seeds for block in blocks]
        return [*trainings, self._mapped] if plan.landscape.enabled else trainings

    @property
    def _mapped(self) -> int:
        """The lanes of a landscape, if the plan has one."""
        wanted = self.plan.landscape
        points = math.prod(count for _, count in grid_axes(self.spec, self.space, wanted.grid))
        return points * len(self.seeds(wanted.seeds))

    @property
    def cost(self) -> float:
        """A rough estimate of the work, in arbitrary units, `SECOND` of which are a second of torch's on one core.

        It is the same whatever engine, device and machine the cell is run with, for suites are divided by it.
        """
        native = why_native(self.problem, self.spec, self.groups) is not None
        return SECOND * self.lane_steps * self.seconds_a_step(native=native) + 2e5

    def seconds_a_step(self, *, native: bool) -> float:
        """A rough estimate of the seconds that torch takes for a step of one run, ``native`` or a lane."""
        by_torch = seconds_by_torch(self.problem, 1.0, 0.0)
        return by_torch + (MODULE if native else FOREIGN if isinstance(self.spec, ForeignSpec) else 0.0)


def prepare(
    plan: CellPlan, data: Path | None = None, tried: Tried | None = None, compute: Compute | None = None
) -> ReadyCell:
    """The ready cell of ``plan``, looked up and tried, as `look_up` and `try_cell` say."""
    cell = look_up(plan, data, compute)
    try_cell(cell, {} if tried is None else tried)
    return cell


def look_up(
    plan: CellPlan,
    data: Path | None = None,
    compute: Compute | None = None,
    made: MutableMapping[str, Problem] | None = None,
) -> ReadyCell:
    """The cell of ``plan`` with its names looked up, which is cheap and enough to know what it costs: facts are read,
    nothing is trained. ``data`` is the user's data folder, ``made`` the problems of other cells.

    Raises `StepscapeError` for whatever is unknown or out of range.
    """
    load_plugins(plan.plugins)
    made = {} if made is None else made
    if plan.problem not in made:
        problem = make_problem(plan.problem, data)
        if parse_call(plan.problem)[0] not in BUILTIN:
            check_facts(problem)
        made[plan.problem] = problem
    problem = made[plan.problem]
    spec = make_optimizer(plan.optimizer, plan.searching.search)
    plan = plan.model_copy(update={"searching": by_our_names(spec, plan.searching)})
    schedules = make_schedules(plan.schedule)
    knobs = {knob.name: knob for knob in spec.hyperparameters}
    for name, schedule in schedules.items():
        if name not in knobs:
            raise UsageError(
                f"schedule {plan.schedule!r}: optimizer {plan.optimizer!r} has no hyperparameter {name!r}"
                f"{nearest(name, knobs)}"
            )
        if not schedule.fits(knobs[name]):
            kind = "memory" if knobs[name].is_memory else "lr"
            raise UsageError(f"schedule {plan.schedule!r}: {name} takes one of {kind}, see `stepscape list schedules`")
    if plan.tuning.enabled:
        check_objectives(problem, plan.tuning)
        optuna_pruner(plan.tuning)
    space = Space.of(spec, plan.searching, plan.tuning.searched)
    groups = [_group(each) for each in plan.groups]
    compute = compute or Compute()
    native = why_native(problem, spec, groups, asked=compute.engine == "native")
    steps = plan.steps or problem.steps
    fingerprint = optimizer_fingerprint(spec, schedules, groups)
    return ReadyCell(plan, problem, spec, schedules, space, steps, fingerprint, compute, groups, native)


def try_cell(cell: ReadyCell, tried: Tried, *, optimizer: bool = True) -> None:
    """Call what is the user's own, the problem and the ``optimizer``, for a moment; ``tried`` is what came of problems
    tried before.

    Raises `StepscapeError` where that fails.
    """
    name = cell.plan.problem
    if parse_call(name)[0] not in BUILTIN:
        _try_once(name, cell.problem, tried)
    if optimizer:
        values, native = cell.space.defaults(cell.spec), cell.native is not None
        try_optimizer(cell.problem, cell.spec, values, cell.schedules, cell.groups, native=native)


def _group(given: Group) -> ParameterGroup:
    """The parameter group of a suite, its optimizer looked up."""
    own = None if given.optimizer is None else make_optimizer(given.optimizer)
    return ParameterGroup(tuple(given.parameters), given.dims, own, given.values)


def _try_once(name: str, problem: Problem, tried: Tried) -> None:
    """Try the problem called ``name`` where it was not tried yet: it costs two evaluations. Raises `OwnCodeError`."""
    if name not in tried:
        try:
            try_problem(problem)
            tried[name] = None
        except OwnCodeError as error:
            tried[name] = error
    failed = tried[name]
    if failed is not None:
        raise failed


def mistakes(plan: CellPlan, error: StepscapeError | DataError, data: Path | None = None) -> list[str]:
    """Why ``plan`` could not be prepared: ``error``, and what else is wrong with its names, each looked up alone."""
    found = [str(error)]
    lookups: list[Callable[[], object]] = [
        lambda: make_problem(plan.problem, data),
        lambda: make_optimizer(plan.optimizer, plan.searching.search),
        lambda: make_schedules(plan.schedule),
    ]
    for look_up in lookups:
        try:
            look_up()
        except OwnCodeError:  # costs its cells, and is said when they fail
            continue
        except (StepscapeError, DataError) as another:
            found.append(str(another))
    return list(dict.fromkeys(found))


def optimizer_fingerprint(
    spec: AnyOptimizer, schedules: Mapping[str, Schedule], groups: Sequence[ParameterGroup] = ()
) -> str:
    """16 hex digits that name the optimizer, with schedules and parameter groups all of them together."""
    parts = [value_text(schedules)] if schedules else []
    parts += [f"{group} {group.own.fingerprint() if group.own is not None else ''}" for group in groups]
    return digest_of(spec.fingerprint(), *parts) if parts else spec.fingerprint()


def load_plugins(paths: Iterable[str]) -> None:
    """Load each plug-in file, once in this process; raises `StepscapeError` where one fails."""
    for path in paths:
        _load_plugin_once(path)


@cache
def _load_plugin_once(path: str) -> None:
    load_plugin_file(Path(path))
