"""Kernels found on disk or made: traced, lowered, compiled, and compared with torch before they are used.

The comparison is made in every process that loads a kernel, on a few lanes for a few steps. It finds what tracing
cannot see, as a Python branch of somebody's own problem that other numbers would take, and what a key cannot know.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Final, TypeVar

import torch
from torch import Tensor

from benchmarks.engine.calls import batches_of, evaluation_of, gradient_of, loss_of, project_
from benchmarks.engine.kernel.cache import KernelCache
from benchmarks.engine.kernel.compiler import Compiler, find_compiler, why_no_compiler
from benchmarks.engine.kernel.kernel import EvaluationKernel, Facts, StepKernel
from benchmarks.engine.kernel.refusal import DiffersError, NotCompiledError
from benchmarks.engine.segments import batch_like, stacked
from benchmarks.naming.blame import in_one_line
from optimizers import Rule
from optimizers.fingerprint import code_of, digest_of, options_text, value_text
from problems import Batch, Problem

if TYPE_CHECKING:
    from benchmarks.engine.kernel.source import Source

__all__ = ["evaluation_kernel", "step_kernel"]

SEEDS: Final = (0, 1)
STEPS: Final = 3
FACTORS: Final = (0.5, 1.0, 2.0)  # of the default learning rate
CLEAR: Final = 1e-3  # of the largest gradient: smaller ones are rounding, of which a rule may make a whole step
LONGEST: Final = 400_000  # characters of C: what a compiler takes some seconds for
CLOSE: Final = {torch.float32: 2e-3, torch.float64: 1e-7}
"""How far apart kernel and torch may be, relatively, after a step: far more than any rounding of one, and far less than
what another branch would do."""

Loaded = TypeVar("Loaded", StepKernel, EvaluationKernel)

_KNOWN: Final[dict[str, StepKernel | EvaluationKernel | NotCompiledError]] = {}
"""What this process has loaded, or why not, by key."""
_PRINTS: Final[dict[int, tuple[Problem, str]]] = {}
"""The texts that name problems, which take time to compute, by the identity of the problem, which is kept."""


def step_kernel(problem: Problem, rule: Rule, dtype: torch.dtype, scheduled: Iterable[str]) -> StepKernel:
    """The kernel of a step in ``dtype``; ``scheduled`` hyperparameters take a value a step.

    Raises `NotCompiledError` where there is none.
    """
    names = frozenset(scheduled)
    named = (digest_of(code_of(type(rule)), options_text(rule, value_text)), repr(sorted(names)))

    def build(compiler: Compiler) -> tuple[Facts, bytes, str]:
        from benchmarks.engine.kernel.lowering import lower
        from benchmarks.engine.kernel.source import step_source
        from benchmarks.engine.kernel.tracing import trace_step

        start = problem.start(SEEDS[:1]).to(dtype)
        batch = batch_like(next(batches_of(problem, SEEDS[:1], 1)), start)
        program = lower(trace_step(problem, rule, start, batch))
        source = step_source(program, names, compiler.vector_bytes, frozenset(compiler.vector_functions))
        return _packed(source)

    def check(kernel: StepKernel) -> str | None:
        return _differs(kernel, problem, rule, dtype, names)

    return _kernel(StepKernel, lambda: _key("step", problem, dtype, *named), build, check)


def evaluation_kernel(problem: Problem, dtype: torch.dtype) -> EvaluationKernel:
    """The kernel of an evaluation of parameters in ``dtype``. Raises `NotCompiledError` where there is none."""

    def build(compiler: Compiler) -> tuple[Facts, bytes, str]:
        from benchmarks.engine.kernel.lowering import lower
        from benchmarks.engine.kernel.source import evaluation_source
        from benchmarks.engine.kernel.tracing import trace_evaluation

        program = lower(trace_evaluation(problem, problem.start(SEEDS[:1]).to(dtype)))
        source = evaluation_source(program, compiler.vector_bytes, frozenset(compiler.vector_functions))
        return _packed(source)

    def check(kernel: EvaluationKernel) -> str | None:
        start = problem.start(SEEDS).to(dtype)
        x = torch.stack([start, start * 1.01])
        return _far_apart(kernel(x), evaluation_of(problem, x), 10 * CLOSE[dtype])

    return _kernel(EvaluationKernel, lambda: _key("evaluation", problem, dtype), build, check)


def _packed(source: Source) -> tuple[Facts, bytes, str]:
    """What is kept of a kernel's source, and its text. Raises `NotCompiledError` where compiling takes minutes."""
    if len(source.text) > LONGEST:
        raise NotCompiledError(f"a kernel of {len(source.text) // 1000} thousand characters")
    return (*Facts.packed(source.width, source.pointers, source.data, source.constants), source.text)


def _kernel(
    kind: type[Loaded],
    key_of: Callable[[], str],
    build: Callable[[Compiler], tuple[Facts, bytes, str]],
    check: Callable[[Loaded], str | None],
) -> Loaded:
    """The kernel of a key: known, on disk, or made; compared with torch before it is known.

    What the problem's own code raises is no error here: torch, which trains it then, will say it.
    """
    key = None
    try:
        key = key_of()
        if key not in _KNOWN:
            _KNOWN[key] = _checked(kind, key, build, check)
        found = _KNOWN[key]
    except NotCompiledError as error:
        found = error
    except (Exception, SystemExit) as error:
        found = NotCompiledError(in_one_line(error))
    if isinstance(found, NotCompiledError):
        if key is not None:
            _KNOWN[key] = found
        raise found
    assert isinstance(found, kind), "a key says which kind of kernel it is"
    return found


@torch.no_grad()
def _checked(
    kind: type[Loaded],
    key: str,
    build: Callable[[Compiler], tuple[Facts, bytes, str]],
    check: Callable[[Loaded], str | None],
) -> Loaded:
    """A kernel that gives what torch gives. Raises `DiffersError` where it does not."""
    kernel = _loaded(kind, key, build)
    what = check(kernel)
    if what is not None:
        raise DiffersError(f"compiled, {what}, as where a branch hangs on something that changes while it is trained")
    return kernel


def _loaded(kind: type[Loaded], key: str, build: Callable[[Compiler], tuple[Facts, bytes, str]]) -> Loaded:
    """The library from the cache, made where it is not there, or cannot be loaded."""
    compiler, cache = _compiler(), KernelCache()
    entry = cache.get(key)
    if entry is not None:
        try:
            return kind(entry)
        except (OSError, ValueError, KeyError, TypeError):  # gone meanwhile, or another version's
            pass
    facts, constants, source = build(compiler)
    return kind(cache.put(key, functools.partial(compiler.build, source), facts.to_json(), constants))


def _compiler() -> Compiler:
    compiler = find_compiler()
    if compiler is None:
        raise NotCompiledError(why_no_compiler() or "there is no C compiler")
    return compiler


def _key(kind: str, problem: Problem, dtype: torch.dtype, *more: str) -> str:
    """A SHA-256 of all that a kernel is made of."""
    if id(problem) not in _PRINTS:
        text = digest_of(problem.fingerprint(), code_of(type(problem)), *_functions_of(problem))
        _PRINTS[id(problem)] = (problem, text)
    parts = (
        kind,
        _PRINTS[id(problem)][1],
        str(dtype),
        *more,
        _of_this_package(),
        torch.__version__,
        _compiler().identity,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _functions_of(problem: Problem) -> list[str]:
    """The code of the functions that a problem holds, as the loss and the metrics of a module."""
    values = [value for _, value in sorted(vars(problem).items())]
    values += [each for value in values if isinstance(value, Mapping) for each in value.values()]
    return [code_of(value, installed=False) for value in values if isinstance(value, FunctionType)]


@functools.cache
def _of_this_package() -> str:
    """A hash of the compiler's own code."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _differs(
    kernel: StepKernel, problem: Problem, rule: Rule, dtype: torch.dtype, scheduled: frozenset[str]
) -> str | None:
    """What a kernel does otherwise than torch, in a few words; None where they agree."""
    start = problem.start(SEEDS).to(dtype)
    batches = [batch_like(batch, start) for batch in batches_of(problem, SEEDS, STEPS)]
    values = {name: torch.full((len(FACTORS),), value, dtype=torch.float64) for name, value in rule.defaults().items()}
    if "lr" in values:
        values["lr"] *= torch.tensor(FACTORS, dtype=torch.float64)
    begin = start.expand(len(FACTORS), -1, -1).clone()

    def compiled(steps: int) -> Tensor:
        x, state = begin.clone(), {name: value.contiguous() for name, value in rule.init(begin).items()}
        alive, counts = torch.ones(x.shape[:-1], dtype=torch.bool), torch.zeros(x.shape[:-1], dtype=torch.int64)
        given = {n: v.expand(steps, -1).contiguous() if n in scheduled else v for n, v in values.items()}
        limit = torch.full((len(SEEDS),), torch.inf, dtype=dtype)
        data = stacked(batches[:steps])
        if data is None or not kernel.takes(data):
            raise NotCompiledError("batches that differ in shape")
        kernel.advance(x, state, alive, counts, limit, given, data, steps, 0)
        return x

    once = compiled(1)
    g, reference, later = _by_torch(problem, rule, begin, batches, values)
    clear = g.abs() >= CLEAR * g.abs().amax(-1, keepdim=True)
    moved, should = (once - begin)[clear], (reference - begin)[clear]
    rounding = 16 * torch.finfo(dtype).eps * begin.abs().expand_as(once)[clear]
    wrong = (moved - should).abs() > CLOSE[dtype] * should.abs() + rounding
    if bool((wrong & ~(moved.isnan() & should.isnan())).any()):
        return "its first step differs from torch's"
    own, torchs = ({"loss": loss_of(problem, x, batches[-1]).double()} for x in (compiled(STEPS), later))
    return _far_apart(own, torchs, 100 * CLOSE[dtype])


def _by_torch(
    problem: Problem, rule: Rule, begin: Tensor, batches: Sequence[Batch], values: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """The first gradient, and where torch is after the first step and after all."""
    x, state = begin.clone(), rule.init(begin)
    hp = {name: value.view(-1, 1, 1) for name, value in values.items()}
    first, slope = x, x
    for t, batch in enumerate(batches, start=1):
        with torch.enable_grad():
            at = x.detach().requires_grad_()
            g = gradient_of(problem, loss_of(problem, at, batch), at)
        rule.step_(x, g, state, hp, t)
        project_(problem, x)
        if t == 1:
            first, slope = x.clone(), g
    return slope, first, x


def _far_apart(one: Mapping[str, Tensor], other: Mapping[str, Tensor], close: float) -> str | None:
    if one.keys() != other.keys():
        return f"it evaluates {', '.join(one)} where torch evaluates {', '.join(other)}"
    for name, value in one.items():
        expected = other[name]
        near = (value - expected).abs() <= close * (expected.abs() + expected.abs().amax())
        if not bool((near | (value == expected) | (value.isnan() & expected.isnan())).all()):
            return f"its {name} differs from torch's"
    return None
