"""What ``cell.json`` says of a cell that was run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.engine.trace import Trace
from benchmarks.naming.call_syntax import parse_call
from benchmarks.naming.registry import PROBLEMS
from benchmarks.running.prepare import Prepared
from benchmarks.tuning.trials import Study
from problems import Problem

__all__ = ["Tests", "describe"]

Tests = Mapping[str, tuple[Mapping[str, float], Trace]]
"""For "tuned" (where there is a winner) and "default": the hyperparameters and their runs on the test seeds."""


def describe(
    cell: Prepared, study: Study, tests: Tests, seconds: Mapping[str, float], lane_steps: int
) -> dict[str, Any]:
    """The content of ``cell.json``, as `analysis.record.cells.Cell` documents it."""
    plan, problem, spec, space = cell.plan, cell.problem, cell.spec, cell.space
    trace = tests["default"][1]
    searched = {knob.name: knob for knob in study.space.searched}
    knobs = [searched.get(knob.name, knob) for knob in spec.hyperparameters]
    winner = study.winner
    return {
        "suite": plan.suite,
        "position": plan.position,
        "problem": {
            "name": problem.name, "description": _description(problem), "dim": problem.dim, "minimum": problem.minimum,
            "target": problem.target, "steps": problem.steps, "tags": sorted(problem.tags),
            "deterministic": problem.deterministic, "fingerprint": problem.fingerprint(),
            "start_loss": float(trace.loss[0, :, 0].median()),
            "metrics": [name for name in trace.metrics if name != "loss"],
            "sharpness": problem.sharpness,
            "minimisers": [list(point) for point in problem.minimisers] if problem.dim <= 2 else [],
        },
        "optimizer": {
            "name": spec.name, "description": spec.description, "reference": spec.reference, "axes": list(spec.axes),
            "searched": [knob.name for knob in space.searched], "fixed": dict(plan.searching.fixed),
            "hyperparameters": [
                {"name": k.name, "default": k.default, "low": k.low, "high": k.high, "scale": k.scale} for k in knobs
            ],
        },
        "schedule": plan.schedule,
        "protocol": {
            "sampler": plan.tuning.sampler,
            "trials": len(study.trials),
            "block": plan.tuning.block, "objective": " and ".join(plan.tuning.objective),
            "aggregate": str(plan.tuning.aggregate), "pruner": str(plan.tuning.pruner),
            "tuning_seeds": cell.seeds(plan.tuning.seeds), "test_seeds": cell.seeds(plan.test.seeds),
            "landscape_seeds": cell.seeds(plan.landscape.seeds),
            "grid": list(plan.landscape.grid) if plan.landscape.enabled else None,
            "steps": cell.steps, "evaluate_every": cell.evaluate if plan.spacing == "linear" else None,
        },
        "winner": None if winner is None else {
            "trial": winner.trial, "objective": winner.objective, "hyperparameters": dict(winner.values),
            "at_edge": winner.at_edge, "widened": study.widened,
        },
        "defaults": cell.space.defaults(spec),
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
        "lane_steps": lane_steps,
    }  # fmt: skip


def _description(problem: Problem) -> str:
    """The registered one-line description of the problem, or the first line of its class's docstring."""
    name = parse_call(problem.name)[0]
    return PROBLEMS[name].description if name in PROBLEMS else (type(problem).__doc__ or "").partition("\n")[0]
