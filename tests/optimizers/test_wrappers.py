"""Rules around rules: what they are at the ends of their ranges, in lanes and alone, and what they refuse."""

import copy
import io

import pytest
import torch
from torch import Tensor, nn

from optimizers import BUILTIN, WRAPPERS, Rule, RuleOptimizer
from optimizers.adam import Adam, AdamW
from optimizers.averages import Averaged, Lookahead, PolynomialAverage, ScheduleFree
from optimizers.delayed import Delayed
from optimizers.layerwise import LAMB
from optimizers.muon import Muon
from optimizers.rmsprop import RMSProp
from optimizers.rule import State
from optimizers.sgd import SGD, Momentum
from optimizers.shampoo import Shampoo
from optimizers.tuning_free import DoG, Mechanic
from optimizers.wrappers import Cautious, ClippedByNorm, ClippedByValue, Decayed, Maximized, Wrapper

SPECS = {spec.name: spec for spec in BUILTIN}
C, S, P, STEPS = 4, 2, 7, 15
WRAPPED: tuple[Wrapper, ...] = (
    Decayed(RMSProp()),
    Decayed(Momentum(nesterov=True), "decoupled"),
    Maximized(AdamW()),
    ClippedByNorm(Adam()),
    ClippedByValue(RMSProp()),
    Cautious(Decayed(Momentum())),
    Lookahead(RMSProp(), every=4),
    Averaged(Lookahead(Momentum(), every=2)),
    ScheduleFree(RMSProp(corrected=True)),
    Averaged(ScheduleFree(SGD())),
    Lookahead(ClippedByNorm(Decayed(Adam(), "decoupled"))),
    Mechanic(AdamW()),
    Averaged(DoG()),
    PolynomialAverage(RMSProp()),
    Delayed(RMSProp(), by=3),
)
every_wrapped = pytest.mark.parametrize("rule", WRAPPED, ids=repr)
every_precision = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def gradients(dtype: torch.dtype = torch.float64) -> Tensor:
    """[STEPS, C, S, P]: of many sizes, with turning signs and exact zeros."""
    generator = torch.Generator().manual_seed(23)
    g = torch.randn(STEPS, C, S, P, generator=generator, dtype=torch.float64) * torch.logspace(-6, 2, P)
    g[4:6, :, :, 2:4] = 0
    return g.to(dtype)


def start(dtype: torch.dtype) -> Tensor:
    return torch.linspace(-2, 2, S * P, dtype=dtype).view(S, P)


def run(rule: Rule, x: Tensor, gs: Tensor, hp: dict[str, float] | dict[str, Tensor]) -> tuple[Tensor, State]:
    state = rule.init(x)
    for t, g in enumerate(gs, start=1):
        rule.step_(x, g, state, hp, t)
    return x, state


@every_precision
@every_wrapped
def test_a_lane_and_what_it_is_judged_by_are_those_of_the_run_alone(rule: Wrapper, dtype: torch.dtype) -> None:
    gs = gradients(dtype)
    values = {knob.name: [knob.at(0.2 + 0.15 * c) for c in range(C)] for knob in rule.hyperparameters}
    lanes = {name: torch.tensor(value, dtype=torch.float64).view(-1, 1, 1) for name, value in values.items()}
    x, state = run(rule, start(dtype).expand(C, -1, -1).clone(), gs, lanes)
    shown = rule.shown(x, state)
    for c in range(C):
        for s in range(S):
            p = start(dtype)[s].clone().requires_grad_()
            optimizer = RuleOptimizer([p], rule, **{name: value[c] for name, value in values.items()})
            for g in gs[:, c, s]:
                p.grad = g.clone()
                optimizer.step()
            assert torch.equal(p.detach(), x[c, s])
            optimizer.eval()
            assert torch.equal(p.detach(), shown[c, s])


@every_wrapped
def test_a_wrapped_rule_writes_no_gradient_and_advances_its_state_in_place(rule: Wrapper) -> None:
    gs, x = gradients(), start(torch.float64).expand(C, -1, -1).clone()
    before, state, hp = gs.clone(), rule.init(x), rule.defaults()
    tensors = dict(state)
    for t, g in enumerate(gs, start=1):
        rule.step_(x, g, state, hp, t)
        kept = {name: value.clone() for name, value in state.items()}
        rule.shown(x, state)
        assert all(torch.equal(state[name], value) for name, value in kept.items())
    assert torch.equal(gs, before)
    assert state.keys() == tensors.keys()
    assert all(state[name] is tensor for name, tensor in tensors.items())
    assert {tuple(value.shape) for value in state.values()} <= {(C, S, P), (C, S, 1)}
    assert all(value.data_ptr() != x.data_ptr() for value in state.values())


@pytest.mark.parametrize("inner", [SGD(), RMSProp(), AdamW()], ids=repr)
def test_a_wrapper_that_does_nothing_leaves_the_path_as_it_is(inner: Rule) -> None:
    hp, x = inner.defaults(), start(torch.float64)
    plain, _ = run(inner, x.clone(), gradients()[:, 0], hp)
    wrapped: list[tuple[Rule, dict[str, float]]] = [
        (Maximized(Maximized(inner)), {}),
        (ClippedByNorm(inner), {"norm": 1e9}),
        (ClippedByValue(inner), {"value": 1e9}),
        (Averaged(inner), {"memory": 0.9}),
        (Lookahead(inner, every=100), {"alpha": 0.5}),
    ]
    for rule, own in wrapped:
        end, state = run(rule, x.clone(), gradients()[:, 0], {**hp, **own})
        assert torch.equal(end, plain), rule
        if isinstance(rule, Lookahead):
            assert torch.equal(rule.shown(end, state), x)
    end, state = run(Averaged(inner), x.clone(), gradients()[:, 0], {**hp, "memory": 0.0})
    assert torch.equal(Averaged(inner).shown(end, state), plain)


def test_slow_weights_that_follow_whole_are_the_rule_itself() -> None:
    hp, x = SGD().defaults(), start(torch.float64)
    plain, _ = run(SGD(), x.clone(), gradients()[:, 0], hp)
    end, _ = run(Lookahead(SGD(), every=2), x.clone(), gradients()[:, 0], {**hp, "alpha": 1.0})
    torch.testing.assert_close(end, plain, rtol=1e-12, atol=1e-12)


def test_a_delayed_rule_has_made_the_steps_of_the_gradients_that_have_arrived() -> None:
    hp, gs, late = {"lr": 0.1}, gradients()[:, 0], start(torch.float64)
    run(Delayed(SGD(), by=4), late, gs, hp)
    torch.testing.assert_close(late, start(torch.float64) - 0.1 * gs[:-4].sum(0), rtol=1e-12, atol=1e-12)


def test_schedule_free_without_momentum_steps_as_its_rule_and_is_judged_by_the_mean_of_the_path() -> None:
    hp, points = {"lr": 0.1, "momentum": 0.0}, []
    rule, x = ScheduleFree(SGD()), start(torch.float64)
    state = rule.init(x)
    for t, g in enumerate(gradients()[:, 0], start=1):
        rule.step_(x, g, state, hp, t)
        points.append(x.clone())
    plain, _ = run(SGD(), start(torch.float64), gradients()[:, 0], hp)
    torch.testing.assert_close(x, plain, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(rule.shown(x, state), torch.stack(points).mean(0), rtol=1e-12, atol=1e-12)


def test_a_mean_of_power_zero_is_the_plain_one() -> None:
    rule, x, points = PolynomialAverage(SGD(), power=0.0), start(torch.float64), []
    state = rule.init(x)
    for t, g in enumerate(gradients()[:, 0], start=1):
        rule.step_(x, g, state, {"lr": 0.1}, t)
        points.append(x.clone())
    torch.testing.assert_close(rule.shown(x, state), torch.stack(points).mean(0), rtol=1e-12, atol=1e-12)


def test_schedule_free_with_all_momentum_takes_its_gradients_where_it_is_judged() -> None:
    rule = ScheduleFree(SGD())
    x, state = run(rule, start(torch.float64), gradients()[:, 0], {"lr": 0.1, "momentum": 1.0})
    assert torch.equal(rule.shown(x, state), x)


def test_schedule_free_weighs_a_step_by_the_square_of_the_largest_lr_and_survives_an_lr_of_zero() -> None:
    rule, x = ScheduleFree(SGD()), torch.zeros(1, dtype=torch.float64)
    state = rule.init(x)
    lrs, ends = [0.0, 1.0, 2.0, 1.0], []
    z, weights = 0.0, [0.0, 1.0, 4.0, 4.0]
    for t, lr in enumerate(lrs, start=1):
        rule.step_(x, torch.ones(1, dtype=torch.float64), state, {"lr": lr, "momentum": 0.9}, t)
        z -= lr
        ends.append(z)
    mean = sum(weight * end for weight, end in zip(weights, ends, strict=True)) / sum(weights)
    assert rule.shown(x, state).item() == pytest.approx(mean)
    assert x.item() == pytest.approx(0.1 * z + 0.9 * mean)


def test_a_cautious_step_goes_up_no_gradient_and_is_as_long_as_the_share_that_stays_is_small() -> None:
    rule, hp = Cautious(Momentum()), {"lr": 0.1, "momentum": 0.9}
    x = torch.zeros(4, dtype=torch.float64)
    state = rule.init(x)
    rule.step_(x, torch.ones(4, dtype=torch.float64), state, hp, 1)
    assert x.tolist() == pytest.approx([-0.1] * 4)
    step = rule.update(torch.tensor([1.0, -0.5, 0.0, -0.5], dtype=torch.float64), state, hp, 2)
    assert step.tolist() == pytest.approx([-0.19 * 4, 0, 0, 0])


def test_clipping_bounds_what_the_rule_sees_in_each_lane_alone() -> None:
    g = torch.tensor([[[3.0, 4.0]], [[0.3, 0.4]]], dtype=torch.float64)
    seen = ClippedByNorm(SGD()).seen(g, {"norm": torch.tensor([[[1.0]], [[1.0]]], dtype=torch.float64)})
    assert seen[0].flatten().tolist() == pytest.approx([0.6, 0.8], rel=1e-6)
    assert torch.equal(seen[1], g[1])
    assert ClippedByValue(SGD()).seen(g, {"value": 0.35})[:, 0].tolist() == [[0.35, 0.35], [0.3, 0.35]]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Averaged(Averaged(SGD())), "has a 'memory' already, so Averaged cannot be around it"),
        (lambda: ScheduleFree(Momentum()), "has a 'momentum' already, so ScheduleFree cannot be around it"),
        (lambda: Cautious(Lookahead(SGD())), "does more in a step than update x; put Cautious inside of it"),
        (lambda: ScheduleFree(DoG()), "does more in a step than update x; put ScheduleFree inside of it"),
        (lambda: PolynomialAverage(SGD(), power=-1.0), "power of a mean's weights is at least 0, not -1.0"),
        (lambda: Delayed(SGD(), by=0), "delayed by at least 1 step, not 0"),
        (lambda: Delayed(Averaged(Delayed(SGD()))), "delayed once: write the sum of both"),
        (lambda: Lookahead(SGD(), every=0), "every so many steps, at least 1, not 0"),
    ],
)
def test_what_cannot_stand_around_a_rule_says_why(make: type, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_every_wrapper_but_the_options_of_all_rules_has_a_name_and_says_what_it_does() -> None:
    kinds = [kind for several in WRAPPERS.values() for kind in several]
    assert len(set(kinds)) == len(kinds)
    assert {type(rule) for rule in WRAPPED} == {*kinds, Decayed, Maximized}
    assert all(kind.says and kind.source for kind in kinds)


def model() -> nn.Sequential:
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator))
    return net


def train(optimizer: RuleOptimizer, net: nn.Module, steps: int) -> None:
    x = torch.linspace(-1, 1, 24, dtype=torch.float64).view(8, 3)
    for _ in range(steps):
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()


def points(net: nn.Module) -> Tensor:
    return torch.cat([p.detach().reshape(-1) for p in net.parameters()])


def test_looking_at_what_a_run_is_judged_by_changes_nothing_of_it() -> None:
    nets = model(), model()
    plain, looked_at = (RuleOptimizer(net.parameters(), ScheduleFree(RMSProp(corrected=True))) for net in nets)
    looked_at.eval()  # before there is anything to look at
    for _ in range(5):
        train(plain, nets[0], 2)
        train(looked_at, nets[1], 2)
        looked_at.eval()
        looked_at.eval()
        assert not torch.equal(points(nets[0]), points(nets[1]))
        looked_at.train()
        looked_at.train()
        assert torch.equal(points(nets[0]), points(nets[1]))


def test_no_step_is_taken_from_what_a_run_is_judged_by() -> None:
    net = model()
    optimizer = RuleOptimizer(net.parameters(), Averaged(SGD()))
    train(optimizer, net, 2)
    optimizer.eval()
    with pytest.raises(RuntimeError, match=r"hold an average since eval\(\); call train\(\) before the next step"):
        train(optimizer, net, 1)


def test_a_rule_that_is_judged_where_it_steps_from_is_the_same_in_both_modes() -> None:
    net = model()
    optimizer = SPECS["adam"].torch(net.parameters())
    train(optimizer, net, 2)
    before = points(net)
    optimizer.eval()
    assert torch.equal(points(net), before)
    train(optimizer, net, 1)


def test_a_run_saved_while_it_is_looked_at_goes_on_as_the_unbroken_one() -> None:
    rule, unbroken = Averaged(ClippedByNorm(Adam())), model()
    train(RuleOptimizer(unbroken.parameters(), rule), unbroken, 7)
    begun = model()
    optimizer = RuleOptimizer(begun.parameters(), rule)
    train(optimizer, begun, 4)
    optimizer.eval()
    file = io.BytesIO()
    torch.save({"net": begun.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    net = model()
    resumed = RuleOptimizer(net.parameters(), rule)
    net.load_state_dict(saved["net"])
    resumed.load_state_dict(saved["optimizer"])
    other_net, other = copy.deepcopy((net, resumed))
    for each, of in ((resumed, net), (other, other_net)):
        each.train()
        train(each, of, 3)
        assert torch.equal(points(of), points(unbroken))


def test_a_parameter_without_gradient_rests_where_all_are_one_vector() -> None:
    a, b = (torch.ones(3, requires_grad=True) for _ in range(2))
    optimizer = RuleOptimizer([a, b], Decayed(ClippedByNorm(SGD())), lr=0.1)
    a.grad = torch.full((3,), 10.0)
    optimizer.step()
    assert (a < 1).all()
    assert torch.equal(b, torch.ones(3))


@pytest.mark.parametrize(
    "rule", [ClippedByNorm(Muon()), Averaged(Decayed(Shampoo())), Cautious(LAMB()), Mechanic(Muon())], ids=repr
)
def test_around_a_rule_that_sees_matrices_lanes_and_a_model_are_one_run(rule: Wrapper) -> None:
    net = model()
    optimizer = RuleOptimizer(net.parameters(), rule)
    x, bound = points(net).expand(3, 1, -1).clone(), rule.bound([p.shape for p in net.parameters()])
    state = bound.init(x)
    assert bound != rule
    for t in range(1, 6):
        train(optimizer, net, 1)
        g = torch.cat([p.grad.reshape(-1) for p in net.parameters()])
        bound.step_(x, g.expand_as(x).clone(), state, rule.defaults(), t)
    torch.testing.assert_close(x[1, 0], points(net), rtol=1e-9, atol=1e-12)  # a matrix of lanes is rounded otherwise
    optimizer.eval()
    torch.testing.assert_close(bound.shown(x, state)[1, 0], points(net), rtol=1e-9, atol=1e-12)
