"""Which statements share a loop, what needs memory and where, and what may be written over its input."""

from __future__ import annotations

import itertools

import pytest

from benchmarks.engine.kernel import planning
from benchmarks.engine.kernel.planning import (
    Group,
    costs,
    grouped,
    in_place,
    is_small,
    layout,
    needed,
    renamed,
    split,
)
from benchmarks.engine.kernel.program import (
    Assign,
    Buffer,
    Kind,
    MatMul,
    Pick,
    Place,
    Program,
    Statement,
    View,
    literal,
    whole,
)

WIDTH = 8


def _buffer(
    name: str, size: int = 6, *, lanes: bool = True, place: Place = Place.WORK, kind: Kind = Kind.F64
) -> Buffer:
    return Buffer(name, kind, size, lanes, place)


def _all(name: str, *shape: int, **more) -> View:
    size = 1
    for count in shape:
        size *= count
    return whole(_buffer(name, size, **more), shape)


def _given(name: str, *shape: int) -> View:
    return _all(name, *shape, place=Place.GIVEN)


def _add(out: View, *arguments: View) -> Assign:
    return Assign(out, "add", arguments, Kind.F64)


def _sum(out: View, view: View, axis: int) -> Assign:
    strides = iter(out.strides)
    spread = [0 if place == axis else next(strides) for place in range(len(view.shape))]
    return Assign(out.as_strided(view.shape, spread, 0), "copy", (view,), Kind.F64, "add", 0)


X, Y = _given("x", 2, 3), _given("y", 2, 3)
A, B, C = (_all(name, 2, 3) for name in "abc")
ROWS = _all("rows", 2)


def _names(groups: list[Group]) -> list[list[str]]:
    return [[statement.out.buffer.name for statement in group.statements] for group in groups]


def test_statements_of_one_shape_share_a_loop():
    assert _names(grouped([_add(A, X, Y), _add(B, A, X), _add(C, B, A)])) == [["a", "b", "c"]]


def test_a_statement_that_sees_numbers_in_another_order_waits_for_the_loop_to_end():
    turned = A.as_strided((3, 2), (1, 3), 0)
    wide = _all("wide", 3, 2)
    assert _names(grouped([_add(A, X, Y), _add(wide, turned, turned)])) == [["a"], ["wide"]]
    flipped = A.as_strided((2, 3), (-3, 1), 3)
    assert _names(grouped([_add(A, X, Y), _add(B, flipped, X)])) == [["a"], ["b"]]


def test_axes_of_one_number_make_no_difference():
    long = A.as_strided((1, 2, 1, 3), (6, 3, 3, 1), 0)
    assert _names(grouped([_add(A, X, Y), _add(_all("b", 1, 2, 1, 3), long, long)])) == [["a", "b"]]


def test_a_sum_is_read_in_a_later_loop_only():
    read = ROWS.as_strided((2, 3), (1, 0), 0)
    groups = grouped([_add(A, X, Y), _sum(ROWS, A, 1), _add(B, A, read)])
    assert _names(groups) == [["a", "rows"], ["b"]]


def test_sums_along_other_axes_are_other_loops():
    columns = _all("columns", 3)
    assert _names(grouped([_sum(ROWS, X, 1), _sum(columns, X, 0)])) == [["rows"], ["columns"]]


def test_what_lanes_share_is_another_loop():
    shared = [whole(_buffer(name, lanes=False), (2, 3)) for name in ("s", "t")]
    assert _names(grouped([_add(shared[0], shared[1], shared[1]), _add(A, X, X)])) == [["s"], ["a"]]


def test_products_and_picks_stand_alone():
    product = MatMul(_all("p", 2, 2), X, X.as_strided((3, 2), (1, 3), 0))
    index = whole(Buffer("i", Kind.I64, 6, False, Place.GIVEN), (2, 3))
    pick = Pick(_all("q", 2, 3), X, 0, index)
    assert _names(grouped([_add(A, X, X), product, _add(B, X, X), pick])) == [["a", "b"], ["p"], ["q"]]


def test_a_statement_is_done_as_early_as_what_it_needs_allows():
    read = ROWS.as_strided((2, 3), (1, 0), 0)
    statements = [_add(A, X, Y), _sum(ROWS, A, 1), _add(B, A, read), _add(C, X, X)]
    assert _names(grouped(statements)) == [["a", "rows", "c"], ["b"]]


def test_no_order_lets_a_statement_read_before_it_is_written_or_after_it_is_written_over():
    """Of every way to write to, read from and write again three buffers."""
    for order in itertools.product([A, B, C], repeat=4):
        writes = [_add(out, order[place - 1] if place else X, Y) for place, out in enumerate(order)]
        done: list[Statement] = [statement for group in grouped(writes) for statement in group.statements]
        values = {"x": 1, "y": 2}

        def run(statements, values=values):
            known = dict(values)
            for statement in statements:
                names = [view.buffer.name for view in statement.arguments]
                known[statement.out.buffer.name] = 3 * known[names[0]] + known[names[1]]
            return known

        assert run(done) == run(writes)


def test_statements_that_no_output_hangs_on_are_left_out():
    program = Program(outputs={"0": B}, statements=[_add(A, X, Y), _add(C, A, A), _add(B, A, X)])
    assert [statement.out for statement in needed(program)] == [A, B]


def test_every_write_to_part_of_a_needed_buffer_is_kept():
    first, second = A.as_strided((1, 3), (3, 1), 0), A.as_strided((1, 3), (3, 1), 3)
    parts = [_add(first, _given("u", 1, 3)), _add(second, _given("v", 1, 3))]
    assert needed(Program(outputs={"0": A}, statements=parts)) == parts


def test_what_hangs_on_nothing_that_changes_is_done_once():
    once, always = split([_add(A, Y, Y), _add(B, A, X), _add(C, A, Y)], [X.buffer])
    assert [s.out.buffer.name for s in once] == ["a", "c"]
    assert [s.out.buffer.name for s in always] == ["b"]


def test_a_buffer_of_which_a_part_changes_changes_as_a_whole():
    first, second = A.as_strided((1, 3), (3, 1), 0), A.as_strided((1, 3), (3, 1), 3)
    zeros = Assign(first, "copy", (literal(0, Kind.F64, (1, 3)),), Kind.F64)
    row = X.as_strided((1, 3), (3, 1), 0)
    once, always = split([zeros, _add(second, row, row), _add(B, A, A)], [X.buffer])
    assert (once, len(always)) == ([], 3)


def test_operations_are_counted_number_by_number():
    product = MatMul(_all("p", 2, 2), X, X.as_strided((3, 2), (1, 3), 0))
    assert costs([_add(A, X, Y), _sum(ROWS, A, 1), product]) == 6 + 6 + 2 * 4 * 3


def test_few_operations_are_written_out_but_picks_are_not(monkeypatch):
    monkeypatch.setattr(planning, "SMALL", 6)
    index = whole(Buffer("i", Kind.I64, 6, False, Place.GIVEN), (2, 3))
    assert is_small([_add(A, X, Y)])
    assert not is_small([_add(A, X, Y), _add(B, X, Y)])
    assert not is_small([Pick(A, X, 0, index)])


def _written_over(statements: list[Statement], result: View) -> bool:
    return in_place(grouped(statements), {X.buffer: result}) == {result.buffer: X.buffer}


def test_a_result_is_written_over_its_input_where_nothing_reads_that_later():
    assert _written_over([_add(A, X, Y)], A)
    assert _written_over([_add(B, X, X), _add(A, X, B)], A)
    assert not _written_over([_add(A, X, Y), _add(B, A, X)], A)
    assert not _written_over([_add(A, X, Y), _sum(ROWS, A, 1), _add(B, X, ROWS.as_strided((2, 3), (1, 0), 0))], A)


def test_a_result_is_not_written_over_an_input_that_is_read_elsewhere_in_the_same_turn():
    flipped = X.as_strided((2, 3), (-3, 1), 3)
    assert not _written_over([_add(A, flipped, Y)], A)
    assert not _written_over([_add(A, X.as_strided((2, 3), (3, 0), 0), Y)], A)


def test_a_result_is_not_written_over_its_input_where_it_is_another_shape_a_sum_or_in_parts():
    part = _all("part", 2, 2)
    assert not _written_over([_add(part, Y.as_strided((2, 2), (3, 1), 0))], part)
    assert not _written_over([_add(A, X, Y)], A.as_strided((3, 2), (1, 3), 0))
    total = _all("total", 2, 3)
    deep = _given("deep", 2, 3, 4)
    assert not _written_over([_sum(total, deep, 2)], total)
    halves = [_add(A.as_strided((1, 3), (3, 1), at), Y.as_strided((1, 3), (3, 1), at)) for at in (0, 3)]
    assert not _written_over(halves, A)


def test_a_renamed_group_reads_and_writes_the_other_buffer():
    (group,) = grouped([_add(A, X, Y), _add(B, A, A)])
    other = renamed(group, {A.buffer: X.buffer})
    assert [s.out.buffer.name for s in other.statements] == ["x", "b"]
    assert {view.buffer.name for view in other.statements[1].arguments} == {"x"}


def test_what_one_turn_writes_and_reads_needs_no_memory():
    groups = grouped([_add(A, X, Y), _add(B, A, X)])
    placed = layout(groups, [X.buffer, B.buffer], WIDTH)
    assert placed.inner == {A.buffer}
    assert A.buffer not in placed.places


@pytest.mark.parametrize("width", [2, 4, 16])
def test_buffers_that_live_at_once_never_share_memory(width):
    """Of a chain in which each loop reads what the two before it have written."""
    chain = [_all(f"n{place}", 2, 3) if place % 2 else _all(f"n{place}", 3, 2) for place in range(12)]
    statements = [_add(chain[0], Y.as_strided((3, 2), (2, 1), 0)), _add(chain[1], X)]
    for place in range(2, 12):
        out = chain[place]
        before = [chain[place - 1].as_strided(out.shape, (1, out.shape[0]), 0), chain[place - 2]]
        statements.append(_add(out, *before))
    groups = grouped(statements)
    assert len(groups) > 9
    placed = layout(groups, [X.buffer, chain[-1].buffer], width)
    lives = {buffer: [n for n, group in enumerate(groups) if buffer in group.buffers] for buffer in placed.places}
    lives |= {buffer: [-1, len(groups)] for buffer in (X.buffer, chain[-1].buffer)}
    for one, other in itertools.combinations(placed.places, 2):
        apart = lives[one][-1] < lives[other][0] or lives[other][-1] < lives[one][0]
        begin, end = (placed.places[one], placed.places[one] + 8 * one.size * width)
        assert apart or placed.places[other] >= end or placed.places[other] + 8 * other.size * width <= begin
    assert all(place % 64 == 0 for place in placed.places.values())
    assert placed.size < 12 * 64 * -(-8 * 6 * width // 64)  # some is used twice


def test_a_shared_buffer_takes_the_memory_of_one_lane():
    shared = whole(_buffer("s", 100, lanes=False), (100,))
    turned = shared.as_strided((100,), (-1,), 99)
    wide = _all("wide", 100)
    groups = grouped([_add(shared, literal(1, Kind.F64, (100,))), _add(wide, turned)])
    assert layout(groups, [], WIDTH).size == 832  # 800 bytes, up to a whole number of vectors
    assert layout(groups, [wide.buffer], WIDTH).size == 832 + 800 * WIDTH
