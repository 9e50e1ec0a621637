"""Numbers, expressions and loops as text, and as what a compiler makes of it."""

from __future__ import annotations

import ctypes
import math
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.engine.kernel.c_code import WrittenOut, argument_kinds, cast, expression, number, result_kind
from benchmarks.engine.kernel.loops import Functions
from benchmarks.engine.kernel.operations import FUNCTIONS, OPERATIONS
from benchmarks.engine.kernel.planning import grouped, layout
from benchmarks.engine.kernel.prelude import PRELUDE
from benchmarks.engine.kernel.program import GATHERINGS, Assign, Buffer, Kind, Place, View, whole

NUMBERS = (
    *(0.0, -0.0, 1.0, -1.5, 0.1, 1 / 3, 5e-324, -2.2e-308, 1.7976931348623157e308, 3.5e38, 1e-46, 16777217.0),
    *(math.inf, -math.inf, math.nan),
)
LARGEST = 2**63 - 1


def _view(name: str, *shape: int, kind: Kind = Kind.F64, lanes: bool = True, place: Place = Place.WORK) -> View:
    return whole(Buffer(name, kind, math.prod(shape), lanes, place), shape)


def _bits(value: float, kind: Kind) -> bytes:
    return b"NaN" if math.isnan(value) else struct.pack("f" if kind is Kind.F32 else "d", value)


@pytest.mark.parametrize("kind", [Kind.F32, Kind.F64])
def test_numbers_are_the_same_in_c_to_the_bit(compiled, tmp_path, kind):
    values = [number(value, kind) for value in NUMBERS]
    whole_numbers = [number(value, Kind.I64) for value in (0, -1, LARGEST, -LARGEST, -(2**63), True)]
    text = f"#include <math.h>\n#include <stdint.h>\nconst {kind.value} reals[] = {{{', '.join(values)}}};\n"
    text += f"const int64_t wholes[] = {{{', '.join(whole_numbers)}}};\n"
    compiled.compiler.build(text, tmp_path / "numbers.so")
    library = ctypes.CDLL(str(tmp_path / "numbers.so"))
    of_kind = ctypes.c_float if kind is Kind.F32 else ctypes.c_double
    found = list((of_kind * len(NUMBERS)).in_dll(library, "reals"))
    dtype = torch.float32 if kind is Kind.F32 else torch.float64
    expected = torch.tensor(NUMBERS, dtype=torch.float64).to(dtype).tolist()
    assert [_bits(value, kind) for value in found] == [_bits(value, kind) for value in expected]
    assert list((ctypes.c_int64 * 6).in_dll(library, "wholes")) == [0, -1, LARGEST, -LARGEST, -(2**63), 1]


def test_a_number_below_zero_keeps_its_minus_to_itself():
    assert expression("sub", ["x", number(-2.0, Kind.F64)], Kind.F64) == "x - (-0x1.0000000000000p+1)"


def test_functions_are_those_of_the_kind():
    assert expression("exp", ["x"], Kind.F32) == "expf(x)"
    assert expression("pow", ["x", "y"], Kind.F64) == "pow(x, y)"
    for name, count in FUNCTIONS.items():
        assert expression(name, ["x", "y"][:count], Kind.F32) == f"{name}f({', '.join(['x', 'y'][:count])})"


def test_a_truth_is_whether_a_number_is_not_zero():
    assert cast("v1", Kind.F32, Kind.BOOL) == "((v1) != 0)"
    assert cast("a & b", Kind.I64, Kind.BOOL) == "((a & b) != 0)"
    assert cast("v1", Kind.BOOL, Kind.F64) == "(double)(v1)"
    assert cast("v1", Kind.F64, Kind.F64) == "v1"


def test_a_choice_hangs_on_a_truth_whatever_it_chooses_between():
    chosen = Assign(_view("a", 2), "where", (_view("c", 2), _view("x", 2), _view("y", 2)), Kind.F32)
    assert argument_kinds(chosen) == [Kind.BOOL, Kind.F32, Kind.F32]
    assert result_kind(chosen) is Kind.F32
    assert result_kind(replace(chosen, operation="lt", arguments=chosen.arguments[:2])) is Kind.BOOL


def test_what_numbers_are_gathered_by_takes_two():
    for name in GATHERINGS:
        assert "{1}" in OPERATIONS[name]
        assert "{2}" not in OPERATIONS[name]


def test_a_statement_written_out_is_a_variable_for_every_number():
    x, y = _view("x", 2, place=Place.GIVEN), _view("s", 2, lanes=False, place=Place.GIVEN)
    out = _view("a", 2)
    written = WrittenOut([Assign(out, "mul", (x, y.as_strided((2,), (-1,), 1)), Kind.F64)])
    assert written.lines == ["const double v1 = x[0 * W + l] * s[1];", "const double v2 = x[1 * W + l] * s[0];"]
    assert written.read(out, Kind.F32) == ["(float)(v1)", "(float)(v2)"]


def test_what_lanes_share_is_written_out_before_the_loop_over_lanes():
    s, a = (_view(name, 1, lanes=False, place=place) for name, place in (("s", Place.GIVEN), ("a", Place.WORK)))
    written = WrittenOut([Assign(a, "neg", (s,), Kind.F64)])
    assert (written.shared, written.lines) == (["const double v1 = -s[0];"], [])


def test_groups_that_do_the_same_to_other_numbers_are_one_function():
    x = _view("x", 4, 3, place=Place.GIVEN)
    outs = [_view(name, 2, 3) for name in "ab"]
    rows = [x.as_strided((2, 3), (3, 1), at) for at in (0, 6)]
    functions = Functions()
    calls = []
    for out, row in zip(outs, rows, strict=True):
        (group,) = grouped([Assign(out, "exp", (row,), Kind.F64)])
        placed = layout([group], [out.buffer], 8)
        calls.append(functions.call(group, placed, {b: b.name for b in group.buffers}))
    assert calls == ["loop0(x, a);", "loop0(x + 6 * W, b);"]
    assert len(functions.texts) == 1
    assert functions.definitions().startswith("static LOOP void loop0(const double *restrict p0, double *restrict p1)")


def test_a_function_of_other_strides_is_another():
    x, out = _view("x", 2, 3, place=Place.GIVEN), _view("a", 2, 3)
    functions = Functions()
    for view in (x, x.as_strided((2, 3), (-3, 1), 3)):
        (group,) = grouped([Assign(out, "exp", (view,), Kind.F64)])
        functions.call(group, layout([group], [out.buffer], 8), {b: b.name for b in group.buffers})
    assert len(functions.texts) == 2


def _gathered(compiled, folder: Path, statement: Assign, out: View, *, loops: bool) -> list[float]:
    """What a statement makes of 1, 2, 3, … in the first lane and their negatives in the second, in all lanes."""
    x = statement.arguments[0].buffer
    if loops:
        groups = grouped([statement])
        functions = Functions()
        body = [functions.call(g, layout(groups, [x, out.buffer], 8), {b: b.name for b in g.buffers}) for g in groups]
        before = functions.definitions()
    else:
        written = WrittenOut([statement])
        before = ""
        stores = [f"{out.buffer.name}[{i} * W + l] = {text};" for i, text in enumerate(written.read(out, out.kind))]
        body = ["LANES {", *written.lines, *stores, "}"]
    text = f"#define W 8\n#define VECTOR 16\n{PRELUDE}\n{before}\n"
    text += f"void run(const double *{x.name}, double *{out.buffer.name}) {{\n" + "\n".join(body) + "\n}\n"
    compiled.compiler.build(text, folder / "one.so")
    given = torch.arange(1.0, x.size + 1, dtype=torch.float64)[:, None] * torch.tensor([1.0, -1.0] * 4).double()
    result = torch.zeros(out.size, 8, dtype=torch.float64)
    run = ctypes.CDLL(str(folder / "one.so")).run
    run(ctypes.c_void_p(given.contiguous().data_ptr()), ctypes.c_void_p(result.data_ptr()))
    return result[:, :2].t().tolist()


@pytest.mark.parametrize("operation", ["maximum", "minimum"])
def test_of_two_zeros_the_second_is_left_by_every_compiler(each_compiler, tmp_path, operation):
    """Also where the first is part of the text, and the second, as ever so often, in memory."""
    lines = [
        f"LANES y[{at} + l] = {expression(operation, [number(zero, Kind.F64), 'x[l]'], Kind.F64)};"
        for at, zero in ((0, 0.0), (8, -0.0))
    ]
    head = f"#define W 8\n#define VECTOR 16\n{PRELUDE}\n"
    text = head + "\n".join(["void run(const double *restrict x, double *restrict y) {", *lines, "}"])
    each_compiler.build(text, tmp_path / "zeros.so")
    x, y = (ctypes.c_double * 8)(*[0.0, -0.0] * 4), (ctypes.c_double * 16)(*[1.0] * 16)
    ctypes.CDLL(str(tmp_path / "zeros.so")).run(x, y)
    assert [str(value) for value in y] == ["0.0", "-0.0"] * 8


def test_what_stands_before_a_kernel_asks_nothing_that_a_compiler_of_before_2020_has_not(real, tmp_path):
    if real.family == "clang":
        pytest.skip("clang has had __has_builtin for longer")
    older = replace(real, flags=(*real.flags, "-U__has_builtin"))
    older.build(f"#define W 8\n#define VECTOR 16\n{PRELUDE}", tmp_path / "nothing.so")


@pytest.mark.parametrize("loops", [False, True], ids=["written out", "loops"])
@pytest.mark.parametrize(
    ("operation", "into", "first", "expected"),
    [
        ("add", "mul", 1, [[(1 + 1) * (2 + 2) * (3 + 3)], [-48]]),
        ("sub", "add", 10, [[10], [10]]),
        ("maximum", "add", 0, [[6], [-6]]),
        ("gt", "add", 0, [[0], [0]]),
        ("copy", "minimum", math.inf, [[1], [-3]]),
    ],
)
def test_what_is_computed_while_it_is_gathered_is_computed_first(
    compiled, tmp_path, operation, into, first, expected, loops
):
    x, out = _view("x", 3, place=Place.GIVEN), _view("a", 1)
    arguments = (x,) if operation == "copy" else (x, x)
    statement = Assign(out.as_strided((3,), (0,), 0), operation, arguments, Kind.F64, into, first)
    assert _gathered(compiled, tmp_path, statement, out, loops=loops) == expected
