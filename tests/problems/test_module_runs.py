"""Runs of a module as it is: what moves, is drawn and is judged follows from the seed, and nobody else notices."""

import functools
import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from problems.module import ModuleProblem
from problems.module_run import ModuleRun

pytestmark = pytest.mark.usefixtures("one_thread")

INPUTS = torch.linspace(-1, 1, 36).view(12, 3)
DATA = (INPUTS, INPUTS.sum(1, keepdim=True))
mse = nn.functional.mse_loss


def dropping() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))


def problem(module=dropping, data=DATA, **options) -> ModuleProblem:
    return ModuleProblem(module, mse, data, batch=4, **options)


def advanced(run: ModuleRun, steps: int = 5) -> list[float]:
    """The losses of ``steps`` updates of a plain descent."""
    losses = []
    optimizer = torch.optim.SGD(run.parameters.values(), lr=0.1)
    for _ in range(steps):
        with run.at_work():
            run.draw()
            optimizer.zero_grad()
            loss = run.loss()
            loss.backward()
            run.clip_()
            optimizer.step()
        losses.append(loss.item())
    return losses


class Augmented(Dataset):
    """Rows with noise from all three global generators, as augmentations have it."""

    def __len__(self) -> int:
        return len(INPUTS)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        noise = torch.rand(3) + np.random.rand() + random.random()  # noqa: NPY002 - what augmentations do
        return INPUTS[row] + 0.1 * noise, DATA[1][row]


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), "BatchNorm1d '1' keeps running statistics"),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5)), "Dropout '1' drops units at random"),
        (lambda: nn.GRU(3, 3, 2, dropout=0.1), "GRU drops units at random"),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.RReLU()), "RReLU '1' draws random numbers"),
        (
            lambda: nn.Sequential(nn.Linear(3, 3).requires_grad_(False), nn.Linear(3, 1)),
            "parameter '0.weight' is frozen",
        ),
        (lambda: nn.Embedding(3, 1, sparse=True), "Embedding '' makes sparse gradients"),
        (lambda: nn.Linear(3, 1), None),
    ],
)
def test_what_lanes_cannot_share_is_the_reason_to_be_trained_natively(module, reason):
    assert problem(module).native == reason


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"clip": 1.0}, "its gradient is clipped"),
        ({"lanes": False}, "its author asks for it"),
        ({"data": Augmented()}, "its data come from Augmented, an example at a time"),
        (
            {"heldout": lambda: DataLoader(Augmented(), 4)},
            "its heldout data come from DataLoader, which makes its own batches",
        ),
        ({"data": TensorDataset(*DATA)}, None),
    ],
)
def test_data_and_options_may_be_the_reason_too(options, reason):
    assert problem(lambda: nn.Linear(3, 1), **options).native == reason


def test_what_lanes_need_is_refused_with_the_reason():
    native = problem()
    with pytest.raises(ValueError, match="BatchNorm1d '1' keeps running statistics, which lanes cannot share"):
        native.loss(native.start([0]), DATA)
    with pytest.raises(ValueError, match="an example at a time, of which no lanes can be made"):
        next(problem(data=Augmented()).batches([0], 1))


@pytest.mark.parametrize("data", [DATA, Augmented(), lambda: DataLoader(Augmented(), 4, shuffle=True)])
def test_a_seed_fixes_start_order_dropout_and_augmentation_whoever_runs_beside_it(data):
    given = problem(data=data)
    alone = [advanced(given.run(seed)) for seed in (0, 1)]
    runs = [given.run(seed) for seed in (0, 1)]
    turns = [[advanced(run, 1)[0] for run in runs] for _ in range(5)]

    assert alone[0] != alone[1]
    assert [list(losses) for losses in zip(*turns, strict=True)] == alone


def test_the_order_of_a_dataset_is_that_of_the_same_tensors():
    class Rows(Dataset):
        def __len__(self) -> int:
            return 12

        def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
            return INPUTS[row], DATA[1][row]

    assert advanced(problem(data=Rows()).run(3)) == advanced(problem().run(3))


def test_a_loader_with_a_generator_of_its_own_serves_runs_in_turns():
    loader = DataLoader(TensorDataset(*DATA), 4, shuffle=True, generator=torch.Generator().manual_seed(7))
    before = loader.generator.get_state()
    given = problem(data=loader)
    alone = advanced(given.run(0))
    run, beside = given.run(0), given.run(1)
    turns = [(advanced(run, 1)[0], advanced(beside, 1)[0]) for _ in range(5)]

    assert [first for first, _ in turns] == alone
    assert torch.equal(loader.generator.get_state(), before)


def test_global_random_states_are_left_as_they_were():
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002 - looked at only
    run = problem(data=Augmented()).run(0)
    advanced(run)
    run.evaluate()

    after = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002 - as above
    assert torch.equal(after[0], before[0])
    assert after[1:] == before[1:]


def test_buffers_move_in_training_and_judge_in_evaluation():
    run = problem(lambda: nn.Sequential(nn.Linear(3, 1), nn.BatchNorm1d(1)), heldout=DATA).run(0)
    at_start = run.evaluate()
    advanced(run)
    norm = run.module[1]

    assert int(norm.num_batches_tracked) == 5
    assert norm.training
    assert at_start["loss"] == at_start["heldout_loss"]
    by_hand = (norm.eval()(run.module[0](INPUTS)) - DATA[1]).detach().square().mean()
    assert float(run.evaluate()["loss"]) == pytest.approx(float(by_hand), rel=1e-6)  # float32


def test_looking_leaves_a_run_as_it_was_and_sees_the_same_augmentation_twice():
    given = problem(data=Augmented())
    watched = given.run(0)
    assert watched.evaluate() == watched.evaluate()
    assert advanced(watched) == advanced(given.run(0))


def test_layers_that_were_made_to_be_judged_stay_so():
    def module() -> nn.Module:
        return nn.Sequential(nn.Linear(3, 1), nn.BatchNorm1d(1).eval(), nn.Dropout(0.5))

    run = problem(module).run(0)
    run.evaluate()
    assert [part.training for part in run.module] == [True, False, True]


def test_frozen_parameters_stay_and_are_none_of_the_dimension():
    def module() -> nn.Module:
        net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
        net[0].requires_grad_(False)
        return net

    given = problem(module)
    run = given.run(0)
    kept = run.module[0].weight.clone()
    advanced(run)

    assert given.dim == len(given.start([0])[0]) == 3
    assert torch.equal(run.module[0].weight, kept)
    assert list(run.parameters) == ["1.weight", "1.bias"]


def test_a_gradient_is_clipped_to_the_norm_that_is_asked_for():
    run = problem(clip=0.01).run(0)
    with run.at_work():
        run.draw()
        run.loss().backward()
        run.clip_()
    norm = torch.cat([p.grad.reshape(-1) for p in run.parameters.values()]).norm().item()
    assert norm == pytest.approx(0.01, rel=1e-3)  # torch divides by the norm + 1e-6


def test_evaluation_of_parameters_is_that_of_a_run_that_has_them():
    given = problem(heldout=DATA)
    run, x = given.run(0), given.start([5]).expand(2, 1, -1)
    run.put_(x[0, 0].float())

    found = given.evaluate(x.float())
    assert {name: float(value[1, 0]) for name, value in found.items()} == {
        name: float(value) for name, value in run.evaluate().items()
    }


def test_a_smoothed_loss_has_the_same_name_in_every_process():
    smooth = functools.partial(nn.functional.cross_entropy, label_smoothing=0.1)
    given = ModuleProblem(lambda: nn.Linear(3, 2), smooth, (INPUTS, torch.zeros(12, dtype=torch.int64)), batch=4)
    assert given.definition()["loss"] == "cross_entropy(label_smoothing=0.1)"
    assert given.fingerprint() == given.fingerprint()


class Short(IterableDataset):
    """Two batches once, and nothing when it is asked again."""

    def __init__(self) -> None:
        self.rows = iter(zip(INPUTS[:8], DATA[1][:8], strict=True))

    def __iter__(self):
        return self.rows


class Spoilt(Augmented):
    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        return (INPUTS[row] / (row != 7), DATA[1][row])


class Promising:
    """A loader that says it has more than it gives."""

    def __len__(self) -> int:
        return 3

    def __iter__(self):
        yield DATA


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Short(), "the loader of data ended after 0 of 1 batches"),
        (Promising(), "the loader of data ended after 1 of 3 batches"),
        (Spoilt(), "input 1 of data is nan or inf in row 7"),
        (DataLoader(Spoilt(), 4), "input 1 of data is nan or inf in row 3 of batch 2"),
        (
            DataLoader(INPUTS, 4),
            "an example of data is a tuple, inputs first and the target last; a batch of it is Tensor",
        ),
        (DataLoader(Augmented(), 4, num_workers=1, persistent_workers=True), "keeps its workers"),
        ((INPUTS[:, :2], DATA[1]), r"layer '0', Linear\(in_features=3.*\), was given \[4, 2\]: mat1 and mat2 shapes"),
    ],
    ids=["early", "promising", "nan", "nan-in-a-batch", "no-target", "workers", "shape"],
)
def test_data_that_cannot_be_trained_on_is_a_sentence_that_says_where(data, message):
    run = problem(data=data).run(0)
    with pytest.raises((ValueError, RuntimeError), match=message):
        advanced(run)


def test_a_row_of_tensors_that_is_not_finite_is_named():
    with pytest.raises(
        ValueError, match=r"the target of data, \[12, 1\], holds 1 value that is nan or inf, the first in row 5"
    ):
        problem(data=(INPUTS, DATA[1].clone().index_fill_(0, torch.tensor([5]), torch.nan)))


class Block(nn.Module):
    """A layer of the user's own, with a product that is in no layer of torch's."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ self.weight


@pytest.mark.parametrize("lanes", [None, False])
def test_a_shape_that_does_not_fit_names_the_users_own_layer(lanes):
    given = problem(lambda: nn.Sequential(nn.Linear(3, 2), Block(4)), lanes=lanes)
    with pytest.raises(RuntimeError, match=r"layer '1', Block, was given \[12, 2\]"):
        given.evaluate(given.start([0, 1]))


def test_a_shape_that_does_not_fit_names_its_layer_in_lanes_too():
    given = problem(lambda: nn.Linear(3, 1), (INPUTS[:, :2], DATA[1]))
    with pytest.raises(RuntimeError, match=r"Linear\(in_features=3, out_features=1, bias=True\) was given \[12, 2\]"):
        given.evaluate(given.start([0, 1]))
