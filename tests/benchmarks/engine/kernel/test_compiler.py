"""The C compiler of this machine: found, tried, called, and known by everything that what it builds depends on."""

from __future__ import annotations

import ctypes
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.engine.kernel import compiler as module
from benchmarks.engine.kernel.compiler import (
    VECTOR_FUNCTIONS,
    CompileError,
    Compiler,
    find_compiler,
    why_no_compiler,
)

ADD = "double add(double a, double b) { return a + b; }\n"
PLAIN: dict[str, Callable[..., float]] = {
    **{name: getattr(math, name) for name in VECTOR_FUNCTIONS if name != "exp10"},
    "exp10": lambda x: 10.0**x,
}
FLAGS_OF_A_SERVER = "fpu sse2 avx avx2 fma bmi1 bmi2 avx512f avx512dq avx512bw avx512vl"


@pytest.fixture(autouse=True)
def _a_process_that_has_not_looked_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("CC", raising=False)
    for memory in (module._search, module._warn):
        memory.cache_clear()
    yield
    for memory in (module._search, module._warn):
        memory.cache_clear()


@pytest.fixture(scope="module")
def real() -> Compiler:
    """The compiler of this machine."""
    found = find_compiler()
    if found is None:
        pytest.skip(why_no_compiler() or "")
    return found


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


def refused(monkeypatch: pytest.MonkeyPatch, named: str) -> str:
    """What the user is told where ``CC`` is of no use."""
    monkeypatch.setenv("CC", named)
    with pytest.warns(RuntimeWarning) as said:
        assert find_compiler() is None
    assert find_compiler() is None  # and says it once
    (warning,) = said
    assert str(warning.message) == why_no_compiler()
    return str(warning.message)


def test_what_it_builds_can_be_loaded_and_called(real: Compiler, tmp_path: Path) -> None:
    target = tmp_path / "a b" / "added 'up'.so"
    target.parent.mkdir()
    real.build(ADD, target)
    add = ctypes.CDLL(str(target)).add
    add.argtypes, add.restype = [ctypes.c_double] * 2, ctypes.c_double
    assert add(1.5, 2.0) == 3.5
    assert [*target.parent.iterdir()] == [target]


def test_a_library_is_built_where_a_relative_path_says(
    real: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    real.build(ADD, Path("here.so"))
    assert [path.name for path in tmp_path.iterdir()] == ["here.so"]


def test_products_and_sums_are_rounded_one_by_one_and_special_values_kept(real: Compiler, tmp_path: Path) -> None:
    source = """
    double both(double a, double b, double c) { return a * b + c; }
    double minus(double a) { return 0.0 - a; }
    int unlike(double a) { return a != a; }
    """
    real.build(source, tmp_path / "exact.so")
    library = ctypes.CDLL(str(tmp_path / "exact.so"))
    for name, count in (("both", 3), ("minus", 1), ("unlike", 1)):
        getattr(library, name).argtypes = [ctypes.c_double] * count
    library.both.restype = library.minus.restype = ctypes.c_double
    tenth = 0.1
    assert library.both(tenth, 10.0, -1.0) == tenth * 10.0 - 1.0 == 0.0  # one rounding would give 5.55e-17
    assert math.copysign(1.0, library.minus(0.0)) == 1.0
    assert math.copysign(1.0, library.both(-0.0, 1.0, -0.0)) == -1.0
    assert library.unlike(math.nan) == 1
    assert library.both(math.inf, 0.0, 1.0) != library.both(math.inf, 0.0, 1.0)


@pytest.mark.parametrize("double", [True, False])
def test_every_vector_function_is_called_in_loops_and_right(real: Compiler, tmp_path: Path, double: bool) -> None:
    if not real.vector_math:
        pytest.skip("this machine has no vector mathematics")
    number, end, precision = ("double", "", 2**-52) if double else ("float", "f", 2**-23)
    parts = ["#define _GNU_SOURCE", "#include <math.h>"]
    for name in real.vector_functions:
        kinds, given = ", ".join([number] * VECTOR_FUNCTIONS[name]), ", ".join(["x[i]"] * VECTOR_FUNCTIONS[name])
        parts.append(f'__attribute__((simd("notinbranch"), const)) {number} {name}{end}({kinds});')
        parts.append(f"void {name}_of(const {number} *restrict x, {number} *restrict y) {{")
        parts.append(f'_Pragma("omp simd") for (int i = 0; i < 64; ++i) y[i] = {name}{end}({given}); }}')
    real.build("\n".join(parts), tmp_path / "all.so")
    library, content = ctypes.CDLL(str(tmp_path / "all.so")), (tmp_path / "all.so").read_bytes()
    numbers = (ctypes.c_double if double else ctypes.c_float) * 64
    for name in real.vector_functions:
        start = 1.1 if name == "acosh" else 0.3
        x, y = numbers(*(start + i * 0.01 for i in range(64))), numbers()
        getattr(library, f"{name}_of")(x, y)
        expected = [PLAIN[name](*[value] * VECTOR_FUNCTIONS[name]) for value in x]
        assert [*y] == pytest.approx(expected, rel=5 * precision, abs=0), (
            name
        )  # glibc promises 4 units in the last place
        if real.family == "gcc":
            assert re.search(rb"_ZGV\wN\d+v+_%s%s\0" % (name.encode(), end.encode()), content), name


def test_without_vector_mathematics_loops_are_right_too(real: Compiler, tmp_path: Path) -> None:
    plain = replace(real, vector_functions=())
    assert not plain.vector_math
    plain.build(
        "#include <math.h>\nvoid f(double *x) { for (int i = 0; i < 8; ++i) x[i] = exp(x[i]); }", tmp_path / "plain.so"
    )
    x = (ctypes.c_double * 8)(*range(8))
    ctypes.CDLL(str(tmp_path / "plain.so")).f(x)
    assert [*x] == pytest.approx([math.exp(i) for i in range(8)], rel=1e-15)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("int f(void) { return nonsense; }", r"kernel\.c:1:.*nonsense"),
        ("double f(double x) { return nonsense(x); }", r"kernel\.c:1:.*nonsense"),
        ("double nonsense(double); double f(double x) { return nonsense(x); }", "nonsense"),
    ],
)
def test_a_mistake_in_the_source_is_named_and_leaves_nothing(
    real: Compiler, tmp_path: Path, source: str, named: str
) -> None:
    with pytest.raises(CompileError, match=rf"could not build a kernel \(exit code 1\).*CC.*{named}"):
        real.build(source, tmp_path / "never.so")
    assert not [*tmp_path.iterdir()]


def test_only_the_first_lines_of_many_errors_are_told(real: Compiler, tmp_path: Path) -> None:
    with pytest.raises(CompileError) as told:
        real.build("\n".join(f"unknown{i} x{i};" for i in range(500)), tmp_path / "never.so")
    assert len(str(told.value)) < 1300


def test_a_folder_for_temporary_files_that_cannot_be_written_is_not_needed(
    real: Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/proc/nowhere")
    real.build(ADD, tmp_path / "added.so")
    assert (tmp_path / "added.so").is_file()


def test_a_folder_that_is_not_there_is_an_os_error(real: Compiler, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        real.build(ADD, tmp_path / "nowhere" / "added.so")


@pytest.mark.parametrize("said", ["No space left on device", "Disk quota exceeded"])
def test_a_full_disk_that_the_compiler_meets_is_an_os_error(
    real: Compiler, tmp_path: Path, script: Callable[[str], Path], said: str
) -> None:
    full = replace(real, path=script(f"echo 'ld: final link failed: {said}' >&2; exit 1"))
    with pytest.raises(OSError, match=said):
        full.build(ADD, tmp_path / "added.so")


def test_a_compiler_that_never_ends_is_ended_with_all_it_started(
    real: Compiler, tmp_path: Path, script: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.3)
    hanging = replace(real, path=script(f"sleep 60 & echo $! > '{tmp_path}/child'; wait"))
    started = time.monotonic()
    with pytest.raises(CompileError, match=r"took more than 0\.3 s"):
        hanging.build(ADD, tmp_path / "added.so")
    assert time.monotonic() - started < 30
    child = int((tmp_path / "child").read_text())
    for _ in range(100):  # a zombie until its new parent takes it
        status = Path(f"/proc/{child}/stat")
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("what the compiler started goes on")


def test_an_interruption_ends_the_compiler(
    real: Compiler, tmp_path: Path, script: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(subprocess.Popen[str]):
        calls = 0

        def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:
            Interrupted.calls += 1
            if Interrupted.calls == 1:
                raise KeyboardInterrupt
            return super().communicate(input, timeout)

    monkeypatch.setattr(module.subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace(real, path=script("sleep 60")).build(ADD, tmp_path / "added.so")
    assert Interrupted.calls == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my tools"]


def test_the_compiler_is_looked_for_once_a_process(real: Compiler, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_compiler() == real
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_compiler() is find_compiler()
    assert find_compiler() == real
    assert why_no_compiler() is None


def test_cc_may_have_arguments_and_spaces_in_its_path(
    real: Compiler, script: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper = script('exec "$@"', "keeper")
    monkeypatch.setenv("CC", f"'{wrapper}' '{real.path}'")
    found = find_compiler()
    assert found is not None
    assert (found.path, found.arguments) == (wrapper, (str(real.path),))
    assert (found.family, found.version, found.flags) == (real.family, real.version, real.flags)
    assert found.identity != real.identity
    found.build(ADD, tmp_path / "added.so")
    module._search.cache_clear()
    alone = script(f"exec '{real.path}' \"$@\"", "just one")
    monkeypatch.setenv("CC", str(alone))
    single = find_compiler()
    assert single is not None
    assert (single.path, single.arguments) == (alone, ())


@pytest.mark.parametrize(
    ("first", "family", "version"),
    [
        ("Debian clang version  14.0.6 ", "clang", "Debian clang version 14.0.6"),
        ("Apple clang version 15.0.0 (clang-1500)", "clang", "Apple clang version 15.0.0 (clang-1500)"),
        ("cc-12 (GCC) 12.3.0; Free Software Foundation", "gcc", "(GCC) 12.3.0; Free Software Foundation"),
    ],
)
def test_family_and_version_are_what_the_compiler_says(
    real: Compiler,
    script: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    first: str,
    family: str,
    version: str,
) -> None:
    said = f"case $1 in --version) echo '{first}';; *) exec '{real.path}' \"$@\";; esac"
    monkeypatch.setenv("CC", str(script(said)))
    found = find_compiler()
    assert found is not None
    assert (found.family, found.version) == (family, version)


def test_cc_that_leads_nowhere_is_one_sentence_and_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(monkeypatch, "/nowhere/gcc -m64") == (
        "CC=/nowhere/gcc -m64 cannot be used, so everything is trained without kernels: /nowhere/gcc is not there"
    )


def test_cc_with_a_quotation_that_does_not_end_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is not there" in refused(monkeypatch, "'gcc")


def test_cc_that_is_a_program_of_another_kind_is_one_sentence(
    script: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "is neither gcc nor clang" in refused(monkeypatch, str(script("echo a tool, version 1")))


def test_cc_that_cannot_be_started_is_one_sentence(
    script: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = script("")
    broken.write_bytes(b"\x7fELF nothing")
    assert "cannot be started: Exec format error" in refused(monkeypatch, str(broken))


def test_a_compiler_whose_libraries_cannot_be_loaded_is_none(
    script: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "case $1 in --version) echo gcc 1; echo Free Software Foundation;; *) echo nothing > kernel.so;; esac"
    assert "cannot be loaded" in refused(monkeypatch, str(script(text)))


def test_without_vector_functions_that_link_the_compiler_is_used_without_them(
    real: Compiler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_vector_symbols", lambda *_: {"exp": ("_ZGV_nowhere", "_ZGV_nowheref")})
    found = find_compiler()
    assert found == replace(real, vector_functions=())


def test_no_compiler_at_all_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_compiler() is None
    assert why_no_compiler() == "there is no C compiler (cc, gcc, clang); install one, as gcc, to train faster"


def test_a_cc_on_the_path_that_does_not_work_leaves_it_to_the_next(
    real: Compiler, script: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if real.path.parent == Path("/nowhere"):
        pytest.skip("the compiler has another name here")
    broken = script("exit 1", "cc")
    script(f"exec '{real.path}' \"$@\"", "gcc")
    monkeypatch.setenv("PATH", f"{broken.parent}{os.pathsep}{os.environ['PATH']}")
    found = find_compiler()
    assert found is not None
    assert found.path == broken.with_name("gcc")
    broken.with_name("gcc").write_text("#!/bin/sh\nexit 1\n")
    monkeypatch.setenv("PATH", str(broken.parent))
    module._search.cache_clear()
    assert find_compiler() is None
    assert (why_no_compiler() or "").startswith("there is no C compiler (cc, gcc, clang) that works: ")


def test_windows_has_no_compiled_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert find_compiler() is None
    assert "Windows" in (why_no_compiler() or "")


@pytest.mark.parametrize(
    ("flags", "size", "used"),
    [
        (FLAGS_OF_A_SERVER, 64, ("-march=x86-64", "-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mavx2",
                                 "-mfma", "-mbmi2")),
        (FLAGS_OF_A_SERVER.replace(" avx512dq", ""), 32, ("-march=x86-64", "-mavx2", "-mfma", "-mbmi2")),
        ("fpu sse2 avx", 16, ("-march=x86-64",)),
        ("", 16, ("-march=x86-64",)),
    ],
)  # fmt: skip
def test_the_width_of_vectors_follows_the_processor(
    flags: str, size: int, used: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_instructions", lambda: frozenset(flags.split()))
    assert module._processor("x86_64") == (size, used)


@pytest.mark.parametrize(
    ("machine", "size", "names"),
    [
        ("x86_64", 64, ("_ZGVeN8v_exp", "_ZGVeN16v_expf", "_ZGVeN8vv_pow", "_ZGVeN16vv_powf")),
        ("x86_64", 32, ("_ZGVdN4v_exp", "_ZGVdN8v_expf", "_ZGVdN4vv_pow", "_ZGVdN8vv_powf")),
        ("x86_64", 16, ("_ZGVbN2v_exp", "_ZGVbN4v_expf", "_ZGVbN2vv_pow", "_ZGVbN4vv_powf")),
        ("aarch64", 16, ("_ZGVnN2v_exp", "_ZGVnN4v_expf", "_ZGVnN2vv_pow", "_ZGVnN4vv_powf")),
    ],
)
def test_names_of_vector_functions_follow_the_abi(
    machine: str, size: int, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {**dict.fromkeys(names), "_ZGVbN2v_tanh": None}  # of tanh there is only one precision
    monkeypatch.setattr(module.ctypes, "CDLL", lambda _: SimpleNamespace(**old))
    assert module._vector_symbols(machine, size) == {"exp": names[:2], "pow": names[2:]}


def test_without_libmvec_there_are_no_vector_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module._vector_symbols("riscv64", 16) == {}

    def missing(_: str) -> None:
        raise OSError("libmvec.so.1: cannot open shared object file")

    monkeypatch.setattr(module.ctypes, "CDLL", missing)
    assert module._vector_symbols("x86_64", 32) == {}


def test_only_what_every_core_has_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "processor : 0\nflags\t\t: sse2 avx2 fma bmi2\n\nprocessor : 1\nflags\t\t: sse2 avx2 fma\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    assert module._instructions() == {"sse2", "avx2", "fma"}
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "processor : 0\n")
    assert module._instructions() == frozenset()


def test_other_processors_get_what_each_of_them_has() -> None:
    assert module._processor("aarch64") == (16, ("-march=armv8-a",))
    assert module._processor("riscv64") == (16, ())


def test_no_flag_means_whatever_this_machine_has(real: Compiler) -> None:
    assert not [flag for flag in real.flags if flag in {"-march=native", "-mtune=native", "-ffast-math", "-Ofast"}]


CHANGES = {
    "path": Path("/elsewhere/cc"),
    "arguments": ("gcc",),
    "family": "another",
    "version": "another",
    "flags": ("-O0",),
    "vector_bytes": 8,
    "vector_functions": ("none",),
    "libc": "another",
}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_the_identity_changes_with_everything_that_a_library_depends_on(real: Compiler, name: str) -> None:
    assert replace(real, **{name: CHANGES[name]}).identity != real.identity  # type: ignore[arg-type]


def test_every_field_of_a_compiler_is_in_its_identity() -> None:
    assert {field.name for field in fields(Compiler)} == {*CHANGES}
