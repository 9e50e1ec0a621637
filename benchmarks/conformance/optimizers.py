"""What must hold of every optimizer: each check takes an entry and returns a complaint, or None where all is well.

The docstring of a check is the requirement in a sentence; the complaint says what came instead and what to do.
`OPTIMIZER_CHECKS` hold of any optimizer, foreign ones included; `RULE_CHECKS` of our rules, which train as lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
import torch
from torch import Tensor

from benchmarks.conformance.randomness import global_random_state
from benchmarks.engine.stepping import has_modes
from benchmarks.engine.training import Training, train
from benchmarks.naming.foreign import AnyOptimizer
from benchmarks.naming.registry import make_problem
from optimizers import OptimizerSpec, Rule
from optimizers.rule import Hyperparameters
from problems.problem import generator

__all__ = ["NOTED_OF_FOREIGN", "OPTIMIZER_CHECKS", "RULE_CHECKS", "OptimizerCheck", "RuleCheck"]

OptimizerCheck = Callable[[AnyOptimizer], str | None]
RuleCheck = Callable[[OptimizerSpec], str | None]

STEPS = 6  # long enough for every state to matter
SHAPE = (3, 2, 17)  # lanes [C, S] and parameters: 17 leaves a remainder in every vector width
LAYOUT = ((3, 4), (5,))  # of the same parameters, for rules that see matrices
ROUNDING = 1e-3  # of the largest coordinate: what roots of matrices make of it under gradients over six decades


def knobs_are_sound(spec: AnyOptimizer) -> str | None:
    """Every hyperparameter has its default within its range, and the landscape's axes are hyperparameters."""
    for knob in spec.hyperparameters:
        if not knob.name.isidentifier():
            return f"the hyperparameter name {knob.name!r} is no Python name"
        if not knob.low <= knob.default <= knob.high:
            return f"the default {knob.default} of {knob.name} is outside its range [{knob.low}, {knob.high}]"
    names = [knob.name for knob in spec.hyperparameters]
    if len(set(names)) != len(names):
        return f"a hyperparameter is listed twice: {', '.join(names)}"
    missing = [axis for axis in (*spec.axes, *spec.searched) if axis is not None and axis not in names]
    return f"the axis {missing[0]!r} is no hyperparameter; there are {', '.join(names)}" if missing else None


def it_is_described(spec: AnyOptimizer) -> str | None:
    """It says in a line what it is, and cites where it comes from."""
    for name in ("name", "description", "reference"):
        if not str(getattr(spec, name)).strip():
            return f"{name} is empty; say it in a few words"
    return None


def it_makes_progress(spec: AnyOptimizer) -> str | None:
    """Some learning rate of its range halves the loss of the problem ellipse, 0.1 x₁² + 2 x₂², within 50 steps."""
    lr = next((knob for knob in spec.hyperparameters if knob.name == "lr"), None)
    given = {"lr": torch.tensor(lr.grid(13), dtype=torch.float64)} if lr else {}
    ellipse = make_problem("ellipse")
    start = float(ellipse.evaluate(ellipse.start([0]))["loss"])
    lowest = [start]

    def until_halved(step: int, metrics: Mapping[str, Tensor]) -> Tensor:  # noqa: ARG001 - the signature of on_rung
        lowest.append(float(metrics["loss"].nan_to_num(torch.inf).min()))
        return torch.full((len(metrics["loss"]),), min(lowest) > start / 2)

    train(Training(ellipse, spec, [0], 51, evaluate_every=5), given, until_halved)
    if min(lowest) <= start / 2:
        return None
    return (
        f"from {start:.4g} the loss came down to {min(lowest):.4g} at best; is the step's sign right, and lr's range?"
    )


def zero_gradients_are_harmless(spec: AnyOptimizer) -> str | None:
    """Zero gradients from the first step on leave the parameters finite."""
    x = torch.ones(SHAPE[-1], requires_grad=True)
    _torch_steps(spec.torch([x]), x, torch.zeros(STEPS, SHAPE[-1]))
    if bool(x.isfinite().all()):
        return None
    return "the parameters are no longer finite; add eps to the denominator, or treat 0/0"


def steps_are_repeatable(spec: AnyOptimizer) -> str | None:
    """The same gradients give the same steps again, and the global random state stays as it was."""
    before = global_random_state()
    first, again = (_trained(spec, _gradients()[:, 0, 0]) for _ in range(2))
    if not torch.equal(first, again):
        return "two runs on the same gradients differ; an optimizer must not draw random numbers of its own"
    return None if global_random_state() == before else "the global random state changed; draw no random numbers"


def state_survives_a_checkpoint(spec: AnyOptimizer) -> str | None:
    """state_dict, loaded into a new optimizer half way, continues the run exactly."""
    g = _gradients()[:, 0, 0]
    half = len(g) // 2
    whole = _trained(spec, g)
    x = torch.ones(g.shape[-1], requires_grad=True)
    before = spec.torch([x])
    _torch_steps(before, x, g[:half])
    after = spec.torch([x])
    after.load_state_dict(before.state_dict())
    _torch_steps(after, x, g[half:])
    if torch.equal(_ends(after, x), whole):
        return None
    return "the resumed run differs; keep everything that changes in the optimizer's state"


def state_is_shaped(spec: OptimizerSpec) -> str | None:
    """init gives named tensors of its own, shaped like x or with a last axis of 1; of rules that see matrices, any."""
    x, any_last = torch.ones(SHAPE), len(_forms(spec)) > 1
    for name, tensor in spec.rule.init(x).items():
        shapes = ((*x.shape[:-1], tensor.shape[-1]),) if any_last else (x.shape, (*x.shape[:-1], 1))
        if tensor.shape not in shapes:
            return f"state {name!r} has shape {tuple(tensor.shape)}, x {tuple(x.shape)}; make it like x, or x[..., :1]"
        if tensor.data_ptr() == x.data_ptr():
            return f"the state {name!r} shares memory with x; clone it"
    return None


def updates_keep_their_hands_off(spec: OptimizerSpec) -> str | None:
    """update writes neither x, g nor the hyperparameters, and returns a step of the shape and precision of g."""
    for dtype in (torch.float32, torch.float64):
        x, g, hp = torch.ones(SHAPE, dtype=dtype), _gradients()[0].to(dtype), _lane_values(spec)
        kept, kept_hp = g.clone(), {name: value.clone() for name, value in hp.items()}
        step = spec.rule.step_at(x, g, spec.rule.init(x), hp, 1)
        if not bool((x == 1).all()):
            return "the parameters x were written; return the step, and let step_ take it"
        if not torch.equal(g, kept):
            return "update wrote its gradient g in place; compute on a new tensor"
        if not all(torch.equal(hp[name], kept_hp[name]) for name in hp):
            return "update wrote a hyperparameter in place; compute on a new tensor"
        if step.shape != g.shape or step.dtype != g.dtype:
            return f"update returned {tuple(step.shape)} {step.dtype} for g {tuple(g.shape)} {g.dtype}; use as_like"
    return None


def state_changes_in_place(spec: OptimizerSpec) -> str | None:
    """update advances the tensors that init made, and adds or replaces none."""
    for rule in _forms(spec):
        x = torch.ones(SHAPE)
        state = rule.init(x)
        kept = dict(state)
        for t, g in enumerate(_gradients(), start=1):
            rule.step_(x, g, state, _lane_values(spec), t)
        for name in {**state, **kept}:
            if state.get(name) is not kept.get(name):
                return (
                    f"the state {name!r} was added, dropped or replaced by a new tensor; "
                    "write into it (copy_, mul_, add_)"
                )
    return None


def lanes_equal_alone(spec: OptimizerSpec) -> str | None:
    """A lane among others equals the same run alone to the bit, in float32 and float64; to rounding by matrices."""
    values, g = _lane_values(spec), _gradients()
    for dtype, rule in product((torch.float32, torch.float64), _forms(spec)):
        together = _rule_steps(rule, g.to(dtype), values)
        for c in range(SHAPE[0]):
            own = {name: float(value[c]) for name, value in values.items()}
            alone = _rule_steps(rule, g[:, c, 1].to(dtype), own)
            near = bool((alone - together[c, 1]).abs().max() <= ROUNDING * alone.abs().max())
            if not (torch.equal(alone, together[c, 1]) if rule.to_the_bit else near):
                return f"lane ({c}, 1) differs in {dtype}; use elementary operations, none fused, and norms over dim=-1"
    return None


def lanes_are_isolated(spec: OptimizerSpec) -> str | None:
    """NaN in one lane's gradient changes no other lane."""
    g = _gradients()
    poisoned = g.clone()
    poisoned[:, 0, 0] = torch.nan
    others = torch.ones(SHAPE[:2], dtype=torch.bool)
    others[0, 0] = False
    for rule in _forms(spec):
        clean, beside = (_rule_steps(rule, given, _lane_values(spec)) for given in (g, poisoned))
        if not torch.equal(clean[others], beside[others]):
            return "another lane changed; reduce over dim=-1 only, and branch by torch.where instead of any() or max()"
    return None


def it_equals_its_torch_optimizer(spec: OptimizerSpec) -> str | None:
    """RuleOptimizer takes exactly the rule's steps."""
    g = _gradients()[:, 0, 0]
    if torch.equal(_trained(spec, g), _rule_steps(spec.rule, g, spec.default_values)):
        return None
    return "the torch optimizer differs from the rule; keep everything that changes in the state, and read hp only"


def every_knob_turns_something(spec: OptimizerSpec) -> str | None:
    """Each hyperparameter changes the steps, or what a run is judged by, somewhere in its range."""
    g, rule = _gradients().double()[:, 0, 0], _forms(spec)[-1]
    for knob in spec.hyperparameters:
        ends = [_rule_steps(rule, g, {**spec.default_values, knob.name: value}) for value in knob.grid(3)]
        if all(torch.equal(end, ends[0]) for end in ends):
            return (
                f"{knob.name} changes nothing from {knob.low} to {knob.high}; read it in update, or do not declare it"
            )
    return None


OPTIMIZER_CHECKS: tuple[OptimizerCheck, ...] = (
    knobs_are_sound,
    it_is_described,
    it_makes_progress,
    zero_gradients_are_harmless,
    steps_are_repeatable,
    state_survives_a_checkpoint,
)
"""The checks of any optimizer."""

NOTED_OF_FOREIGN: tuple[OptimizerCheck, ...] = (knobs_are_sound, it_is_described)
"""Those that its user can do nothing about where the class is somebody else's: they are noted, and fail nothing."""

RULE_CHECKS: tuple[RuleCheck, ...] = (
    state_is_shaped,
    updates_keep_their_hands_off,
    state_changes_in_place,
    lanes_equal_alone,
    lanes_are_isolated,
    it_equals_its_torch_optimizer,
    every_knob_turns_something,
)
"""The further checks of an optimizer that is a rule."""


def _gradients() -> Tensor:
    """Gradients ``[STEPS, C, S, P]`` in float32 over six orders of magnitude, some entries zero."""
    random = generator(0, "gradients")
    g = random.standard_normal((STEPS, *SHAPE)) * 10 ** random.uniform(-4, 2, (STEPS, *SHAPE))
    return torch.from_numpy(np.where(random.random(g.shape) < 0.1, 0.0, g)).float()


def _lane_values(spec: OptimizerSpec) -> dict[str, Tensor]:
    """A value a configuration ``[C, 1, 1]`` for every hyperparameter: spread over the middle of its range."""
    return {
        knob.name: torch.tensor([knob.at(place) for place in (0.25, 0.5, 0.75)], dtype=torch.float64).view(-1, 1, 1)
        for knob in spec.hyperparameters
    }


def _forms(spec: OptimizerSpec) -> tuple[Rule, ...]:
    """The rule as it takes a vector, and as it takes one with a matrix in it, where that is another thing to it."""
    bound = spec.rule.bound(LAYOUT)
    return (spec.rule,) if bound is spec.rule else (spec.rule, bound)


def _rule_steps(rule: Rule, gradients: Tensor, hp: Hyperparameters) -> Tensor:
    """Where the rule goes from x = 1 under ``gradients [T, ..., P]``, and what it is judged by: ``[..., 2, P]``."""
    x = torch.ones_like(gradients[0])
    state = rule.init(x)
    for t, g in enumerate(gradients, start=1):
        rule.step_(x, g, state, hp, t)
    return torch.stack([x, rule.shown(x, state)], -2)


def _trained(spec: AnyOptimizer, gradients: Tensor) -> Tensor:
    """Where the torch optimizer goes from x = 1 under ``gradients [T, P]``, at its defaults, as `_ends` gives it."""
    x = torch.ones_like(gradients[0], requires_grad=True)
    optimizer = spec.torch([x])
    _torch_steps(optimizer, x, gradients)
    return _ends(optimizer, x)


def _ends(optimizer: torch.optim.Optimizer, x: Tensor) -> Tensor:
    """Where the optimizer of ``x`` is, and, where it has two modes, what it is judged by: ``[2, P]``."""
    trained = x.detach().clone()
    if has_modes(optimizer):
        optimizer.eval()  # type: ignore[attr-defined]  # just looked for
    return torch.stack([trained, x.detach()])


def _torch_steps(optimizer: torch.optim.Optimizer, x: Tensor, gradients: Tensor) -> None:
    """Step under given gradients, through a closure, which every torch optimizer accepts and some demand."""
    if has_modes(optimizer):
        optimizer.train()  # type: ignore[attr-defined]  # just looked for
    for g in gradients:

        def closure(g: Tensor = g) -> Tensor:
            x.grad = g.clone()
            return (x.detach() * g).sum()

        optimizer.step(closure)  # type: ignore[arg-type]  # torch types it as float, its own L-BFGS needs a tensor
