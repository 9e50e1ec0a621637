"""What ``stepscape show`` tells of one problem, optimizer, schedule, suite or exhibit: everything there is to know."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final

from benchmarks.cli.listing import entry

if TYPE_CHECKING:
    from benchmarks.naming.foreign import AnyOptimizer
    from problems import Problem, ProblemSpec

__all__ = ["GOOD_FOR", "everything", "names", "text"]

GOOD_FOR: Final[Mapping[str, str]] = {
    "chapter": "an example of the book's chapter, in numbers to be checked by hand",
    "analytic": "exact value and gradient: what an optimizer does, without data",
    "convex": "one basin: speed and stability only",
    "nonconvex": "valleys, plateaus or saddles on the way",
    "multimodal": "several minima: where it ends hangs on the start",
    "deterministic": "one run says all, an lr × gamma map is exact",
    "stochastic": "noisy gradients: averaging, decay and memory count; several seeds are needed",
    "quadratic": "a known spectrum: stable learning rates follow from theory",
    "bbob": "of a known suite of derivative-free optimization: condition, rotation, kinks",
    "mgh": "a sum of squares from the literature of nonlinear least squares",
    "hard": "so badly scaled that it tells more as a single case than in an average",
    "badly-scaled": "features of very different size: what scaling coordinates is worth",
    "saddle": "how fast a saddle is left",
    "kink": "no gradient at the minimum: constant steps do not settle",
    "smooth": "gradients that change slowly near the minimum",
    "regression": "a small model on real or made-up rows, mostly with a known floor",
    "logistic": "convex classification with a known floor",
    "robust": "outliers among the rows",
    "sparse": "rare features: what a learning rate of each coordinate is worth",
    "classification": "loss and accuracy, held-out rows where there are any",
    "neural": "a small network: closer to practice, slower",
    "convolution": "a convolutional network",
    "text": "a model of letters in a text",
    "module": "any nn.Module, in lanes where its runs can share a tensor",
    "factorization": "products of parameters: saddles and scale symmetries",
    "reconstruction": "an autoencoder",
    "online": "losses that change from step to step",
    "counterexample": "built to make adaptive methods fail",
    "deepobs": "of another benchmark of deep-learning optimizers",
    "network": "data is downloaded on first use",
    "data": "data comes with a package of the extra [data]",
    "photograph": "real photographs: neighbouring pixels are nearly equal",
    "ill-conditioned": "nearly dependent features: a long way along a flat valley",
    "poisson": "counts: curvature grows with the rate that is predicted",
}
"""What each tag of the built-in problems makes a problem good for."""

ORDER: Final = ("problems", "optimizers", "wrappers", "schedules", "suites", "exhibits")


def everything(name: str) -> tuple[str, dict[str, Any]]:
    """The kind of ``name``, as ``"problems"``, and all that is known of it, JSON-ready.

    A problem or schedule may be written with its parameters, an optimizer as ``torch:Adam``, and a problem or optimizer
    of one's own as ``package.module:OBJECT``. Raises `UsageError` where nothing has that name, with the nearest one.
    """
    from benchmarks.errors import UsageError, nearest
    from benchmarks.naming.call_syntax import unwrapped
    from benchmarks.naming.registry import parse_call

    if unwrapped(name) != name:
        return "optimizers", _optimizer(name)
    bare = parse_call(name)[0]
    known = names()
    if ":" in bare:
        return _own(name)
    for kind in ORDER:
        if bare in known[kind]:
            return kind, {"problems": _problem, "optimizers": _optimizer}.get(kind, _other(kind))(name)
    every = [each for kind in ORDER for each in known[kind]]
    raise UsageError(
        f"no problem, optimizer, wrapper, schedule, suite or exhibit is called {name!r}{nearest(bare, every)}; "
        "`stepscape list KIND` shows all"
    )


def names() -> dict[str, list[str]]:
    """Every name there is, by kind."""
    from analysis.record.exhibits import SCHEMAS
    from benchmarks.naming.registry import OPTIMIZERS, PROBLEMS
    from benchmarks.suite.suite import builtin_suites
    from optimizers import SCHEDULES, WRAPPERS

    return {
        "problems": [*PROBLEMS],
        "optimizers": [*OPTIMIZERS],
        "wrappers": [*WRAPPERS],
        "schedules": [*SCHEDULES],
        "suites": [*builtin_suites()],
        "exhibits": [*SCHEMAS],
    }


def text(kind: str, shown: Mapping[str, Any], width: int) -> str:
    """The ``shown`` entry of ``kind`` as labelled lines of at most ``width`` columns."""
    return "\n".join(_lines(f"{kind.removesuffix('s')} {shown['name']}", shown, width))


def _own(name: str) -> tuple[str, dict[str, Any]]:
    """What ``package.module:OBJECT`` or a class of torch is."""
    from benchmarks.errors import StepscapeError
    from benchmarks.naming.registry import make_optimizer, make_problem

    try:
        return "optimizers", _of_optimizer(make_optimizer(name))
    except StepscapeError as refused:
        if name.startswith("torch:"):
            raise
        try:
            make_problem(name)
        except StepscapeError:
            raise refused from None
    return "problems", _problem(name)


def _problem(name: str) -> dict[str, Any]:
    from benchmarks.engine.try_out import check_facts
    from benchmarks.naming.registry import PROBLEMS, described, make_problem, parse_call

    problem, bare = make_problem(name), parse_call(name)[0]
    check_facts(problem)
    spec = PROBLEMS.get(bare)
    first, second = problem.start([0, 1]).tolist()
    begins = f"start{'' if first == second else ' of seed 0'}"
    metrics = problem.evaluate(problem.start([0]).to(problem.dtype))
    doc = inspect.getdoc(spec.build if spec else type(problem)) or ""
    return {
        "name": problem.name,
        "description": described(problem),
        "definition": "" if doc.startswith("Analytic(") else doc,
        "good for": [f"{tag}: {GOOD_FOR[tag]}" for tag in sorted(problem.tags) if tag in GOOD_FOR],
        "parameters": _parameters(spec, problem) if spec else {},
        "dim": problem.dim,
        "tensors": [f"{part} {list(shape)}" for part, shape in problem.layout] if len(problem.layout) > 1 else [],
        begins: first if problem.dim <= 20 else None,
        f"loss at {begins}": float(metrics["loss"][0]),
        "minimum": problem.minimum,
        "minimisers": [list(point) for point in problem.minimisers] if problem.dim <= 20 else [],
        "target": problem.target,
        "steps": problem.steps,
        "metrics": list(metrics),
        "deterministic": problem.deterministic,
        "native": problem.native,
        "sharpness": problem.sharpness,
        "tags": sorted(problem.tags),
        "fingerprint": problem.fingerprint(),
        "source": spec.source if spec else "",
    }


def _parameters(spec: ProblemSpec, problem: Problem) -> dict[str, dict[str, Any]]:
    """Each parameter with its type, its default, and the range that the problem itself states when it refuses."""
    signature = inspect.signature(spec.build).parameters
    found = {}
    for name, default in spec.parameters.items():
        kind = str(signature[name].annotation)
        taken = {"bool": "True or False", "Sequence[float] | None": f"{problem.dim} finite numbers, as (1, -2)"}
        found[name] = {
            "type": "list of numbers" if name == "start" else kind,
            "default": default,
            "range": taken[kind] if kind in taken else _range(spec, name, -1 if kind in ("int", "float") else "?"),
        }
    return found


def _range(spec: ProblemSpec, parameter: str, impossible: Any) -> str:
    """What ``spec`` says it takes when it is given a value that is mostly ``impossible``; nothing where it takes it."""
    try:
        spec.build(**{parameter: impossible})
    except ValueError as refusal:
        said = str(refusal)
        return said.partition("it has ")[2] or re.split(r", (?:got|not)\b|; got\b", said)[0]
    except Exception:  # whatever it says, it is no range
        return ""
    return ""


def _optimizer(name: str) -> dict[str, Any]:
    from benchmarks.naming.registry import make_optimizer

    return _of_optimizer(make_optimizer(name))


def _of_optimizer(spec: AnyOptimizer) -> dict[str, Any]:
    from benchmarks.engine.ways import native_by_optimizer
    from benchmarks.naming.foreign import ForeignSpec, first_line
    from optimizers.wrappers import layers

    kind: Any
    options: dict[str, Any]
    if isinstance(spec, ForeignSpec):
        kind, options, foreign = spec.factory, dict(spec.options), True
        update = first_line(kind)
    else:
        kind, foreign = type(spec.rule), False
        options = {each.name: getattr(spec.rule, each.name) for each in fields(kind) if each.repr}
        update = "\n\n".join(inspect.getdoc(type(each)) or "" for each in layers(spec.rule))
    return {
        "name": spec.name,
        "description": spec.description,
        "update": update,
        "rule": f"{kind.__module__}.{kind.__qualname__}",
        "options": {
            key: value if isinstance(value, bool | int | float | str | None) else repr(value)
            for key, value in options.items()
        },
        "hyperparameters": [
            {"name": k.name, "default": k.default, "low": k.low, "high": k.high, "scale": k.scale}
            for k in spec.hyperparameters
        ],
        "axes": [axis for axis in spec.axes if axis],
        "lanes": not foreign,
        "native": native_by_optimizer(spec),
        "fingerprint": spec.fingerprint(),
        "reference": spec.reference,
    }


def _other(kind: str) -> Any:
    """The function that tells everything of a wrapper, a schedule, a suite or an exhibit."""

    def told(name: str) -> dict[str, Any]:
        from benchmarks.naming.registry import parse_call

        bare = parse_call(name)[0]
        return {**entry(kind, bare), **_more(kind, bare)}

    return told


def _more(kind: str, name: str) -> dict[str, Any]:
    if kind == "schedules":
        from optimizers import SCHEDULES

        known = fields(SCHEDULES[name])  # type: ignore[arg-type]
        types = {each.name: {"type": str(each.type), "default": _default(each)} for each in known}
        return {"definition": inspect.getdoc(SCHEDULES[name]) or "", "parameters": types}
    if kind == "wrappers":
        from optimizers import WRAPPERS

        return {"definition": "\n\n".join(inspect.getdoc(each) or "" for each in WRAPPERS[name])}
    if kind == "suites":
        from benchmarks.suite.suite import Suite

        return {"suite": Suite.load(name).to_toml()}
    from benchmarks.exhibits import EXHIBITS

    return {"definition": inspect.getdoc(EXHIBITS[name]) or ""}


def _default(field: Any) -> Any:
    if field.default is not MISSING:
        return field.default
    return None if field.default_factory is MISSING else repr(field.default_factory())


def _lines(title: str, shown: Mapping[str, Any], width: int) -> list[str]:
    lines = [title]
    for label, value in shown.items():
        if label == "name" or value is None or value in ("", [], {}):
            continue
        if isinstance(value, str) and "\n" in value:
            lines += ["", f"{label}:", *(f"  {line}".rstrip() for line in value.splitlines())]
        elif isinstance(value, Mapping | list) and any(isinstance(each, Mapping) for each in _values(value)):
            lines += ["", f"{label}:", *(f"  {line}" for line in _table(value))]
        elif label == "good for":
            lines += ["", f"{label}:", *(f"  {line}" for line in value)]
        else:
            said = ", ".join(map(_word, value)) if isinstance(value, list) else _word(value)
            lines += textwrap.wrap(f"{label + ':':<17} {said}", width, subsequent_indent=" " * 18)
    return lines


def _values(value: Mapping[str, Any] | list[Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, Mapping) else value


def _table(value: Mapping[str, Any] | list[Any]) -> list[str]:
    """Entries that are tables themselves, a line each, their keys as a header."""
    rows = [{"name": key, **each} for key, each in value.items()] if isinstance(value, Mapping) else value
    cells = [list(rows[0]), *([_word(row[key]) for key in rows[0]] for row in rows)]
    wide = [max(len(line[place]) for line in cells) for place in range(len(cells[0]))]
    return ["  ".join(part.ljust(size) for part, size in zip(line, wide, strict=True)).rstrip() for line in cells]


def _word(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return f"({', '.join(map(_word, value))})"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={part!r}" for key, part in value.items())
    return str(value)
