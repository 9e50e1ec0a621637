"""Each check of an optimizer fails for one that breaks just what it looks at, and says so in a sentence."""

from dataclasses import dataclass, replace

import pytest
import torch

from benchmarks.conformance.optimizers import OPTIMIZER_CHECKS, RULE_CHECKS
from benchmarks.conformance.report import check_optimizer
from benchmarks.naming.foreign import foreign
from optimizers import Hyperparameter, OptimizerSpec, Rule
from optimizers.rule import as_like

LR = Hyperparameter("lr", default=0.1, low=1e-4, high=10.0, scale="log")
MEMORY = Hyperparameter("gamma", default=0.9, low=0.0, high=0.999, scale="log1m")


@dataclass(frozen=True)
class Average(Rule):
    """A sound rule with a state: descent along a leaky average of gradients; what the broken ones start from."""

    hyperparameters = (LR, MEMORY)

    def init(self, x):
        return {"m": torch.zeros_like(x)}

    def update(self, g, state, hp, t):
        state["m"].mul_(as_like(hp["gamma"], g)).add_(g * as_like(1 - hp["gamma"], g))
        return state["m"] * as_like(-hp["lr"], g)


class Uphill(Average):
    def update(self, g, state, hp, t):
        return -super().update(g, state, hp, t)


class DividesByTheGradient(Average):
    def update(self, g, state, hp, t):
        return super().update(g, state, hp, t) * (g / g.abs()).abs()


class Dithered(Average):
    def update(self, g, state, hp, t):
        return super().update(g, state, hp, t) * (1 + torch.rand(()))


class RemembersOutsideItsState(Average):
    steps = []

    def update(self, g, state, hp, t):
        self.steps.append(t)
        return super().update(g, state, hp, t) / len(self.steps)


class ForgetsAtACheckpoint(Average):
    hidden = {}

    def init(self, x):
        self.hidden[tuple(x.shape)] = torch.zeros_like(x)
        return super().init(x)

    def update(self, g, state, hp, t):
        return super().update(g, state, hp, t) - self.hidden[tuple(g.shape)].add_(g) * float(
            torch.as_tensor(hp["lr"]).max()
        )


class ScalarState(Average):
    def init(self, x):
        return {**super().init(x), "count": torch.zeros(())}


class StateThatIsX(Average):
    def init(self, x):
        return {"m": x}


class WritesItsGradient(Average):
    def update(self, g, state, hp, t):
        return super().update(g.mul_(2), state, hp, t)


class WritesItsHyperparameters(Average):
    def update(self, g, state, hp, t):
        if isinstance(hp["lr"], torch.Tensor):
            hp["lr"].mul_(0.5)
        return super().update(g, state, hp, t)


class StepsInDoublePrecision(Average):
    def update(self, g, state, hp, t):
        return super().update(g, state, hp, t).double()


class ReplacesItsState(Average):
    def update(self, g, state, hp, t):
        state["m"] = state["m"].clone()
        return super().update(g, state, hp, t)


class NormOverAllLanes(Average):
    def update(self, g, state, hp, t):
        return super().update(g / g.norm().clamp_min(1e-3), state, hp, t)


class RoundsLanesDifferently(Average):
    def update(self, g, state, hp, t):
        scale = 1.0 if g.dim() > 1 else 1 + 2 * torch.finfo(g.dtype).eps
        return super().update(g * scale, state, hp, t)


class NoticesTorch(Average):
    def update(self, g, state, hp, t):
        return super().update(g, state, hp, t) * (1 if "step" not in state else 2)


class IdleKnob(Average):
    hyperparameters = (LR, MEMORY, Hyperparameter("eps", default=1e-8, low=1e-12, high=1.0, scale="log"))


class DefaultOutOfRange(Average):
    hyperparameters = (replace(LR, default=100.0), MEMORY)


class TwiceTheSameKnob(Average):
    hyperparameters = (LR, MEMORY, LR)


class Undeclared(Average):
    hyperparameters = (LR,)


def spec_of(rule, **changes):
    return replace(
        OptimizerSpec(type(rule).__name__, rule, ("lr", None), "these tests", "broken on purpose"), **changes
    )


BROKEN = [
    (DefaultOutOfRange, "knobs_are_sound", "outside its range"),
    (TwiceTheSameKnob, "knobs_are_sound", "listed twice: lr, gamma, lr"),
    (Uphill, "it_makes_progress", "sign"),
    (Undeclared, "it_makes_progress", "KeyError: 'gamma'"),
    (DividesByTheGradient, "zero_gradients_are_harmless", "0/0"),
    (Dithered, "steps_are_repeatable", "random"),
    (RemembersOutsideItsState, "steps_are_repeatable", "two runs on the same gradients differ"),
    (ForgetsAtACheckpoint, "state_survives_a_checkpoint", "the resumed run differs"),
    (ScalarState, "state_is_shaped", "'count' has shape ()"),
    (StateThatIsX, "state_is_shaped", "shares memory with x"),
    (WritesItsGradient, "updates_keep_their_hands_off", "gradient g in place"),
    (WritesItsHyperparameters, "updates_keep_their_hands_off", "hyperparameter in place"),
    (StepsInDoublePrecision, "updates_keep_their_hands_off", "torch.float64 for g"),
    (ReplacesItsState, "state_changes_in_place", "'m' was added, dropped or replaced"),
    (RoundsLanesDifferently, "lanes_equal_alone", "differs in torch.float32"),
    (NormOverAllLanes, "lanes_are_isolated", "reduce over dim=-1 only"),
    (NoticesTorch, "it_equals_its_torch_optimizer", "differs from the rule"),
    (IdleKnob, "every_knob_turns_something", "eps changes nothing"),
]


def complaints(spec):
    return {finding.check: finding.complaint for finding in check_optimizer(spec).findings if not finding.ok}


def test_the_rule_they_all_start_from_conforms():
    assert complaints(spec_of(Average())) == {}


@pytest.mark.parametrize(("broken", "check", "words"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_rule_fails_the_check_of_what_is_broken(broken, check, words):
    assert words in complaints(spec_of(broken()))[check]


def test_an_optimizer_without_a_source_is_not_described():
    assert complaints(spec_of(Average(), reference=" ")) == {
        "it_is_described": "reference is empty; say it in a few words"
    }


def test_every_check_of_an_optimizer_can_fail():
    shown = {check for _, check, _ in BROKEN} | {"it_is_described"}
    assert shown == {check.__name__ for check in (*OPTIMIZER_CHECKS, *RULE_CHECKS)}


class Descent(torch.optim.Optimizer):
    """A foreign optimizer: plain descent."""

    sign = -1.0

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        if closure is not None:
            closure()
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad, alpha=self.sign * group["lr"])


class Ascent(Descent):
    """A foreign optimizer that climbs."""

    sign = 1.0


def test_a_foreign_optimizer_is_held_to_the_common_checks():
    report = check_optimizer(foreign("descent", Descent, {}))
    assert report.ok
    assert [finding.check for finding in report.findings] == [check.__name__ for check in OPTIMIZER_CHECKS]
    assert list(complaints(foreign("ascent", Ascent, {}))) == ["it_makes_progress"]
