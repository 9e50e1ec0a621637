"""What `stepscape speed` compares does the same work: the plain loops' updates, the counts, and JAX's programs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

import pytest
import torch

from benchmarks.engine.speed.goals import EPS, GAMMA, GOALS, Goal
from benchmarks.engine.speed.machine import Machine, one_core
from benchmarks.engine.speed.plain import LR, MODELS, flat_loop, module_loop
from benchmarks.engine.speed.work import Work, work_of
from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from optimizers.rmsprop import RMSProp

NAMES = [goal.problem for goal in GOALS[::2]]
STEPS = 3
MODULES = [name for name in NAMES if name in MODELS or name == "char-gru"]

IN_JAX = """
import json, sys
from benchmarks.engine.speed.goals import Goal
from benchmarks.engine.speed.jax_programs import JaxRun, loss_of_start
found = {}
for name in sys.argv[1:]:
    goal = Goal(name, 4, 0, 0, 0, 2)
    ended = JaxRun(goal, 4).ended()
    found[name] = [loss_of_start(goal.training(1).problem, name), ended.loss.tolist(), ended.valid_steps.tolist()]
print(json.dumps(found))
"""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with one_core():
        yield


@cache
def lane_after(name: str, steps: int) -> torch.Tensor:
    """The parameters ``[P]`` of a lane on seed 1 after so many steps with the loops' setting."""
    problem, rule = make_problem(name), RMSProp(eps_inside=False)
    x = problem.start([1]).to(problem.dtype).unsqueeze(0)
    state = rule.init(x)
    for t, batch in enumerate(problem.batches([1], steps), start=1):
        (g,) = torch.autograd.grad(problem.loss(x.requires_grad_(), batch).sum(), x)
        with torch.no_grad():
            rule.step_(x, g, state, {"lr": LR, "gamma": GAMMA, "eps": EPS}, t)
    return x.detach().flatten()


@pytest.mark.parametrize("name", NAMES)
def test_the_plain_loop_makes_the_updates_of_a_lane(name: str) -> None:
    problem = make_problem(name)
    loop = flat_loop(problem)
    loop.run(problem.batches([1], STEPS))
    found = loop.parameters[0].detach()[0]
    assert torch.allclose(found, lane_after(name, STEPS), rtol=0, atol=LR * 1e-2)  # RMSProp's steps are about 3 lr long


@pytest.mark.parametrize("name", MODULES)
def test_the_module_people_write_makes_the_same_updates(name: str) -> None:
    problem = make_problem(name)
    loop = module_loop(problem)
    assert loop is not None
    loop.run(problem.batches([1], STEPS))
    found = torch.nn.utils.parameters_to_vector(loop.parameters).detach()
    # a gradient of the size of rounding may have either sign, and RMSProp makes whole steps of it
    differing = (found - lane_after(name, STEPS)).abs() > LR * 1e-2
    assert float(differing.float().mean()) < 0.01


def test_a_formula_is_no_module() -> None:
    assert module_loop(make_problem("ellipse")) is None


def test_writing_a_module_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    module_loop(make_problem("digits-mlp"))
    assert torch.equal(before, torch.get_rng_state())


def test_operations_of_the_ellipse_are_those_of_its_formula_and_its_rule() -> None:
    found = work_of(Goal("ellipse", 16, 1, 1).training(1))
    # rmsprop: 2 numbers × (3 of s, the factor 1 - gamma being shared, 1 square, a clamp, a root, eps, 2 of the
    # step, 1 of x) = 20 or so; the loss 6, its gradient about as much again
    assert 30 <= found.operations <= 45
    assert (found.numbers, found.bytes) == (4, 8)


def test_operations_of_a_network_are_mostly_those_of_its_products() -> None:
    found = work_of(Goal("digits-mlp", 16, 1, 1).training(1))
    products = (
        2 * 32 * (64 * 32 + 32 * 10) * 2 + 2 * 32 * 32 * 10
    )  # forward, weights' gradients, hidden units' gradient
    assert products < found.operations < 1.25 * products
    assert found.numbers == 2 * 2410


def test_the_limit_is_what_takes_longest() -> None:
    machine = Machine({4: 100e9, 8: 50e9}, cache=100e9, memory=20e9)
    assert Work(100, 4, 8).limit(machine).of == "flops"
    assert Work(100, 4, 8).limit(machine).seconds == pytest.approx(2e-9)
    assert Work(100, 4, 4).limit(machine).seconds == pytest.approx(1e-9)
    assert Work(100, 200, 4).limit(machine).of == "cache"
    assert Work(0.1, 16, 4).limit(machine).of == "memory"


@pytest.fixture(scope="module")
def in_jax() -> dict[str, list[object]]:
    """By problem: the loss of the start, the losses before step 4 and the valid steps ``[C, S]``, from JAX."""
    if find_spec("jax") is None:
        pytest.skip("JAX is not installed: pip install -e '.[jax]'")
    command = [sys.executable, "-W", "ignore", "-c", IN_JAX, *NAMES]  # its threads and its precision stay out of here
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_jax_makes_the_same_steps(name: str, in_jax: dict[str, list[object]]) -> None:
    at_start, losses, valid_steps = in_jax[name]
    goal = Goal(name, 4, 0, 0, 0, 2)
    problem = make_problem(name)
    seeds = goal.training(1).seeds
    x = problem.start([1]).to(problem.dtype)
    first = next(iter(problem.batches([1], 1)))
    first = tuple(part for part in first) if isinstance(first, tuple) else first
    exact = 1e-12 if problem.dtype == torch.float64 else 1e-5  # a few hundred roundings
    assert at_start == pytest.approx(float(problem.loss(x, first).sum()), rel=exact)
    training = Training(name, OPTIMIZERS["rmsprop-torch"], seeds, 3, keep_path=True, stop_diverged=False)
    path = train(training, goal.configurations).path
    assert path is not None
    fourth = list(problem.batches(seeds, 4))[3]
    ours = problem.loss(path[:, :, -1], fourth)
    assert torch.tensor(losses, dtype=torch.float64).numpy() == pytest.approx(
        ours.double().numpy(),
        rel=max(exact, 2e-3 if problem.dtype == torch.float32 else 0),  # steps of sign(rounding)
    )
    assert valid_steps == [[4, 4]] * 2
