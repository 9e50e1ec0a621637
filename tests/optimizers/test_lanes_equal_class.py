"""One definition, two uses: many lanes at once give, to the bit, what `RuleOptimizer` gives each of them alone.

Rules that take products or eigenvalues of matrices give it to rounding: their libraries round by where in memory a
matrix lies. These gradients span 22 orders of magnitude, which their squares in a matrix make 44.
"""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from optimizers import BUILTIN, SCHEDULES, OptimizerSpec, RuleOptimizer, Schedule
from optimizers.lr_schedules import Cosine, Warmup
from optimizers.memory_schedules import BiasCorrection

C, S, P, STEPS = 5, 2, 13, 20
POSITIONS = (0.0, 0.21, 0.5, 0.83, 1.0)  # of the search range; both ends are the hardest arithmetic

every_rule = pytest.mark.parametrize("spec", BUILTIN, ids=lambda spec: spec.name)
every_precision = pytest.mark.parametrize(
    "dtype", [torch.float32, pytest.param(torch.float64, marks=pytest.mark.slow)], ids=str
)


def configurations(spec: OptimizerSpec, *, all_vary: bool = True) -> dict[str, list[float]]:
    """C values of every hyperparameter: the searched ones over their whole range, the others about their default."""
    return {
        knob.name: [
            knob.at(POSITIONS[(c + place) % C])
            if knob.name in spec.searched
            else knob.default * (1 - 0.1 * c * all_vary)
            for c in range(C)
        ]
        for place, knob in enumerate(spec.hyperparameters)
    }


def gradients(dtype: torch.dtype) -> Tensor:
    """[STEPS, C, S, P]: from vanishing to large, with turning signs and exact zeros."""
    generator = torch.Generator().manual_seed(11)
    g = torch.randn(STEPS, C, S, P, generator=generator, dtype=torch.float64)
    g = g * torch.logspace(-18, 4, P, dtype=torch.float64)
    g[5:8, :, :, 3:7] = 0
    return g.to(dtype)


def start(dtype: torch.dtype) -> Tensor:
    return torch.linspace(-3, 3, S * P, dtype=dtype).view(S, P)


def in_lanes(
    spec: OptimizerSpec, values: Mapping[str, list[float]], gs: Tensor, schedules: Mapping[str, Schedule]
) -> Tensor:
    x = start(gs.dtype).expand(gs.shape[1], -1, -1).clone()
    state = spec.rule.init(x)
    columns = {  # what does not vary stays a float, as in the engine
        name: torch.tensor(v, dtype=torch.float64).view(-1, 1, 1) if len(set(v)) > 1 else v[0]
        for name, v in values.items()
    }
    for t, g in enumerate(gs, start=1):
        hp = {name: schedules[name](v, t, STEPS) if name in schedules else v for name, v in columns.items()}
        spec.rule.step_(x, g, state, hp, t)
    return x


def alone(
    spec: OptimizerSpec, values: Mapping[str, list[float]], gs: Tensor, schedules: Mapping[str, Schedule]
) -> Tensor:
    ends = torch.empty(C, S, P, dtype=gs.dtype)
    for c in range(C):
        for s in range(S):
            x = start(gs.dtype)[s].clone().requires_grad_()
            hp = {name: v[c] for name, v in values.items()}
            optimizer = RuleOptimizer([x], spec.rule, schedules=schedules, steps=STEPS, **hp)
            for g in gs[:, c, s]:
                x.grad = g.clone()
                optimizer.step()
            ends[c, s] = x.detach()
    return ends


def assert_same(spec: OptimizerSpec, ends: Tensor, expected: Tensor) -> None:
    if spec.rule.to_the_bit:
        assert torch.equal(ends, expected)
    else:
        largest = expected.abs().amax(-1, keepdim=True)
        assert ((ends - expected).abs() <= 2e-3 * largest).all()


@every_precision
@every_rule
def test_a_lane_ends_where_the_run_alone_ends(spec: OptimizerSpec, dtype: torch.dtype) -> None:
    values, gs = configurations(spec), gradients(dtype)
    together = in_lanes(spec, values, gs, {})
    separate = alone(spec, values, gs, {})
    assert torch.isfinite(separate).all()
    assert_same(spec, together, separate)


@every_rule
def test_a_lane_equals_the_run_alone_under_schedules_of_lr_and_of_every_memory(spec: OptimizerSpec) -> None:
    schedules: dict[str, Schedule] = {
        knob.name: BiasCorrection() if knob.is_memory else Warmup(then=Cosine())
        for knob in spec.hyperparameters
        if knob.name == "lr" or knob.is_memory
    }
    values, gs = configurations(spec, all_vary=False), gradients(torch.float64)
    together = in_lanes(spec, values, gs, schedules)
    assert_same(spec, together, alone(spec, values, gs, schedules))


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_keeps_lanes_equal_to_the_run_alone(name: str) -> None:
    spec = next(spec for spec in BUILTIN if spec.name == "rmsprop")
    schedules = {"gamma" if SCHEDULES[name].kind == "memory" else "lr": SCHEDULES[name]()}
    values, gs = configurations(spec), gradients(torch.float32)
    together = in_lanes(spec, values, gs, schedules)
    assert torch.equal(alone(spec, values, gs, schedules), together)


@every_rule
def test_neighbours_never_influence_a_lane_even_when_they_overflow(spec: OptimizerSpec) -> None:
    values, gs = configurations(spec), gradients(torch.float32)
    quiet = in_lanes(spec, {name: v[1:2] for name, v in values.items()}, gs[:, 1:2], {})
    loud = gs.clone()
    loud[:, 0], loud[:, 2], loud[:, 3], loud[:, 4] = torch.inf, torch.nan, 3e38, 0.0
    together = in_lanes(spec, values, loud, {})
    assert torch.equal(together[1:2], quiet)


@every_rule
def test_the_gradient_is_never_written(spec: OptimizerSpec) -> None:
    gs = gradients(torch.float32)
    before = gs.clone()
    in_lanes(spec, configurations(spec), gs, {})
    assert torch.equal(gs, before)


@every_rule
def test_the_state_is_advanced_in_place(spec: OptimizerSpec) -> None:
    gs = gradients(torch.float64)
    x = start(torch.float64).expand(C, -1, -1).clone()
    state = spec.rule.init(x)
    tensors = dict(state)
    hp = {knob.name: knob.default for knob in spec.hyperparameters}
    for t, g in enumerate(gs[:3], start=1):
        unmoved = x.clone()
        spec.rule.step_at(x, g, state, hp, t)
        assert torch.equal(x, unmoved)
    assert state.keys() == tensors.keys()
    assert all(state[name] is tensor for name, tensor in tensors.items())


@every_rule
def test_a_state_is_shaped_like_the_parameters_or_has_one_number_a_lane(spec: OptimizerSpec) -> None:
    x = torch.zeros(C, S, P)
    square = P**2 if spec.name in ("adagrad-full", "shampoo") else P  # which keep a matrix of a vector
    for tensor in spec.rule.init(x).values():
        assert tensor.shape in ((C, S, P), (C, S, 1), (C, S, square))
        assert tensor.dtype == (torch.float32 if tensor.shape[-1] == P else torch.float64)
