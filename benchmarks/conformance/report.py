"""The public conformance kit: what must hold of every problem and optimizer, ours and anybody's own.

The same checks run over every registered name in our tests, in the tests of a plug-in (``assert check_problem(p).ok``)
and by ``stepscape check NAME``. Each check is a function of `benchmarks.conformance.problems` or of
`benchmarks.conformance.optimizers` whose docstring is the requirement; what fails is explained in a sentence. Nothing
is skipped by name: what a problem cannot do it says in a field (``minimum`` is None, ``deterministic`` is False), and
the checks read that.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from benchmarks.conformance.native_problems import NATIVE_CHECKS
from benchmarks.conformance.optimizers import NOTED_OF_FOREIGN, OPTIMIZER_CHECKS, RULE_CHECKS
from benchmarks.conformance.problems import COMMON_CHECKS, PROBLEM_CHECKS, a_run_goes_on_the_device
from benchmarks.engine.devices import device_here
from benchmarks.engine.kernel_lanes import why_not
from benchmarks.engine.ways import native_if_known
from benchmarks.errors import OwnCodeError, UsageError, nearest
from benchmarks.naming.blame import in_one_line, line_raised
from benchmarks.naming.call_syntax import import_object, parse_call, unwrapped
from benchmarks.naming.foreign import AnyOptimizer
from benchmarks.naming.registry import OPTIMIZERS, PROBLEMS, make_optimizer, make_problem
from optimizers import OptimizerSpec
from problems import Problem, ProblemSpec

__all__ = ["Finding", "Report", "check_name", "check_optimizer", "check_problem"]

Subject = TypeVar("Subject")

COMPILED: Final = "It can be compiled, so that long work runs in a kernel."
LANES: Final = "Its runs are lanes, trained by the thousand as one tensor."


@dataclass(frozen=True)
class Finding:
    """What one check found: its ``requirement`` in a sentence, and a ``complaint`` or None where all is well.

    ``line`` is the user's ``file:line`` where a check broke off because their code raised. A ``note`` is of somebody
    else's class, about which the user can do nothing: its complaint is said and fails nothing.
    """

    check: str
    requirement: str
    complaint: str | None
    line: str | None = None
    note: bool = False

    @property
    def ok(self) -> bool:
        """Whether the requirement holds, or need not."""
        return self.complaint is None or self.note


@dataclass(frozen=True)
class Report:
    """The findings of all checks of one problem or optimizer."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every requirement holds."""
        return all(finding.ok for finding in self.findings)

    @property
    def lines(self) -> list[str]:
        """A line for each check, a further one for each complaint, and a count: what ``stepscape check`` prints."""
        lines: list[str] = []
        for finding in self.findings:
            mark = "ok  " if finding.complaint is None else "note" if finding.note else "FAIL"
            lines.append(f"{mark}  {finding.requirement}")
            if finding.complaint is not None:
                complaint = f"      {finding.complaint}"
                raised = [f"      raised in {finding.line}"] if finding.line else []
                lines += ["      as above"] if complaint in lines else [complaint, *raised]  # one cause may fail many
        passed = sum(finding.ok for finding in self.findings)
        return [*lines, f"{self.name}: {passed} of {len(self.findings)} checks passed"]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def check_problem(problem: Problem | str) -> Report:
    """Run every check of `benchmarks.conformance.problems` on ``problem``, or on the one of that name.

    Where it is trained natively, those of `benchmarks.conformance.native_problems` take the place of those of lanes;
    and on a device there is one more (`benchmarks.engine.devices.on_device`).
    """
    problem = make_problem(problem) if isinstance(problem, str) else problem
    checks = PROBLEM_CHECKS if native_if_known(problem) is None else (*COMMON_CHECKS, *NATIVE_CHECKS)
    if device_here().type != "cpu":
        checks = (*checks, a_run_goes_on_the_device)
    return Report(problem.name or type(problem).__name__, _run(checks, problem))


def check_optimizer(spec: AnyOptimizer | str) -> Report:
    """Run the checks of `benchmarks.conformance.optimizers` on ``spec``, or on the optimizer of that name: the common
    ones, and for a rule the rule's too. What a foreign class says of itself is noted only.
    """
    spec = make_optimizer(spec) if isinstance(spec, str) else spec
    findings = _run(OPTIMIZER_CHECKS, spec)
    if isinstance(spec, OptimizerSpec):
        findings += _run(RULE_CHECKS, spec)
    else:
        noted = {check.__name__ for check in NOTED_OF_FOREIGN}
        findings = tuple(replace(finding, note=finding.check in noted) for finding in findings)
    return Report(spec.name, findings)


def check_name(text: str, data: Path | None = None) -> Report:
    """Check what ``text`` names: a registered name, ``torch:RMSprop``, or ``package.module:OBJECT``; with parameters.

    Besides, it is said whether it can be compiled, and of a problem that is trained natively why. ``data`` is the
    user's data folder, for problems that need one.
    Raises `UsageError` where nothing has that name.
    """
    name = parse_call(unwrapped(text))[0]
    if _is_problem(name):
        problem = make_problem(text, data)
        if (native := native_if_known(problem)) is not None:
            note = f"they are trained natively, a run at a time: {native}"
            report = check_problem(problem)
            return replace(report, findings=(*report.findings, Finding("lanes", LANES, note, note=True)))
        return _with_note(check_problem(problem), *why_not(problem, OPTIMIZERS["rmsprop"].rule))
    if name in OPTIMIZERS or ":" in name:
        spec = make_optimizer(text)
        report = check_optimizer(spec)
        if not isinstance(spec, OptimizerSpec):
            return report
        return _with_note(report, why_not(make_problem("ellipse"), spec.rule)[0])
    known = [*OPTIMIZERS, *PROBLEMS]
    raise UsageError(f"nothing is named {name!r}{nearest(name, known)}; `stepscape list` shows all names")


def _with_note(report: Report, *reasons: str | None) -> Report:
    """The report with a note of why nothing is compiled, where there are ``reasons``: of a step, of an evaluation."""
    parts = [f"{part}: {why}" for part, why in zip(("a step", "an evaluation"), reasons) if why]
    note = f"torch does it, slower and as right: {'; '.join(parts)}" if parts else None
    return replace(report, findings=(*report.findings, Finding("compiled", COMPILED, note, note=True)))


def _is_problem(name: str) -> bool:
    if ":" not in name or name.startswith("torch:"):
        return name in PROBLEMS
    thing = import_object(name)
    if isinstance(thing, type):
        return issubclass(thing, Problem)
    return isinstance(thing, Problem | ProblemSpec) or inspect.isroutine(thing)  # a function makes a problem


def _run(checks: Sequence[Callable[[Subject], str | None]], subject: Subject) -> tuple[Finding, ...]:
    return tuple(
        Finding(check.__name__, (check.__doc__ or "").strip(), *_complaint(check, subject)) for check in checks
    )


def _complaint(check: Callable[[Subject], str | None], subject: Subject) -> tuple[str | None, str | None]:
    """What ``check`` complains of, and where; a check that breaks off complains of the exception."""
    try:
        return check(subject), None
    except OwnCodeError as error:
        return str(error), None
    except (Exception, SystemExit) as error:
        return in_one_line(error), line_raised(error, subject)
