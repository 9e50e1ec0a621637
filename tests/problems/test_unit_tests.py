"""Unit tests of optimizers as problems: how many there are, what an optimizer is shown, and what it is judged by."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch import Tensor

from problems.problem import Problem
from problems.unit_list import GROUPS, NOISES, STRESSES, Unit, named_units, stressed_units, units_of_the_paper
from problems.unit_tests import Units, unit, variants_together

EXACT = {"rtol": 1e-12, "atol": 1e-12}


def slope_of(problem: Problem, x: Tensor, batch: object = None) -> Tensor:
    x = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(problem.loss(x, batch).sum(), x)  # type: ignore[arg-type]  # a batch of its own
    return g


def descend(problem: Problem, lr: float, steps: int, seeds: range = range(1)) -> Tensor:
    """The points [S, P] where gradient descent ends."""
    x = problem.start(seeds)
    for batch in problem.batches(seeds, steps):
        x = x - lr * slope_of(problem, x, batch)
    return x


def point(*numbers: float) -> Tensor:
    return torch.tensor([numbers], dtype=torch.float64)


def test_the_paper_names_3648_variants_in_one_dimension_188_in_two_and_140_in_ten() -> None:
    assert Counter(each.dim for each in named_units()) == {1: 3648, 2: 188, 10: 140}
    assert 3648 == 8 * 10 * 4 * 4 + 37 * 4 * 4 * 4  # functions under all or four noises, scales, changes


def test_those_whose_noise_has_no_scale_that_could_change_are_repeats() -> None:
    assert Counter(each.dim for each in units_of_the_paper()) == {1: 3648 - 8 * 3 * 4 - 37 * 4, 2: 188, 10: 140}
    every = [*units_of_the_paper(), *stressed_units()]
    assert len({each.name for each in every}) == len(every)


def test_there_are_75_functions_and_every_test_is_counted_in_a_group() -> None:
    functions = {each.function: each.dim for each in named_units()}
    assert Counter(functions.values()) == {1: 45, 2: 15, 10: 15}
    assert len(variants_together(named_units())) == 45 + (15 + 13) + (15 + 7)  # turned and curled ones are their own
    every = [*units_of_the_paper(), *stressed_units()]
    assert {group for each in every for group in each.groups} == {*GROUPS}
    assert all(each.groups for each in every)
    assert {each.stress for each in stressed_units()} == STRESSES.keys() - {"none"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"function": "quad_bowel"}, "no piece 'quad_bowel'; there are line, relu"),
        ({"noise": "loud"}, "no noise 'loud'; there are noiseless"),
        ({"function": "2*abs", "scale": "3*steep"}, "the scale '3\\*steep' is not of 2 variables"),
        ({"function": "0*abs"}, "is written as in 'abs\\+9\\*quad_bowl'"),
        ({"function": "abs+"}, "is written as in"),
        ({"curled": True}, "pair the variables, and 'quad_bowl' has 1"),
        ({"rotated": True}, "has one variable, and cannot be rotated"),
        ({"stress": "delay-3"}, "train the optimizer delayed\\(…, by=3\\)"),
    ],
)
def test_a_test_that_there_is_not_says_what_there_is(given: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        unit(**given)  # type: ignore[arg-type]  # some of them wrong


def test_functions_that_differ_are_not_variants() -> None:
    with pytest.raises(ValueError, match="got 2 functions"):
        Units((Unit("abs"), Unit("line")))


def test_gradient_descent_on_the_bowl_ends_where_the_closed_form_says() -> None:
    lr, steps = 0.07, 25
    bowl = unit(noise="noiseless")
    left = (1 - 2 * lr) ** steps  # of the way to the bottom, whose curvature is 2
    x = descend(bowl, lr, steps)
    torch.testing.assert_close(x, point(0.5 - 0.5 * left), **EXACT)
    torch.testing.assert_close(bowl.evaluate(x)["loss"], point(199.75 + (0.5 * left) ** 2)[0], **EXACT)
    assert (bowl.minimum, bowl.minimisers) == (199.75, ((0.5,),))


def test_noise_is_added_to_the_slope_and_its_multiple_to_the_value() -> None:
    problem, x = unit(), point(0.3)
    for batch in problem.batches([4], 3):
        assert isinstance(batch, tuple)
        (n,) = batch
        torch.testing.assert_close(slope_of(problem, x, batch), 2 * (x - 0.5) + n, **EXACT)
        torch.testing.assert_close(problem.loss(x, batch), (199.75 + 0.2**2 + 0.3 * n).flatten(), **EXACT)


@pytest.mark.parametrize(
    ("noise", "share"), [pytest.param("maskout_high", 0.1, marks=pytest.mark.slow), ("maskout_low", 0.9)]
)  # the authors' code tests a number for truth, so that theirs masks nothing
def test_a_masked_gradient_is_nothing_as_often_as_it_says(noise: str, share: float) -> None:
    problem, x = unit(noise=noise), point(0.0)
    slopes = torch.cat([slope_of(problem, x, batch) for batch in problem.batches([1], 2000)])
    assert {float(each) for each in slopes} == {0.0, -1.0}
    assert float((slopes != 0).double().mean()) == pytest.approx(share, abs=4 * math.sqrt(0.09 / 2000))


@pytest.mark.parametrize(
    ("noise", "width"), [("gauss_add_low", 0.01), pytest.param("gauss_add_high", 10.0, marks=pytest.mark.slow)]
)
def test_additive_noise_is_as_wide_as_it_says(noise: str, width: float) -> None:
    slopes = torch.cat(
        [slope_of(unit(noise=noise), point(0.0), batch) for batch in unit(noise=noise).batches([1], 900)]
    )
    assert float((slopes + 1).std()) == pytest.approx(width, rel=4 / math.sqrt(2 * 900))


def test_multiplicative_noise_is_log_normal() -> None:
    problem = unit(noise="gauss_mul_normal")
    logs = torch.cat([(-slope_of(problem, point(0.0), batch)).log() for batch in problem.batches([1], 900)])
    assert float(logs.std()) == pytest.approx(1.0, rel=4 / math.sqrt(2 * 900))
    assert float(logs.mean()) == pytest.approx(0.0, abs=4 / 30)


def test_what_changes_does_so_every_ten_steps_and_not_before() -> None:
    x = point(0.2)
    for change, still in (("scale", "noiseless"), ("offset", "noiseless")):
        problem = unit(noise=still, change=change)
        slopes = torch.cat([slope_of(problem, x, batch) for batch in problem.batches([3], 40)]).view(4, 10)
        assert bool((slopes == slopes[:, :1]).all())
        assert float(slopes[0, 0]) == pytest.approx(-0.6)
        assert len({float(each) for each in slopes[:, 0]}) == 4


def test_a_point_is_judged_by_the_function_as_it_stands_at_the_end_and_without_noise() -> None:
    steps, x = 100, point(0.3)
    drifting = unit("abs", "gauss_add_high", stress="drift-fast")
    *_, last = drifting.batches([1], steps)
    torch.testing.assert_close(drifting.judged(x, last), torch.tensor([200.7], dtype=torch.float64), **EXACT)
    assert float(drifting.evaluate(x)["loss"]) == pytest.approx(199.7)


def test_a_rotated_function_is_the_same_one_in_other_directions() -> None:
    bowl, turned = unit("10*quad_bowl", "noiseless"), unit("10*quad_bowl", "noiseless", rotated=True)
    for lr in (0.01, 0.3):
        loss = [problem.evaluate(descend(problem, lr, 20))["loss"] for problem in (bowl, turned)]
        torch.testing.assert_close(loss[0], loss[1], rtol=1e-12, atol=0)
    assert not torch.allclose(descend(turned, 0.01, 1), descend(bowl, 0.01, 1))


def test_curl_adds_a_quarter_turn_of_every_pair() -> None:
    x = torch.linspace(-1, 1, 10, dtype=torch.float64).unsqueeze(0)
    plain, curled = (slope_of(unit("10*abs", "noiseless", curled=on), x) for on in (False, True))
    extra = (curled - plain).view(5, 2)
    torch.testing.assert_close(extra, torch.stack([-x[0, 1::2], x[0, ::2]], -1), **EXACT)


def test_descent_and_ascent_spiral_about_the_saddle_as_the_closed_form_says() -> None:
    lr, steps, coupling = 0.03, 40, 10.0
    game = unit("2*quad_bowl", "noiseless", stress="minimax-strong")
    x = descend(game, lr, steps)
    shrinks = (1 - 2 * lr) ** 2 + (lr * coupling) ** 2  # of the squared distance to the saddle at a half
    assert float((x - 0.5).square().sum()) == pytest.approx(0.5 * shrinks**steps, rel=1e-9)
    assert float(game.evaluate(x)["loss"]) == pytest.approx(2 * 199.75 + 0.5 * shrinks**steps, rel=1e-12)


def test_stretched_variables_have_the_same_values_at_other_distances() -> None:
    problem = unit("10*quad_bowl", "noiseless", stress="layers-100")
    slopes = slope_of(problem, torch.zeros(1, 10, dtype=torch.float64))[0]
    torch.testing.assert_close(slopes, -torch.logspace(-1, 1, 10, dtype=torch.float64), **EXACT)
    bottoms = 0.5 / torch.logspace(-1, 1, 10, dtype=torch.float64)
    assert float(problem.evaluate(bottoms.unsqueeze(0))["loss"]) == pytest.approx(10 * 199.75)


def test_slopes_are_rounded_reduced_to_signs_or_seen_now_and_then() -> None:
    x = point(0.3)  # where the slope is -0.4
    assert float(slope_of(unit(noise="noiseless", stress="rounded"), x)) == -0.5
    assert float(slope_of(unit(noise="noiseless", stress="signs"), x)) == -1.0
    sparse, at = unit("10*quad_bowl", "noiseless", stress="sparse-10"), torch.zeros(1, 10, dtype=torch.float64)
    slopes = torch.cat([slope_of(sparse, at, batch) for batch in sparse.batches([1], 400)])
    assert {float(each) for each in slopes.flatten()} == {0.0, -1.0}
    assert float((slopes != 0).double().mean()) == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / 4000))
    assert bool((slopes != 0).any(-1).ne((slopes != 0).all(-1)).any())  # each entry for itself


@pytest.mark.parametrize("function", ["cliff", "abs+quad_bowl"])
def test_a_variant_among_others_is_the_same_as_alone_to_the_bit(function: str) -> None:
    changes = ("none", "scale", "noise", "offset")
    variants = tuple(Unit(function, noise, change=change) for noise in NOISES for change in changes)
    together, steps, repetitions = Units(variants), 25, 2
    x = torch.linspace(-1, 2, len(variants) * repetitions * together.dim, dtype=torch.float64).view(-1, together.dim)
    seen = [
        (slope_of(together, x, batch), together.judged(x, batch))
        for batch in together.batches(range(len(variants) * repetitions), steps)
    ]
    for place, variant in islice(enumerate(variants), None, None, 7):
        alone, lanes = Units((variant,)), slice(repetitions * place, repetitions * (place + 1))
        for (slope, value), batch in zip(seen, alone.batches(range(repetitions), steps), strict=True):
            assert torch.equal(slope_of(alone, x[lanes], batch), slope[lanes])
            assert torch.equal(alone.judged(x[lanes], batch), value[lanes])


def test_the_curvature_of_a_gradient_that_is_given_is_refused_and_not_zero() -> None:
    problem, x = unit(), point(0.3).requires_grad_()
    (g,) = torch.autograd.grad(problem.loss(x, None).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(g.sum(), x)


def test_a_test_has_the_name_by_which_it_is_made() -> None:
    assert Unit("abs", scale="steep", change="offset").name == "unit(function='abs', scale='steep', change='offset')"
    assert replace(Unit("2*abs"), curled=True).name == "unit(function='2*abs', curled=True)"
