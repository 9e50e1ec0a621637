"""What kernels train is what torch trains: to the bit where arithmetic is elementwise, to rounding elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.engine import kernel_lanes
from benchmarks.engine.kernel import making
from benchmarks.engine.kernel.compiler import find_compiler
from benchmarks.engine.kernel.kernel import EvaluationKernel
from benchmarks.engine.kernel.lowering import lower
from benchmarks.engine.kernel.making import evaluation_kernel, step_kernel
from benchmarks.engine.kernel.refusal import NotCompiledError
from benchmarks.engine.kernel.source import evaluation_source, step_source
from benchmarks.engine.kernel.tracing import trace_evaluation, trace_step
from benchmarks.engine.segments import batch_like
from benchmarks.engine.trace import Trace
from benchmarks.engine.training import Training, train
from benchmarks.naming.registry import OPTIMIZERS, PROBLEMS, make_problem, make_schedules
from optimizers import Hyperparameter, OptimizerSpec, Rule
from optimizers.rule import Hyperparameters, State, as_like
from problems import Batch, Facts, Problem

pytestmark = pytest.mark.skipif(find_compiler() is None, reason="there is no C compiler")

EXPONENTIAL = {"sc-adagrad", "sc-rmsprop"}  # whose exponential is torch's own to an ulp or two
SUMMED = {"adafactor", "lars", "lamb"}  # whose norms are sums, made in another order
OF_EIGENVALUES = {"adagrad-full", "shampoo", "soap"}
"""The rules that are left to torch, as docs/performance.md says."""
RULES = [name for name, spec in OPTIMIZERS.items() if isinstance(spec, OptimizerSpec) and name not in OF_EIGENVALUES]
ELEMENTWISE = ("ellipse", "ellipse-rotated", "rosenbrock", "rosenbrock-noisy", "beale", "bowl-noisy", "quadratic")
ALIKE = ("fashion", "text")  # the networks of mnist-…, char-gru and tiny-transformer at other sizes, some downloaded
IN_LANES = [name for name, spec in PROBLEMS.items() if not name.startswith(ALIKE) and spec.build().facts.native is None]
"""Every problem but those whose runs are modules of their own, a network once."""
VARIED = (
    *("helical-valley", "watson", "chebyquad", "griewank", "ackley", "different-powers", "broyden-banded"),
    *("quadratic-deep", "robust-huber", "sparse-logistic", "digits-softmax", "digits-mlp", "digits-cnn"),
    *("matrix-factorization", "deep-linear", "tiny-transformer"),
)
"""Problems of all families that have kernels."""
RATES = torch.logspace(-4, 1, 21, dtype=torch.float64)


def both(problem: Problem | str, optimizer: str, seeds: list[int], steps: int, **more: Any) -> tuple[Trace, Trace]:
    """The same training by torch and by a kernel: 21 learning rates, of which the largest diverge."""
    given = {"lr": RATES, **more.pop("values", {})}
    eager = train(Training(problem, optimizer, seeds, steps, engine="eager", **more), given)
    compiled = train(Training(problem, optimizer, seeds, steps, engine="kernel", **more), given)
    assert (eager.engine, compiled.engine) == ("eager", "kernel")
    return eager, compiled


def assert_equal(eager: Trace, compiled: Trace) -> None:
    """Every path of a living lane to the bit, and how every lane ended."""
    assert bool((eager.status == compiled.status).all())
    assert bool((eager.stopped_at == compiled.stopped_at).all())
    assert eager.path is not None
    assert compiled.path is not None
    alive = eager.loss.isfinite()
    assert bool((eager.path == compiled.path)[alive].all())
    assert eager.metrics.keys() == compiled.metrics.keys()


def close(eager: Trace, compiled: Trace, relative: float) -> bool:
    """Whether all losses of lanes that both call alive are as near as rounding makes them."""
    alive = eager.loss.isfinite() & compiled.loss.isfinite()
    apart = (eager.loss - compiled.loss).abs()[alive]
    return bool((apart <= relative * eager.loss.abs()[alive] + 1e-9).all())


@pytest.mark.parametrize("optimizer", ["momentum", "rmsprop-centered", "adam"])
def test_a_rule_moves_every_lane_as_torch_does_to_the_bit(optimizer: str) -> None:
    assert_equal(*both("ellipse", optimizer, [1, 2], 60, evaluate_every=7, keep_path=True))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", RULES)
def test_every_rule_moves_every_lane_as_torch_does_to_the_bit(optimizer: str) -> None:
    rates = (
        {"lr": RATES[RATES <= 0.1]} if optimizer in SUMMED else {}
    )  # larger ones make any rounding large in 60 steps
    eager, compiled = both("quadratic", optimizer, [1, 2], 60, evaluate_every=7, keep_path=True, values=rates)
    if optimizer in EXPONENTIAL | SUMMED:
        assert close(eager, compiled, 1e-4)
    else:
        assert_equal(eager, compiled)


@pytest.mark.slow
@pytest.mark.parametrize("problem", ELEMENTWISE)
def test_every_elementwise_problem_is_trained_as_torch_does_to_the_bit(problem: str) -> None:
    assert_equal(*both(problem, "rmsprop", [1, 2, 3], 100, evaluate_every=9, keep_path=True))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["muon", "adafactor", "lars", "lamb"])
def test_a_rule_that_sees_matrices_is_right_to_rounding_on_a_network(optimizer: str) -> None:
    lr = torch.tensor(OPTIMIZERS[optimizer].hyperparameter("lr").grid(9)[2:6], dtype=torch.float64)
    eager, compiled = both("digits-mlp", optimizer, [1, 2], 20, evaluate_every=5, values={"lr": lr})
    assert close(eager, compiled, 1e-3)  # 20 steps of single precision, summed in another order
    assert bool((eager.status == compiled.status).all())


def test_the_page_names_every_rule_and_problem_of_ours_that_stays_with_torch() -> None:
    page = (Path(__file__).parents[4] / "docs" / "performance.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"\*\*What stays with torch\*\*: (.*?)\n\n", page, re.DOTALL)
    listed, _ = told.split("By torch, ")  # what such a step takes, beside those of rules that are compiled
    natively = {name for name, spec in PROBLEMS.items() if name not in IN_LANES and not name.startswith(ALIKE)}
    assert set(re.findall(r"`([a-z0-9-]+)`", listed)) == OF_EIGENVALUES | natively


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", sorted(OF_EIGENVALUES))
def test_a_rule_that_takes_eigenvalues_is_trained_by_torch_and_says_so(optimizer: str) -> None:
    with pytest.warns(RuntimeWarning, match="is trained without a kernel: "):
        trace = train(Training("quadratic", optimizer, [1], 3, engine="kernel"), {})
    assert trace.engine == "eager"


def test_a_product_of_matrices_is_right_to_rounding() -> None:
    eager, compiled = both("airfoil", "rmsprop-torch", [1, 2, 3], 100, evaluate_every=20)
    assert close(eager, compiled, 1e-4)  # 100 steps of single precision, summed in another order
    assert bool((eager.status == compiled.status).all())


@pytest.mark.slow
@pytest.mark.usefixtures("tables_without_packages")
@pytest.mark.parametrize("problem", IN_LANES)
def test_every_problem_whose_runs_are_lanes_has_a_kernel(problem: str) -> None:
    made = make_problem(problem)
    start = made.start([1]).to(made.dtype)
    batch = batch_like(next(iter(made.batches([1], 1))), start)
    step_source(lower(trace_step(made, OPTIMIZERS["momentum"].rule, start, batch)), frozenset(), 32, frozenset())
    evaluation_source(lower(trace_evaluation(made, start)), 32, frozenset())


@pytest.mark.slow
@pytest.mark.parametrize("problem", VARIED)
def test_what_is_trained_on_a_problem_is_right_to_rounding(problem: str) -> None:
    training = Training(problem, "momentum", [1, 2], 8, 4, engine="eager")  # divides by no noise
    values = {"lr": torch.tensor([1e-5, 1e-4, 1e-3], dtype=torch.float64)}
    compiled = train(Training(training.problem, "momentum", [1, 2], 8, 4, engine="kernel"), values)
    assert compiled.engine == "kernel"
    eager = train(training, values)
    assert close(eager, compiled, 2e-3 if training.problem.dtype is torch.float32 else 1e-6)


@pytest.mark.parametrize("schedule", ["lr=cosine gamma=one-minus-gamma-over-t", "lr=step"])
def test_a_schedule_gives_a_value_a_step_and_a_lane(schedule: str) -> None:
    schedules = make_schedules(schedule)
    assert_equal(*both("ellipse", "rmsprop", [1], 50, schedules=schedules, evaluate_every=10, keep_path=True))


def test_neither_neighbours_nor_the_number_of_lanes_nor_of_threads_change_a_lane() -> None:
    whole = train(Training("rosenbrock", "rmsprop", [1], 50, 10, engine="kernel", keep_path=True), {"lr": RATES})
    threaded = Training("rosenbrock", "rmsprop", [1], 50, 10, engine="kernel", keep_path=True, threads=3)
    many = train(threaded, {"lr": RATES.repeat(5)})
    alone = train(Training("rosenbrock", "rmsprop", [1], 50, 10, engine="kernel", keep_path=True), {"lr": RATES[4:5]})
    assert whole.path is not None
    assert many.path is not None
    assert alone.path is not None
    alive = whole.loss.isfinite()
    assert bool((many.path[-21:] == whole.path)[alive].all())
    assert bool((alone.path[0] == whole.path[4]).all())


def test_lanes_that_nothing_stops_go_on_beyond_every_limit() -> None:
    eager, compiled = both("ellipse", "sgd", [1], 40, stop_diverged=False)
    assert bool((compiled.stopped_at == 40).all())
    assert bool((eager.stopped_at == compiled.stopped_at).all())


def test_pruned_configurations_leave_the_kernel_too() -> None:
    def half(_step: int, metrics: Mapping[str, Tensor]) -> Tensor:
        return torch.arange(21) < 10

    traces = [
        train(Training("rosenbrock", "momentum", [1, 2], 30, 10, engine=engine), {"lr": RATES}, half)
        for engine in ("eager", "kernel")
    ]
    assert bool((traces[0].status == traces[1].status).all())
    assert bool((traces[0].stopped_at == traces[1].stopped_at).all())


@dataclass(frozen=True, eq=False)
class Counting(Problem):
    """A bowl that turns into another one after so many calls: what tracing freezes."""

    calls: list[int] = field(default_factory=lambda: [0])

    @property
    def facts(self) -> Facts:
        return Facts(dim=2, minimum=0.0, dtype=torch.float64)

    def start(self, seeds: Any) -> Tensor:
        return torch.ones(len(seeds), 2, dtype=torch.float64)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        self.calls[0] += 1
        return (x * x).sum(-1) * (1.0 if self.calls[0] % 2 else 3.0)


def test_a_branch_that_tracing_froze_is_found_and_left_to_torch() -> None:
    with pytest.warns(RuntimeWarning, match="trained without a kernel: compiled, its .* differs from torch's"):
        trace = train(Training(Counting(), "sgd", [1], 5, engine="kernel"), {"lr": 0.1})
    assert trace.engine == "eager"


@dataclass(frozen=True, eq=False)
class Uneven(Counting):
    """A bowl around the mean of the rows of a batch, of which the last has fewer."""

    def batches(self, seeds: Any, steps: int) -> Any:
        for step in range(steps):
            yield torch.full((len(seeds), 2 if step == 4 else 3, 2), 0.5, dtype=torch.float64)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        center = 0.0 if batch is None else batch.mean(-2)  # type: ignore[union-attr]
        return (x - center).square().sum(-1)


def test_batches_of_another_shape_than_the_first_are_left_to_torch() -> None:
    given = {"lr": RATES}
    traces = [
        train(Training(Uneven(), "momentum", [1, 2], 6, 1, engine=engine, keep_path=True), given)
        for engine in ("eager", "kernel")
    ]
    assert traces[1].engine == "kernel"
    assert_equal(*traces)


@dataclass(frozen=True, eq=False)
class Retyped(Uneven):
    """A bowl around the mean of rows, which in one step are whole numbers."""

    def batches(self, seeds: Any, steps: int) -> Any:
        for step in range(steps):
            yield torch.full((len(seeds), 3, 2), 3, dtype=torch.int64 if step == 4 else torch.float64)

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        return super().loss(x, None if batch is None else batch.to(x.dtype))  # type: ignore[union-attr]


def test_batches_of_another_type_than_the_first_are_left_to_torch() -> None:
    traces = [
        train(Training(Retyped(), "momentum", [1, 2], 6, 1, engine=engine, keep_path=True), {"lr": RATES})
        for engine in ("eager", "kernel")
    ]
    assert traces[1].engine == "kernel"
    assert_equal(*traces)


@dataclass(frozen=True, eq=False)
class Wide(Counting):
    """A metric that is not one number a lane, of which no kernel may be made: it would be written anywhere."""

    def evaluate(self, x: Tensor) -> dict[str, Tensor]:
        return {"loss": self.loss(x, None), "all": x}


def test_numbers_of_a_shape_that_nobody_expects_are_not_compiled() -> None:
    with pytest.raises(NotCompiledError, match=r"evaluate gave as 'all' shape"):
        evaluation_kernel(Wide(), torch.float64)


@dataclass(frozen=True)
class Looking(Rule):
    """Gradient descent that looks back: it keeps where it was, and where it was before that."""

    hyperparameters = (Hyperparameter("lr", 0.1, 1e-4, 10.0, "log"),)

    def init(self, x: Tensor) -> State:
        return {"earlier": torch.zeros_like(x), "before": torch.zeros_like(x)}

    def update(self, g: Tensor, state: State, hp: Hyperparameters, t: int) -> Tensor:
        return (state["before"] - state["earlier"]) * 0.01 - g * as_like(hp["lr"], g)

    def step_(self, x: Tensor, g: Tensor, state: State, hp: Hyperparameters, t: int) -> None:
        moved = self.update(g, state, hp, t)
        state["earlier"] = state["before"]
        state["before"] = x.clone()
        x.add_(moved)


@pytest.mark.parametrize("problem", ["ellipse", "quadratic"])
def test_a_state_that_becomes_the_parameters_or_another_state_is_what_those_were(problem: str) -> None:
    traces = [
        train(Training(problem, Looking(), [1, 2], 40, 8, engine=engine, keep_path=True), {"lr": RATES})
        for engine in ("eager", "kernel")
    ]
    assert_equal(*traces)


@dataclass(frozen=True, eq=False)
class Sorted(Counting):
    """A loss with an operation that is not compiled."""

    def loss(self, x: Tensor, batch: Batch) -> Tensor:
        return x.sort(-1).values.square().sum(-1)


def test_an_operation_that_is_not_known_is_named_and_left_to_torch() -> None:
    with pytest.raises(NotCompiledError, match="sort"):
        step_kernel(Sorted(), OPTIMIZERS["sgd"].rule, torch.float64, ())
    with pytest.warns(RuntimeWarning, match="is trained without a kernel: operation aten.sort"):
        trace = train(Training(Sorted(), "sgd", [1], 5, engine="kernel"), {"lr": 0.1})
    assert trace.engine == "eager"
    assert train(Training(Sorted(), "sgd", [1], 5, planned=1e3), {"lr": 0.1}).engine == "eager"


@pytest.mark.parametrize(
    ("more", "why"),
    [({"dtype": torch.bfloat16}, "bfloat16"), ({"keep_updates": True}, "gradients are to be kept")],
)
def test_what_no_kernel_does_is_left_to_torch(more: Mapping[str, Any], why: str) -> None:
    with pytest.warns(RuntimeWarning, match=why):
        assert train(Training("bowl", "sgd", [1], 5, engine="kernel", **more), {"lr": 0.1}).engine == "eager"


def test_the_engine_is_chosen_by_the_amount_of_work_and_by_nothing_else() -> None:
    few, many = Training("ellipse", "rmsprop", [1], 30), Training("ellipse", "rmsprop", [1], 30, planned=1e3)
    assert train(few, {"lr": RATES}).engine == "eager"
    assert train(many, {"lr": RATES}).engine == "kernel"
    assert train(few, {"lr": RATES}).engine == "eager"  # though the kernel is there by now


def test_without_a_compiler_torch_trains_and_says_so_where_a_kernel_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(making, "find_compiler", lambda: None)
    monkeypatch.setattr(making, "why_no_compiler", lambda: "there is no C compiler here")
    assert train(Training("ellipse", "nesterov", [1], 30, planned=1e3), {"lr": 0.1}).engine == "eager"
    with pytest.warns(RuntimeWarning, match="there is no C compiler here"):
        train(Training("ellipse", "nesterov", [1], 30, engine="kernel"), {"lr": 0.1})


def test_an_estimate_of_work_grows_with_lanes_steps_and_parameters() -> None:
    small, large = make_problem("ellipse"), make_problem("digits-mlp")
    assert kernel_lanes.seconds_by_torch(small, 2e6, 100) > kernel_lanes.seconds_by_torch(small, 1e6, 100)
    assert kernel_lanes.seconds_by_torch(large, 1e6, 100) > 100 * kernel_lanes.seconds_by_torch(small, 1e6, 100)


def test_the_start_is_evaluated_once_for_all_configurations(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, original = [], EvaluationKernel.__call__

    def counted(self: EvaluationKernel, x: Tensor, threads: int = 1) -> dict[str, Tensor]:
        looked.append(len(x))
        return original(self, x, threads)

    monkeypatch.setattr(EvaluationKernel, "__call__", counted)
    eager, compiled = both("rosenbrock-noisy", "rmsprop", [1, 2], 4, evaluate_every=2)
    assert looked[-3:] == [1, len(RATES), len(RATES)]  # after the check of a kernel that is loaded first
    assert torch.equal(eager.metrics["loss"][..., 0], compiled.metrics["loss"][..., 0])
