"""Schedules: equal to torch's where torch has them, right in closed form elsewhere, the same for floats and lanes."""

import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from optimizers import SCHEDULES, Hyperparameter, Schedule
from optimizers.lr_schedules import (
    Cosine,
    Exponential,
    Inverse,
    InverseSqrt,
    Knots,
    Linear,
    MultiStep,
    OneCycle,
    Polynomial,
    Step,
    Warmup,
    WarmupStableDecay,
)
from optimizers.memory_schedules import (
    BiasCorrection,
    CappedAverage,
    GammaCosine,
    GammaKnots,
    GammaLinear,
    OneMinusGammaOverT,
    OneMinusInverse,
    OneMinusPower,
)
from optimizers.schedule import Constant

BASE, STEPS = 0.3, 40

LR = Hyperparameter("lr", default=0.1, low=1e-3, high=1.0, scale="log")
GAMMA = Hyperparameter("gamma", default=0.9, low=0.0, high=0.999, scale="log1m")

repeatable = settings(derandomize=True, deadline=None, database=None, max_examples=40)
every_schedule = pytest.mark.parametrize("name", SCHEDULES)


def values(schedule: Schedule, base: float = BASE, steps: int = STEPS) -> list[float]:
    return [float(schedule(base, t, steps)) for t in range(1, steps + 1)]


def of_torch(make: Callable[[torch.optim.Optimizer], Any], steps: int = STEPS) -> list[float]:
    """What torch's scheduler gives: step t is epoch t - 1, the scheduler is stepped after every update."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=BASE)
    scheduler = make(optimizer)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


PAIRS: list[tuple[Schedule, Callable[[torch.optim.Optimizer], Any]]] = [
    (Constant(), lambda o: lr_scheduler.ConstantLR(o, factor=1.0, total_iters=1)),
    (InverseSqrt(), lambda o: lr_scheduler.LambdaLR(o, lambda e: (e + 1) ** -0.5)),
    (Inverse(rate=0.5), lambda o: lr_scheduler.LambdaLR(o, lambda e: 1 / (1 + 0.5 * e))),
    (Step(every=7, factor=0.3), lambda o: lr_scheduler.StepLR(o, step_size=7, gamma=0.3)),
    (Step(every=0.25, factor=0.3), lambda o: lr_scheduler.StepLR(o, step_size=10, gamma=0.3)),
    (MultiStep(milestones=(5, 20)), lambda o: lr_scheduler.MultiStepLR(o, milestones=[5, 20], gamma=0.1)),
    (MultiStep(milestones=[0.5, 0.75]), lambda o: lr_scheduler.MultiStepLR(o, milestones=[20, 30], gamma=0.1)),
    (Exponential(final=0.02), lambda o: lr_scheduler.ExponentialLR(o, gamma=0.02 ** (1 / STEPS))),
    (Linear(final=0.1), lambda o: lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=STEPS)),
    (Linear(), lambda o: lr_scheduler.PolynomialLR(o, total_iters=STEPS, power=1.0)),
    (Polynomial(power=3.0), lambda o: lr_scheduler.PolynomialLR(o, total_iters=STEPS, power=3.0)),
    (Cosine(), lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=STEPS)),
    (Cosine(final=0.1), lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=STEPS, eta_min=0.1 * BASE)),
    (OneCycle(), lambda o: lr_scheduler.OneCycleLR(o, BASE, total_steps=STEPS, cycle_momentum=False)),
    (
        OneCycle(rise=0.45, start=0.1, final=0.01),
        lambda o: lr_scheduler.OneCycleLR(
            o, BASE, total_steps=STEPS, pct_start=0.45, div_factor=10, final_div_factor=10, cycle_momentum=False
        ),
    ),
    (
        Warmup(then=Cosine(), length=8),
        lambda o: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.LinearLR(o, start_factor=1 / 8, total_iters=7),
                lr_scheduler.CosineAnnealingLR(o, T_max=STEPS - 8),
            ],
            milestones=[8],
        ),
    ),
]


@pytest.mark.filterwarnings("ignore:The epoch parameter in `scheduler.step")  # SequentialLR calls it itself
@pytest.mark.parametrize(("ours", "torchs"), PAIRS, ids=[str(ours) for ours, _ in PAIRS])
def test_a_schedule_gives_the_rates_of_torchs_scheduler(
    ours: Schedule, torchs: Callable[[torch.optim.Optimizer], Any]
) -> None:
    # torch multiplies its way from step to step, so its rounding grows with the steps
    steps = STEPS - 1 if isinstance(ours, OneCycle) else STEPS  # torch's refuses one step more than its total
    assert values(ours)[:steps] == pytest.approx(of_torch(torchs, steps), rel=1e-12, abs=1e-15)


CLOSED_FORMS: list[tuple[Schedule, Callable[[int], float]]] = [
    (OneMinusInverse(), lambda t: 1 - 1 / t),
    (OneMinusGammaOverT(), lambda t: 1 - BASE / t),
    (OneMinusPower(c=0.8), lambda t: 1 - t**-0.8),
    (CappedAverage(), lambda t: min(BASE, 1 - 1 / t)),
    (BiasCorrection(), lambda t: BASE * (1 - BASE ** (t - 1)) / (1 - BASE**t)),
    (GammaLinear(final=0.9), lambda t: BASE + (0.9 - BASE) * (t - 1) / STEPS),
    (GammaCosine(final=0.9), lambda t: 0.9 + (BASE - 0.9) * (1 + math.cos(math.pi * (t - 1) / STEPS)) / 2),
    (GammaKnots((0.9, 0.5)), lambda t: 0.9 - 0.4 * (t - 1) / STEPS),
    (Knots((1.0, 0.0)), lambda t: BASE * (1 - (t - 1) / STEPS)),
    (Knots((0.2, 1.0, 0.5), at=(0, 0.25, 1)), lambda t: BASE * min(0.2 + 0.8 * (t - 1) / 10, 1 - 0.5 * (t - 11) / 30)),
    (InverseSqrt(rate=0.1), lambda t: BASE * (1 + 0.1 * (t - 1)) ** -0.5),
    (Polynomial(power=2.0, final=0.1), lambda t: BASE * (0.1 + 0.9 * (1 - (t - 1) / STEPS) ** 2)),
    (Warmup(length=0.25), lambda t: BASE * min(1.0, t / 10)),
    (
        WarmupStableDecay(warmup=4, decay=10, final=0.1),
        lambda t: BASE * (t / 4 if t <= 4 else 1 - 0.9 * max(0, t - 1 - 30) / 10),
    ),
    (
        WarmupStableDecay(warmup=0, decay=0.25, shape="sqrt"),
        lambda t: BASE * (1 - math.sqrt(max(0, t - 1 - 30) / 10)),
    ),
]


@pytest.mark.parametrize(("schedule", "formula"), CLOSED_FORMS, ids=[str(schedule) for schedule, _ in CLOSED_FORMS])
def test_a_schedule_follows_its_formula(schedule: Schedule, formula: Callable[[int], float]) -> None:
    assert values(schedule) == pytest.approx([formula(t) for t in range(1, STEPS + 1)], rel=1e-12, abs=1e-15)


@every_schedule
def test_a_column_of_lanes_is_scheduled_as_each_value_alone(name: str) -> None:
    schedule = SCHEDULES[name]()
    bases = [0.0, 1e-5, 0.1234567, 0.9, 0.999, 1.0]
    column = torch.tensor(bases, dtype=torch.float64).view(-1, 1, 1)
    untouched = column.clone()
    for t in (1, 2, 3, 11, 29, STEPS):
        scheduled = torch.as_tensor(schedule(column, t, STEPS), dtype=torch.float64).expand(len(bases), 1, 1)
        alone = torch.tensor([float(schedule(base, t, STEPS)) for base in bases], dtype=torch.float64)
        assert torch.equal(alone, scheduled[:, 0, 0])
    assert torch.equal(column, untouched)


@every_schedule
@repeatable
@given(base=st.floats(1e-6, 1.0), steps=st.integers(1, 2000), share=st.floats(0, 1))
def test_every_value_is_finite_and_in_its_domain_for_any_run(name: str, base: float, steps: int, share: float) -> None:
    schedule = SCHEDULES[name]()
    value = float(schedule(base, 1 + int(share * (steps - 1)), steps))
    assert 0 <= value <= (1 if schedule.kind == "memory" else base * (1 + 1e-12))


@every_schedule
def test_every_value_stays_valid_past_the_end_of_the_run(name: str) -> None:
    schedule = SCHEDULES[name]()
    assert 0 <= float(schedule(0.5, 25, 20)) <= 1


@every_schedule
def test_every_schedule_says_in_one_line_what_it_does_and_what_it_is_for(name: str) -> None:
    kind = SCHEDULES[name]
    first = (kind.__doc__ or "").partition("\n")[0]
    assert first.endswith(".")
    assert not first.startswith(f"{kind.__name__}(")  # a sentence of ours, not the signature dataclass writes
    assert kind.kind in ("any", "lr", "memory")
    assert all(field.name for field in fields(kind))  # type: ignore[arg-type]


def test_lr_schedules_fit_no_memory_and_memory_schedules_nothing_else() -> None:
    assert Constant().fits(LR)
    assert Constant().fits(GAMMA)
    assert Cosine().fits(LR)
    assert not Cosine().fits(GAMMA)
    assert CappedAverage().fits(GAMMA)
    assert not CappedAverage().fits(LR)


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_bias_correction_is_exact_at_both_ends_of_gamma(gamma: float) -> None:
    expected = [0.0] * 10 if gamma == 0 else [1 - 1 / t for t in range(1, 11)]
    assert values(BiasCorrection(), gamma, 10) == expected


@repeatable
@given(gamma=st.floats(0.5, 0.999999), t=st.integers(1, 5000))
def test_bias_correction_keeps_its_digits_where_gamma_is_near_one(gamma: float, t: int) -> None:
    exact = -math.expm1(t * math.log(gamma)) / (1 - gamma)  # 1 + gamma + … + gamma^(t-1)
    assert float(BiasCorrection()(gamma, t, t)) == pytest.approx(1 - 1 / exact, rel=1e-9, abs=1e-12)


def test_a_duration_of_one_or_more_counts_steps_and_one_below_is_a_share_of_the_run() -> None:
    assert values(Step(every=0.5, factor=0.1), 1.0, 10) == values(Step(every=5, factor=0.1), 1.0, 10)
    assert values(Warmup(length=0.3), 1.0, 10) == values(Warmup(length=3), 1.0, 10)


def test_what_follows_a_warmup_has_the_rest_of_the_run_for_itself() -> None:
    after = values(Warmup(then=Linear(), length=10), 1.0, 30)[10:]
    assert after == values(Linear(), 1.0, 20)


@pytest.mark.parametrize(
    "make",
    [
        lambda: InverseSqrt(rate=-1),
        lambda: Inverse(rate=-1),
        lambda: Step(every=0),
        lambda: Step(factor=-0.1),
        lambda: MultiStep(milestones=(0,)),
        lambda: MultiStep(factor=-1),
        lambda: Exponential(final=0),
        lambda: Linear(final=-0.1),
        lambda: Polynomial(power=0),
        lambda: Polynomial(final=-1),
        lambda: Cosine(final=-0.1),
        lambda: OneCycle(rise=1.0),
        lambda: OneCycle(start=-1.0),
        lambda: Warmup(length=0),
        lambda: Warmup(then=GammaLinear()),
        lambda: WarmupStableDecay(warmup=-1),
        lambda: WarmupStableDecay(warmup=0.9, decay=0.5),
        lambda: WarmupStableDecay(final=-1),
        lambda: WarmupStableDecay(shape="cubic"),
        lambda: OneMinusPower(c=1.5),
        lambda: GammaLinear(final=1.1),
        lambda: GammaCosine(final=-0.1),
    ],
)
def test_a_parameter_out_of_its_domain_is_refused(make: Callable[[], Schedule]) -> None:
    with pytest.raises(ValueError, match=r"a schedule .*needs .*, got"):
        make()


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (Knots, {"factors": [1.0, 0.5], "at": [0.0, 0.5, 1.0]}, "a value at every knot, got 2 at 3"),
        (Knots, {"factors": [1.0, 0.5], "at": [0.0, 0.9]}, "rising from 0 to 1"),
        (Knots, {"factors": [1.0, 0.5, 0.1], "at": [0.0, 0.0, 1.0]}, "rising from 0 to 1"),
        (Knots, {"factors": [1.0]}, "two or more"),
        (Knots, {"factors": [1.0, -0.5]}, "factors >= 0"),
        (GammaKnots, {"values": [0.9, 1.5]}, r"values in \[0, 1\]"),
    ],
)
def test_knots_that_make_no_schedule_are_refused(kind: type[Schedule], given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**given)
