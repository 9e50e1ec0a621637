"""The lanes engine: every lane is the run it would be alone, and how it ended is recorded."""

from __future__ import annotations

import math

import pytest
import torch

from analysis.record.outcome import Outcome
from benchmarks.engine.inputs import evaluation_steps
from benchmarks.engine.training import Training, train
from benchmarks.errors import UsageError
from benchmarks.naming.registry import OPTIMIZERS, make_problem

SGD = OPTIMIZERS["sgd"]
RMSPROP = OPTIMIZERS["rmsprop"]


@pytest.mark.parametrize("name", ["ellipse", "rosenbrock", "quadratic"])
def test_a_lane_equals_the_same_run_alone_to_the_bit_where_the_arithmetic_is_elementwise(name: str) -> None:
    problem = make_problem(name)
    lr = torch.logspace(-3, 0, 7, dtype=torch.float64)
    gamma = torch.linspace(0, 0.99, 7, dtype=torch.float64)
    together = train(Training(problem, RMSPROP, [3, 1, 2], 40, evaluate_every=10), {"lr": lr, "gamma": gamma})
    for c in range(7):
        alone = train(
            Training(problem, RMSPROP, [1], 40, evaluate_every=10), {"lr": float(lr[c]), "gamma": float(gamma[c])}
        )
        assert torch.equal(together.loss[c, 1], alone.loss[0, 0])


def test_a_lane_of_a_matrix_problem_equals_the_same_run_alone_to_rounding() -> None:
    problem = make_problem("airfoil")
    lr = torch.logspace(-3, -1, 5, dtype=torch.float64)
    together = train(Training(problem, RMSPROP, [1, 2], 60), {"lr": lr})
    for c in range(5):
        alone = train(Training(problem, RMSPROP, [2], 60), {"lr": float(lr[c])})
        # float32 products summed in another order: measured 2e-7 after 60 steps
        torch.testing.assert_close(together.final_loss[c, 1], alone.final_loss[0, 0], rtol=1e-5, atol=0)


def test_the_chunk_size_changes_nothing_where_the_arithmetic_is_elementwise() -> None:
    problem = make_problem("quadratic")
    lr = torch.logspace(-4, 2, 30, dtype=torch.float64)
    whole = train(Training(problem, SGD, [1, 2], 50, evaluate_every=5), {"lr": lr})
    cut = train(Training(problem, SGD, [1, 2], 50, evaluate_every=5, chunk=8), {"lr": lr})
    assert torch.equal(whole.loss.nan_to_num(-1), cut.loss.nan_to_num(-1))
    assert torch.equal(whole.status, cut.status)
    assert torch.equal(whole.stopped_at, cut.stopped_at)


def test_another_chunk_size_agrees_to_rounding_where_products_are_summed() -> None:
    problem = make_problem("digits-mlp")
    lr = torch.logspace(-3, -1, 6, dtype=torch.float64)
    whole = train(Training(problem, SGD, [1, 2], 20), {"lr": lr})
    cut = train(Training(problem, SGD, [1, 2], 20, chunk=2), {"lr": lr})
    torch.testing.assert_close(whole.final_loss, cut.final_loss, rtol=1e-4, atol=0)  # float32, another kernel by shape


def test_a_diverged_lane_keeps_its_step_and_disturbs_nobody() -> None:
    problem = make_problem("ellipse")
    lr = torch.tensor([0.1, 2.0, 0.4], dtype=torch.float64)  # stable below 2 / 4
    trace = train(Training(problem, SGD, [1], 60, evaluate_every=10), {"lr": lr})
    assert trace.status.flatten().tolist() == [Outcome.FINISHED, Outcome.DIVERGED, Outcome.FINISHED]
    # x2 grows by |1 - 4 lr| = 7 a step from loss 8: above a million times the start's gap of 10.5 after 4 steps
    losses = [0.1 * 25 * (1 - 0.4) ** (2 * t) + 2 * 4 * 49.0**t for t in range(8)]
    first_invalid = next(t for t, loss in enumerate(losses) if loss > 10.5 + 1e6 * 10.5)
    assert trace.stopped_at.flatten().tolist() == [60, first_invalid, 60]
    assert trace.loss[1, 0, 1:].isnan().all()
    alone = train(Training(problem, SGD, [1], 60, evaluate_every=10), {"lr": 0.4})
    assert torch.equal(trace.loss[2], alone.loss[0])


def test_all_lanes_may_diverge_and_the_trace_is_still_whole() -> None:
    trace = train(Training(make_problem("ellipse"), SGD, [1], 100, evaluate_every=10), {"lr": torch.tensor([5.0, 9.0])})
    assert (trace.status == Outcome.DIVERGED).all()
    assert trace.loss.shape == (2, 1, 11)
    assert trace.loss[..., 0].isfinite().all()
    assert trace.lane_steps < 2 * 100  # nobody trains dead lanes to the end


def test_a_loss_that_returns_from_beyond_the_limit_stays_diverged() -> None:
    problem = make_problem("ellipse")
    # the first step is lr / sqrt(1 - gamma): out to a loss of 1e9, where RMSProp walks back from
    trace = train(Training(problem, RMSPROP, [1], 20), {"lr": 3e3, "gamma": 0.99})
    assert trace.status.item() == Outcome.DIVERGED


def test_rungs_prune_configurations_and_save_their_steps() -> None:
    seen: list[int] = []

    def keep_the_better_half(step: int, metrics: dict[str, torch.Tensor]) -> torch.Tensor:
        seen.append(step)
        loss = metrics["loss"].mean(-1)
        return loss <= loss.nanmedian()

    lr = torch.logspace(-4, -0.5, 8, dtype=torch.float64)
    trace = train(
        Training(make_problem("ellipse"), SGD, [1], 40, evaluate_every=10, chunk=3), {"lr": lr}, keep_the_better_half
    )
    assert seen == [10, 20, 30]
    assert (trace.status == Outcome.FINISHED).sum() == 1
    assert (trace.status == Outcome.PRUNED).sum() == 7
    assert sorted(trace.stopped_at.flatten().tolist()) == [10, 10, 10, 10, 20, 20, 30, 40]
    assert trace.lane_steps == trace.stopped_at.sum()
    assert trace.loss[trace.status == Outcome.PRUNED][:, -1].isnan().all()


def test_seeds_share_data_whoever_stands_beside() -> None:
    problem = make_problem("airfoil")
    both = train(Training(problem, SGD, [5, 6], 30), {"lr": 0.01})
    swapped = train(Training(problem, SGD, [6, 5], 30), {"lr": 0.01})
    torch.testing.assert_close(both.final_loss[0], swapped.final_loss[0].flip(0), rtol=1e-6, atol=0)  # float32 sums
    assert both.final_loss[0, 0] != both.final_loss[0, 1]


def test_a_path_holds_the_parameters_at_every_evaluation() -> None:
    trace = train(Training(make_problem("ellipse"), SGD, [1], 20, evaluate_every=1, keep_path=True), {"lr": 0.4})
    assert trace.path is not None
    assert trace.path.shape == (1, 1, 21, 2)
    assert trace.path[0, 0, 0].tolist() == [-5.0, -2.0]
    assert [f"{x:.6f}" for x in trace.path[0, 0, -1].tolist()] == ["-0.943467", "-0.000073"]


def test_evaluation_steps_hold_the_first_and_the_last() -> None:
    assert evaluation_steps(10, None) == [0, 10]
    assert evaluation_steps(10, 4) == [0, 4, 8, 10]
    assert evaluation_steps(10, 100) == [0, 10]


def test_the_precision_of_a_run_can_be_chosen() -> None:
    problem = make_problem("quadratic")
    single = train(Training(problem, SGD, [1], 30), {"lr": 0.1})
    double = train(Training(problem, SGD, [1], 30, dtype=torch.float64), {"lr": 0.1})
    assert single.final_loss != double.final_loss
    assert math.isclose(single.final_loss.item(), double.final_loss.item(), rel_tol=1e-5)


@pytest.mark.parametrize(
    ("hyperparameters", "seeds", "steps", "message"),
    [
        ({"lrr": 0.1}, [1], 5, "no hyperparameter 'lrr'"),
        ({"lr": torch.tensor([0.1, 0.2]), "gamma": torch.tensor([0.1])}, [1], 5, "of one length"),
        ({"lr": torch.ones(2, 2)}, [1], 5, "of one length"),
        ({"lr": 0.1}, [], 5, "at least one seed"),
        ({"lr": 0.1}, [1, 1], 5, "each once"),
        ({"lr": 0.1}, [1], 0, "at least 1"),
    ],
)
def test_a_callers_mistake_is_refused_in_words(hyperparameters, seeds, steps, message) -> None:
    with pytest.raises(UsageError, match=message):
        train(Training(make_problem("ellipse"), RMSPROP, seeds, steps), hyperparameters)
