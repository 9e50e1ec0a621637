"""Rules that see matrices, trained: the engine tells them the problem's tensors, and says what it cannot train."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from benchmarks.engine.cost import step_cost
from benchmarks.engine.inputs import Training
from benchmarks.engine.kernel_lanes import why_not
from benchmarks.engine.training import train
from benchmarks.errors import OwnCodeError, UsageError
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.running.prepare import prepare
from benchmarks.suite.suite import Suite
from benchmarks.tuning.landscape import lane_numbers
from optimizers.layout import LayoutRule
from problems import Facts, Problem
from problems.module import ModuleProblem

OF_TENSORS = [name for name, spec in OPTIMIZERS.items() if isinstance(spec.rule, LayoutRule)]


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


def module_problem() -> ModuleProblem:
    rows = torch.randn(32, 5, generator=torch.Generator().manual_seed(1))
    return ModuleProblem(net, nn.functional.cross_entropy, (rows, (rows[:, 0] > 0).long() + (rows[:, 1] > 1)), batch=8)


@pytest.mark.parametrize("name", OF_TENSORS)
def test_lanes_train_a_module_as_a_torch_optimizer_trains_its_own_parameters(name: str) -> None:
    problem, spec = module_problem(), OPTIMIZERS[name]
    training = Training(problem, spec, [3, 4], 25, engine="eager", keep_path=True, dtype=torch.float64)
    # the output layer has directions without gradient, of which SOAP's Adam makes whole steps but for eps
    more = {"eps": 1e-6} if name == "soap" else {}
    lr = torch.tensor([0.3, 1.0, 2.0], dtype=torch.float64) * spec.default_values["lr"]
    trace = train(training, {"lr": lr, **more})
    assert trace.path is not None
    module = net().double()
    nn.utils.vector_to_parameters(problem.start([4])[0], module.parameters())
    optimizer = spec.torch(module.parameters(), lr=2 * spec.default_values["lr"], **more)
    for batch in problem.batches([4], 25):
        inputs, targets = batch  # type: ignore[misc]
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(inputs[0].double()), targets[0]).backward()
        optimizer.step()
    alone = nn.utils.parameters_to_vector(module.parameters()).detach()
    # double precision; vmap multiplies in another order, which roots of matrices amplify
    torch.testing.assert_close(trace.path[2, 1, -1], alone, rtol=1e-6, atol=1e-7)


def test_the_memory_that_matrices_take_is_counted_before_they_are_made() -> None:
    def numbers(problem: str, name: str) -> int:
        return lane_numbers(Training(problem, name, [0], 10))

    assert numbers("digits-softmax", "adagrad-full") > 3 * 650**2
    assert numbers("digits-mlp", "lamb") == numbers("digits-mlp", "adam")


def test_what_a_step_costs_is_measured_of_the_rule_that_sees_the_layers() -> None:
    training = Training("matrix-factorization(rows=4,columns=3,rank=2)", "shampoo", [0], 5)
    assert step_cost(training, {}).state_bytes == 8 * (4**2 + 2**2 + 3**2 + 2**2)


@dataclass(frozen=True)
class Wrong(Problem):
    """A sum of squares whose layout is another's."""

    tensors: tuple[tuple[str, object], ...] = (("w", (2, 2)),)

    facts = Facts(dim=3, minimum=0.0)

    @property
    def layout(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        return self.tensors  # type: ignore[return-value]

    def start(self, seeds: Sequence[int]) -> Tensor:
        return torch.ones(len(seeds), 3, dtype=torch.float64)

    def loss(self, x: Tensor, batch: object) -> Tensor:
        return x.square().sum(-1)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ((("w", (2, 2)),), "layout gave tensors of 4 numbers for dim 3 .*; layout names the tensors in x"),
        ((("w", "big"),), "layout gave .*; layout names the tensors in x"),
    ],
)
def test_a_layout_that_does_not_fit_its_problem_is_a_sentence_with_its_line(
    tensors: tuple[tuple[str, object], ...], message: str
) -> None:
    with pytest.raises(OwnCodeError, match=f"problem 'Wrong': {message}"):
        train(Training(Wrong(tensors), "shampoo", [0], 2), {})


def test_a_matrix_of_too_many_parameters_is_refused_before_anything_runs() -> None:
    message = r"optimizer 'adagrad-full' cannot train problem '.*': full-matrix Adagrad .* at most of 2,000 rows"
    with pytest.raises(UsageError, match=message):
        train(Training("quadratic(dim=2001)", "adagrad-full", [0], 2), {})
    suite = Suite.parse('name = "big"\nproblems = ["digits-mlp"]\noptimizers = ["adagrad-full"]\n', "big.toml")
    with pytest.raises(UsageError, match=message):
        prepare(suite.cells()[0])


@pytest.mark.parametrize(
    ("name", "why"),
    [("shampoo", "operation aten._linalg_eigh"), ("adagrad-full", "operation aten._linalg_eigh"), ("soap", "a branch")],
)
def test_what_takes_eigenvalues_says_why_it_has_no_kernel(name: str, why: str) -> None:
    reason, _ = why_not(make_problem("matrix-factorization(rows=4,columns=3,rank=2)"), OPTIMIZERS[name].rule)
    assert reason is not None
    assert why in reason
