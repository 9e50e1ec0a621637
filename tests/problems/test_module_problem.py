"""Any module as a problem: equal to a network written for lanes, however many run at once, and honest about limits."""

import pytest
import torch
from torch import Tensor, nn

from problems.batching import explain
from problems.classification import digits_mlp
from problems.data import DIGITS
from problems.module import ModuleProblem

ROUNDING = 1e-12  # float64 sums of some hundred terms in another order


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(-1) == labels).double().mean()


def digits_problem(**options) -> ModuleProblem:
    split = DIGITS.load()
    options = {"heldout": (split.held_inputs, split.held_labels), "metrics": {"accuracy": accuracy}, **options}
    return ModuleProblem(perceptron, nn.functional.cross_entropy, (split.inputs, split.labels), **options)


def line_problem(module=lambda: nn.Linear(3, 1), **options) -> ModuleProblem:
    inputs = torch.linspace(-1, 1, 36).view(12, 3)
    return ModuleProblem(module, nn.functional.mse_loss, (inputs, inputs.sum(1, keepdim=True)), batch=4, **options)


def test_it_equals_the_network_written_for_lanes_on_the_same_weights():
    ours, written = digits_problem(chunk=4), digits_mlp()
    x = written.start([0, 1]).expand(3, -1, -1) * torch.tensor([0.5, 1, 2], dtype=torch.float64).view(3, 1, 1)

    for batch, same in zip(ours.batches([0, 1], 2), written.batches([0, 1], 2), strict=True):
        assert all(torch.equal(part, other) for part, other in zip(batch, same, strict=True))
        rows = (batch[0].double(), batch[1])
        assert torch.allclose(ours.loss(x, rows), written.loss(x, rows), rtol=ROUNDING, atol=0)
    for name, value in written.evaluate(x).items():
        assert torch.allclose(ours.evaluate(x)[name], value, rtol=ROUNDING, atol=0), name


@pytest.mark.parametrize("seeds", [[5], [5, 6, 7]])
def test_losses_and_gradients_are_the_same_however_many_lanes_run_at_once(seeds):
    problems = [digits_problem(chunk=chunk) for chunk in (1, 2, 16)]
    batch = next(problems[0].batches(seeds, 1))
    rows = (batch[0].double(), batch[1])
    found = []
    for problem in problems:
        x = (problem.start(seeds) * torch.linspace(0.5, 2, 5).view(5, 1, 1)).requires_grad_()
        loss = problem.loss(x, rows)
        found.append((loss.detach(), *torch.autograd.grad(loss.sum(), x)))

    assert found[0][0].shape == (5, len(seeds))
    for loss, gradient in found[1:]:
        assert torch.allclose(loss, found[0][0], rtol=ROUNDING, atol=0)
        assert torch.allclose(gradient, found[0][1], rtol=ROUNDING, atol=ROUNDING)


def test_a_start_is_what_the_module_initialises_itself_to_and_leaves_global_randomness_alone():
    before = torch.random.get_rng_state()
    problem = line_problem()
    start = problem.start([0, 1])

    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(problem.start([1]), start[1:])
    assert not torch.equal(start[0], start[1])
    assert start.abs().max().item() <= 3**-0.5  # the bound of torch.nn.Linear's own start


def test_data_may_be_a_function_that_is_called_on_first_use():
    calls = []

    def load() -> tuple[Tensor, Tensor]:
        calls.append(1)
        return torch.ones(8, 3), torch.ones(8, 1)

    problem = ModuleProblem(lambda: nn.Linear(3, 1), nn.functional.mse_loss, load, batch=2)
    assert calls == []

    list(problem.batches([0], 5))
    problem.evaluate(problem.start([0]))
    assert calls == [1]


def test_a_module_may_take_several_inputs():
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2))

        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return left * right * self.weight[0] + self.weight[1]

    data = (torch.arange(6.0), torch.ones(6), torch.arange(6.0) + 1)
    problem = ModuleProblem(Product, nn.functional.mse_loss, data, batch=3)

    assert problem.evaluate(torch.ones(1, 2))["loss"].item() == 0


def test_evaluation_looks_at_as_many_examples_as_asked():
    problem = line_problem(measured=3, heldout=(torch.ones(5, 3), torch.zeros(5, 1)))
    x = torch.ones(1, 4)  # off by one where the target is the sum, by four at the held-out ones

    assert problem.evaluate(x)["loss"].item() == pytest.approx(1)
    assert problem.evaluate(x)["heldout_loss"].item() == pytest.approx(16)


def test_constant_buffers_follow_the_precision_of_the_lanes():
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 1)
            self.register_buffer("scale", torch.tensor([2.0]))

        def forward(self, inputs: Tensor) -> Tensor:
            return self.scale * self.linear(inputs)

    problem = line_problem(Scaled)

    assert problem.dim == 4
    assert problem.evaluate(problem.start([0]))["loss"].dtype == torch.float64


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), "BatchNorm1d '1' keeps running statistics"),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)), "Dropout '1' drops units at random"),
        (lambda: nn.GRU(3, 3, 2, dropout=0.1), "GRU drops units at random"),
        (lambda: nn.Linear(3, 1).requires_grad_(False), "parameter 'weight' is frozen"),
        (lambda: nn.Linear(3, 1, dtype=torch.complex64), "parameter 'weight' is complex"),
        (lambda: nn.LazyLinear(1), "parameter 'weight' gets its size from the first data"),
        (lambda: nn.Embedding(3, 1, sparse=True), "Embedding '' makes sparse gradients"),
        (nn.Flatten, "Flatten has no parameters"),
        (nn.Linear(3, 1), "give a function that makes the module"),
    ],
)
def test_what_lanes_cannot_share_is_refused_where_lanes_are_asked_for(module, message):
    with pytest.raises(ValueError, match=message):
        line_problem(module, lanes=True)


def test_batch_statistics_and_dropout_of_nothing_are_welcome():
    problem = line_problem(
        lambda: nn.Sequential(
            nn.Linear(3, 3),
            nn.BatchNorm1d(3, track_running_stats=False),
            nn.Dropout(0.0),
            nn.Linear(3, 1),
            nn.Sequential(nn.BatchNorm1d(1), nn.Dropout(0.5)).eval(),
        )
    )

    assert problem.evaluate(problem.start([0, 1]))["loss"].shape == (2,)


def test_a_module_that_vmap_cannot_batch_runs_one_at_a_time_and_says_why():
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.GRU(1, 2, batch_first=True)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.cell(inputs.unsqueeze(-1))[0][:, -1, :1]

    problem = line_problem(Recurrent, chunk=1)

    assert problem.evaluate(problem.start([0, 1]).expand(2, -1, -1))["loss"].shape == (2, 2)
    assert "4 at once: cannot be batched: Batching rule not implemented for aten::gru" in problem.explain((1, 4))
    with pytest.raises(RuntimeError, match="chunk=1 trains one lane at a time"):
        line_problem(Recurrent).evaluate(problem.start([0, 1]))


def test_a_module_that_draws_random_numbers_is_told_so():
    class Noisy(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            return super().forward(inputs + torch.randn_like(inputs))

    problem = line_problem(lambda: Noisy(3, 1))

    with pytest.raises(RuntimeError, match=r"draw no random numbers, or give lanes=False"):
        problem.evaluate(problem.start([0, 1]))


def test_a_module_whose_numbers_leave_torch_is_told_so():
    class Away(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            return torch.from_numpy(super().forward(inputs).detach().numpy())

    with pytest.raises(RuntimeError, match="numbers that leave torch have no gradient"):
        line_problem(lambda: Away(3, 1)).evaluate(torch.zeros(1, 4))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((torch.ones(12, 3), torch.ones(11, 1)), "one row for each example, got 12 and 11 rows"),
        ((torch.ones(12, 3).numpy(), torch.ones(12, 1)), "data are torch tensors.* got ndarray, Tensor"),
    ],
    ids=["lengths", "arrays"],
)
def test_data_that_are_no_table_are_refused_now_or_on_first_use(data, message):
    with pytest.raises(ValueError, match=message):
        ModuleProblem(lambda: nn.Linear(3, 1), nn.functional.mse_loss, data)
    later = ModuleProblem(lambda: nn.Linear(3, 1), nn.functional.mse_loss, lambda: data)
    with pytest.raises(ValueError, match=message):
        later.evaluate(later.start([0]))


@pytest.mark.parametrize("chunk", [1, 4])
def test_a_loss_for_each_example_is_refused(chunk):
    data = (torch.ones(12, 3), torch.ones(12, 1))
    problem = ModuleProblem(lambda: nn.Linear(3, 1), nn.MSELoss(reduction="none"), data, chunk=chunk)
    with pytest.raises(ValueError, match="one number each, a mean over the examples"):
        problem.evaluate(problem.start([0]))


def test_the_explanation_names_the_fastest_chunk_and_the_gain():
    text = explain(lambda chunk: 8e-4 / chunk, (1, 4, 16), chosen=4)

    assert text.splitlines() == [
        "   1 at once: 800 us a lane-step",
        "   4 at once: 200 us a lane-step",
        "  16 at once: 50 us a lane-step",
        "take chunk=16: 16.0 times faster than one at a time, for its operations are small; this problem uses chunk=4",
    ]


def test_the_explanation_advises_one_at_a_time_where_lanes_gain_nothing():
    assert "take chunk=1: its operations are large" in explain(lambda chunk: 1e-3 * chunk**-0.01, (1, 16), chosen=1)


def test_measuring_changes_nothing():
    problem = line_problem(chunk=2)
    lines = problem.explain((1, 3)).splitlines()

    assert problem.chunk == 2
    assert [line[:13] for line in lines[:2]] == ["   1 at once:", "   3 at once:"]


def test_a_batch_that_is_no_tuple_is_refused():
    with pytest.raises(TypeError, match="tuple of tensors, got NoneType"):
        line_problem().loss(torch.ones(1, 4), None)


def test_counts_below_one_are_refused():
    with pytest.raises(ValueError, match="at least 1, got 4 and 0"):
        line_problem(chunk=0)
