"""The C compiler of this machine: found, tried, called, and known by everything that what it builds depends on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.engine.kernel import compiler as module
from benchmarks.engine.kernel.compiler import (
    Compiler,
    find_compiler,
    why_no_compiler,
)

ADD = "double add(double a, double b) { return a + b; }\n"
FLAGS_OF_A_SERVER = "fpu sse2 avx avx2 fma bmi1 bmi2 avx512f avx512dq avx512bw avx512vl"


@pytest.fixture(autouse=True)
def _a_process_that_has_not_looked_yet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("CC", raising=False)
    for memory in (module._search, module._warn):
        memory.cache_clear()
    yield
    for memory in (module._search, module._warn):
        memory.cache_clear()


def refused(monkeypatch: pytest.MonkeyPatch, named: str) -> str:
    """What the user is told where ``CC`` is of no use."""
    monkeypatch.setenv("CC", named)
    with pytest.warns(RuntimeWarning) as said:
        assert find_compiler() is None
    assert find_compiler() is None  # and says it once
    (warning,) = said
    assert str(warning.message) == why_no_compiler()
    return str(warning.message)


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
