"""What `RuleOptimizer` refuses, with a sentence that says what to do."""

import pytest
import torch
from torch import nn

from optimizers import RuleOptimizer
from optimizers.lr_schedules import Cosine
from optimizers.memory_schedules import GammaLinear
from optimizers.rmsprop import RMSProp
from optimizers.sgd import SGD, Momentum


def test_an_unknown_hyperparameter_is_named_with_the_nearest_one() -> None:
    with pytest.raises(TypeError, match=r"RMSProp has no hyperparameter 'gama', did you mean 'gamma'; it has lr,"):
        RuleOptimizer([torch.zeros(1, requires_grad=True)], RMSProp(), gama=0.9)


def test_an_unknown_hyperparameter_of_a_group_is_refused() -> None:
    x = torch.zeros(1, requires_grad=True)
    with pytest.raises(TypeError, match="SGD has no hyperparameter 'momentum'; it has lr"):
        RuleOptimizer([{"params": [x], "momentum": 0.9}], SGD())


@pytest.mark.parametrize(
    ("hp", "message"),
    [
        ({"lr": -0.1}, "lr must be finite and at least 0, got -0.1"),
        ({"lr": float("nan")}, "lr must be finite and at least 0, got nan"),
        ({"lr": float("inf")}, "lr must be finite and at least 0, got inf"),
        ({"gamma": 1.01}, r"gamma is a memory and must be in \[0, 1\], got 1.01"),
        ({"eps": -1e-8}, "eps must be finite and at least 0, got -1e-08"),
    ],
)
def test_a_value_out_of_its_domain_is_refused(hp: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RuleOptimizer([torch.zeros(1, requires_grad=True)], RMSProp(), **hp)


def test_a_refused_group_leaves_the_optimizer_as_it_was() -> None:
    x, y = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = RuleOptimizer([x], SGD())
    with pytest.raises(ValueError, match="lr must be finite"):
        optimizer.add_param_group({"params": [y], "lr": -1.0})
    assert len(optimizer.param_groups) == 1


def test_a_group_that_is_no_mapping_is_refused() -> None:
    optimizer = RuleOptimizer([torch.zeros(1, requires_grad=True)], SGD())
    with pytest.raises(TypeError, match="must be a dict"):
        optimizer.add_param_group([torch.zeros(1)])  # type: ignore[arg-type]


def test_complex_parameters_are_refused() -> None:
    x = torch.zeros(1, dtype=torch.complex64, requires_grad=True)
    with pytest.raises(TypeError, match="SGD trains real floating-point parameters, got torch"):
        RuleOptimizer([x], SGD())


def test_sparse_gradients_are_refused() -> None:
    table = nn.Embedding(4, 2, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="Momentum takes no sparse gradients"):
        RuleOptimizer(table.parameters(), Momentum()).step()


def test_a_schedule_needs_the_length_of_the_run() -> None:
    with pytest.raises(ValueError, match="a schedule needs steps"):
        RuleOptimizer([torch.zeros(1, requires_grad=True)], SGD(), schedules={"lr": Cosine()})


def test_a_schedule_of_an_unknown_hyperparameter_is_refused() -> None:
    with pytest.raises(TypeError, match="SGD has no hyperparameter 'gamma'"):
        RuleOptimizer([torch.zeros(1, requires_grad=True)], SGD(), schedules={"gamma": GammaLinear()}, steps=3)


def test_a_schedule_of_the_other_kind_is_refused() -> None:
    x = torch.zeros(1, requires_grad=True)
    with pytest.raises(ValueError, match=r"GammaLinear is no schedule for lr, which is not a memory"):
        RuleOptimizer([x], RMSProp(), schedules={"lr": GammaLinear()}, steps=3)
    with pytest.raises(ValueError, match="Cosine is no schedule for gamma, which is a memory"):
        RuleOptimizer([x], RMSProp(), schedules={"gamma": Cosine()}, steps=3)


def test_the_state_of_other_parameters_is_refused_and_changes_nothing() -> None:
    small, large = torch.ones(1, requires_grad=True), torch.ones(3, requires_grad=True)
    for p in (small, large):
        p.grad = torch.ones_like(p)
    saved, loading = RuleOptimizer([small], RMSProp(), lr=0.5), RuleOptimizer([large], RMSProp())
    saved.step()
    loading.step()
    kept = loading.state[large]["s"].clone()
    with pytest.raises(ValueError, match=r"the saved state 's' has shape \(1,\), its parameter needs \(3,\)"):
        loading.load_state_dict(saved.state_dict())
    assert loading.param_groups[0]["lr"] == 0.01
    assert torch.equal(loading.state[large]["s"], kept)
