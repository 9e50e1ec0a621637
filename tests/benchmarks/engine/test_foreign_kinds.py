"""Foreign optimizers of other kinds than torch's: schedule-free ones, and names that mean something else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmarks.conformance.report import check_optimizer
from benchmarks.engine.training import Training, train
from benchmarks.naming.foreign import foreign
from benchmarks.naming.registry import make_optimizer, make_problem
from problems.module import ModuleProblem

STEPS = 12


class ScheduleFreeSGD(torch.optim.Optimizer):
    """Defazio et al. 2024: gradients are taken at y, between the iterate z and the average x; results are at x."""

    def __init__(self, params, lr=0.1, beta=0.9):
        super().__init__(params, {"lr": lr, "beta": beta, "train_mode": False, "k": 0})

    @torch.no_grad()
    def eval(self):
        for group in self.param_groups:
            if group["train_mode"]:
                for p in filter(self.state.get, group["params"]):
                    p.lerp_(self.state[p]["z"], 1 - 1 / group["beta"])
            group["train_mode"] = False

    @torch.no_grad()
    def train(self):
        for group in self.param_groups:
            if not group["train_mode"]:
                for p in filter(self.state.get, group["params"]):
                    p.lerp_(self.state[p]["z"], 1 - group["beta"])
            group["train_mode"] = True

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if not group["train_mode"]:
                raise RuntimeError("not in train mode")
            group["k"] += 1
            share = 1 / group["k"]
            for p in group["params"]:
                z = self.state[p].setdefault("z", p.clone())
                p.lerp_(z, share)
                p.add_(p.grad, alpha=group["lr"] * (group["beta"] * (1 - share) - 1))
                z.sub_(p.grad, alpha=group["lr"])
        return loss


class AdaBound(torch.optim.Adam):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), final_lr=0.1, gamma=1e-3, eps=1e-8):
        super().__init__(params, lr=lr, betas=betas, eps=eps)


class LateAverage(torch.optim.SGD):
    """Has an average to be judged by, from its first step on."""

    def step(self, closure=None):
        super().step(closure)
        for p in self.param_groups[0]["params"]:
            self.state[p]["average"] = p.detach().clone()

    def train(self):
        pass

    def eval(self):
        for p in self.param_groups[0]["params"]:
            p.data.copy_(self.state[p]["average"])


class LeakyRMSprop(torch.optim.RMSprop):
    """RMSprop that calls its decay what it is."""

    def __init__(self, params, lr=0.01, gamma=0.95):
        super().__init__(params, lr=lr, alpha=gamma)


class Extrapolating(torch.optim.SGD):
    """Steps against its past, which no average does."""

    def __init__(self, params, lr=0.1, momentum=1.5, betas=(-0.5, 0.999)):
        super().__init__(params, lr=lr)


class Undocumented(torch.optim.SGD):
    __doc__ = None

    def __init__(self, params, lr=0.1, eps=10.0):
        super().__init__(params, lr=lr)


def by_hand(lr: float) -> list[float]:
    """The loss at the average after every step, in a plain loop."""
    ellipse = make_problem("ellipse")
    x = ellipse.start([0]).requires_grad_()
    optimizer = ScheduleFreeSGD([x], lr=lr)
    losses = [float(ellipse.loss(x.detach(), None))]
    for _ in range(STEPS):
        optimizer.train()
        optimizer.zero_grad()
        ellipse.loss(x, None).sum().backward()
        optimizer.step()
        optimizer.eval()
        losses.append(float(ellipse.loss(x.detach(), None)))
    return losses


def trained(every: int | None, **keywords: bool) -> Tensor:
    spec = foreign("schedule-free", ScheduleFreeSGD, {})
    training = Training(make_problem("ellipse"), spec, [0], STEPS, every, **keywords)
    trace = train(training, {"lr": torch.tensor([0.05, 0.2], dtype=torch.float64)})
    return trace.loss if trace.path is None else trace.path


def test_a_schedule_free_optimizer_is_judged_at_its_average() -> None:
    losses = trained(1)
    for row, lr in enumerate((0.05, 0.2)):
        # by hand the average is taken out of y and put in again at every step, which rounds
        torch.testing.assert_close(losses[row, 0].tolist(), by_hand(lr), rtol=1e-12, atol=0)


def test_looking_at_a_schedule_free_optimizer_does_not_change_its_way() -> None:
    assert torch.equal(trained(1)[..., -1], trained(None)[..., -1])


def test_the_path_of_a_schedule_free_optimizer_is_that_of_its_average() -> None:
    path = trained(1, keep_path=True)
    ellipse = make_problem("ellipse")
    assert torch.equal(ellipse.loss(path.squeeze(1), None), trained(1).squeeze(1))


LINE = ModuleProblem(
    lambda: torch.nn.Linear(2, 1), torch.nn.functional.mse_loss, (torch.ones(4, 2), torch.ones(4, 1)), batch=2
)


@pytest.mark.parametrize("problem", ["ellipse", LINE], ids=["a vector", "a module"])
def test_an_average_that_is_not_there_before_the_first_step_is_not_asked_for(problem: str | ModuleProblem) -> None:
    ends = [
        train(Training(problem, foreign("sgd", kind, {}), [0], 3, 1), {"lr": 0.05}).loss
        for kind in (LateAverage, torch.optim.SGD)
    ]
    assert torch.equal(*ends)


def test_a_schedule_free_optimizer_passes_the_checks() -> None:
    assert check_optimizer(foreign("schedule-free", ScheduleFreeSGD, {})).ok


def test_a_gamma_that_is_no_memory_is_called_after_its_class_and_has_no_range() -> None:
    spec = foreign("bound", AdaBound, {})
    assert "gamma" not in {knob.name for knob in spec.hyperparameters}
    assert spec.axes == ("lr", "beta2")
    assert spec.options["gamma"] == 1e-3
    given = foreign("bound", AdaBound, {}, {"gamma": [1e-4, 1e-1, "log"]})
    knob = given.hyperparameter("adabound_gamma")
    assert (knob.default, knob.low, knob.high, knob.scale) == (1e-3, 1e-4, 1e-1, "log")
    assert not knob.is_memory
    assert given.keywords({"adabound_gamma": 0.01})["gamma"] == 0.01


def test_a_gamma_that_is_known_to_be_a_memory_is_searched_as_one() -> None:
    spec = foreign("leaky", LeakyRMSprop, {})
    assert spec.axes == ("lr", "gamma")
    assert spec.hyperparameter("gamma").default == 0.95


def test_a_number_with_a_memorys_name_that_no_memory_could_have_is_none() -> None:
    spec = foreign("extrapolating", Extrapolating, {})
    assert [knob.name for knob in spec.hyperparameters] == ["lr", "beta2"]
    assert spec.options["momentum"] == 1.5


@pytest.mark.parametrize("check", ["it_is_described", "knobs_are_sound"])
def test_what_a_foreign_class_lacks_is_a_note_and_fails_no_check(check: str) -> None:
    report = check_optimizer(foreign("undocumented", Undocumented, {}))
    (finding,) = [found for found in report.findings if found.check == check]
    assert finding.complaint
    assert finding.ok
    assert report.ok
    assert f"note  {finding.requirement}" in report.lines


def test_torchs_names_are_read_as_before() -> None:
    assert make_optimizer("torch:RMSprop").axes == ("lr", "gamma")
    assert make_optimizer("torch:Adadelta").axes == ("lr", "gamma")
