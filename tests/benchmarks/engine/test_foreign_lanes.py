"""Foreign optimizers: the same runs as ours where the rule is the same, the same data, statuses and rungs where not."""

import pytest
import torch

from analysis.record.outcome import Outcome
from benchmarks.engine.training import Training, train
from benchmarks.errors import UsageError
from benchmarks.naming.foreign import foreign
from benchmarks.naming.registry import make_optimizer, make_problem
from optimizers import Schedule
from optimizers.lr_schedules import Cosine

# Both compute the same formula in double precision, in another order of operations.
ROUNDING = 1e-10

TWINS = [
    ("rmsprop-torch", "torch:RMSprop", {"gamma": [0.9, 0.99, 0.5], "eps": 1e-7}),
    ("adam", "torch:Adam", {"beta1": [0.0, 0.9, 0.5], "beta2": 0.99}),
    ("adadelta", "torch:Adadelta", {"gamma": [0.9, 0.99, 0.5]}),
    ("sgd", "torch:SGD", {}),
]


class Halving(Schedule):
    """The base value divided by the step."""

    kind = "any"

    def __call__(self, value, t, steps):
        return value / t


class Fading(Schedule):
    """From the base value down to half of it at the end."""

    kind = "any"

    def __call__(self, value, t, steps):
        return value * (1 - 0.5 * t / steps)


def trained(name, given, problem="ellipse", steps=20, on_rung=None, **keywords):
    hyperparameters = {
        key: torch.tensor(value, dtype=torch.float64) if isinstance(value, list) else value
        for key, value in given.items()
    }
    return train(
        Training(make_problem(problem), make_optimizer(name), [3, 5], steps, dtype=torch.float64, **keywords),
        hyperparameters,
        on_rung,
    )


@pytest.mark.parametrize(("ours", "foreign", "given"), TWINS)
@pytest.mark.parametrize("problem", ["ellipse", "quadratic", "rosenbrock"])
def test_torchs_optimizer_leaves_the_trace_of_our_rule(ours, foreign, given, problem):
    given = {"lr": [1e-3, 1e-2, 1e-1], **given}
    expected, actual = (trained(name, given, problem, evaluate_every=4) for name in (ours, foreign))
    torch.testing.assert_close(actual.loss, expected.loss, rtol=ROUNDING, atol=0, equal_nan=True)
    assert torch.equal(actual.step, expected.step)
    assert torch.equal(actual.status, expected.status)
    assert actual.lane_steps == expected.lane_steps


def test_a_diverged_lane_has_the_same_status_and_step_as_ours():
    given = {"lr": [0.1, 5.0, 0.2, 50.0]}
    expected, actual = (trained(name, given, steps=60, evaluate_every=10) for name in ("sgd", "torch:SGD"))
    assert actual.status.tolist() == [
        [Outcome.FINISHED] * 2,
        [Outcome.DIVERGED] * 2,
        [Outcome.FINISHED] * 2,
        [Outcome.DIVERGED] * 2,
    ]
    assert torch.equal(actual.stopped_at, expected.stopped_at)
    assert torch.equal(actual.loss.isnan(), expected.loss.isnan())


def test_every_lane_of_a_seed_sees_the_data_of_that_seed():
    together = trained("torch:RMSprop", {"lr": [0.01, 0.1]}, "quadratic")
    alone = train(
        Training(make_problem("quadratic"), make_optimizer("torch:RMSprop"), [5], 20, dtype=torch.float64), {"lr": 0.1}
    )
    torch.testing.assert_close(alone.loss[0, 0], together.loss[1, 1], rtol=ROUNDING, atol=0)
    assert not torch.allclose(together.loss[1, 0], together.loss[1, 1])


def test_values_not_given_are_the_defaults_of_the_entry_not_of_its_rule():
    spec = make_optimizer("rmsprop-torch")
    assert spec.hyperparameter("gamma").default == 0.99
    assert spec.rule.defaults()["gamma"] == 0.9
    for name in ("rmsprop-torch", "torch:RMSprop"):
        torch.testing.assert_close(
            trained(name, {"lr": 0.1}).loss, trained(name, {"lr": 0.1, "gamma": 0.99}).loss, rtol=0, atol=0
        )


def test_schedules_set_the_groups_of_a_foreign_optimizer_before_each_step():
    given, schedules = {"lr": [0.1, 0.4], "gamma": 0.9}, {"lr": Halving(), "gamma": Fading()}
    expected, actual = (trained(name, given, schedules=schedules) for name in ("rmsprop-torch", "torch:RMSprop"))
    torch.testing.assert_close(actual.loss, expected.loss, rtol=ROUNDING, atol=0)
    assert not torch.allclose(actual.loss, trained("torch:RMSprop", given).loss)


def test_one_of_the_two_betas_takes_a_schedule_of_its_own():
    given, schedules = {"lr": 0.1, "beta2": 0.99}, {"beta2": Fading()}
    seen = {}

    class Watched(torch.optim.Adam):
        def step(self, closure=None):
            seen[len(seen) + 1] = self.param_groups[0]["betas"]
            return super().step(closure)

    train(Training(make_problem("ellipse"), foreign("watched", Watched, {}), [0], 4, schedules=schedules), given)
    assert seen == {t: (0.9, pytest.approx(0.99 * (1 - 0.125 * t), rel=1e-15)) for t in (1, 2, 3, 4)}


def test_rungs_see_all_lanes_and_stop_what_they_do_not_keep():
    seen = []

    def keep_the_second(step, metrics):
        seen.append((step, metrics["loss"].shape))
        return torch.tensor([False, True, False])

    given = {"lr": [0.01, 0.1, 0.2]}
    expected, actual = (
        trained(name, given, steps=9, evaluate_every=3, on_rung=keep_the_second) for name in ("sgd", "torch:SGD")
    )
    assert seen == [(3, (3, 2)), (6, (3, 2))] * 2
    assert actual.status.tolist() == [[Outcome.PRUNED] * 2, [Outcome.FINISHED] * 2, [Outcome.PRUNED] * 2]
    assert torch.equal(actual.stopped_at, expected.stopped_at)
    assert actual.lane_steps == expected.lane_steps == 2 * (3 * 3 + 6)
    torch.testing.assert_close(actual.loss, expected.loss, rtol=ROUNDING, atol=0, equal_nan=True)


def test_the_path_is_kept_on_request():
    expected, actual = (trained(name, {"lr": 0.1}, evaluate_every=5, keep_path=True) for name in ("sgd", "torch:SGD"))
    torch.testing.assert_close(actual.path, expected.path, rtol=ROUNDING, atol=0)


def test_an_optimizer_that_demands_a_closure_is_given_one_of_its_own_lane():
    problem = make_problem("quadratic")
    trace = train(
        Training(problem, make_optimizer("torch:LBFGS(max_iter=4)"), [3, 5], 5, dtype=torch.float64, keep_path=True),
        {"lr": torch.tensor([0.5, 1.0])},
    )
    x = problem.start([5])[0].requires_grad_()
    alone = torch.optim.LBFGS([x], lr=1.0, max_iter=4)
    for batch in [batch.double() for batch in problem.batches([5], 5)]:

        def closure(batch=batch):
            alone.zero_grad()
            loss = problem.loss(x.unsqueeze(0), batch).sum()
            loss.backward()
            return loss

        alone.step(closure)
    torch.testing.assert_close(trace.path[1, 1, -1], x.detach(), rtol=ROUNDING, atol=0)


class Fenced(type(make_problem("ellipse"))):
    """Any analytic problem, kept where no coordinate is above -1."""

    def project_(self, x):
        x.clamp_(max=-1.0)


def test_a_constrained_problem_is_projected_after_every_foreign_step():
    problem = Fenced(lambda x: x.square().sum(-1), (-5.0, -2.0), minimum=2.0, steps=30)
    trace = train(Training(problem, make_optimizer("torch:SGD"), [0], 30, keep_path=True), {"lr": 0.1})
    assert trace.path[0, 0, -1].tolist() == [-1.0, -1.0]


@pytest.mark.parametrize(
    ("name", "given", "keywords", "words"),
    [
        ("torch:RMSprop", {"alpha": 0.9}, {}, "has no hyperparameter 'alpha'; it has lr, gamma"),
        ("torch:SGD", {"lr": 0.1}, {"schedules": {"gamma": Fading()}}, "has no hyperparameter 'gamma'"),
        ("torch:RMSprop", {}, {"schedules": {"gamma": Cosine()}}, "does not fit torch:RMSprop's gamma"),
        ("torch:Adam", {"lr": [0.1, -1.0]}, {}, "torch:Adam refuses"),
        ("torch:SparseAdam", {"lr": 0.1}, {}, "torch:SparseAdam cannot step on a parameter vector"),
        ("torch:Muon", {"lr": 0.1}, {}, "only supports 2D"),
    ],
)
def test_what_a_foreign_optimizer_cannot_do_is_said_in_its_name(name, given, keywords, words):
    with pytest.raises(UsageError, match=words):
        trained(name, given, **keywords)
