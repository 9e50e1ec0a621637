"""Where two implementations of an optimizer part, by how much, and why as far as experiments can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor

from benchmarks.engine.calls import project_
from benchmarks.engine.training import Training
from benchmarks.errors import UsageError
from benchmarks.implementations.forms import Form, differences
from benchmarks.implementations.identify import Identity, Well, identify
from benchmarks.implementations.implementation import Implementation, Runnable, implementation_of, on_a_vector
from benchmarks.implementations.paths import Ride, apart, first_apart, forced, free, rounding_bound
from benchmarks.implementations.probes import Fact, facts, rides
from benchmarks.naming.registry import make_problem
from problems import Problem

__all__ = ["PROBLEMS", "STEPS", "Parity", "Reason", "Run", "Twin", "parity"]

PROBLEMS: Final = ("ellipse", "rosenbrock", "airfoil", "digits-mlp")
"""Where implementations are compared unless it is said: two valleys, noisy gradients, a network."""

STEPS: Final = 100
SEED: Final = 0


@dataclass(frozen=True)
class Run:
    """One problem, or one set of constructed gradients, under the gradients of the first one's path.

    ``parts_at`` is the first step after which the two are further apart than rounding explains, None where there is
    none, ``by`` how far they were then, ``largest`` how far at most, both as shares of the way gone so far. ``own`` is
    how far apart they are in the end where each takes its own gradients, with both losses; None of constructed ones.
    ``steps`` is less than was asked for where the first one left the finite numbers.
    """

    problem: str
    steps: int
    parts_at: int | None
    by: float
    largest: float
    own: float | None = None
    losses: tuple[float, float] | None = None
    constructed: bool = False


@dataclass(frozen=True)
class Twin:
    """The form of our rules that reproduces an implementation, how well, and its values."""

    form: str
    well: Well
    values: Mapping[str, float]


@dataclass(frozen=True)
class Reason:
    """One difference in words, of the first and of the second; ``effect`` is how far the first one's path moves, as a
    share of the way gone, where that alone is switched, and ``where``; None where it cannot be switched alone.
    """

    trait: str
    first: str
    second: str
    effect: float | None
    where: str


@dataclass(frozen=True)
class Parity:
    """What came of comparing two implementations for ``steps`` on each problem.

    Of two that do not agree, ``twins`` are what each of them does, None where no variant of our rules reproduces it;
    ``reasons`` are empty where that is so of one of them. ``facts`` are numbers measured by constructed gradients.
    """

    first: str
    second: str
    steps: int
    runs: tuple[Run, ...]
    twins: tuple[Twin | None, ...] = ()
    reasons: tuple[Reason, ...] = ()
    facts: tuple[Fact, ...] = ()

    @property
    def agree(self) -> bool:
        """Whether they agree to rounding everywhere."""
        return all(run.parts_at is None for run in self.runs)

    @property
    def parting(self) -> Run | None:
        """The run on which they part first: of problems the one with the fewest steps, else constructed gradients."""
        parted = [run for run in self.runs if run.parts_at is not None]
        return min(parted, key=lambda run: (run.constructed, run.parts_at), default=None)

    def as_dict(self) -> dict[str, Any]:
        """All of it, JSON-ready: what is not finite is None."""
        return {"agree": self.agree, **_finite(asdict(self))}


def parity(
    first: str,
    second: str,
    problems: Sequence[str | Problem] = PROBLEMS,
    steps: int = STEPS,
    held: Mapping[str, float] | None = None,
) -> Parity:
    """Compare two implementations in double precision, over the same starts and data, for ``steps`` on each problem.

    Both are written as on the command line, with settings in brackets; ``held`` are hyperparameters that both get, by
    our names. Raises `UsageError` for what is no optimizer, a setting that is refused, a held one that neither has, and
    for an optimizer that wants several gradients a step.
    """
    one, other = (implementation_of(text, held) for text in (first, second))
    for name in held or {}:
        if name not in one.values and name not in other.values:
            raise UsageError(f"neither {one.name} nor {other.name} has a hyperparameter {name!r}")
    if steps < 1 or not problems:
        raise UsageError(f"a comparison needs a problem and a step at least, got {len(problems)} and {steps}")
    eps = [value for each in (one, other) for name, value in each.numbers.items() if name.startswith("eps")]
    constructed = rides(eps)
    runs, tracks = [], {}
    for each in problems:
        problem = on_a_vector(make_problem(each) if isinstance(each, str) else each)
        run, track = _on(problem, one, other, steps)
        runs.append(run)
        tracks[run.problem] = track
    for name, ride in constructed.items():
        tracks[name] = _track(one, ride)
        runs.append(_led(name, other, tracks[name]))
    if all(run.parts_at is None for run in runs):
        return Parity(one.name, other.name, steps, tuple(runs))
    mine = identify(one, constructed)
    theirs = identify(other, constructed, mine.form if mine else None)
    own = {name: _track(other, track.ride) for name, track in tracks.items()} if theirs else {}
    twins = (_confirmed(mine, tracks), _confirmed(theirs, own))
    measured = facts(one, other, eps[0] if eps else 1e-8)
    return Parity(one.name, other.name, steps, tuple(runs), _said(twins), _reasons(*twins, tracks), measured)


@dataclass(frozen=True)
class _Track:
    """The path of an implementation along a ride, and how far rounding may take another from it."""

    ride: Ride
    path: Tensor
    bound: Tensor

    def parts_at(self, path: Tensor) -> int | None:
        """The first step after which another path is further away than rounding explains."""
        return first_apart(self.path, path, self.bound)


def _track(given: Runnable, ride: Ride) -> _Track:
    path = forced(given, ride)
    return _Track(ride, path, rounding_bound(given, ride, path))


def _on(problem: Problem, one: Implementation, other: Implementation, steps: int) -> tuple[Run, _Track]:
    """The comparison on a problem, and the first one's path."""
    training = Training(problem, one.spec, [SEED], steps, dtype=torch.float64)
    mine, theirs = (free(each, problem, training) for each in (one, other))
    track = _track(one, Ride(mine.path[0], mine.gradients, project=partial(project_, problem)))
    together = min(len(mine.path), len(theirs.path))
    own = float(apart(mine.path[:together], theirs.path[:together])[-1])
    led = _led(problem.name or type(problem).__name__, other, track)
    return replace(led, own=own, losses=(mine.loss, theirs.loss), constructed=False), track


def _led(name: str, other: Runnable, track: _Track) -> Run:
    """The comparison under given gradients."""
    path = forced(other, track.ride)
    at, share = track.parts_at(path), apart(track.path, path)
    by = float(share[at]) if at is not None else 0.0
    return Run(name, len(path) - 1, at, by, float(share.max()), constructed=True)


def _confirmed(twin: Identity | None, own: Mapping[str, _Track]) -> Identity | None:
    """What was found under constructed gradients, where the implementation's ``own`` tracks of the problems hold it."""
    if twin is None or twin.well == "to single precision":
        return twin
    constant = [track for track in own.values() if track.ride.shares is None]
    agree = all(track.parts_at(forced(twin.form, track.ride)) is None for track in constant)
    return twin if agree else None


def _reasons(first: Identity | None, second: Identity | None, tracks: Mapping[str, _Track]) -> tuple[Reason, ...]:
    """Every difference of the two forms with what it does alone, the largest first."""
    if first is None or second is None:
        return ()
    found = []
    for each in differences(first.form, second.form):
        effect, where = (None, "") if each.switched is None else _effect(each.switched, tracks)
        found.append(Reason(each.trait, each.first, each.second, effect, where))
    return tuple(sorted(found, key=lambda reason: -math.inf if reason.effect is None else -reason.effect))


def _effect(switched: Form, tracks: Mapping[str, _Track]) -> tuple[float, str]:
    """How far at most a switched trait moves the path, and on which problem; of constructed gradients only where it
    moves none of a problem beyond rounding.
    """
    moved = {name: _led(name, switched, track) for name, track in tracks.items()}
    parted = [run for run in moved.values() if run.parts_at is not None]
    problems = [run for run in parted if tracks[run.problem].ride.project is not None]
    furthest = max(problems or parted, key=lambda run: run.largest, default=None)
    return (furthest.largest, furthest.problem) if furthest else (0.0, "")


def _said(twins: tuple[Identity | None, Identity | None]) -> tuple[Twin | None, Twin | None]:
    one, other = (Twin(each.form.name, each.well, dict(each.form.values)) if each else None for each in twins)
    return one, other


def _finite(value: Any) -> Any:
    """``value`` with None for every number that is not finite."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
