"""`RuleOptimizer` as a drop-in `torch.optim.Optimizer`: groups, state and schedulers."""

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optimizers import BUILTIN, OptimizerSpec, RuleOptimizer
from optimizers.adam import Adam
from optimizers.lr_schedules import Cosine
from optimizers.memory_schedules import GammaLinear
from optimizers.rmsprop import RMSProp
from optimizers.sgd import SGD, Momentum

SPECS = {spec.name: spec for spec in BUILTIN}

every_rule = pytest.mark.parametrize("spec", BUILTIN, ids=lambda spec: spec.name)


def model(dtype: torch.dtype = torch.float32) -> nn.Sequential:
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1)).to(dtype)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator))
    return net


def take(optimizer: torch.optim.Optimizer, net: nn.Module, steps: int) -> None:
    generator = torch.Generator().manual_seed(6)
    first = next(net.parameters())
    x = torch.randn(8, 4, generator=generator).to(first.dtype)
    for _ in range(steps):
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()


def points(net: nn.Module) -> Tensor:
    return torch.cat([p.detach().reshape(-1) for p in net.parameters()])


def one_step(p: Tensor, optimizer: torch.optim.Optimizer, g: Tensor) -> Tensor:
    p.grad = g.clone()
    optimizer.step()
    return p.detach()


@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.float64, marks=pytest.mark.slow)], ids=str)
@every_rule
def test_a_run_continued_from_its_saved_state_is_the_unbroken_run_to_the_bit(
    spec: OptimizerSpec, dtype: torch.dtype
) -> None:
    unbroken = model(dtype)
    take(spec.torch(unbroken.parameters()), unbroken, 9)

    begun = model(dtype)
    optimizer = spec.torch(begun.parameters())
    take(optimizer, begun, 4)
    file = io.BytesIO()
    torch.save({"net": begun.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)

    continued = model(dtype)
    resumed = spec.torch(continued.parameters(), lr=0.123)  # the saved value replaces it
    continued.load_state_dict(saved["net"])
    resumed.load_state_dict(saved["optimizer"])
    take(resumed, continued, 5)
    assert torch.equal(points(unbroken), points(continued))


def test_a_loaded_state_is_a_copy_of_its_own() -> None:
    x, y = torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    first, second = RuleOptimizer([x], Adam()), RuleOptimizer([y], Adam())
    one_step(x, first, torch.ones(2))
    second.load_state_dict(first.state_dict())
    before = first.state[x]["m"].clone()
    one_step(y, second, torch.ones(2))
    assert torch.equal(before, first.state[x]["m"])


def test_a_state_loaded_into_another_precision_keeps_the_running_products_in_double() -> None:
    x = torch.zeros(2, requires_grad=True)
    y = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    first, second = RuleOptimizer([x], Adam()), RuleOptimizer([y], Adam())
    one_step(x, first, torch.ones(2))
    second.load_state_dict(first.state_dict())
    assert second.state[y]["m"].dtype == torch.float64
    assert torch.equal(second.state[y]["forgotten2"], first.state[x]["forgotten2"])


def test_a_pre_hook_may_return_another_state_and_a_post_hook_finds_it_loaded_once() -> None:
    x = torch.zeros(2, requires_grad=True)
    y = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    saved, loading = RuleOptimizer([x], Adam()), RuleOptimizer([y], Adam(), lr=0.5)
    one_step(x, saved, torch.ones(2))
    wrapped = {"inner": saved.state_dict()}
    loading.register_load_state_dict_pre_hook(lambda _, state: state["inner"])
    seen: list[tuple[int, Tensor]] = []
    loading.register_load_state_dict_post_hook(lambda o: seen.append((o.state[y]["step"], o.state[y]["forgotten2"])))
    loading.load_state_dict(wrapped)
    assert loading.param_groups[0]["lr"] == saved.param_groups[0]["lr"]
    assert [(step, forgotten.tolist()) for step, forgotten in seen] == [(1, saved.state[x]["forgotten2"].tolist())]
    assert loading.state[y]["m"].tolist() == saved.state[x]["m"].tolist()


def test_a_hook_is_called_at_every_loading_and_none_of_ours_is_left_behind() -> None:
    x = torch.zeros(2, requires_grad=True)
    adam, rmsprop = RuleOptimizer([x], Adam()), RuleOptimizer([x], RMSProp())
    calls: list[str] = []
    adam.register_load_state_dict_pre_hook(lambda *_: calls.append("before"))
    adam.register_load_state_dict_post_hook(lambda _: calls.append("after"))
    one_step(x, rmsprop, torch.ones(2))
    with pytest.raises(ValueError, match="Adam keeps"):
        adam.load_state_dict(rmsprop.state_dict())
    adam.load_state_dict(adam.state_dict())
    assert calls == ["before", "before", "after"]
    assert len(adam._optimizer_load_state_dict_pre_hooks) == len(adam._optimizer_load_state_dict_post_hooks) == 1


def test_a_state_saved_by_another_rule_is_refused_and_changes_nothing() -> None:
    x = torch.zeros(2, requires_grad=True)
    adam, rmsprop = RuleOptimizer([x], Adam()), RuleOptimizer([x], RMSProp())
    one_step(x, adam, torch.ones(2))
    one_step(x, rmsprop, torch.ones(2))
    with pytest.raises(ValueError, match=r"RMSProp keeps \['s'\], the saved state has \['forgotten1'"):
        rmsprop.load_state_dict(adam.state_dict())
    assert set(rmsprop.state[x]) == {"s", "step"}


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copied_or_pickled_optimizer_goes_on_alike(duplicate: Any) -> None:
    net = model()
    schedules = {"lr": Cosine(), "gamma": GammaLinear()}
    optimizer = RuleOptimizer(net.parameters(), RMSProp(corrected=True), schedules=schedules, steps=8)
    take(optimizer, net, 3)
    other_net, other = duplicate((net, optimizer))
    take(optimizer, net, 5)
    take(other, other_net, 5)
    assert torch.equal(points(net), points(other_net))


@pytest.mark.parametrize(
    "layout",
    [lambda x: x.clone(), lambda x: x.t().clone().t(), lambda x: x.repeat(2, 1)[::2], lambda x: x.repeat(1, 2)[:, ::2]],
    ids=["contiguous", "transposed", "strided rows", "strided columns"],
)
def test_the_memory_layout_of_a_parameter_changes_nothing(layout: Any) -> None:
    values = torch.arange(12.0).view(3, 4)
    plain = values.clone().requires_grad_()
    other = layout(values).detach()
    other.copy_(values)
    other.requires_grad_()
    g = torch.linspace(-1, 1, 12).view(3, 4)
    first, second = RuleOptimizer([plain], RMSProp()), RuleOptimizer([other], RMSProp())
    for _ in range(3):
        one_step(plain, first, g)
        one_step(other, second, g)
    assert torch.equal(plain, other)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0, 3), (2, 1, 3)])
@every_rule
def test_parameters_of_every_shape_are_trained(spec: OptimizerSpec, shape: tuple[int, ...]) -> None:
    p = torch.ones(shape, requires_grad=True)
    optimizer = spec.torch([p])
    for _ in range(2):  # SOAP only looks at the first gradient
        end = one_step(p, optimizer, torch.ones(shape))
    assert end.shape == shape
    assert (end < 1).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@every_rule
def test_a_parameter_keeps_its_precision_and_moves_against_its_gradient(
    spec: OptimizerSpec, dtype: torch.dtype
) -> None:
    p = torch.zeros(6, dtype=dtype, requires_grad=True)
    optimizer = spec.torch([p], lr=0.1)
    for _ in range(3):
        one_step(p, optimizer, torch.tensor([1, -1, 0.5, -0.5, 2, -2], dtype=dtype))
    assert p.dtype == dtype
    assert torch.isfinite(p).all()
    assert p.sign().tolist() == [-1, 1, -1, 1, -1, 1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32], ids=str)
@every_rule
def test_a_gradient_of_zero_moves_next_to_nothing_in_half_precision_too(
    spec: OptimizerSpec, dtype: torch.dtype
) -> None:
    p = torch.zeros(3, dtype=dtype, requires_grad=True)
    end = one_step(p, spec.torch([p], lr=0.1), torch.zeros(3, dtype=dtype))
    assert (end.abs() < 1e-3).all()  # Yogi's averages start at 1e-6, so that it moves a little


def test_every_group_has_its_own_values() -> None:
    a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = RuleOptimizer([{"params": [a]}, {"params": [b], "lr": 0.5, "name": "fast"}], SGD(), lr=0.1)
    a.grad, b.grad = torch.ones(1), torch.ones(1)
    optimizer.step()
    assert (a.item(), b.item()) == pytest.approx((-0.1, -0.5))


def test_a_group_added_later_takes_the_defaults_and_counts_its_own_steps() -> None:
    a, b = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = RuleOptimizer([a], Adam(), lr=0.1)
    one_step(a, optimizer, torch.ones(1))
    optimizer.add_param_group({"params": b})
    one_step(b, optimizer, torch.ones(1))
    assert b.item() == pytest.approx(-0.1)
    assert optimizer.state[b]["step"] == 1


def test_named_parameters_are_taken_as_torchs_optimizers_take_them() -> None:
    net = model()
    optimizer = RuleOptimizer(net.named_parameters(), SGD())  # type: ignore[arg-type]
    assert optimizer.param_groups[0]["param_names"] == [name for name, _ in net.named_parameters()]


def test_a_parameter_without_gradient_rests_and_counts_no_step() -> None:
    a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    optimizer = RuleOptimizer([a, b], Adam())
    one_step(a, optimizer, torch.ones(1))
    assert b.item() == 1
    assert b not in optimizer.state


def test_step_returns_the_closures_loss_computed_with_gradients() -> None:
    x = torch.tensor([3.0], requires_grad=True)
    optimizer = RuleOptimizer([x], SGD(), lr=0.5)

    def closure() -> float:
        optimizer.zero_grad()
        loss = x.square().sum()
        loss.backward()
        return float(loss.detach())

    assert optimizer.step(closure) == 9
    assert x.item() == 0


def test_a_cosine_scheduler_of_torch_moves_lr_as_our_cosine_does() -> None:
    steps, g = 10, torch.tensor([1.0, -2.0], dtype=torch.float64)
    x, y = (torch.zeros(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    driven = RuleOptimizer([x], Momentum(), lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(driven, T_max=steps)
    ours = RuleOptimizer([y], Momentum(), lr=0.3, schedules={"lr": Cosine()}, steps=steps)
    for _ in range(steps):
        one_step(x, driven, g)
        scheduler.step()
        one_step(y, ours, g)
    torch.testing.assert_close(x, y, rtol=1e-12, atol=0)


def test_the_one_cycle_scheduler_of_torch_cycles_momentum_too() -> None:
    x = torch.zeros(1, requires_grad=True)
    optimizer = RuleOptimizer([x], Momentum(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, total_steps=10)
    seen = set()
    for _ in range(9):
        one_step(x, optimizer, torch.ones(1))
        seen.add(optimizer.param_groups[0]["momentum"])
        scheduler.step()
    assert len(seen) > 2


def test_a_scheduler_can_be_resumed_with_its_notes_in_the_groups() -> None:
    x = torch.zeros(1, requires_grad=True)
    optimizer = RuleOptimizer([{"params": [x], "initial_lr": 0.2}], SGD(), lr=0.1)
    torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, last_epoch=3)
    assert optimizer.param_groups[0]["initial_lr"] == 0.2


def test_a_learning_rate_given_as_a_tensor_is_taken() -> None:
    x = torch.zeros(1, requires_grad=True)
    one_step(x, RuleOptimizer([x], SGD(), lr=torch.tensor(0.5)), torch.ones(1))  # type: ignore[arg-type]
    assert x.item() == -0.5


def test_the_gradient_is_left_as_it_was() -> None:
    x = torch.zeros(3, requires_grad=True)
    g = torch.tensor([1.0, -2.0, 0.0])
    for spec in BUILTIN:
        one_step(x, spec.torch([x]), g)
        assert x.grad is not None
        assert torch.equal(x.grad, g)
