"""Rules that are judged by another point than the one their gradients are taken at: the engine evaluates there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.engine.kernel.compiler import find_compiler
from benchmarks.engine.training import Training, train
from benchmarks.errors import OwnCodeError
from benchmarks.naming.foreign import foreign
from benchmarks.naming.registry import make_problem
from optimizers import OptimizerSpec, RuleOptimizer
from optimizers.averages import ScheduleFree
from optimizers.rule import State
from optimizers.sgd import SGD
from problems import Analytic

STEPS = 12
LR = torch.tensor([0.01, 0.1, 0.2], dtype=torch.float64)


def trained(optimizer: Any, problem: Any = "ellipse", **more: Any) -> Any:
    options = {"keep_path": True, "evaluate_every": 3, "dtype": torch.float64, **more}
    return train(Training(problem, optimizer, [1, 2], STEPS, **options), {"lr": LR})


def test_what_is_evaluated_and_kept_as_the_path_is_the_average() -> None:
    plain = trained("sgd", evaluate_every=1).path  # [C, S, E, P]
    average = plain[:, :, 1]
    for t in range(2, STEPS + 1):
        average = 0.9 * average + 0.1 * plain[:, :, t]
    trace = trained("ema(sgd, memory=0.9)")
    torch.testing.assert_close(trace.path[:, :, -1], average, rtol=1e-12, atol=1e-12)
    expected = make_problem("ellipse").evaluate(average)["loss"]
    torch.testing.assert_close(trace.final_loss, expected, rtol=1e-12, atol=0)


@pytest.mark.skipif(find_compiler() is None, reason="there is no C compiler")
@pytest.mark.parametrize("optimizer", ["ema(sgd, memory=0.9)", "lookahead(rmsprop, every=4)", "schedule-free-adamw"])
def test_a_kernel_evaluates_there_too(optimizer: str) -> None:
    eager, compiled = (trained(optimizer, engine=engine) for engine in ("eager", "kernel"))
    assert compiled.engine == "kernel"
    assert torch.equal(eager.path, compiled.path)
    torch.testing.assert_close(eager.loss, compiled.loss, rtol=1e-14, atol=0)


class TwoModes(RuleOptimizer):
    """A foreign optimizer, as the suite sees it, that is our rule: with `train` and `eval`, as its authors' has."""

    def __init__(self, params: Any, lr: float = 0.1) -> None:
        super().__init__(params, ScheduleFree(SGD()), lr=lr)


def test_lanes_and_an_optimizer_with_two_modes_are_one_run() -> None:
    lanes = trained(OptimizerSpec("mine", ScheduleFree(SGD()), ("lr", None), "this test", "mine"))
    alone = trained(foreign("theirs", TwoModes, {}))
    assert torch.equal(lanes.path, alone.path)
    assert torch.equal(lanes.loss, alone.loss)


class AboveZero(Analytic):
    """A problem of all x >= 0."""

    def project_(self, x: Tensor) -> None:
        x.clamp_(min=0)


@dataclass(frozen=True)
class Beyond(SGD):
    """A rule that is judged five below where it is."""

    def shown(self, x: Tensor, state: State) -> Tensor:
        return x - 5


def test_what_is_judged_is_feasible() -> None:
    problem = AboveZero(lambda x: x.sum(-1), (1.0,), minimum=0.0, steps=STEPS)
    assert trained(Beyond(), problem).loss.unique().tolist() == [0.0]


@dataclass(frozen=True)
class Failing(SGD):
    """A rule of somebody's own."""

    def shown(self, x: Tensor, state: State) -> Tensor:
        return x + state["nowhere"]


def test_an_error_of_ones_own_in_shown_is_a_sentence_with_its_line() -> None:
    with pytest.raises(OwnCodeError, match=r"shown.*KeyError.*nowhere.*shown\(x, state\) gives the point") as error:
        trained(Failing())
    assert "test_judged_by_averages.py" in str(error.value)
