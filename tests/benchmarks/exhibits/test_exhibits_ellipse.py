"""Exhibits without randomness: memory, stall and two-cycles, gamma = 1, rotation, and walks that nobody stops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmarks.engine.training import Training, train
from benchmarks.exhibits.rotation import TurnedEllipses
from benchmarks.exhibits.stall import cycle_radius
from benchmarks.exhibits.walk import walk
from benchmarks.naming.registry import OPTIMIZERS, make_problem

pytestmark = pytest.mark.slow  # exhibits are measured whole


def test_the_weights_of_the_past_are_those_of_the_formula(answer_of):
    weights = answer_of("memory").tables["weights"]
    np.testing.assert_allclose(weights["weight"], weights["theory"], rtol=1e-12)
    total = weights[weights["gamma"] == 0.7]["cumulative"].iloc[-1]
    assert total == pytest.approx(1 - 0.7**40, rel=1e-12)


def test_the_half_life_is_not_the_books(answer_of):
    windows = answer_of("memory").tables["windows"].set_index("gamma")
    assert windows.loc[0.9, "half_life"] == pytest.approx(6.5788, abs=1e-4)
    assert windows.loc[0.7, "half_life"] == pytest.approx(1.9434, abs=1e-4)
    assert windows["left_at_half_life"].tolist() == pytest.approx([0.5] * 4)
    assert windows.loc[0.9, "left_at_claim"] == pytest.approx(0.9 ** (1 / 0.9))
    assert windows.loc[0.9, "window"] == pytest.approx(10)


def test_rmsprop_ends_in_the_two_cycle_of_theory(answer_of):
    cycles, facts = answer_of("stall").tables["cycles"], answer_of("stall").facts
    assert cycles["cycling"].all()
    np.testing.assert_allclose(cycles["loss"], cycles["loss_theory"], rtol=1e-5)
    assert facts.limit_loss == pytest.approx(0.083997375, rel=1e-8)
    book = cycles[(cycles["optimizer"] == "rmsprop") & (cycles["lr"] == 0.4) & (cycles["gamma"] == 0.9)].iloc[0]
    assert book[["x1", "x2"]].tolist() == pytest.approx([0.19993749, 0.19999984], abs=1e-8)


def test_the_books_twenty_steps_hide_what_comes_after(answer_of):
    losses = answer_of("stall").facts.losses["rmsprop 0.4"]
    assert losses["20"] == pytest.approx(1.1e-5, rel=0.05)
    assert losses["100"] == pytest.approx(0.123, rel=0.01)
    assert losses["400"] == pytest.approx(0.08400, rel=1e-4)


def test_under_noise_adagrads_sum_grows_by_the_variance_each_step_and_rmsprops_average_does_not(answer_of):
    noise = answer_of("stall").tables["noise"]
    assert answer_of("stall").facts.noisy_sum_slope == pytest.approx(1, abs=0.3)  # two seeds
    ends = noise[noise["step"] == 420].groupby("optimizer")["s"].max()
    assert ends["adagrad"] > 100
    assert ends["rmsprop"] < 20


def test_what_stands_under_the_root_is_recomputed_from_the_gradients(answer_of):
    states = answer_of("stall").tables["states"]
    first = states[states["coordinate"] == 1]
    gradients = first[first["run"] == "adagrad 0.4"]["gradient"].to_numpy()
    sums = first[first["run"] == "adagrad 0.4"]["s"].to_numpy()
    np.testing.assert_allclose(sums, np.cumsum(gradients**2), rtol=1e-12)
    averaged = first[first["run"] == "adagrad-averaged 0.4"]
    means = (averaged["gradient"] ** 2).cumsum() / averaged["step"]
    np.testing.assert_allclose(averaged["s"], means, rtol=1e-12)


def test_there_is_no_two_cycle_where_eps_outweighs_the_learning_rate():
    assert float(cycle_radius(torch.tensor(0.001), 0.2, 1e-6, inside=True)) == 0
    assert float(cycle_radius(torch.tensor(0.001), 0.2, 1e-3, inside=False)) == 0


def test_a_walk_takes_the_engines_path_and_does_not_stop_where_the_engine_does():
    problem, rule = make_problem("ellipse"), OPTIMIZERS["rmsprop"].rule
    trace = train(Training(problem, rule, [1], 30, evaluate_every=1, keep_path=True), {"lr": 0.4, "gamma": 0.9})
    path = walk(problem, rule, {"lr": 0.4, "gamma": 0.9}, 30)
    assert trace.path is not None
    assert torch.equal(path.x[:, 0], trace.path[0, 0])
    away = walk(problem, OPTIMIZERS["sgd"].rule, {"lr": 400.0}, 60)
    assert float(away.x[40, 0, 1].abs()) > 1e100


def test_a_walk_stays_in_the_box_of_its_problem_as_the_engine_does():
    problem, optimizer = make_problem("reddi-periodic"), OPTIMIZERS["sgd"]
    path = walk(problem, optimizer, {"lr": 5.0}, 6)
    assert float(path.x.abs().max()) == 1.0
    trace = train(Training(problem, optimizer, [1], 6, evaluate_every=1, keep_path=True), {"lr": 5.0})
    assert trace.path is not None
    assert torch.equal(path.x[:, 0], trace.path[0, 0])


def test_at_gamma_one_every_variant_is_what_theory_says(answer_of):
    outcomes = answer_of("gamma-one").tables["outcomes"]
    assert outcomes["agrees"].all()
    assert set(outcomes["optimizer"]) >= {name for name in OPTIMIZERS if name.startswith("rmsprop")}


def test_a_thousandth_of_the_books_rate_at_gamma_one_is_its_gradient_descent(answer_of):
    facts = answer_of("gamma-one").facts
    assert facts.equivalent_lr == pytest.approx(4e-4)
    assert [f"{x:.6f}" for x in facts.equivalent] == ["-0.943467", "-0.000073"]
    assert facts.equivalent == pytest.approx(facts.descent, rel=1e-9)


def test_the_books_rate_at_gamma_one_leaves_at_once_and_overflows_soon(answer_of):
    facts = answer_of("gamma-one").facts
    assert facts.first_point == pytest.approx([395, 3198])
    assert facts.first_loss == pytest.approx(2.05e7, rel=1e-2)
    assert facts.overflow_step < 200
    book = answer_of("gamma-one").tables["outcomes"].query("optimizer == 'rmsprop' and lr == 0.4").iloc[0]
    assert (book["status"], book["stopped_at"]) == ("diverged", 1)


def test_the_first_step_grows_as_gamma_nears_one_unless_it_is_corrected(answer_of):
    approach = answer_of("gamma-one").tables["approach"]
    first = approach[approach["steps"] == 20].set_index(["optimizer", "forgotten"])["first_step"]
    assert first["rmsprop", 0.1] == pytest.approx(math.sqrt(10), rel=1e-3)
    assert first["rmsprop", 0.01] == pytest.approx(10, rel=1e-3)
    assert first["rmsprop-corrected", 0.01] == pytest.approx(1, rel=1e-6)


def test_only_methods_without_a_scale_for_each_coordinate_ignore_the_rotation(answer_of):
    facts = answer_of("rotation").facts
    assert facts.invariant == ("sgd", "momentum", "adagrad-full")
    assert facts.rotation_cost["rmsprop"] > 3
    assert facts.helped_until["rmsprop"]["20"] == 0
    assert facts.helped_until["adagrad-full"]["20"] == 90


def test_full_matrix_adagrad_takes_the_turned_path_on_the_turned_ellipse_and_adagrad_another():
    angles = [0.0, 20.0, 45.0, 70.0]
    turned = torch.tensor(angles, dtype=torch.float64).deg2rad()
    cosine, sine = turned.cos().view(1, -1, 1), turned.sin().view(1, -1, 1)
    apart = {}
    for name in ("adagrad-full", "adagrad"):
        training = Training(TurnedEllipses(tuple((a, 20.0) for a in angles)), name, range(4), 60, 1, keep_path=True)
        x1, x2 = train(training, {"lr": torch.tensor([0.4, 2.0], dtype=torch.float64)}).path.unbind(-1)
        back = torch.stack([cosine * x1 + sine * x2, cosine * x2 - sine * x1], dim=-1)
        apart[name] = (back - back[:, :1]).abs().amax().item()
    assert apart["adagrad-full"] < 1e-8  # half of the digits: the first gradient alone makes a singular matrix
    assert apart["adagrad"] > 1


def test_the_books_rotated_problem_ends_where_it_was_measured_elsewhere(answer_of):
    book = answer_of("rotation").tables["book"].query("problem == 'ellipse-rotated' and steps == 20 and lr == 0.4")
    turned = book.set_index("optimizer")
    assert turned.loc["rmsprop", ["x1", "x2"]].tolist() == pytest.approx([-0.927150, -0.914018], abs=1e-6)
    assert turned.loc["rmsprop", "loss"] == pytest.approx(0.33933, abs=1e-5)
    assert turned.loc["adagrad", "loss"] == pytest.approx(3.926, abs=1e-3)
    assert math.isnan(turned.loc["sgd", "loss"])


def test_on_the_rotated_problem_too_rmsprop_ends_in_a_cycle():
    problem, rule = make_problem("ellipse-rotated"), OPTIMIZERS["rmsprop"].rule
    end = train(Training(problem, rule, [1], 1000, keep_path=True), {"lr": 0.4, "gamma": 0.9})
    assert float(end.final_loss) == pytest.approx(0.3199999, abs=1e-6)


def test_ellipses_side_by_side_are_the_registered_ones_turned_with_their_start():
    forms = [(0.0, 20.0), (30.0, 4.0)]
    problem = TurnedEllipses(forms)
    x = torch.tensor([[[0.3, -1.2], [2.0, 0.7]]], dtype=torch.float64)
    losses = problem.loss(x, None)[0]
    for k, (angle, condition) in enumerate(forms):
        one = make_problem(f"ellipse-turned(angle={angle}, condition={condition})")
        torch.testing.assert_close(losses[k], one.loss(x[0, k], None))
    start = problem.start([0, 1])
    expected = torch.tensor([10.5, 0.5 * 25 + 2 * 4], dtype=torch.float64)
    torch.testing.assert_close(problem.loss(start, None), torch.tensor([2.5 + 8, *expected[1:]], dtype=torch.float64))
