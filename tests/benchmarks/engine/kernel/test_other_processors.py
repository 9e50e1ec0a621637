"""Kernels as other processors and compilers have them than this machine's usual ones: right there too.

ARM's are run by an emulator; AVX-512 is compiled for and not run, for few machines have it.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from benchmarks.engine.kernel import compiler as compiler_module
from benchmarks.engine.kernel import kernel, making
from benchmarks.engine.kernel.compiler import FLAGS, SHORT_VECTORS, X86, Compiler
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Training, train

RATES = {"lr": torch.logspace(-4, -1, 17, dtype=torch.float64)}
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="this machine is not of x86")


@pytest.fixture
def plain(real: Compiler) -> Compiler:
    """What there is on every x86 processor, without a library of vector functions."""
    return replace(real, flags=(*FLAGS, "-march=x86-64"), vector_bytes=SHORT_VECTORS, vector_functions=())


@pytest.fixture
def on_arm(arm, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """The compiler for ARM, what is made by which is run by an emulator."""

    def call(self, numbers: Mapping[str, int], tensors: Mapping[str, Tensor], tiles: int, threads: int) -> None:
        arrays, given = {**tensors, **self._constants}, {**numbers, "last": tiles}
        arm.run(
            self._run, [given.get(name, 0) for name in kernel.NUMBERS], [arrays[name] for name in self.facts.pointers]
        )

    monkeypatch.setattr(kernel, "ctypes", SimpleNamespace(CDLL=lambda path: SimpleNamespace(run=Path(path))))
    monkeypatch.setattr(kernel._Library, "call", call)
    return arm.compiler


def trained(problem: str, optimizer: str, steps: int, compiler: Compiler) -> tuple[Trace, Trace]:
    """Training by torch, and by kernels of ``compiler``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "find_compiler", lambda: compiler)
        eager, compiled = (
            train(Training(problem, optimizer, [1, 2], steps, steps // 2, engine=engine, keep_path=True), RATES)
            for engine in ("eager", "kernel")
        )
    assert compiled.engine == "kernel"
    assert bool((eager.status == compiled.status).all())
    assert bool((eager.stopped_at == compiled.stopped_at).all())
    return eager, compiled


def assert_equal(eager: Trace, compiled: Trace) -> None:
    """All paths to the bit."""
    assert eager.path is not None
    assert compiled.path is not None
    assert eager.path.equal(compiled.path)


def assert_close(eager: Trace, compiled: Trace) -> None:
    """All losses as near as rounding makes them: single precision, summed in another order."""
    torch.testing.assert_close(compiled.loss, eager.loss, rtol=1e-4, atol=0)


@pytest.mark.slow
@on_x86
def test_on_vectors_that_every_processor_has_arithmetic_is_torchs_to_the_bit(plain: Compiler) -> None:
    assert_equal(*trained("rosenbrock", "adam", 40, plain))


@pytest.mark.slow
@on_x86
def test_processors_without_an_instruction_for_a_product_and_a_sum_call_no_function_for_it(
    compiled, plain: Compiler
) -> None:
    """It would take a hundred times as long as both."""
    for loops in (False, True):
        content = compiled(lambda x, y: [x @ y.mT], {n: torch.ones(2, 3, 3) for n in "xy"}, loops=loops, by=plain)
        assert not re.search(rb"\0fmaf?\0", content.library.read_bytes())


@pytest.mark.slow
@on_x86
def test_without_vector_functions_and_an_instruction_for_products_with_sums_kernels_are_right(plain: Compiler) -> None:
    assert_close(*trained("breast-cancer", "momentum", 10, plain))


@pytest.mark.slow
def test_what_clang_compiles_is_torchs_to_the_bit_where_arithmetic_is_elementwise(looked_for) -> None:
    assert_equal(*trained("quadratic", "rmsprop", 40, looked_for("clang")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "optimizer"),
    [("rosenbrock", "adam"), ("quadratic", "rmsprop"), ("ellipse-rotated", "lion"), ("beale", "amsgrad")],
)
def test_on_arm_arithmetic_is_torchs_to_the_bit(on_arm: Compiler, problem: str, optimizer: str) -> None:
    """Fused multiplications and additions, which ARM's compilers make by themselves, would not be."""
    assert_equal(*trained(problem, optimizer, 40, on_arm))


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "optimizer"), [("airfoil", "rmsprop-torch"), ("breast-cancer", "momentum")])
def test_on_arm_products_and_functions_are_right_to_rounding(on_arm: Compiler, problem: str, optimizer: str) -> None:
    assert_close(*trained(problem, optimizer, 10, on_arm))


def _functions(x: Tensor, y: Tensor, batch: Tensor) -> list[Tensor]:
    return [x @ y.mT, x @ batch, x.exp(), y.double().sin()]


def _inputs(lanes: int) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(3)
    shapes = {"x": (lanes, 5, 7), "y": (lanes, 5, 7), "batch:0": (7, 7)}
    return {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}


@pytest.mark.slow
@on_x86
def test_avx512_is_used_by_every_compiler_with_the_names_that_glibc_has(compiled, each_compiler: Compiler) -> None:
    """It is compiled and linked, where a function that is nowhere would be an error."""
    symbols = compiler_module._vector_symbols("x86_64", 64)
    flags = [flag for flag in each_compiler.flags if not flag.startswith("-m")]
    wide = replace(
        each_compiler,
        flags=(*flags, "-march=x86-64", *(f"-m{name}" for name in X86[64])),
        vector_bytes=64,
        vector_functions=tuple(symbols),
    )
    made = compiled(_functions, _inputs(2), loops=True, by=wide)
    assert made.source.width == 16
    said = _instructions("objdump", made.library)
    assert re.search(r"vfmadd\d+ps .*%zmm", said), "products of 16 numbers at once"
    if symbols and each_compiler.family == "gcc":
        names = re.findall(rb"_ZGV\w+", made.library.read_bytes())
        assert {symbols["exp"][1], symbols["sin"][0]} <= {name.decode() for name in names}


@pytest.mark.slow
def test_neon_multiplies_four_numbers_at_once(compiled, arm) -> None:
    made = compiled(_functions, _inputs(9), loops=True, by=arm.compiler, run=arm.run)
    assert re.search(r"fmla\s+v\d+\.4s", _instructions("aarch64-linux-gnu-objdump", made.library))
    inputs = _inputs(9)
    found = made(inputs)
    for lane in range(9):
        expected = _functions(inputs["x"][lane], inputs["y"][lane], inputs["batch:0"])
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one[lane], other.double(), rtol=1e-4, atol=1e-5)


def _instructions(tool: str, library: Path) -> str:
    """A library as text."""
    if shutil.which(tool) is None:
        pytest.skip(f"there is no {tool}")
    return subprocess.run([tool, "-d", library], capture_output=True, text=True, check=True).stdout
