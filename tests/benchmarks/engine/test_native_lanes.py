"""Modules trained as they are: the same runs as lanes where both can be, and what only they can be beside that."""

import pytest
import torch
from torch import nn

from analysis.record.outcome import Outcome
from benchmarks.engine.cost import step_cost
from benchmarks.engine.training import Training, train
from benchmarks.errors import OwnCodeError, UsageError
from benchmarks.naming.foreign import foreign
from benchmarks.naming.groups import ParameterGroup
from benchmarks.naming.registry import OPTIMIZERS, make_optimizer, make_problem
from optimizers import Schedule
from optimizers.rmsprop import RMSProp
from problems.module import ModuleProblem

pytestmark = pytest.mark.usefixtures("one_thread")

# Lanes sum the same terms in other orders (batched products, a mean over blocks): 3e-15 over 12 steps in float64.
ROUNDING = 1e-12

# Roots and eigenbases of matrices that are singular after a few gradients: measured 3e-10 and 1.2e-8 over 8 steps.
AMPLIFIED = {"adagrad-full": 1e-8, "soap": 1e-6}

INPUTS = torch.linspace(-1, 1, 240).view(60, 4).sin()
LABELS = (INPUTS.sum(1) > 0).long()


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2))


def convnet() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)),
        nn.Conv2d(1, 4, 2, padding=1, bias=False),
        nn.GroupNorm(2, 4),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(36, 2),
    )


def normed() -> nn.Module:
    # a bias before the norm would have no gradient but rounding, whose sign is all that some rules look at
    return nn.Sequential(
        nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6, track_running_stats=False), nn.Sigmoid(), nn.Linear(6, 2)
    )


def dropping() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, 2))


def matrices() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6, bias=False), nn.Tanh(), nn.Linear(6, 2, bias=False))


def problem(module=perceptron, **options) -> ModuleProblem:
    held = {"heldout": (INPUTS[50:], LABELS[50:])}
    return ModuleProblem(module, nn.functional.cross_entropy, (INPUTS[:50], LABELS[:50]), batch=10, **held, **options)


def trained(optimizer, module=perceptron, given=None, on_rung=None, *, steps=12, seeds=(0, 3), **options):
    training = Training(problem(module), optimizer, seeds, steps, 5, dtype=torch.float64, **options)
    return train(training, given or {}, on_rung)


MODULES = (perceptron, convnet, normed)


@pytest.mark.parametrize(
    ("name", "module"),
    [  # every optimizer, and every module with a third of them; among the slow tests every module with all
        pytest.param(name, module, marks=[pytest.mark.slow] * (place % 3 != turn))
        for place, name in enumerate(OPTIMIZERS)
        for turn, module in enumerate(MODULES)
    ],
)
def test_lanes_and_modules_leave_the_same_trace(name, module):
    lanes, native = (trained(name, module, steps=8, seeds=[3], engine=engine) for engine in ("eager", "native"))

    assert (lanes.engine, native.engine) == ("eager", "native")
    assert list(native.metrics) == list(lanes.metrics)
    tolerance = AMPLIFIED.get(name, ROUNDING)
    for metric, value in lanes.metrics.items():
        torch.testing.assert_close(native.metrics[metric], value, rtol=tolerance, atol=tolerance, equal_nan=True)
    assert torch.equal(native.status, lanes.status)
    assert torch.equal(native.stopped_at, lanes.stopped_at)
    assert native.lane_steps == lanes.lane_steps


class Halving(Schedule):
    """The base value divided by the step."""

    kind = "any"

    def __call__(self, value, t, steps):
        return value / t


def test_schedules_act_natively_as_in_lanes():
    given, schedules = {"lr": torch.tensor([0.01, 0.1])}, {"lr": Halving()}
    lanes, native = (trained("rmsprop", given=given, schedules=schedules, engine=e) for e in ("eager", "native"))
    torch.testing.assert_close(native.loss, lanes.loss, rtol=ROUNDING, atol=0)


def test_a_run_that_diverges_stops_at_the_step_at_which_a_lane_does():
    given = {"lr": torch.tensor([0.1, 1e9, 1e4])}
    lanes, native = (trained("momentum", given=given, steps=40, engine=engine) for engine in ("eager", "native"))
    assert int(Outcome.DIVERGED) in native.status
    assert int(Outcome.FINISHED) in native.status
    assert torch.equal(native.status, lanes.status)
    assert torch.equal(native.stopped_at, lanes.stopped_at)
    assert torch.equal(native.loss.isnan(), lanes.loss.isnan())


def test_rungs_stop_what_they_do_not_keep():
    def keep_the_second(step, metrics):
        assert metrics["loss"].shape == (3, 2)
        return torch.tensor([False, True, False])

    given = {"lr": torch.tensor([0.01, 0.1, 0.2])}
    lanes, native = (trained("sgd", given=given, on_rung=keep_the_second, engine=e) for e in ("eager", "native"))
    assert native.status.tolist() == [[Outcome.PRUNED] * 2, [Outcome.FINISHED] * 2, [Outcome.PRUNED] * 2]
    assert torch.equal(native.stopped_at, lanes.stopped_at)
    assert native.lane_steps == lanes.lane_steps == 2 * (3 * 5 + 7)
    torch.testing.assert_close(native.loss, lanes.loss, rtol=ROUNDING, atol=0, equal_nan=True)


def test_a_configuration_is_the_same_whichever_stand_beside_it():
    rates = torch.tensor([0.01, 0.1], dtype=torch.float64)
    together = trained("adam", dropping, {"lr": rates}, engine="native")
    alone = trained("adam", dropping, {"lr": 0.1}, engine="native")
    assert torch.equal(together.loss[1], alone.loss[0])


def test_the_path_is_kept_on_request_and_updates_are_refused():
    lanes, native = (trained("sgd", keep_path=True, engine=engine) for engine in ("eager", "native"))
    torch.testing.assert_close(native.path, lanes.path, rtol=ROUNDING, atol=ROUNDING)
    with pytest.raises(UsageError, match=r"is trained natively .*, where no rule's state is kept"):
        trained("sgd", keep_updates=True, engine="native")


def test_a_flat_problem_stays_in_lanes_where_modules_are_asked_for():
    assert train(Training("ellipse", "sgd", [0], 3, engine="native"), {}).engine == "eager"


def test_the_reason_is_the_problems_the_optimizers_or_that_it_is_asked_for():
    def reason(optimizer, module=perceptron, **options):
        return Training(problem(module), optimizer, [0], 1, **options).native

    assert reason("sgd") is None
    assert reason("sgd", engine="native") == "it is asked for"
    assert reason("sgd", dropping) == "BatchNorm1d '1' keeps running statistics"
    assert reason("torch:SGD") == "a foreign optimizer steps on the module's own tensors"
    assert reason(RMSProp(), groups=[ParameterGroup(values={"lr": 0.1})]) == "parameters are trained in groups"
    assert Training("ellipse", "torch:SGD", [0], 1).native is None


def by_hand(module, optimizer, steps=12, seed=3):
    """The losses at the end of an ordinary loop of torch over the same run."""
    given = problem(module)
    run = given.run(seed, dtype=torch.float64)
    stepping = optimizer(run.module)
    for _ in range(steps):
        with run.at_work():
            run.draw()

            def closure():
                stepping.zero_grad()
                loss = run.loss()
                loss.backward()
                return loss

            stepping.step(closure)
    return run.evaluate()["loss"]


@pytest.mark.parametrize(
    ("name", "given", "module", "made"),
    [
        ("torch:Muon", {"lr": 0.02}, matrices, lambda m: torch.optim.Muon(m.parameters(), lr=0.02)),
        ("torch:LBFGS(max_iter=3)", {"lr": 0.5}, dropping, lambda m: torch.optim.LBFGS(m.parameters(), 0.5, 3)),
        ("torch:Adafactor", {"lr": 0.02}, dropping, lambda m: torch.optim.Adafactor(m.parameters(), 0.02)),
        ("torch:AdamW", {"lr": 0.01}, dropping, lambda m: torch.optim.AdamW(m.parameters(), 0.01)),
    ],
)
def test_a_foreign_optimizer_has_the_modules_own_tensors(name, given, module, made):
    assert trained(name, module, given).final_loss[0, 1] == by_hand(module, made)


def test_an_optimizer_of_sparse_gradients_gets_them():
    given = ModuleProblem(
        lambda: nn.Sequential(nn.Embedding(5, 2, sparse=True)),
        nn.functional.cross_entropy,
        (torch.arange(20) % 5, torch.arange(20) % 2),
        batch=5,
    )
    trace = train(Training(given, "torch:SparseAdam", [0], 40), {"lr": 0.05})
    assert trace.final_loss < trace.loss[..., 0]


@pytest.mark.parametrize(
    ("name", "module", "words"),
    [
        (
            "torch:Muon",
            perceptron,
            "torch:Muon refuses .* on the module's parameters: Muon only supports 2D .* a parameter group",
        ),
        ("torch:SparseAdam", perceptron, "torch:SparseAdam cannot step on the module's parameters"),
    ],
)
def test_what_a_foreign_optimizer_cannot_do_is_said_in_its_name(name, module, words):
    with pytest.raises(UsageError, match=words):
        trained(name, module)


def test_muon_on_a_flat_problem_is_a_sentence():
    with pytest.raises(UsageError, match="on a parameter vector, which is all that a problem has that is no module"):
        train(Training("ellipse", "torch:Muon", [0], 1), {})


def test_groups_change_hyperparameters_by_name():
    groups = [ParameterGroup(("*.bias", "1.*"), values={"weight_decay": 0.0})]

    def made(module):
        named = dict(module.named_parameters())
        free = [p for name, p in named.items() if name.endswith(".bias") or name.startswith("1.")]
        rest = [p for name, p in named.items() if not (name.endswith(".bias") or name.startswith("1."))]
        parts = [{"params": rest}, {"params": free, "weight_decay": 0.0}]
        return torch.optim.AdamW(parts, lr=0.01, weight_decay=0.3)

    given = {"lr": 0.01, "weight_decay": 0.3}
    trace = trained("torch:AdamW", dropping, given, groups=groups)
    assert trace.final_loss[0, 1] == by_hand(dropping, made)
    assert trace.final_loss[0, 1] != trained("torch:AdamW", dropping, given).final_loss[0, 1]


def test_groups_of_a_rule_are_those_of_its_torch_optimizer():
    groups = [ParameterGroup(("*.weight",), values={"lr": 0.5})]
    spec = make_optimizer("momentum")

    def made(module):
        named = dict(module.named_parameters())
        parts = [[p for name, p in named.items() if name.endswith(kind)] for kind in ("bias", "weight")]
        return spec.torch([{"params": parts[0]}, {"params": parts[1], "lr": 0.5}], lr=0.01)

    trace = trained("momentum", perceptron, {"lr": 0.01}, groups=groups)
    assert trace.final_loss[0, 1] == by_hand(perceptron, made)


class Both(torch.optim.Optimizer):
    """Muon for matrices and AdamW for the rest, in an ordinary loop."""

    def __init__(self, module):
        self.both = [
            torch.optim.Muon([p for p in module.parameters() if p.dim() == 2], lr=0.02),
            torch.optim.AdamW([p for p in module.parameters() if p.dim() == 1], lr=0.003),
        ]

    def zero_grad(self):
        for each in self.both:
            each.zero_grad()

    def step(self, closure):
        closure()
        for each in self.both:
            each.step()


def test_another_optimizer_trains_what_muon_cannot():
    groups = [ParameterGroup(dims=(1,), optimizer="torch:AdamW", values={"lr": 0.003})]
    trace = trained("torch:Muon", dropping, {"lr": 0.02}, groups=groups)
    assert trace.final_loss[0, 1] == by_hand(dropping, Both)


class Asking(torch.optim.SGD):
    """Asks each of its groups whether it is for matrices, as the authors' Muon does."""

    def __init__(self, params, lr=0.1):
        groups = list(params)
        for group in groups:
            group["lr"] = lr if group["use_muon"] else 0.0
        super().__init__(groups, lr=lr)


def test_a_class_that_asks_its_groups_is_told():
    groups = [ParameterGroup(dims=(2,), values={"use_muon": True}), ParameterGroup(values={"use_muon": False})]
    spec = foreign("asking", Asking, {})
    still = {"params": [], "lr": 0.0}

    def made(module):
        moved = [p for p in module.parameters() if p.dim() == 2]
        still["params"] = [p for p in module.parameters() if p.dim() != 2]
        return torch.optim.SGD([{"params": moved}, still], lr=0.1)

    assert trained(spec, dropping, {"lr": 0.1}, groups=groups).final_loss[0, 1] == by_hand(dropping, made)
    assert [str(group) for group in groups] == ["* of 2 axes: use_muon=true", "*: use_muon=false"]
    with pytest.raises(UsageError, match="sgd has no hyperparameter 'use_muon'"):
        trained("sgd", groups=groups)


@pytest.mark.parametrize(
    ("group", "words"),
    [
        (ParameterGroup(("*.gain",), values={"lr": 1.0}), r"'\*.gain' has no parameters: there are 0.weight \[5, 4\]"),
        (ParameterGroup(dims=(3,), values={"lr": 1.0}), "'\\* of 3 axes' has no parameters"),
        (ParameterGroup(values={"rate": 1.0}), "torch:SGD has no hyperparameter 'rate'"),
        (ParameterGroup(optimizer="torch:Adam"), "torch:SGD has no parameters: its groups give all of them to other"),
    ],
)
def test_a_group_that_cannot_be_is_a_sentence(group, words):
    with pytest.raises(UsageError, match=words):
        trained("torch:SGD", groups=[group])


def test_a_group_whose_parameters_belong_to_others_is_a_sentence():
    groups = [ParameterGroup(values={"lr": 0.1}), ParameterGroup(("0.*",), values={"lr": 0.2})]
    with pytest.raises(UsageError, match="those it matches belong to groups before it"):
        trained("torch:SGD", groups=groups)


def test_groups_need_parameters_with_names():
    with pytest.raises(UsageError, match="'ellipse' has one vector of parameters, without names"):
        train(Training("ellipse", "torch:SGD", [0], 1, groups=[ParameterGroup(values={"lr": 0.1})]), {})


@pytest.mark.parametrize("engine", ["eager", "native"])
def test_a_loss_without_a_gradient_is_said_to_the_author_of_a_module(engine):
    given = ModuleProblem(
        perceptron, lambda output, target: (output[:, 0] - target).square().mean().detach(), (INPUTS, LABELS)
    )
    said = "loss gave a tensor without a gradient .*; a run draws inputs and a target, and loss"
    with pytest.raises(OwnCodeError, match=said):
        train(Training(given, "sgd", [0], 1, engine=engine), {})


def test_what_the_module_raises_is_a_sentence_of_the_users_own():
    class Late(nn.Linear):
        calls = 0

        def forward(self, inputs):
            Late.calls += 1
            if Late.calls > 4:
                raise KeyError("gone")
            return super().forward(inputs)

    with pytest.raises(OwnCodeError, match=r"loss raised KeyError: 'gone' .*test_native_lanes\.py"):
        trained("torch:SGD", lambda: Late(4, 2))


def test_memory_that_does_not_suffice_for_all_modules_is_a_sentence():
    class Large(nn.Linear):
        made = 0

        def __init__(self):
            super().__init__(4, 2)
            Large.made += 1
            if Large.made > 6:
                raise torch.OutOfMemoryError("Tried to allocate 3.00 GiB")

    words = "memory does not suffice: 3.00 GiB more were asked for with 8 modules beside each other; ask for fewer"
    with pytest.raises(UsageError, match=words):
        trained("sgd", Large, {"lr": torch.tensor([0.1, 0.2, 0.3, 0.4])}, engine="native")


def test_the_registered_native_problem_trains():
    trace = train(Training(make_problem("digits-convnet"), "adam", [0], 40), {"lr": 0.01})
    assert trace.engine == "native"
    assert trace.final_loss.item() < 0.5 * trace.loss[0, 0, 0].item()
    assert trace.metrics["heldout_accuracy"][0, 0, -1].item() > 0.7


def test_a_step_of_a_module_has_its_cost_with_the_bytes_of_its_optimizers():
    groups = [ParameterGroup(dims=(1,), optimizer="torch:SGD", values={"lr": 0.1, "momentum": 0.9})]
    training = Training(problem(dropping), "torch:AdamW", [0, 3], 5, groups=groups)
    cost = step_cost(training, {"lr": 0.01})
    matrices, vectors = 4 * 6 + 6 * 2, 6 + 6 + 6 + 2
    counters = 2  # torch's Adam keeps a step number for each tensor

    assert cost.seconds > 0
    assert cost.state_bytes == 4 * (2 * matrices + vectors + counters)


def test_half_precision_is_for_losses_of_modules_too():
    plain, half = (train(Training(problem(dropping), "adam", [0], 12, autocast=half), {}) for half in (False, True))
    assert half.loss[0, 0, 0] == plain.loss[0, 0, 0]  # evaluations are not
    assert half.final_loss[0, 0] != plain.final_loss[0, 0]
    torch.testing.assert_close(half.final_loss, plain.final_loss, rtol=0.05, atol=0)  # 8 bits of mantissa, 12 steps
