"""Torch's graphs as statements: what they become, that no index leaves its buffer, what is refused in what words."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks.engine.kernel.builder import Builder
from benchmarks.engine.kernel.lowering import LOWERINGS, lower
from benchmarks.engine.kernel.operations import OPERATIONS, TORCH
from benchmarks.engine.kernel.program import GATHERINGS, Assign, Kind, MatMul, Pick, Place, Program, View
from benchmarks.engine.kernel.refusal import NotCompiledError
from benchmarks.engine.kernel.tracing import trace_function

X = torch.arange(12, dtype=torch.float32).view(3, 4)
INDEX = torch.tensor([2, 0, 1])


def _lowered(function, **inputs) -> Program:
    return lower(trace_function(lambda *given: [function(*given)], inputs or {"x": X}))


def _refused(function, **inputs) -> str:
    with pytest.raises(NotCompiledError) as caught:
        _lowered(function, **inputs)
    return str(caught.value)


def test_views_cost_no_statement():
    program = _lowered(lambda x: x.t().flip(0)[1:, ::2].unsqueeze(1).expand(3, 5, 2).permute(2, 0, 1).detach())
    (copy,) = program.statements  # an output has numbers of its own, because an input may be written over
    assert isinstance(copy, Assign)
    assert (copy.operation, copy.arguments[0].shape, copy.arguments[0].strides) == ("copy", (2, 3, 5), (8, -1, 0))
    assert copy.arguments[0].buffer == program.inputs["x"].buffer


def test_an_operation_is_one_statement_over_its_arguments_broadcast():
    program = _lowered(lambda x, y: x - y, x=X, y=X[:, :1])
    (statement,) = program.statements
    assert (statement.operation, statement.kind, statement.out.shape) == ("sub", Kind.F32, (3, 4))
    assert [view.strides for view in statement.arguments] == [(4, 1), (1, 0)]
    assert statement.out == program.outputs["0"]


def test_a_reduction_stays_where_it_is_along_its_axes():
    (statement,) = _lowered(lambda x: x.sum(0)).statements
    assert (statement.into, statement.first, statement.out.shape, statement.out.strides) == ("add", 0, (3, 4), (0, 1))


def test_a_product_is_one_statement_for_each_matrix():
    statements = _lowered(lambda x, y: x @ y, x=torch.ones(2, 3, 4), y=torch.ones(2, 4, 5)).statements
    assert [type(statement) for statement in statements] == [MatMul, MatMul]
    assert [statement.left.offset for statement in statements] == [0, 12]


def test_what_hangs_on_no_input_is_computed_once_by_torch():
    program = _lowered(lambda x: x * (torch.arange(4.0).exp() - 1).view(1, 4))
    (statement,) = program.statements
    (constant,) = program.constants.values()
    assert constant.equal((torch.arange(4.0).exp() - 1).view(1, 4))
    assert statement.arguments[1].buffer.place is Place.CONSTANT


def test_a_constant_of_one_number_is_a_literal_but_not_of_zeros_of_two_signs():
    alike = _lowered(lambda x: x * torch.full((4,), -2.5)).statements[-1].arguments[1]
    assert (alike.buffer, alike.value, alike.shape) == (None, -2.5, (3, 4))
    assert len(_lowered(lambda x: x / torch.tensor([0.0, -0.0, 0.0, 0.0])).constants) == 1


def test_places_of_one_axis_are_not_taken_for_those_of_another():
    program = _lowered(lambda x: torch.cat([x.argmax(0), x.argmax(1), x[:2].argmax(0), x[:, 1:].argmax(1)]))
    lengths = [len(program.constants[name]) for name in program.constants]
    assert lengths == [3, 4, 2, 3]


def test_a_constant_is_not_taken_for_one_that_is_forgotten():
    """Python gives the memory of one forgotten tensor to the next, so that its identity alone is no name for it."""
    builder = Builder()
    assert [builder.view(torch.arange(count)).size for count in range(2, 60)] == list(range(2, 60))


def test_shared_inputs_and_what_follows_from_them_have_one_number_for_all_lanes():
    given = {"x": X, "batch:0": X, "t": torch.tensor(2.0)}
    program = _lowered(lambda x, b, t: x + (b * t).exp(), **given)
    assert [view.lanes for view in program.inputs.values()] == [True, False, False]
    assert [statement.out.lanes for statement in program.statements] == [False, False, True]


def test_one_tensor_given_twice_is_two_inputs():
    program = _lowered(lambda x, y: x - y, x=X, y=X)
    (statement,) = program.statements
    assert [view.buffer for view in statement.arguments] == [view.buffer for view in program.inputs.values()]


def test_an_output_that_is_another_input_has_numbers_of_its_own():
    """Else it would be read after what it looks at was written over."""
    program = _lowered(lambda x, y: x[0, 0], x=X, y=X)
    assert program.outputs["0"].buffer.place is Place.WORK
    turned = replace(trace_function(lambda x: [x.flip(0)], {"x": X}), outputs=("x",))
    assert lower(turned).outputs["x"].buffer.place is Place.WORK
    same = lower(replace(trace_function(lambda x: [x.clone()], {"x": X}), outputs=("x",)))
    assert same.outputs == same.inputs


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.cat([x.flip(0, 1), x[:, ::3].repeat(1, 2), x[-1:]]),
        lambda x: x.unfold(1, 3, 1).transpose(0, 2).reshape(-1, 2),
        lambda x: torch.nn.functional.pad(x.flip(1), (-1, 2, 1, -2)),
        lambda x: torch.slice_scatter(x, x[:, :2], 1, 0, 4, 2).diagonal(1).sum(),
        lambda x: x.cumsum(1).argmax(0) + x.roll(3, 0).tril().sum(0),
        lambda x: (x.t() @ x[:, :2]).softmax(0).amax((0, 1)),
        lambda x: x.index_put((INDEX, INDEX), x[:, 0], accumulate=True)[INDEX[:2], -INDEX[:2]],
        lambda x: x[:, :0].sum(1) + x[:0].reshape(2, 0, 2).sum(),
    ],
)
def test_no_index_leaves_its_buffer(function):
    program = _lowered(function)
    views = [view for s in program.statements for view in (s.out, *s.arguments)]
    for view in [*views, *program.outputs.values()]:
        if view.buffer is not None and view.size:
            places = list(view.places())
            assert len(places) == view.size
            assert min(places) >= 0
            assert max(places) < view.buffer.size
    for statement in program.statements:
        if isinstance(statement, Pick):
            chosen = statement.out if statement.back else statement.source
            assert statement.index.shape == (statement.source if statement.back else statement.out).shape
            assert chosen.shape[statement.axis] > 0


def test_tables_name_operations_that_there_are():
    assert set(TORCH.values()) | set(GATHERINGS) <= OPERATIONS.keys()
    assert not set(TORCH) & set(LOWERINGS)
    for name in {*TORCH, *LOWERINGS}:
        assert hasattr(torch.ops.aten, name), name


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (torch.linalg.svdvals, "operation aten._linalg_svd.default"),
        (lambda x: x.sort().values, "operation aten.sort.default"),
        (lambda x: torch.div(x, 3, rounding_mode="trunc"), "operation aten.div.Tensor_mode with rounding_mode"),
        (lambda x: x.view(torch.int32), "numbers of int32"),
        (torch.Tensor.half, "numbers of float16"),
        (lambda x: x.bfloat16() * 2, "numbers of bfloat16"),
        (lambda x: torch.complex(x, x).abs(), "operation aten.complex.default"),
        (lambda x: x.to(torch.complex64).abs(), "numbers of complex64"),
        (lambda x: x.to(torch.int16), "numbers of int16"),
        (lambda x: x + torch.randn(4), "operation aten.randn.default, whose numbers are random"),
        (torch.nn.functional.dropout, "whose numbers are random"),
        (lambda x: x + torch.rand_like(x), "whose numbers are random"),
        (lambda x: x.bernoulli(0.5), "whose numbers are random"),
        (lambda x: x * 2 if x.sum() > 0 else x, "a branch, or a number, taken from the numbers themselves"),
        (lambda x: x * x.max().item(), "a branch, or a number, taken from the numbers themselves"),
        (lambda x: x[:, x.argmax(1)], "operation aten.index.Tensor by numbers that differ between lanes"),
        (
            lambda x: x.gather(0, x.argmax(0)[None]),
            "operation aten.gather.default by numbers that differ between lanes",
        ),
        (lambda x: x.index_select(0, x.long()[0, :2]), "by numbers that differ between lanes"),
        (lambda x: x[None].repeat(2, 1, 1)[INDEX[1:2] * 0, :, INDEX[:1]], "along axes apart from each other"),
        (lambda x: x.long() @ x.long().t(), "operation aten.mm.default of whole numbers"),
        (lambda x: x.long() & 3, "of whole numbers"),
        (lambda x: torch.addmm(x[0], x, x.t() @ x, alpha=2), "operation addmm with factors"),
        (lambda x: _raises(), "tracing: ValueError: not today"),
    ],
)
def test_what_is_left_to_torch_is_named_in_a_few_words(function, words):
    assert words in _refused(function)


def _raises():
    raise ValueError("not today")


def test_a_view_without_strides_for_a_shape_says_so():
    view = View(None, Kind.F64, (2, 3), (0, 0), 0, 1.0)
    assert view.reshape((6,)).shape == (6,)
    program = _lowered(lambda x: x)
    x = program.inputs["x"]
    turned = x.as_strided((4, 3), (1, 4), 0)
    assert turned.reshape((12,)) is None
    assert turned.reshape((2, 2, 3)).strides == (2, 1, 4)
    assert list(turned.reshape((2, 2, 3)).places()) == list(turned.places())
    assert x.as_strided((3, 0), (4, 1), 0).reshape((0, 7)).shape == (0, 7)
