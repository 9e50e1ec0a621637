"""The search for schedules: many shapes as lanes, each as if alone; near the best there is, and never below it."""

import numpy as np
import pytest
import torch

from analysis.measures.best_rates import best_rates, best_rates_of_one, expected_loss
from benchmarks.engine.training import Training, train
from benchmarks.exhibits.knot_search import Freedom, search, shaped
from benchmarks.exhibits.schedules_found import _as_schedules
from benchmarks.naming.registry import OPTIMIZERS, make_problem, make_schedules

AT = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 1.0)
RMSPROP, SGD = OPTIMIZERS["rmsprop"], OPTIMIZERS["sgd"]
BOTH = Freedom((0.0, 0.3, 1.0), ("lr", "gamma"))


def rows(count):
    rng = np.random.default_rng(5)
    return [
        {f"lr@{at:g}": 10 ** rng.uniform(-3, -1) for at in BOTH.at}
        | {f"gamma@{at:g}": rng.uniform(0.5, 0.99) for at in BOTH.at}
        for _ in range(count)
    ]


@pytest.mark.parametrize("engine", ["eager", pytest.param("kernel", marks=pytest.mark.slow)])
def test_a_lane_with_a_shape_of_its_own_is_the_run_under_that_schedule_alone(engine):
    training = Training(make_problem("noisy-quadratic(dim=5)"), RMSPROP, [1, 2], 20, engine=engine)
    together = train(*shaped(training, RMSPROP, BOTH, rows(3))).final_loss
    for place, row in enumerate(rows(3)):
        text, schedules, base = _as_schedules(RMSPROP, BOTH, row)
        alone = Training(training.problem, RMSPROP, [1, 2], 20, schedules=schedules, engine=engine)
        # the schedule is the base lr times factors, each of which is rounded once more
        assert together[place].numpy() == pytest.approx(train(alone, base).final_loss[0].numpy(), rel=1e-10)
        written = make_schedules(text)  # as a suite has it, with six digits
        assert float(written["lr"](base["lr"], 9, 20)) == pytest.approx(float(schedules["lr"](base["lr"], 9, 20)), 1e-5)
        assert float(written["gamma"](0.0, 9, 20)) == pytest.approx(float(schedules["gamma"](0.0, 9, 20)), 1e-5)


def test_a_lane_does_not_depend_on_the_chunk_it_is_in_nor_on_lanes_that_diverge():
    wild = [{**row, "lr@0": 1e9 if place == 1 else row["lr@0"]} for place, row in enumerate(rows(4))]
    problem = make_problem("quadratic(dim=5)")
    whole, cut = (
        train(*shaped(Training(problem, SGD, [1, 2], 20, chunk=chunk), SGD, Freedom(BOTH.at, ("lr",)), wild))
        for chunk in (None, 2)
    )
    assert torch.equal(whole.final_loss.nan_to_num(-1), cut.final_loss.nan_to_num(-1))
    assert whole.final_loss[1].isnan().all()
    assert not whole.final_loss[2].isnan().any()


@pytest.mark.slow
def test_along_one_eigenvector_the_search_comes_near_the_closed_form_and_never_below():
    h, c, m = 1.0, 1 / 16, 1.0
    problem = make_problem("noisy-quadratic(dim=1)")
    training = Training(problem, SGD, range(1, 65), 30)
    found = search(training, SGD, Freedom(AT, ("lr",)), 16, 24, seed=1, kept=1)
    rates = [float(v) for v in np.interp(np.arange(30) / 30, AT, [found.values[0][f"lr@{at:g}"] for at in AT])]
    case = tuple(np.array([each]) for each in (h, c, m))
    best = expected_loss(best_rates_of_one(h, c, m, 30), *case)
    assert best < expected_loss(np.array(rates), *case) < 1.15 * best
    assert found.tried == 16 * 24


@pytest.mark.slow
def test_on_the_noisy_quadratic_the_found_schedule_is_near_the_best_and_never_below():
    problem = make_problem("noisy-quadratic(dim=30)")
    moments, steps = problem.moments, 100
    case = (moments.curvature, moments.noise, moments.start)
    best = best_rates(*case, steps)[1]
    falling = 1 - np.arange(steps) / steps
    linear = min(expected_loss(lr * falling, *case) for lr in np.geomspace(0.1, 2, 100))
    for study in (1, 2):
        training = Training(problem, SGD, range(8 * study, 8 * study + 8), steps)
        values = search(training, SGD, Freedom(AT, ("lr",)), 16, 40, seed=study, kept=1).values[0]
        rates = np.interp(np.arange(steps) / steps, AT, [values[f"lr@{at:g}"] for at in AT])
        assert best < expected_loss(rates, *case) < min(1.15 * best, linear)


@pytest.mark.parametrize("name", ["noisy-quadratic(dim=4)", "quadratic(dim=4, sigma=0.3)"])
def test_the_moments_of_a_problem_are_those_of_its_runs(name):
    problem, steps = make_problem(name), 15
    schedules, moments = make_schedules("linear"), problem.moments
    losses = train(Training(problem, SGD, range(1, 1501), steps, schedules=schedules), {"lr": 0.7}).final_loss[0]
    rates = 0.7 * (1 - np.arange(steps) / steps)
    error = float(losses.std()) / len(losses) ** 0.5
    expected = expected_loss(rates, moments.curvature, moments.noise, moments.start)
    assert expected == pytest.approx(float(losses.mean()), abs=4 * error)


def test_noise_without_a_variance_has_no_moments():
    assert make_problem("quadratic(noise='student-t')").moments is None
    assert make_problem("quadratic(noise='none')").moments.noise.max() == 0
