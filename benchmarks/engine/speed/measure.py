"""The measurement: plain loop, eager torch, the compiled kernel and JAX by turns, and what their times say."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median
from typing import Any, Final

from torch import Tensor

from benchmarks.engine.engines import Engine
from benchmarks.engine.speed.goals import Goal
from benchmarks.engine.speed.machine import Machine, one_core
from benchmarks.engine.speed.plain import plain_loop
from benchmarks.engine.speed.work import Limit, work_of
from benchmarks.engine.training import train

__all__ = ["Speed", "Verdict", "all_speeds", "has_jax", "measure"]

Side = Callable[[], float]
"""Runs all lanes of a goal once; CPU seconds a step of one run."""

NOISE: Final = 1.05  # times as slow as another side is no slower: medians of the same thing differ by that much


@dataclass(frozen=True)
class Verdict:
    """One thing that was to be reached, in two words, and whether it was."""

    text: str
    reached: bool

    def __str__(self) -> str:
        return f"{self.text} {'reached' if self.reached else 'MISSED'}"


@dataclass(frozen=True)
class Speed:
    """One measurement, in CPU seconds a step of one run: in the plain loops by their way, and as a lane of each engine.

    ``kernel`` and ``jax`` are None where there is none. ``ready`` are the CPU seconds of the first call of each engine,
    compilation included. ``limit`` is the least that a step takes on this machine.
    """

    goal: Goal
    plain: Mapping[str, float]
    eager: float
    kernel: float | None
    jax: float | None
    ready: Mapping[str, float]
    limit: Limit

    @property
    def plain_seconds(self) -> float:
        """A step in the faster of the plain loops."""
        return min(self.plain.values())

    @property
    def lane_seconds(self) -> float:
        """A step as a lane: in the kernel, in eager torch where there is none."""
        return self.eager if self.kernel is None else self.kernel

    @property
    def ratio(self) -> float:
        """How many times cheaper a step is as a lane than in the plain loop."""
        return self.plain_seconds / self.lane_seconds

    @property
    def share(self) -> float:
        """How near the machine's limit a lane is: 1 is there."""
        return self.limit.seconds / self.lane_seconds

    @property
    def verdicts(self) -> list[Verdict]:
        """What was to be reached."""
        verdicts = [Verdict(f"{self.goal.ratio:.0f}x", self.ratio >= self.goal.ratio)] if self.goal.ratio else []
        if self.goal.leads and self.jax is not None:
            verdicts.append(Verdict("JAX", self.lane_seconds < self.jax))
        if self.goal.leads and self.kernel is not None:
            verdicts.append(Verdict("eager", self.kernel <= NOISE * self.eager))
        return verdicts

    @property
    def reached(self) -> bool:
        """Whether everything is reached."""
        return all(verdict.reached for verdict in self.verdicts)

    def as_dict(self) -> dict[str, Any]:
        """The measurement with what follows from it, for JSON."""
        return {
            "problem": self.goal.problem,
            "lanes": self.goal.lanes,
            "seeds": self.goal.seeds,
            "plain_seconds": self.plain_seconds,
            "plain_loops": dict(self.plain),
            "lane_seconds": self.lane_seconds,
            "eager_seconds": self.eager,
            "kernel_seconds": self.kernel,
            "jax_seconds": self.jax,
            "first_call_seconds": dict(self.ready),
            "goal": self.goal.ratio,
            "ratio": self.ratio,
            "reached": self.reached,
            "goals": {verdict.text: verdict.reached for verdict in self.verdicts},
            "limit_seconds": self.limit.seconds,
            "limited_by": self.limit.of,
            "share_of_limit": self.share,
        }


def all_speeds(
    goals: Sequence[Goal], machine: Machine, repeats: int = 5, on_goal: Callable[[int], None] | None = None
) -> list[Speed]:
    """Every goal measured, medians of ``repeats``, on one core; ``on_goal`` is told how many are done."""
    speeds = []
    with one_core():
        for done, goal in enumerate(goals, start=1):
            speeds.append(measure(goal, machine, repeats))
            if on_goal is not None:
                on_goal(done)
    return speeds


def measure(goal: Goal, machine: Machine, repeats: int) -> Speed:
    """The speed of ``goal``: medians of ``repeats`` times, all sides by turns."""
    training = goal.training(goal.steps)
    sides, ready = dict[str, Side](), dict[str, float]()
    for engine in ("eager", "kernel"):
        seconds = _ready(goal, engine)
        if seconds is not None:
            ready[engine], sides[engine] = seconds, _lanes(goal, engine)
    if has_jax():
        from benchmarks.engine.speed.jax_programs import PROGRAMS, JaxRun

        if goal.problem in PROGRAMS:
            run = JaxRun(goal, goal.steps)
            ready["jax"], sides["jax"] = run.compile_seconds, run
    plain_loop(training.problem, 3)
    loops, times = list[dict[str, float]](), {name: list[float]() for name in sides}
    for _ in range(repeats):
        loops.append(plain_loop(training.problem, goal.plain_steps))
        for name, side in sides.items():
            times[name].append(side())
    medians = {name: median(found) for name, found in times.items()}
    return Speed(
        goal,
        {way: median(loop[way] for loop in loops) for way in loops[0]},
        medians["eager"],
        medians.get("kernel"),
        medians.get("jax"),
        ready,
        work_of(training).limit(machine),
    )


def has_jax() -> bool:
    """Whether JAX is installed."""
    return find_spec("jax") is not None


def _ready(goal: Goal, engine: Engine) -> float | None:
    """CPU seconds of the first, short training of ``engine``; None where another one advanced the lanes."""
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a kernel does not know the problem is what the dash says
        trace = train(goal.training(2, engine), goal.configurations)
    return time.process_time() - began if trace.engine == engine else None


def _lanes(goal: Goal, engine: Engine) -> Side:
    """The lanes of `train`, whose data is kept between its calls; its start and its evaluations are not timed.

    The first step is evaluated, after which the clock begins; it ends before the last evaluation.
    """
    training = goal.training(goal.steps + 1, engine, [1])

    def side() -> float:
        began = ended = 0.0

        def begin(step: int, metrics: Mapping[str, Tensor]) -> None:  # noqa: ARG001 - what a rung is told
            nonlocal began
            began = time.process_time()

        def end(updates: int) -> None:  # noqa: ARG001 - what a segment tells
            nonlocal ended
            ended = time.process_time()

        train(training, goal.configurations, begin, end)
        return (ended - began) / (goal.steps * goal.lanes)

    return side
