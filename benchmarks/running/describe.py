"""What ``cell.json`` says of a cell that was run."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.record.cell_info import (
    CellInfo,
    HyperparameterInfo,
    OptimizerInfo,
    ProblemInfo,
    Protocol,
    Seconds,
    StudyInfo,
    WinnerInfo,
)
from benchmarks.engine.devices import named
from benchmarks.engine.trace import Trace
from benchmarks.naming.registry import described
from benchmarks.running.cell import FinishedCell
from benchmarks.running.prepare import ReadyCell
from benchmarks.tuning.space import Space
from benchmarks.tuning.trials import Study, Winner
from problems import Problem

__all__ = ["describe"]


def describe(cell: ReadyCell, result: FinishedCell) -> CellInfo:
    """The content of ``cell.json`` for ``cell`` and its ``result``."""
    plan = cell.plan
    return CellInfo(
        cell=plan.name,
        suite=plan.suite,
        position=plan.position,
        problem=_problem(cell.problem, result.default.trace),
        optimizer=_optimizer(cell, result.space),
        schedule=plan.schedule,
        protocol=_protocol(cell, result.studies),
        studies=tuple(_study(cell, place, study) for place, study in enumerate(result.studies)),
        defaults=cell.space.defaults(cell.spec),
        seconds=Seconds(**{name: round(value, 4) for name, value in result.seconds.to_json().items()}),
        lane_steps=result.lane_steps,
        engines=tuple(result.engines),
        device=named(cell.compute.device),
        dtype=cell.dtype,
        cost=result.cost,
        native=cell.native,
    )


def _problem(problem: Problem, trace: Trace) -> ProblemInfo:
    """The problem, which ``trace`` trained from its starts on the test seeds."""
    return ProblemInfo(
        name=problem.name,
        description=described(problem),
        dim=problem.dim,
        minimum=problem.minimum,
        target=problem.target,
        steps=problem.steps,
        tags=tuple(sorted(problem.tags)),
        deterministic=problem.deterministic,
        fingerprint=problem.fingerprint(),
        start_loss=float(trace.loss[0, :, 0].median()),
        metrics=tuple(name for name in trace.metrics if name != "loss"),
        sharpness=problem.sharpness,
        minimisers=tuple(tuple(point) for point in problem.minimisers) if problem.dim <= 2 else (),
    )


def _optimizer(cell: ReadyCell, space: Space) -> OptimizerInfo:
    """The optimizer; the ranges of what was searched are those of ``space``, which holds them all."""
    spec = cell.spec
    last = {knob.name: knob for knob in space.searched}
    knobs = [last.get(knob.name, knob) for knob in spec.hyperparameters]
    return OptimizerInfo(
        name=spec.name,
        description=spec.description,
        reference=spec.reference,
        axes=spec.axes,
        searched=tuple(knob.name for knob in cell.space.searched),
        fixed=dict(cell.plan.searching.fixed),
        hyperparameters=tuple(HyperparameterInfo(k.name, k.default, k.low, k.high, k.scale) for k in knobs),
        fingerprint=cell.fingerprint,
        groups=tuple(map(str, cell.groups)),
    )


def _protocol(cell: ReadyCell, studies: Sequence[Study]) -> Protocol:
    plan, tuning = cell.plan, cell.plan.tuning
    every = cell.evaluate
    return Protocol(
        sampler=tuning.sampler,
        studies=len(studies),
        trials=max((study.asked for study in studies), default=0),
        block=tuning.block,
        objectives=tuple(map(str, tuning.objective)),
        aggregate=str(tuning.aggregate),
        pruner=str(tuning.pruner),
        tuning_seeds=tuple(cell.seeds(tuning.seeds)),
        test_seeds=tuple(cell.seeds(plan.test.seeds)),
        landscape_seeds=tuple(cell.seeds(plan.landscape.seeds)),
        grid=plan.landscape.grid if plan.landscape.enabled else None,
        steps=cell.steps,
        evaluate_every=every if isinstance(every, int) else None,
    )


def _study(cell: ReadyCell, place: int, study: Study) -> StudyInfo:
    winner = study.winner
    return StudyInfo(
        study=place,
        tuning_seeds=tuple(cell.seeds(cell.plan.tuning.seeds_of(place))),
        trials=len(study.trials),
        widened=study.widened,
        winner=None if winner is None else _winner(winner),
    )


def _winner(winner: Winner) -> WinnerInfo:
    return WinnerInfo(
        trial=winner.trial,
        objective=winner.objective,
        hyperparameters=dict(winner.values),
        at_edge=tuple(winner.at_edge),
    )
