"""Functions of tensors, compiled and called on lanes, beside what torch makes of them lane by lane."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.engine.kernel import cache, planning
from benchmarks.engine.kernel import compiler as compiler_module
from benchmarks.engine.kernel.compiler import Compiler, find_compiler, why_no_compiler
from benchmarks.engine.kernel.kernel import NUMBERS
from benchmarks.engine.kernel.lowering import lower
from benchmarks.engine.kernel.program import Program
from benchmarks.engine.kernel.source import Source, evaluation_source
from benchmarks.engine.kernel.tracing import trace_function

Function = Callable[..., Sequence[Tensor]]


@dataclass(frozen=True)
class Compiled:
    """A function as a library; inputs called ``batch:…`` are the same for all lanes, others have lanes first."""

    program: Program
    source: Source
    library: Path

    def __call__(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Every result ``[lanes, ...]`` in double precision."""
        lanes = next(len(value) for name, value in inputs.items() if not name.startswith("batch:"))
        shapes = {f"out:{name}": view.shape for name, view in self.program.outputs.items()}
        results = {name: torch.full((lanes, *shape), 99.0, dtype=torch.float64) for name, shape in shapes.items()}
        given = {name: value.contiguous() for name, value in inputs.items()}
        arrays = {**given, **self.source.constants, **results}
        pointers = (ctypes.c_void_p * len(self.source.pointers))(
            *(arrays[name].data_ptr() for name in self.source.pointers)
        )
        numbers = {"configurations": lanes, "seeds": 1, "last": -(-lanes // self.source.width)}
        run = ctypes.CDLL(str(self.library)).run
        run((ctypes.c_int64 * len(NUMBERS))(*(numbers.get(name, 0) for name in NUMBERS)), pointers)
        return list(results.values())


@dataclass(frozen=True)
class Workshop:
    """Makes libraries in a folder."""

    compiler: Compiler
    folder: Path
    count: itertools.count[int]

    def __call__(
        self,
        function: Function,
        inputs: Mapping[str, Tensor],
        *,
        loops: bool,
        differentiates: bool = False,
        quickly: bool = False,
        by: Compiler | None = None,
    ) -> Compiled:
        """``function`` compiled, as loops or written out number by number; ``quickly`` without making it fast.

        ``by`` another compiler than the usual one, or for another processor.
        """
        one = {name: value if name.startswith("batch:") else value[0] for name, value in inputs.items()}
        program = lower(trace_function(function, one, differentiates=differentiates))
        by = by or self.compiler
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(planning, "SMALL", 0 if loops else 10**9)
            source = evaluation_source(program, by.vector_bytes, frozenset(by.vector_functions))
        library = self.folder / f"{next(self.count)}.so"
        flags = tuple("-O1" if quickly and flag == "-O3" else flag for flag in by.flags)
        replace(by, flags=flags).build(source.text, library)
        return Compiled(program, source, library)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A function that compiles functions of tensors."""
    compiler = find_compiler()
    if compiler is None:
        pytest.skip(why_no_compiler() or "")
    return Workshop(compiler, tmp_path_factory.mktemp("kernels"), itertools.count())


def _looked_for(command: str = "") -> Compiler:
    """The compiler that is found with ``command`` as ``CC``; skips the test where there is none, or it is of no use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", command)
        compiler, why = compiler_module._search.__wrapped__()
    if compiler is None:
        pytest.skip(why)
    return compiler


@pytest.fixture(scope="session")
def looked_for() -> Callable[[str], Compiler]:
    """A function that finds the compiler of a name."""
    return _looked_for


@pytest.fixture(scope="session")
def real() -> Compiler:
    """The compiler that is taken on this machine where nobody names one."""
    return _looked_for()


@pytest.fixture(scope="session", params=["gcc", "clang"])
def each_compiler(request: pytest.FixtureRequest) -> Compiler:
    """Each of the compilers that kernels are made with, where it is there."""
    return _looked_for(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where kernels are kept."""
    return tmp_path / "kept" / "kernels"


@pytest.fixture
def nothing_kept_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is used yet, there is no private folder, and one would be made in a place of its own."""
    monkeypatch.setattr(cache, "_PRIVATE", {})
    monkeypatch.setattr(cache, "_USED", set())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path / "temporary"))


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """A function that makes a program of a few lines of shell, in a folder with a space in its name."""

    def make(text: str, name: str = "cc") -> Path:
        path = tmp_path / "my tools" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o700)
        return path

    return make
