"""What ``stepscape list`` shows: everything the registries, the suites and the schedules know of themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any

from benchmarks.naming.call_syntax import in_words
from problems import DataError, Problem, ProblemSpec

__all__ = ["HEADERS", "entries", "entry", "notes", "text"]


def entries(kind: str, *, exact: bool) -> list[dict[str, Any]]:
    """One JSON-ready dictionary for each entry of ``kind``, a key of `HEADERS`; a broken plug-in's says what is wrong.

    Floors that take time to compute are computed if ``exact``, else given to six digits.
    """
    if kind == "problems":
        from benchmarks.naming.registry import PROBLEMS

        return _problems(PROBLEMS, exact)
    known = {
        "optimizers": _optimizers,
        "wrappers": _wrappers,
        "suites": _suites,
        "schedules": _schedules,
        "exhibits": _exhibits,
        "atlas": _atlas,
    }
    return known[kind]()


def entry(kind: str, name: str) -> dict[str, Any]:
    """The one of the `entries` of ``kind`` that is called ``name``."""
    listed = _problems([name], exact=True) if kind == "problems" else entries(kind, exact=True)
    return next(each for each in listed if each["name"] == name)


def notes(kind: str) -> list[str]:
    """Sentences on plug-ins that were left out."""
    if kind not in ("problems", "optimizers"):
        return []
    from benchmarks.naming.registry import OPTIMIZERS, PROBLEMS

    return list((PROBLEMS if kind == "problems" else OPTIMIZERS).refused)


def text(kind: str, listed: list[dict[str, Any]], width: int | None) -> str:
    """The `entries` ``listed`` of ``kind`` as a header and aligned lines, cut at ``width`` characters if given."""
    rows = [HEADERS[kind], *(_row(kind, entry) for entry in listed)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows]
    return "\n".join(line if width is None or len(line) <= width else line[: width - 1] + "…" for line in lines)


HEADERS = {
    "problems": ("problem", "dim", "floor", "steps", "what it is"),
    "optimizers": ("optimizer", "what it is (and its defaults)"),
    "wrappers": ("wrapper", "what it does around any rule (and its parameters)"),
    "suites": ("suite", "cells", "what it does"),
    "schedules": ("schedule", "of", "what it does (and its parameters)"),
    "exhibits": ("exhibit", "what it answers (and its options)"),
    "atlas": ("record", "cells", "what it holds"),
}


def _row(kind: str, entry: dict[str, Any]) -> tuple[str, ...]:
    name = entry["name"]
    if "error" in entry:
        return (name, *[""] * (len(HEADERS[kind]) - 2), f"broken plug-in: {entry['error']}")
    if kind == "problems":
        floor = "unknown" if entry["minimum"] is None else f"{entry['minimum']:.6g}"
        return (name, str(entry["dim"]), floor, str(entry["steps"]), entry["description"])
    if kind == "optimizers":
        knobs = ", ".join(f"{knob['name']}={knob['default']:g}" for knob in entry["hyperparameters"])
        return (name, f"{entry['description']} ({knobs})")
    if kind in ("suites", "atlas"):
        return (name, str(entry["cells"]), entry["description"])
    parameters = ", ".join(key if value is None else f"{key}={value!r}" for key, value in entry["parameters"].items())
    described = f"{entry['description']}{f' ({parameters})' if parameters else ''}"
    return (name, entry["kind"], described) if kind == "schedules" else (name, described)


def _problems(names: Iterable[str], exact: bool) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for name in names:
        try:
            listed.append(_problem(name, exact))
        except Exception as error:  # whatever is wrong with a plug-in's problem, the others are listed
            listed.append({"name": name, "error": in_words(error)})
    return listed


def _problem(name: str, exact: bool) -> dict[str, Any]:
    from benchmarks.engine.try_out import check_facts
    from benchmarks.naming.registry import PROBLEMS, described, make_problem

    spec, problem = PROBLEMS[name], make_problem(name)
    if spec.floor is None:  # else its facts need its data, and are ours
        check_facts(problem)
    return {
        "name": name,
        "description": described(problem),
        "dim": problem.dim,
        "minimum": _floor(spec, problem, exact),
        "target": problem.target,
        "steps": problem.steps,
        "tags": sorted(problem.tags),
        "deterministic": problem.deterministic,
        "native": problem.native,
        "parameters": spec.parameters,
        "source": spec.source,
    }


def _floor(spec: ProblemSpec, problem: Problem, exact: bool) -> float | None:
    """The floor of a problem; as it is stated where the data to compute it from are not at hand."""
    if spec.floor is not None and not exact:
        return spec.floor
    try:
        return problem.minimum
    except DataError:
        return spec.floor


def _optimizers() -> list[dict[str, Any]]:
    from benchmarks.engine.ways import native_by_optimizer
    from benchmarks.errors import StepscapeError
    from benchmarks.naming.registry import OPTIMIZERS

    listed: list[dict[str, Any]] = []
    for name in OPTIMIZERS:
        try:
            spec = OPTIMIZERS[name]
        except StepscapeError as error:
            listed.append({"name": name, "error": str(error)})
            continue
        knobs = [
            {"name": k.name, "default": k.default, "low": k.low, "high": k.high, "scale": k.scale}
            for k in spec.hyperparameters
        ]
        listed.append(
            {
                "name": name,
                "description": spec.description,
                "axes": [axis for axis in spec.axes if axis],
                "hyperparameters": knobs,
                "reference": spec.reference,
                "native": native_by_optimizer(spec),
            }
        )
    return listed


def _wrappers() -> list[dict[str, Any]]:
    from optimizers import WRAPPERS

    return [
        {
            "name": name,
            "description": " or ".join(kind.says for kind in kinds),
            "parameters": {key: default for kind in kinds for key, default in kind.options().items()},
            "source": "; ".join(kind.source for kind in kinds),
        }
        for name, kinds in WRAPPERS.items()
    ]


def _suites() -> list[dict[str, Any]]:
    from benchmarks.suite.suite import Suite, builtin_suites

    suites = [Suite.load(name) for name in builtin_suites()]
    return [
        {
            "name": suite.name,
            "description": suite.description,
            "cells": len(suite.cells()),
            "problems": suite.problems,
            "optimizers": suite.optimizers,
            "schedules": suite.schedules,
            "exhibits": suite.exhibits,
        }
        for suite in suites
    ]


def _schedules() -> list[dict[str, Any]]:
    from optimizers import SCHEDULES

    return [
        {
            "name": name,
            "kind": kind.kind,
            "description": (kind.__doc__ or "").partition("\n")[0].rstrip(".").replace("``", ""),
            "parameters": {
                field.name: None if field.default is MISSING else field.default
                for field in fields(kind)  # type: ignore[arg-type]
            },
        }
        for name, kind in SCHEDULES.items()
    ]


def _exhibits() -> list[dict[str, Any]]:
    from analysis.record.exhibits import SCHEMAS
    from benchmarks.exhibits import EXHIBITS

    return [
        {
            "name": name,
            "description": SCHEMAS[name].question,
            "parameters": {key: field.default for key, field in question.model_fields.items()},
        }
        for name, question in EXHIBITS.items()
    ]


def _atlas() -> list[dict[str, Any]]:
    from analysis.record.cells import Record
    from benchmarks.record.archive import ATLAS, atlas, opened

    records = {name: Record.load(opened(f"{ATLAS}{name}")) for name in atlas()}
    return [
        {
            "name": f"{ATLAS}{name}",
            "description": record.suite.get("description", ""),
            "cells": len(record.cells),
            "problems": list(record.problems),
            "optimizers": list(dict.fromkeys(cell.optimizer for cell in record)),
        }
        for name, record in records.items()
    ]
