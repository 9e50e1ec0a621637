"""Classifiers: networks equal torch's own on the same flat vector, splits are disjoint, and floors are flat."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from problems import data
from problems.classification import (
    Classifier,
    DigitsSoftmax,
    digits_cnn,
    digits_mlp,
    fashion_mnist_mlp,
    mnist_mlp,
    two_spirals,
)
from problems.data import DIGITS, TWO_SPIRALS, minibatches, shuffled_rows
from problems.images import MNIST_5K
from problems.network import MLP, ConvNet, accuracy, cross_entropy

ROUNDING = 1e-12  # float64 sums of some hundred terms in another order


def rows_of(*tensors: torch.Tensor) -> list[bytes]:
    return sorted(row.numpy().tobytes() for tensor in tensors for row in tensor)


def test_digits_are_split_into_disjoint_parts_that_make_the_whole():
    split = DIGITS.load()
    everything = torch.from_numpy(load_digits().data / 16).float()

    assert split.inputs.shape == (1437, 64)
    assert split.held_inputs.shape == (360, 64)
    assert rows_of(split.inputs, split.held_inputs) == rows_of(everything)


def test_mnist_images_are_balanced_grey_and_in_neither_part_twice():
    split = MNIST_5K.load()
    labels = torch.cat([split.labels, split.held_labels])

    assert split.inputs.shape == (4000, 784)
    assert split.held_inputs.shape == (1000, 784)
    assert torch.bincount(labels).tolist() == [500] * 10
    assert (split.inputs.min().item(), split.inputs.max().item()) == (0, 1)
    assert not set(rows_of(split.inputs)) & set(rows_of(split.held_inputs))
    assert torch.bincount(split.held_labels).min() > 70  # shuffled before it is cut: the file is sorted by label


def test_the_spirals_mirror_each_other_and_held_out_points_lie_between():
    split = TWO_SPIRALS.load()

    assert torch.equal(split.inputs[:97], -split.inputs[97:])
    assert split.inputs[0].tolist() == [0, 6.5]
    assert torch.bincount(split.labels).tolist() == [97, 97]
    middle = (split.inputs[:96] + split.inputs[1:97]) / 2
    assert (middle - split.held_inputs[:96]).norm(dim=1).max().item() < 0.04  # an arc's height over its chord


def test_every_seed_visits_all_rows_in_its_own_order_and_anew_each_epoch():
    steps = list(shuffled_rows([0, 1], rows=12, batch=4, steps=6))
    first, second = torch.cat(steps[:3], 1), torch.cat(steps[3:], 1)

    assert all(epoch.sort(1).values.tolist() == [list(range(12))] * 2 for epoch in (first, second))
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    assert torch.equal(first[1:], torch.cat(list(shuffled_rows([1], 12, 4, 3)), 1))


def test_a_short_last_batch_is_dropped():
    epoch = torch.cat(list(shuffled_rows([0], rows=10, batch=4, steps=2)), 1)

    assert epoch.unique().numel() == 8


def test_cross_entropy_and_accuracy_are_torchs():
    logits = torch.linspace(-4, 4, 2 * 3 * 5, dtype=torch.float64).sin().view(2, 3, 5)
    labels = torch.tensor([0, 2, 1, 1, 0])
    expected = torch.stack([nn.functional.cross_entropy(lane.T, labels) for lane in logits])

    assert torch.allclose(cross_entropy(logits, labels), expected, rtol=ROUNDING, atol=0)
    assert accuracy(logits, labels).tolist() == [(lane.argmax(0) == labels).double().mean().item() for lane in logits]


def mlp_of_torch() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))


def convnet_of_torch() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


@pytest.mark.parametrize(
    ("network", "of_torch"), [(MLP((64, 32, 10)), mlp_of_torch()), (ConvNet(8, 8, 10), convnet_of_torch())]
)
def test_a_network_equals_torchs_with_the_same_flat_vector(network, of_torch):
    x, inputs = network.start([0, 1]), DIGITS.load().inputs[:14].double().view(2, 7, 64)
    of_torch.double()

    for lane, rows, outputs in zip(x, inputs, network(x, inputs), strict=True):
        nn.utils.vector_to_parameters(lane, of_torch.parameters())
        assert torch.allclose(outputs.T, of_torch(rows), rtol=ROUNDING, atol=ROUNDING)


def test_a_start_is_drawn_from_the_interval_torch_uses():
    network = MLP((64, 32, 10))
    first, second = network.layers(network.start(range(20)))

    for (weight, bias), bound in ((first, 1 / 8), (second, 32**-0.5)):
        assert max(weight.abs().max().item(), bias.abs().max().item()) <= bound
        assert weight.abs().max().item() > 0.99 * bound


def test_evaluation_is_the_mean_over_all_rows_of_either_part():
    problem, split = digits_mlp(), DIGITS.load()
    x = problem.start([0, 1])
    metrics = problem.evaluate(x)
    held = problem.network(x, split.held_inputs.double())

    expected = cross_entropy(problem.network(x, split.inputs.double()), split.labels)
    assert torch.allclose(metrics["loss"], expected, rtol=ROUNDING, atol=0)
    assert torch.allclose(metrics["heldout_loss"], cross_entropy(held, split.held_labels), rtol=ROUNDING, atol=0)
    assert torch.allclose(metrics["heldout_accuracy"], accuracy(held, split.held_labels), rtol=ROUNDING, atol=0)


def test_the_floor_of_softmax_regression_is_the_recorded_one_and_flat():
    problem = DigitsSoftmax()
    x = torch.tensor(problem.minimisers[0], dtype=torch.float64).requires_grad_()
    split = DIGITS.load()
    (gradient,) = torch.autograd.grad(problem.loss(x, (split.inputs.double(), split.labels)), x)

    assert problem.minimum == pytest.approx(0.26042163, abs=1e-8)
    assert gradient.norm().item() < 1e-6  # the gap is at most its square / (2 l2) = 5e-10


def test_the_floor_of_softmax_regression_is_found_where_gradients_are_off():
    with torch.no_grad():
        assert DigitsSoftmax().minimum == pytest.approx(0.26042163, abs=1e-8)


@pytest.mark.parametrize("build", [digits_mlp, digits_cnn, mnist_mlp, fashion_mnist_mlp, DigitsSoftmax])
def test_a_batch_of_no_row_or_of_more_than_all_is_refused(build):
    for batch in (0, 60001):
        with pytest.raises(ValueError, match=f"got batch={batch}"):
            build(batch=batch)


@pytest.mark.parametrize(
    "build", [lambda: digits_mlp(hidden=0), lambda: digits_cnn(filters=0), lambda: two_spirals(0), lambda: mnist_mlp(0)]
)
def test_a_network_without_units_is_refused(build):
    with pytest.raises(ValueError, match=r"needs (hidden|filters) >= 1, got 0"):
        build()


def test_softmax_regression_without_penalty_has_no_floor_and_is_refused():
    with pytest.raises(ValueError, match="l2 > 0"):
        DigitsSoftmax(l2=0.0)


def test_making_a_problem_loads_no_data():
    problem = fashion_mnist_mlp()

    assert isinstance(problem, Classifier)
    assert (problem.dim, "network" in problem.tags) == (50890, True)


def test_minibatches_are_the_rows_of_their_order_however_many_are_gathered_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = torch.arange(24.0).view(12, 2), torch.arange(12)
    expected = [[part[index] for part in parts] for index in shuffled_rows([5, 6], 12, 4, 8)]
    for numbers in (1, 60, 10**6):  # one step, two and all of them at once
        monkeypatch.setattr(data, "GATHERED_NUMBERS", numbers)
        got = list(minibatches(parts, [5, 6], 4, 8))
        assert [part.shape for part in got[0]] == [(2, 4, 2), (2, 4)]
        assert all(torch.equal(*pair) for step in zip(got, expected, strict=True) for pair in zip(*step, strict=True))
