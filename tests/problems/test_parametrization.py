"""The maximal update parametrization, against its table written out for torch's own layers and optimizers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from problems.classification import digits_mlp, two_spirals
from problems.parametrization import MuMLP, perceptron

BASE, DIM, CLASSES = 4, 3, 2


def rates(hidden: int, lr: float, *, plain: bool) -> list[float]:
    """The learning rate of each weight and bias of a network of two hidden layers, as `mup` sets them."""
    m = hidden / BASE
    if plain:
        return [lr * m, lr * m, lr, lr * m, lr * m, lr]
    return [lr, lr, lr / m, lr, lr, lr]


def layers_of(network: MuMLP) -> list[Tensor]:
    """The weights and biases that `mup` would train, at the start of seed 1."""
    used = [part for pair in network.layers(network.start([1])[0] * network._factor) for part in pair]
    m = network.wider
    return [part.squeeze(-1) if k % 2 else (part * m if k == 4 else part) for k, part in enumerate(used)]


def outputs(layers: list[Tensor], inputs: Tensor, m: float) -> Tensor:
    """Two hidden layers of tanh and an output that reads its inputs over ``m``."""
    first = torch.tanh(inputs @ layers[0].T + layers[1])
    second = torch.tanh(first @ layers[2].T + layers[3])
    return (second / m) @ layers[4].T + layers[5]


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "normalised"])
def test_every_step_is_that_of_torch_with_a_rate_for_each_tensor(plain: bool):
    hidden, lr = 12, 0.05
    network = MuMLP((DIM, hidden, hidden, CLASSES), BASE, torch.tanh, plain=plain)
    rng = torch.Generator().manual_seed(7)
    inputs, wanted = (torch.randn(9, n, generator=rng, dtype=torch.float64) for n in (DIM, CLASSES))
    theirs = [part.clone().requires_grad_() for part in layers_of(network)]
    groups = [{"params": [p], "lr": rate} for p, rate in zip(theirs, rates(hidden, lr, plain=plain), strict=True)]
    kind = torch.optim.SGD if plain else lambda params: torch.optim.Adam(params, eps=0.0)
    ours = network.start([1])[0].requires_grad_()
    both = [
        (kind(groups), lambda: outputs(theirs, inputs, network.wider)),
        (kind([{"params": [ours], "lr": lr}]), lambda: network(ours, inputs).T),
    ]
    for _ in range(5):
        losses = []
        for optimizer, predicted in both:
            optimizer.zero_grad()
            loss = (predicted() - wanted).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_at_its_base_width_the_network_is_the_standard_one():
    x = torch.randn(2, 26, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    standard = perceptron((3, BASE, 2), BASE, "standard")
    inputs = torch.ones(5, 3, dtype=torch.float64)
    for kind in ("mup", "mup-sgd"):
        other = perceptron((3, BASE, 2), BASE, kind)
        assert torch.equal(other.start([3]), standard.start([3]))
        assert torch.equal(other(x, inputs), standard(x, inputs))


def test_outputs_move_as_far_in_a_wide_network_as_in_a_narrow_one_under_mup_alone():
    def moved(hidden: int, kind: str) -> float:
        network = perceptron((DIM, hidden, CLASSES), 16, kind)
        inputs = torch.randn(20, DIM, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        x = network.start(range(8)).requires_grad_()
        before = network(x, inputs)
        (gradient,) = torch.autograd.grad(before.square().sum(), x)
        after = network(x - 0.01 * gradient.sign(), inputs)
        return float((after - before).detach().abs().mean())

    assert moved(1024, "standard") / moved(16, "standard") > 5
    assert 0.3 < moved(1024, "mup") / moved(16, "mup") < 3


def test_a_parametrization_is_part_of_what_an_instance_is():
    assert digits_mlp(hidden=64).parameters == {"hidden": 64}
    assert two_spirals(hidden=64, parametrization="mup").parameters["parametrization"] == "mup"
    assert math.isclose(MuMLP((2, 64, 2), 32, plain=False).wider, 2.0)


def test_an_unknown_parametrization_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="no parametrization 'mu'; there are standard, mup, mup-sgd"):
        digits_mlp(parametrization="mu")
