"""Rules that see matrices: lanes over a layout are the same runs alone, over a model's own parameters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from optimizers import BUILTIN, OptimizerSpec, RuleOptimizer
from optimizers.adafactor import Adafactor
from optimizers.adam import Adam
from optimizers.averages import Averaged, Lookahead, ScheduleFree
from optimizers.layerwise import LAMB, LARS
from optimizers.layout import LayoutRule
from optimizers.muon import Muon
from optimizers.rule import Hyperparameter, Hyperparameters, State, as_like
from optimizers.shampoo import SOAP, FullAdagrad, Shampoo
from optimizers.wrappers import Cautious, ClippedByNorm, ClippedByValue, Decayed, Maximized

SPECS = [spec for spec in BUILTIN if isinstance(spec.rule, LayoutRule)]
LAYOUT: tuple[tuple[int, ...], ...] = ((6, 4), (6,), (3, 2, 2, 3), (), (1, 5))
NUMBERS = sum(map(math.prod, LAYOUT))
C, S, STEPS = 3, 2, 12

every_rule = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
every_precision = pytest.mark.parametrize(
    "dtype", [torch.float32, pytest.param(torch.float64, marks=pytest.mark.slow)], ids=str
)


def gradients(dtype: torch.dtype) -> Tensor:
    """[STEPS, C, S, NUMBERS]."""
    generator = torch.Generator().manual_seed(2)
    return torch.randn(STEPS, C, S, NUMBERS, generator=generator, dtype=torch.float64).to(dtype)


def values(spec: OptimizerSpec) -> dict[str, list[float]]:
    return {
        knob.name: [knob.at(0.45 + 0.1 * c) if knob.name in spec.searched else knob.default for c in range(C)]
        for knob in spec.hyperparameters
    }


def in_lanes(spec: OptimizerSpec, gs: Tensor) -> Tensor:
    rule = spec.rule.bound(LAYOUT)
    x = torch.linspace(-1, 1, NUMBERS, dtype=gs.dtype).expand(C, S, -1).clone()
    state = rule.init(x)
    hp = {name: torch.tensor(each, dtype=torch.float64).view(-1, 1, 1) for name, each in values(spec).items()}
    for t, g in enumerate(gs, start=1):
        rule.step_(x, g, state, hp, t)
    return x


def parts(v: Tensor) -> list[Tensor]:
    return [part.view(shape) for part, shape in zip(v.split(list(map(math.prod, LAYOUT))), LAYOUT, strict=True)]


def alone(spec: OptimizerSpec, gs: Tensor, c: int) -> Tensor:
    """What `RuleOptimizer` makes of parameters of these shapes."""
    tensors = [part.clone().requires_grad_() for part in parts(torch.linspace(-1, 1, NUMBERS, dtype=gs.dtype))]
    optimizer = RuleOptimizer(tensors, spec.rule, **{name: each[c] for name, each in values(spec).items()})
    for g in gs:
        for p, part in zip(tensors, parts(g), strict=True):
            p.grad = part.clone()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in tensors])


@every_precision
@every_rule
def test_a_lane_over_a_layout_ends_where_a_model_of_such_parameters_ends(
    spec: OptimizerSpec, dtype: torch.dtype
) -> None:
    gs = gradients(dtype)
    together = in_lanes(spec, gs)
    for c, s in ((0, 0), (1, 1), (2, 0)):
        own = alone(spec, gs[:, c, s], c)
        if spec.rule.to_the_bit:
            assert torch.equal(together[c, s], own)
        else:  # products and eigenvalues are rounded by where in memory a matrix lies
            close = 1e-8 if dtype == torch.float64 else 1e-3  # of a singular matrix, half of the digits
            torch.testing.assert_close(together[c, s], own, rtol=close, atol=close)


WRAPPED = {
    "lookahead": Lookahead(Shampoo(), every=3),
    "ema": Averaged(Muon()),
    "decayed": Decayed(Shampoo(), "decoupled"),
    "uphill": Maximized(LAMB()),
    "clip": ClippedByNorm(LARS()),
    "cautious": Cautious(LAMB()),
    "schedule-free": ScheduleFree(Adafactor()),
    "two of them": Lookahead(ClippedByValue(SOAP())),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_what_stands_around_a_rule_hands_it_the_layout_and_where_x_is(name: str) -> None:
    rule = WRAPPED[name]
    spec = OptimizerSpec(name, rule, ("lr", None), "a test", "a rule around one that sees matrices")
    gs = gradients(torch.float64)
    together = in_lanes(spec, gs)
    assert rule.bound(LAYOUT) != rule
    assert rule.to_the_bit == rule.rule.to_the_bit
    for c, s in ((0, 0), (2, 1)):
        torch.testing.assert_close(together[c, s], alone(spec, gs[:, c, s], c), rtol=1e-10, atol=1e-10)


@every_rule
def test_neighbours_never_influence_a_lane_of_matrices_even_when_they_overflow(spec: OptimizerSpec) -> None:
    gs = gradients(torch.float32)
    loud = gs.clone()
    loud[:, 0], loud[3:, 2, 0], loud[:, 2, 1] = torch.nan, torch.inf, 3e38
    assert torch.equal(in_lanes(spec, loud)[1], in_lanes(spec, gs)[1])


@every_rule
def test_a_state_of_matrices_is_a_vector_for_each_lane(spec: OptimizerSpec) -> None:
    x = torch.zeros(C, S, NUMBERS)
    state = spec.rule.bound(LAYOUT).init(x)
    assert state
    for tensor in state.values():
        assert tensor.shape[:-1] == (C, S)
        assert tensor.dtype in (torch.float32, torch.float64)


@every_rule
def test_elementwise_rules_see_no_layout_and_others_are_told_it_once(spec: OptimizerSpec) -> None:
    rule = spec.rule.bound(LAYOUT)
    assert rule != spec.rule
    assert rule.bound(LAYOUT) is rule
    assert rule.bound(LAYOUT[:2]) != rule
    others = [each.rule for each in BUILTIN if not isinstance(each.rule, LayoutRule | Cautious)]  # which counts in each
    assert all(other.bound(LAYOUT) is other for other in others)


def test_a_cautious_rule_is_told_how_many_numbers_each_tensor_has_once() -> None:
    rule = Cautious(Adam()).bound(LAYOUT)
    assert rule.sizes == tuple(math.prod(shape) for shape in LAYOUT)
    assert rule.bound(LAYOUT) is rule


@every_rule
def test_a_layout_of_another_length_than_the_vector_is_refused(spec: OptimizerSpec) -> None:
    with pytest.raises(ValueError, match=f"are no vector of {NUMBERS + 1} numbers"):
        spec.rule.bound(LAYOUT).init(torch.zeros(NUMBERS + 1))


@every_rule
def test_the_state_of_a_model_survives_a_checkpoint(spec: OptimizerSpec) -> None:
    gs = gradients(torch.float32)[:, 0, 0]

    def model() -> list[Tensor]:
        return [part.clone().requires_grad_() for part in parts(torch.linspace(-1, 1, NUMBERS))]

    def steps(optimizer: torch.optim.Optimizer, tensors: Sequence[Tensor], given: Tensor) -> None:
        for g in given:
            for p, part in zip(tensors, parts(g), strict=True):
                p.grad = part.clone()
            optimizer.step()

    whole, first = model(), model()
    steps(spec.torch(whole), whole, gs)
    half = spec.torch(first)
    steps(half, first, gs[:5])
    second = [p.detach().clone().requires_grad_() for p in first]
    resumed = spec.torch(second)
    resumed.load_state_dict(half.state_dict())
    steps(resumed, second, gs[5:])
    assert all(torch.equal(one, other) for one, other in zip(whole, second, strict=True))


def test_a_state_of_a_vector_is_refused_for_a_matrix() -> None:
    vector, matrix = torch.ones(6, requires_grad=True), torch.ones(2, 3, requires_grad=True)
    of_vector, of_matrix = (RuleOptimizer([p], Shampoo()) for p in (vector, matrix))
    vector.grad = torch.ones(6)
    of_vector.step()
    with pytest.raises(ValueError, match=r"Shampoo keeps \['left', 'right'\], the saved state has \['left', 'step'\]"):
        of_matrix.load_state_dict(of_vector.state_dict())


@pytest.mark.parametrize(
    ("rule", "shape", "message"),
    [
        (FullAdagrad(), (50, 41), "at most of 2,000 rows; of .2050. it would have 2,050; shampoo"),
        (Shampoo(), (3, 2001), "square matrix of every axis of a tensor, at most of 2,000 rows"),
        (Shampoo(), (2001,), "square matrix of every axis of a tensor, at most of 2,000 rows"),
        (SOAP(), (2001, 3), "square matrices of both axes of a matrix, at most of 2,000 rows"),
    ],
)
def test_what_would_take_too_large_a_matrix_is_refused_with_what_to_take_instead(
    rule: LayoutRule, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rule.bound([shape])
    with pytest.raises(ValueError, match=message):
        RuleOptimizer([torch.zeros(shape, requires_grad=True)], rule)


def test_soap_takes_vectors_of_every_length() -> None:
    assert SOAP().bound([(5000,)]).layout == ((5000,),)


@dataclass(frozen=True)
class Rows(LayoutRule):
    """Steps by the mean gradient of each row: what a rule of somebody's own may do with a shape."""

    hyperparameters = (Hyperparameter("lr", default=0.1, low=1e-5, high=1.0, scale="log"),)

    def init_tensor(self, w: Tensor, axes: int) -> State:
        return {"seen": torch.zeros_like(w)} if axes == 2 else {}

    def step_tensor(self, w: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int, axes: int) -> Tensor:
        if axes == 2:
            state["seen"].add_(g)
        return (g.mean(-1, keepdim=True) if axes == 2 else g).expand_as(g) * as_like(-hp["lr"], g)


def test_a_rule_sees_each_tensor_as_its_shape_and_all_axes_after_the_first_as_one() -> None:
    rule = Rows().bound([(2, 2, 2), (3,)])
    x, g = torch.zeros(4, 1, 11), torch.arange(11.0).expand(4, 1, -1)
    state = rule.init(x)
    rule.step_(x, g, state, {"lr": torch.full((4, 1, 1), 0.5, dtype=torch.float64)}, 1)
    expected = torch.tensor([1.5] * 4 + [5.5] * 4 + [8.0, 9.0, 10.0]) * -0.5
    assert torch.equal(x, expected.expand(4, 1, -1))
    assert torch.equal(state["seen"], g[..., :8])
    with pytest.raises(TypeError, match="Rows steps by step_at"):
        rule.update(g, state, {"lr": 0.5}, 2)


def test_without_a_layout_all_is_one_vector() -> None:
    x, g = torch.zeros(11), torch.arange(11.0)
    Rows().step_(x, g, Rows().init(x), {"lr": 0.5}, 1)
    assert torch.equal(x, g * -0.5)
