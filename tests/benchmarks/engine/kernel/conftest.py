"""Functions of tensors, compiled and called on lanes, beside what torch makes of them lane by lane."""

from __future__ import annotations

import ctypes
import itertools
import shutil
import struct
import subprocess
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
Run = Callable[[Path, Sequence[int], Sequence[Tensor]], None]
"""What calls a library with its numbers and its arrays, which it writes to."""


@dataclass(frozen=True)
class Compiled:
    """A function as a library; inputs called ``batch:…`` are the same for all lanes, others have lanes first."""

    program: Program
    source: Source
    library: Path
    run: Run

    def __call__(self, inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Every result ``[lanes, ...]`` in double precision."""
        lanes = next(len(value) for name, value in inputs.items() if not name.startswith("batch:"))
        shapes = {f"out:{name}": view.shape for name, view in self.program.outputs.items()}
        results = {name: torch.full((lanes, *shape), 99.0, dtype=torch.float64) for name, shape in shapes.items()}
        lasting = {name: value.contiguous() for name, value in inputs.items()}
        arrays = {**lasting, **self.source.constants, **results}
        numbers = {"configurations": lanes, "seeds": 1, "last": -(-lanes // self.source.width)}
        given = [numbers.get(name, 0) for name in NUMBERS]
        self.run(self.library, given, [arrays[name] for name in self.source.pointers])
        return list(results.values())


def _here(library: Path, numbers: Sequence[int], arrays: Sequence[Tensor]) -> None:
    """Call a library in this process."""
    pointers = (ctypes.c_void_p * len(arrays))(*(array.data_ptr() for array in arrays))
    assert ctypes.CDLL(str(library)).run((ctypes.c_int64 * len(numbers))(*numbers), pointers) == 0


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
        run: Run = _here,
    ) -> Compiled:
        """``function`` compiled, as loops or written out number by number; ``quickly`` without making it fast.

        ``by`` another compiler than the usual one, or for another processor, where ``run`` calls it.
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
        return Compiled(program, source, library, run)


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


DRIVER = """
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **words) {  /* LIBRARY FILE, whose numbers and arrays it reads, and writes back */
    void *library = dlopen(words[1], RTLD_NOW), *p[500];
    if (!library) { fprintf(stderr, "%s\\n", dlerror()); return 2; }
    int (*run)(const int64_t *, void *const *) = (int (*)(const int64_t *, void *const *))dlsym(library, "run");
    int64_t n[8], arrays, sizes[500];
    FILE *file = fopen(words[2], "r+b");
    if (!file || fread(n, 8, 8, file) != 8 || fread(&arrays, 8, 1, file) != 1) return 3;
    if (arrays > 500 || fread(sizes, 8, arrays, file) != (size_t)arrays) return 3;
    const long start = ftell(file);
    for (int64_t i = 0; i < arrays; ++i) {
        p[i] = malloc(sizes[i] + 1);
        if (fread(p[i], 1, sizes[i], file) != (size_t)sizes[i]) return 3;
    }
    if (run(n, p)) return 4;
    fseek(file, start, SEEK_SET);
    for (int64_t i = 0; i < arrays; ++i) fwrite(p[i], 1, sizes[i], file);
    return fclose(file);
}
"""


@dataclass(frozen=True)
class Emulated:
    """A compiler for another processor, and a ``driver`` that calls what it builds on an ``emulator`` of that."""

    compiler: Compiler
    emulator: Sequence[str]
    driver: Path

    def run(self, library: Path, numbers: Sequence[int], arrays: Sequence[Tensor]) -> None:
        """Call a library there."""
        told = struct.pack(f"{len(numbers) + 1 + len(arrays)}q", *numbers, len(arrays), *(a.nbytes for a in arrays))
        file = self.driver.with_suffix(".arrays")
        file.write_bytes(told + b"".join(array.numpy().tobytes() for array in arrays))
        subprocess.run([*self.emulator, self.driver, library, file], check=True, timeout=60)
        with file.open("rb") as back:
            back.seek(len(told))
            for array in filter(Tensor.numel, arrays):
                array.view(-1).copy_(torch.frombuffer(bytearray(back.read(array.nbytes)), dtype=array.dtype))


@pytest.fixture(scope="session")
def arm(tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    """The compiler of Debian's gcc-aarch64-linux-gnu, and the emulator of its qemu-user."""
    found = {name: shutil.which(name) for name in ("aarch64-linux-gnu-gcc", "qemu-aarch64")}
    if missing := [name for name, path in found.items() if path is None]:
        pytest.skip(f"there is no {' and no '.join(missing)}")
    path, folder = Path(str(found["aarch64-linux-gnu-gcc"])), tmp_path_factory.mktemp("arm")
    size, flags = compiler_module._processor("aarch64")
    flags = (*compiler_module.FLAGS, *flags)
    compiler = Compiler(path, (), "gcc", "for ARM", flags, size, (), "glibc")
    (folder / "driver.c").write_text(DRIVER)
    subprocess.run([path, "-o", folder / "driver", folder / "driver.c", "-ldl"], check=True)
    return Emulated(compiler, ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"), folder / "driver")


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
