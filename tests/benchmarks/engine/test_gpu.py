"""What a processor trains, a GPU trains: every problem, every rule, modules as they are; and commands say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.engine.engines import Engine
from benchmarks.engine.training import Training, train
from benchmarks.errors import UsageError
from benchmarks.naming.registry import OPTIMIZERS, PROBLEMS, make_problem
from problems import DataError, Problem, download
from problems.module import ModuleProblem

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch has no GPU here"),
    pytest.mark.usefixtures("one_thread"),
]

ROUNDING = 1e-7  # sums in another order; 6 steps carry them on

OWN_CHANCE = {"digits-convnet"}  # units are dropped by the generator of the device: only the start is the same

# Roots and eigenbases of matrices that are singular after a few gradients, as between lanes and modules.
AMPLIFIED = {"adagrad-full": 1e-4, "soap": 1e-4, "shampoo": 1e-4}


def on_both(problem: str | Problem, optimizer: str, steps: int = 6, engine: Engine = "eager") -> tuple[Tensor, Tensor]:
    """The losses ``[C, S, E]`` of the same runs on the processor and on the GPU."""
    here = Training(problem, optimizer, [1, 2], steps, 3, dtype=torch.float64, engine=engine)
    return train(here, {}).loss, train(replace(here, device="cuda"), {}).loss


def refused(url: str, *_: object) -> None:
    raise OSError(f"{url} is not asked for in tests")


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_is_the_same_on_a_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_download", refused)
    try:
        here, there = on_both(make_problem(name), "rmsprop", steps=3)
    except DataError as error:
        pytest.skip(str(error))
    if name in OWN_CHANCE:
        here, there = here[..., :1], there[..., :1]
    torch.testing.assert_close(there, here, rtol=ROUNDING, atol=ROUNDING, equal_nan=True)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("problem", ["ellipse", "digits-softmax"])
def test_every_rule_is_the_same_on_a_gpu(problem: str, name: str) -> None:
    here, there = on_both(problem, name)
    tolerance = AMPLIFIED.get(name, ROUNDING)
    torch.testing.assert_close(there, here, rtol=tolerance, atol=tolerance, equal_nan=True)


def convnet() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
    )


def dropping() -> nn.Module:
    return nn.Sequential(convnet(), nn.BatchNorm1d(3), nn.Dropout(0.5))


def module_problem(module: Callable[[], nn.Module] = convnet, chunk: int = 16) -> ModuleProblem:
    inputs = torch.linspace(-1, 1, 64 * 50).view(50, 64).mul(37).sin()
    return ModuleProblem(module, nn.functional.cross_entropy, (inputs, torch.arange(50) % 3), batch=10, chunk=chunk)


@pytest.mark.parametrize(
    "optimizer", ["rmsprop", "muon", "torch:AdamW", "torch:LBFGS(max_iter=1)", "schedule-free-adamw"]
)
def test_a_module_as_it_is_is_the_same_on_a_gpu(optimizer: str) -> None:
    here, there = on_both(module_problem(), optimizer, engine="native")
    torch.testing.assert_close(there, here, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("engine", ["eager", "native"])
def test_half_precision_on_a_gpu_is_near_to_whole(engine: Engine) -> None:
    problem = module_problem() if engine == "native" else "digits-mlp"
    whole = Training(problem, "adam", [1], 10, 5, engine=engine, dtype=torch.float32, device="cuda")
    first, second = train(whole, {}).loss, train(replace(whole, autocast=True), {}).loss
    torch.testing.assert_close(second, first, rtol=0.05, atol=0)  # bfloat16 has 8 bits
    assert not torch.equal(first, second)


def test_the_global_random_state_of_a_gpu_is_put_back() -> None:
    torch.cuda.manual_seed(7)
    before = torch.cuda.get_rng_state()
    on_both(module_problem(dropping), "torch:AdamW", engine="native")
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_a_gpu_whose_memory_does_not_suffice_says_what_to_do() -> None:
    training = Training(module_problem(chunk=2**40), "rmsprop", [1], 1, device="cuda", engine="eager")
    lr = torch.linspace(0.001, 0.1, 2**26, dtype=torch.float64)  # 300 GB
    with pytest.raises(UsageError, match=r"memory does not suffice: .* lanes"):
        train(training, {"lr": lr})


@pytest.mark.parametrize(
    "command", [["landscape", "ellipse", "rmsprop", "--grid", "9x7"], ["tune", "digits-mlp", "adam"]]
)
def test_a_command_runs_on_a_gpu_and_says_so(call: Callable[..., int], tmp_path: Path, command: list[str]) -> None:
    asked = [*command, "--steps", "6", "--device", "cuda", "--no-tracking", "--jobs", "1", "--out", tmp_path / "out"]
    assert call(*asked) == 0
    (cell,) = (tmp_path / "out").glob("cells/*/cell.json")
    assert json.loads(cell.read_text())["device"].startswith("cuda")
