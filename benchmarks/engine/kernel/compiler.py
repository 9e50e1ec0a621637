"""The C compiler of this machine, and what its code may use: instructions, width of vectors, vector mathematics.

What is compiled for is said flag by flag and never ``-march=native``: the flags stand in a compiler's identity, so that
a library kept on a disk that machines share is found only by those whose processors have all it was built for.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, Literal

from benchmarks.errors import StepscapeError

__all__ = ["VECTOR_FUNCTIONS", "CompileError", "Compiler", "find_compiler", "why_no_compiler"]

Family = Literal["gcc", "clang"]

USUAL: Final = ("cc", "gcc", "clang")
TIMEOUT: Final = 120  # seconds of one compilation; kernels take one or two
LINES: Final = 8  # of what a compiler says, in an error
FLAGS: Final = (
    "-O3",
    "-std=gnu11",
    "-ffp-contract=off",  # a product and a sum are rounded one by one, as torch does; fma stands where it is meant
    "-fno-math-errno",
    "-fno-trapping-math",  # no value changes; never -ffast-math: NaN, inf and signed zeros count
    "-fopenmp-simd",  # its pragmas, without its threads
    "-shared",
    "-fPIC",
    "-Werror=implicit",  # a function that nobody declared would be called as if it gave an int
)
LIBRARIES: Final = (*(["-Wl,-z,defs"] if sys.platform == "linux" else []), "-lm")
"""How libraries are linked: a name that is nowhere is an error. glibc's linker script for libm knows libmvec too."""

SHORT_VECTORS: Final = 16  # bytes: SSE2, NEON, and what a compiler makes of it elsewhere
X86: Final[Mapping[int, tuple[str, ...]]] = {
    64: ("avx512f", "avx512dq", "avx512bw", "avx512vl", "avx2", "fma", "bmi2"),
    32: ("avx2", "fma", "bmi2"),
    SHORT_VECTORS: (),
}
"""The instructions used with vectors of so many bytes, as Linux names a processor's and compilers their options."""

PREFIXES: Final[Mapping[tuple[str, int], str]] = {
    ("x86_64", 64): "_ZGVe",
    ("x86_64", 32): "_ZGVd",
    ("x86_64", SHORT_VECTORS): "_ZGVb",
    ("aarch64", SHORT_VECTORS): "_ZGVn",
}
"""How the names of vector functions begin, by machine and bytes of a vector."""

VECTOR_FUNCTIONS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("exp", "exp2", "exp10", "expm1", "log", "log2", "log10", "log1p"), 1),
    **dict.fromkeys(("sin", "cos", "tan", "asin", "acos", "atan"), 1),
    **dict.fromkeys(("sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "cbrt"), 1),
    **dict.fromkeys(("pow", "atan2", "hypot"), 2),
}
"""The functions of ``math.h`` that glibc may have on vectors (newer ones have more), and their numbers of arguments."""

PROBE: Final = """\
typedef double vector __attribute__((vector_size({bytes})));
{declarations}
const void *const stepscape_linked[] = {{{addresses}}};
void stepscape_probe(const double *from, double *to)
{{
    vector x;
    __builtin_memcpy(&x, from, sizeof x);
    x = {expression};
    __builtin_memcpy(to, &x, sizeof x);
}}
"""


class CompileError(StepscapeError, RuntimeError):
    """A compiler refused what it was given, took too long, or could not be started."""


@dataclass(frozen=True)
class Compiler:
    """The compiler at ``path``, which is called with ``arguments`` first (of ``CC="ccache gcc"``: ``gcc``)."""

    path: Path
    arguments: tuple[str, ...]
    family: Family
    version: str
    flags: tuple[str, ...]
    vector_bytes: int
    """The widest vectors that this processor has: 64 (AVX-512), 32 (AVX2), 16."""
    vector_functions: tuple[str, ...]
    """Those of `VECTOR_FUNCTIONS` that can be linked and called on vectors, in both precisions; else none.

    In loops gcc calls those that are declared ``__attribute__((simd("notinbranch")))``, clang what it knows by itself.
    """
    libc: str

    @property
    def vector_math(self) -> bool:
        """Whether there are vector functions at all."""
        return bool(self.vector_functions)

    @property
    def identity(self) -> str:
        """Everything that what it builds depends on, in a line: for keys of what is kept."""
        command = shlex.join([str(self.path), *self.arguments])
        functions = ",".join(self.vector_functions)
        parts = (
            self.family,
            self.version,
            command,
            *self.flags,
            *LIBRARIES,
            f"vectors of {self.vector_bytes}",
            functions,
        )
        return "; ".join((*parts, platform.machine(), sys.platform, self.libc))

    def build(self, source: str, target: Path) -> None:
        """Compile ``source``, in C, into the shared library ``target``, which is there whole or not at all.

        Everything is written beside ``target`` and nothing elsewhere. Raises `CompileError`, and ``OSError`` where the
        disk is full or the folder cannot be written.
        """
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as working:
            folder = Path(working).absolute()  # the compiler works in it
            (folder / "kernel.c").write_text(source, encoding="utf-8")
            files = ("-o", "kernel.so", "-x", "c", "kernel.c")
            code, said = _call([str(self.path), *self.arguments, *self.flags, *files, *LIBRARIES], folder)
            library = folder / "kernel.so"
            if code != 0 or not library.is_file():
                _raise_if_full(said, target)
                raise CompileError(
                    f"{self.path} could not build a kernel (exit code {code}); "
                    f"another compiler can be named in CC, and --engine eager needs none: {_first(said)}"
                )
            library.replace(target)


def find_compiler() -> Compiler | None:
    """The compiler named in ``CC``, else the first of cc, gcc and clang that works, tried once a process.

    None where there is none that builds a small library which can be loaded and called; `why_no_compiler` then says
    why, and a ``RuntimeWarning`` does where ``CC`` names one that is of no use.
    """
    compiler, why = _search()
    if compiler is None and os.environ.get("CC", "").strip():
        _warn(why)
    return compiler


def why_no_compiler() -> str | None:
    """Why `find_compiler` has none to give, in a sentence; None where it has one."""
    compiler, why = _search()
    return why if compiler is None else None


@cache
def _warn(sentence: str) -> None:
    warnings.warn(sentence, RuntimeWarning, stacklevel=3)


@cache
def _search() -> tuple[Compiler | None, str]:
    """The compiler, or why there is none."""
    if sys.platform == "win32":
        return None, "kernels are not compiled on Windows, so everything is trained without them"
    named = os.environ.get("CC", "").strip()
    problems = []
    for command in (_words(named),) if named else tuple((name,) for name in USUAL):
        try:
            if (found := shutil.which(command[0])) is not None:
                return _examined(Path(found).absolute(), command[1:]), ""
            problems += [f"{command[0]} is not there"] if named else []
        except (OSError, StepscapeError) as error:
            problems.append(str(error))
    where = f"CC={named}" if named else f"there is no C compiler ({', '.join(USUAL)})"
    if named:
        return None, f"{where} cannot be used, so everything is trained without kernels: {problems[0]}"
    why = f" that works: {'; '.join(problems)}" if problems else "; install one, as gcc, to train faster"
    return None, where + why


def _words(named: str) -> tuple[str, ...]:
    """The words of ``CC``: one where it is a path as it stands, spaces and all."""
    if shutil.which(named) is not None:
        return (named,)
    try:
        return tuple(shlex.split(named))
    except ValueError:  # a quotation that does not end
        return (named,)


def _examined(path: Path, arguments: tuple[str, ...]) -> Compiler:
    """The compiler at ``path``, once a library that it built was called. Raises `CompileError` or ``OSError``."""
    with tempfile.TemporaryDirectory(prefix="stepscape-") as working:
        folder = Path(working)
        family, version = _introduced(path, arguments, folder)
        machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
        size, flags = _processor(machine)
        plain = Compiler(path, arguments, family, version, (*FLAGS, *flags), size, (), _libc())
        symbols = _vector_symbols(machine, size)
        if symbols:
            known = (*plain.flags, *(["-fveclib=libmvec"] if family == "clang" else []))
            fuller = replace(plain, flags=known, vector_functions=tuple(symbols))
            with suppress(OSError, CompileError):  # as with the older libraries that some compilers bring along
                _try_out(fuller, [each for pair in symbols.values() for each in pair], folder / "with.so")
                return fuller
        _try_out(plain, [], folder / "without.so")
        return plain


def _introduced(path: Path, arguments: Sequence[str], folder: Path) -> tuple[Family, str]:
    """The family and the version of a compiler, from what it says of itself."""
    code, said = _call([str(path), *arguments, "--version"], folder)
    first = " ".join(next(iter(said.splitlines()), "").split())
    if code == 0 and "clang" in said.lower():
        return "clang", first
    if code == 0 and "Free Software Foundation" in said:
        return "gcc", first.partition(" ")[2]  # before it stands the name that it was called by
    raise CompileError(f"{path} is neither gcc nor clang")


def _processor(machine: str) -> tuple[int, tuple[str, ...]]:
    """The bytes of this processor's vectors, and the flags of what is compiled for it."""
    if machine != "x86_64":  # of ARM's longer vectors (SVE) nothing is used
        return SHORT_VECTORS, ("-march=armv8-a",) if machine == "aarch64" else ()
    has = _instructions()
    size = next(size for size, needed in X86.items() if has.issuperset(needed))
    return size, ("-march=x86-64", *(f"-m{name}" for name in X86[size]))


def _instructions() -> frozenset[str]:
    """The instructions of this x86 processor that the system lets programs use; none where it is not Linux."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    every = [frozenset(line.split()) for line in re.findall(r"^flags\s*:(.*)$", text, re.MULTILINE)]
    return frozenset.intersection(*every) if every else frozenset()


def _libc() -> str:
    """The C library by name and version, as ``glibc 2.36``; what is linked with one may not load with an older one."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return platform.release()


def _vector_symbols(machine: str, size: int) -> dict[str, tuple[str, str]]:
    """The vector functions that this machine's libmvec has, with its names for them on doubles and on floats."""
    prefix = PREFIXES.get((machine, size))
    try:
        library = ctypes.CDLL("libmvec.so.1") if prefix else None
    except OSError:
        return {}
    symbols = {
        name: (f"{prefix}N{size // 8}{'v' * count}_{name}", f"{prefix}N{size // 4}{'v' * count}_{name}f")
        for name, count in VECTOR_FUNCTIONS.items()
    }
    has = {name: pair for name, pair in symbols.items() if all(hasattr(library, each) for each in pair)}
    return has if "exp" in has else {}


def _try_out(compiler: Compiler, symbols: Sequence[str], library: Path) -> None:
    """Build a library that is linked with ``symbols`` and call the first, eˣ, else x + 1. Raises where that fails."""
    source = PROBE.format(
        bytes=compiler.vector_bytes,
        declarations="\n".join(f"vector {each}(vector);" for each in symbols),
        addresses=", ".join(["0", *symbols]),
        expression=f"{symbols[0]}(x)" if symbols else "x + 1.0",
    )
    compiler.build(source, library)
    numbers = ctypes.c_double * (compiler.vector_bytes // 8)
    result = numbers()
    try:
        ctypes.CDLL(str(library)).stepscape_probe(numbers(), result)
    except (OSError, AttributeError) as error:
        raise CompileError(
            f"what {compiler.path} builds cannot be loaded ({error}); "
            "set TMPDIR to a folder where programs may stand if it is one where they may not"
        ) from error
    if list(result) != [1.0] * len(result):  # e⁰ and 0 + 1
        raise CompileError(f"what {compiler.path} builds gives wrong numbers")


def _call(command: Sequence[str], folder: Path) -> tuple[int, str]:
    """The exit code of ``command``, which works in ``folder``, and what it said.

    It and what it started are ended after `TIMEOUT` seconds, and with an interruption. Raises `CompileError` where it
    takes longer or cannot be started.
    """
    surroundings = {**os.environ, "LC_ALL": "C", "TMPDIR": str(folder)}
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # a group of its own: the compiler proper is a child of its driver
        )
    except OSError as error:
        raise CompileError(f"{command[0]} cannot be started: {error.strerror or error}") from error
    try:
        said, _ = process.communicate(timeout=TIMEOUT)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise CompileError(f"{command[0]} took more than {TIMEOUT} s; --engine eager needs no compiler") from error
        raise
    return process.returncode, said


def _raise_if_full(said: str, target: Path) -> None:
    """Raise ``OSError`` where a compiler says that the disk, or the user's share of it, is full."""
    for number in (errno.ENOSPC, errno.EDQUOT):
        if os.strerror(number) in said:
            raise OSError(number, os.strerror(number), str(target))


def _first(said: str) -> str:
    """The first lines of what a compiler and its linker said, those of errors where there are any."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if re.search("error|undefined", line, re.IGNORECASE)] or lines
    return "; ".join(errors[:LINES])[:1000] or "it said nothing"
