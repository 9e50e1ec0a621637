"""The one door: whichever optimizer, plain mappings, and what is kept and not stopped on request."""

from __future__ import annotations

import pytest
import torch

from analysis.record.outcome import Outcome
from benchmarks.engine import inputs
from benchmarks.engine.training import Configurations, Training, train
from benchmarks.naming.registry import OPTIMIZERS, make_optimizer, make_problem
from optimizers.sgd import SGD

ELLIPSE = make_problem("ellipse")
CURVATURE = torch.tensor([0.2, 4.0], dtype=torch.float64)


@pytest.mark.parametrize(
    "optimizer", [OPTIMIZERS["sgd"], SGD(), make_optimizer("torch:SGD")], ids=["ours", "rule", "torch"]
)
def test_the_door_takes_an_entry_a_bare_rule_and_a_foreign_optimizer(optimizer) -> None:
    trace = train(Training(ELLIPSE, optimizer, [1], 20), {"lr": 0.4})
    assert trace.final_loss.item() == pytest.approx(0.1 * 0.943467**2, rel=1e-5)


def test_a_plain_mapping_is_taken_as_configurations() -> None:
    training, values = Training(ELLIPSE, OPTIMIZERS["rmsprop"], [1], 20), {"lr": torch.tensor([0.1, 0.4]), "gamma": 0.9}
    assert torch.equal(train(training, values).loss, train(training, Configurations(values)).loss)


def test_gradients_and_states_are_those_of_the_updates() -> None:
    training = Training(
        ELLIPSE, OPTIMIZERS["adagrad"], [1], 40, evaluate_every=1, chunk=1, keep_path=True, keep_updates=True
    )
    trace = train(training, {"lr": torch.tensor([0.1, 0.4])})
    assert trace.path is not None
    assert trace.gradient is not None
    assert trace.state is not None
    assert trace.gradient[:, :, 0].isnan().all()
    torch.testing.assert_close(trace.gradient[:, :, 1:], trace.path[:, :, :-1] * CURVATURE, rtol=1e-14, atol=0)
    torch.testing.assert_close(
        trace.state["s"][:, :, 1:], trace.gradient[:, :, 1:].square().cumsum(2), rtol=1e-12, atol=0
    )
    assert trace.state["s"][:, :, 0].eq(0).all()


def test_what_is_kept_of_updates_follows_the_lanes_that_stay() -> None:
    lr = torch.tensor([50.0, 0.1, 60.0, 0.2], dtype=torch.float64)
    training = Training(ELLIPSE, OPTIMIZERS["sgd"], [1], 12, evaluate_every=3, keep_path=True, keep_updates=True)
    together = train(training, {"lr": lr})
    assert together.lane_steps < 4 * 12  # the diverged ones left the tensor
    assert together.gradient is not None
    for c in (1, 3):
        alone = train(training, {"lr": float(lr[c])}).gradient
        assert alone is not None
        assert torch.equal(together.gradient[c, :, 1:], alone[0, :, 1:])


def test_nothing_of_updates_is_kept_unasked() -> None:
    trace = train(Training(ELLIPSE, OPTIMIZERS["adagrad"], [1], 3), {})
    assert trace.path is trace.gradient is trace.state is None


@pytest.mark.parametrize("optimizer", [OPTIMIZERS["sgd"], make_optimizer("torch:SGD")], ids=["ours", "torch"])
def test_without_a_limit_a_run_goes_on_into_overflow_and_is_not_marked(optimizer) -> None:
    training = Training(ELLIPSE, optimizer, [1], 600, evaluate_every=100, stop_diverged=False)
    trace = train(training, {"lr": torch.tensor([0.4, 5.0], dtype=torch.float64)})
    assert trace.status.tolist() == [[Outcome.FINISHED]] * 2
    assert trace.stopped_at.tolist() == [[600]] * 2
    assert float(trace.loss[1, 0, 1]) > 1e100
    assert not trace.loss[1, 0, -1].isfinite()
    assert torch.equal(trace.loss[0], train(training, {"lr": 0.4}).loss[0])


def test_the_trace_of_one_configuration_is_its_part_of_the_whole() -> None:
    training = Training(make_problem("quadratic"), OPTIMIZERS["adagrad"], [1, 2], 10, keep_path=True, keep_updates=True)
    whole, values = train(training, {"lr": torch.tensor([0.1, 0.4, 0.8])}), {"lr": torch.tensor([0.4])}
    part, alone = whole.of(1), train(training, values)
    for one, other in ((part.loss, alone.loss), (part.path, alone.path), (part.gradient, alone.gradient)):
        assert torch.equal(one.nan_to_num(-1), other.nan_to_num(-1))
    assert torch.equal(part.status, alone.status)
    assert torch.equal(part.stopped_at, alone.stopped_at)
    assert part.state.keys() == alone.state.keys()
    assert all(torch.equal(part.state[name].nan_to_num(-1), alone.state[name].nan_to_num(-1)) for name in alone.state)
    assert part.lane_steps == alone.lane_steps == 20
    assert 3 * part.seconds == pytest.approx(whole.seconds)


def test_the_blocks_of_a_study_share_the_loss_of_their_start(monkeypatch) -> None:
    asked = []
    original = inputs.evaluation_of
    monkeypatch.setattr(inputs, "evaluation_of", lambda *given: asked.append(1) or original(*given))
    training = Training("rosenbrock", "sgd", [1, 2], 3)
    first, second = (train(training, {"lr": torch.tensor([1e-4, 10.0])}) for _ in range(2))
    assert len(asked) == 1
    assert torch.equal(first.status, second.status)
