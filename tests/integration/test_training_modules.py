"""The engine, the conformance kit and modules as problems together: they train, and they conform."""

import torch
from torch import Tensor, nn

from benchmarks.conformance.report import check_problem
from benchmarks.lanes import train
from optimizers.rmsprop import RMSProp
from problems.data import DIGITS
from problems.module import ModuleProblem


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


def test_it_passes_the_conformance_kit():
    report = check_problem(line_problem())

    assert report.ok, str(report)


def test_training_it_learns():
    trace = train(digits_problem(chunk=8), RMSProp(), {"lr": torch.tensor([0.003, 0.01])}, [0], 60)

    assert trace.final_loss.max().item() < 1.0
    assert trace.metrics["heldout_accuracy"][..., -1].min().item() > 0.8
    assert set(trace.metrics) == {"loss", "accuracy", "heldout_loss", "heldout_accuracy"}
