"""What C compilers build, each that is there: right to the bit, on vectors, whole or not at all."""

from __future__ import annotations

import ctypes
import math
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.engine.kernel import compiler as module
from benchmarks.engine.kernel.compiler import VECTOR_FUNCTIONS, CompileError, Compiler

ADD = "double add(double a, double b) { return a + b; }\n"
PLAIN: dict[str, Callable[..., float]] = {
    **{name: getattr(math, name) for name in VECTOR_FUNCTIONS if name != "exp10"},
    "exp10": lambda x: 10.0**x,
}


def test_what_it_builds_can_be_loaded_and_called(each_compiler: Compiler, tmp_path: Path) -> None:
    target = tmp_path / "a b" / "added 'up'.so"
    target.parent.mkdir()
    each_compiler.build(ADD, target)
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


def test_products_and_sums_are_rounded_one_by_one_and_special_values_kept(
    each_compiler: Compiler, tmp_path: Path
) -> None:
    source = """
    double both(double a, double b, double c) { return a * b + c; }
    double minus(double a) { return 0.0 - a; }
    int unlike(double a) { return a != a; }
    """
    each_compiler.build(source, tmp_path / "exact.so")
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
def test_every_vector_function_is_called_in_loops_and_right(
    each_compiler: Compiler, tmp_path: Path, double: bool
) -> None:
    if not each_compiler.vector_math:
        pytest.skip("this machine has no vector mathematics")
    number, end, precision = ("double", "", 2**-52) if double else ("float", "f", 2**-23)
    parts = ["#define _GNU_SOURCE", "#include <math.h>"]
    for name in each_compiler.vector_functions:
        kinds, given = ", ".join([number] * VECTOR_FUNCTIONS[name]), ", ".join(["x[i]"] * VECTOR_FUNCTIONS[name])
        parts.append(f'__attribute__((simd("notinbranch"), const)) {number} {name}{end}({kinds});')
        parts.append(f"void {name}_of(const {number} *restrict x, {number} *restrict y) {{")
        parts.append(f'_Pragma("omp simd") for (int i = 0; i < 64; ++i) y[i] = {name}{end}({given}); }}')
    each_compiler.build("\n".join(parts), tmp_path / "all.so")
    library, content = ctypes.CDLL(str(tmp_path / "all.so")), (tmp_path / "all.so").read_bytes()
    numbers = (ctypes.c_double if double else ctypes.c_float) * 64
    for name in each_compiler.vector_functions:
        start = 1.1 if name == "acosh" else 0.3
        x, y = numbers(*(start + i * 0.01 for i in range(64))), numbers()
        getattr(library, f"{name}_of")(x, y)
        expected = [PLAIN[name](*[value] * VECTOR_FUNCTIONS[name]) for value in x]
        assert [*y] == pytest.approx(expected, rel=5 * precision, abs=0), (
            name
        )  # glibc promises 4 units in the last place
        if each_compiler.family == "gcc":
            assert re.search(rb"_ZGV\wN\d+v+_%s%s\0" % (name.encode(), end.encode()), content), name


def test_without_vector_mathematics_loops_are_right_too(each_compiler: Compiler, tmp_path: Path) -> None:
    plain = replace(each_compiler, vector_functions=())
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
    each_compiler: Compiler, tmp_path: Path, source: str, named: str
) -> None:
    with pytest.raises(CompileError, match=rf"could not build a kernel \(exit code 1\).*CC.*{named}"):
        each_compiler.build(source, tmp_path / "never.so")
    assert not [*tmp_path.iterdir()]


def test_only_the_first_lines_of_many_errors_are_told(each_compiler: Compiler, tmp_path: Path) -> None:
    with pytest.raises(CompileError) as told:
        each_compiler.build("\n".join(f"unknown{i} x{i};" for i in range(500)), tmp_path / "never.so")
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
