"""Effective steps and the noise of gradients against what is known of gradient descent and of noisy quadratics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.answers import ANSWERS
from analysis.record.exhibits import Exhibit, check_exhibit
from benchmarks.errors import UsageError
from benchmarks.exhibits import make_question
from benchmarks.exhibits.effective_rates import effective_steps
from benchmarks.exhibits.gradient_noise import gradient_noise
from benchmarks.exhibits.hessian import full_gradient
from benchmarks.naming.registry import OPTIMIZERS, make_problem
from benchmarks.record.folder import RecordFolder
from benchmarks.running.exhibit import run_exhibit

DRAWS = 300
CLOSE = 6 * (2 / (DRAWS * 20)) ** 0.5
"""Six standard errors of a variance summed over 20 coordinates, of so many draws."""


def test_noise_of_a_known_covariance_has_the_noise_scale_and_the_ratio_of_the_formula():
    problem = make_problem("quadratic(dim=20, sigma=0.3)")
    x = torch.randn(3, 2, 20, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    found = gradient_noise(problem, x, [1, 2], after=7, draws=DRAWS)
    h = torch.logspace(-3, 0, 20, dtype=torch.float64)
    signal = (h * x).norm(dim=-1)
    torch.testing.assert_close(found.signal, signal, rtol=1e-12, atol=0)
    torch.testing.assert_close(found.scale, 20 * 0.09 / signal**2, rtol=CLOSE, atol=0)
    torch.testing.assert_close(found.ratio, signal / (20 * 0.09) ** 0.5, rtol=CLOSE, atol=0)
    expected = (h * x).abs().quantile(0.5, dim=-1, interpolation="linear") / 0.3
    torch.testing.assert_close(found.coordinate_ratio, expected, rtol=0.25, atol=0)  # of single coordinates
    assert found.batch == 1


def test_the_noise_scale_is_that_of_one_example_whatever_the_batch():
    x = torch.ones(1, 20, dtype=torch.float64)
    h = 1 / torch.arange(1, 21, dtype=torch.float64)
    for batch in (1, 16):
        found = gradient_noise(make_problem(f"noisy-quadratic(dim=20, batch={batch})"), x, [3], after=0, draws=DRAWS)
        assert found.batch == batch
        expected = float(h.sum() / (h * h).sum())  # Σ is diag(h), the gradient at ones is h
        assert float(found.scale) == pytest.approx(
            expected, rel=6 * (2 * float((h * h).sum() / h.sum() ** 2) / DRAWS) ** 0.5
        )


def test_minibatches_of_data_have_the_noise_of_the_examples_gradients():
    problem = make_problem("breast-cancer")
    x = problem.start([1]).double() + 0.1
    rows = next(iter(make_problem("breast-cancer(batch=455)").batches([1], 1)))
    at = x.expand(455, -1).clone().requires_grad_()  # an example a lane
    (gradients,) = torch.autograd.grad(
        problem.loss(at, tuple(part[0].double().unsqueeze(1) for part in rows)).sum(), at
    )
    expected = float(gradients.var(0).sum() / full_gradient(problem, x)[0].square().sum())
    found = gradient_noise(problem, x, [1], after=0, draws=140)
    assert float(found.scale) == pytest.approx(expected, rel=0.25)  # ten epochs


def test_where_nothing_is_drawn_there_is_no_noise():
    found = gradient_noise(make_problem("ellipse"), torch.ones(1, 2), [1], after=0, draws=4)
    assert found.scale.isnan().all()
    assert found.signal.isfinite().all()


def test_gradient_descents_effective_step_is_lr_and_rmsprops_is_lr_over_the_root():
    g = torch.tensor([[3.0, -1e-3, 0.0, 7.0]], dtype=torch.float64)
    sgd = effective_steps(OPTIMIZERS["sgd"].rule, torch.ones_like(g), g, {}, {"lr": 0.125}, 1)
    assert sgd[0, :2].tolist() == [0.125, 0.125]
    assert sgd.isnan().tolist() == [[False, False, True, False]]
    state = {"s": torch.tensor([[1.0, 4.0, 9.0, 16.0]], dtype=torch.float64)}
    hp = {"lr": 0.1, "gamma": 0.5, "eps": 0.0}
    found = effective_steps(OPTIMIZERS["rmsprop"].rule, torch.ones_like(g), g, state, hp, 3)
    assert found[0, 0].item() == pytest.approx(0.1 / (0.5 * 1 + 0.5 * 9) ** 0.5)
    assert state["s"][0].tolist() == [1, 4, 9, 16]


OPTIONS = {
    "on": ["quadratic(dim=4)", "ellipse"],
    "optimizers": ["sgd", "adamw"],
    "evaluations": 3,
    "steps": 20,
    "rates": 4,
    "draws": 8,
    "seeds": 2,
}


@pytest.fixture(scope="module")
def exhibit(tmp_path_factory):
    """The answer as a record holds it."""
    record = RecordFolder(tmp_path_factory.mktemp("rates"))
    record.exhibit("effective-rates").parent.mkdir(parents=True)
    run_exhibit(make_question("effective-rates", OPTIONS), 0, record, None)
    return Exhibit.load(record.exhibit("effective-rates"))


@pytest.mark.slow
def test_along_runs_gradient_descent_moves_every_coordinate_by_lr_for_its_gradient(exhibit):
    rates = exhibit.table("rates")
    check_exhibit("effective-rates", {"rates": rates}, exhibit.facts)
    descent = rates[rates["optimizer"] == "sgd"]
    for column in ("step_low", "step_middle", "step_high"):
        np.testing.assert_allclose(descent[column], descent["lr"], rtol=1e-12)
    assert exhibit.facts.over_lr["sgd"] == pytest.approx(1, rel=1e-12)
    assert rates.loc[rates["problem"] == "ellipse", "noise_scale"].isna().all()
    assert set(exhibit.facts.noise_scale) == {"quadratic(dim=4)"}


@pytest.mark.slow
def test_the_first_update_of_gradient_descent_is_lr_times_the_gradient_over_the_weights(exhibit):
    rates = exhibit.table("rates")
    first = rates[(rates["optimizer"] == "sgd") & (rates["problem"] == "ellipse") & (rates["step"] == 1)].iloc[0]
    x = np.array([-5.0, -2.0])
    g = np.array([0.2 * x[0], 4 * x[1]])
    assert first["update_ratio"] == pytest.approx(first["lr"] * np.linalg.norm(g) / np.linalg.norm(x), rel=1e-9)


@pytest.mark.slow
def test_the_part_says_how_steps_and_noise_end(exhibit):
    part = ANSWERS["effective-rates"](exhibit)
    said = " ".join(part.answer)
    assert "gradient descent 1" in said
    assert "quadratic(dim=4)" in said
    assert len(part.plates) == 2
    assert "noise-scale" not in " ".join(part.plates[1].panels)  # the ellipse has none


def test_who_cannot_answer_is_refused_before_anything_is_trained():
    with pytest.raises(UsageError, match="foreign optimizer keeps its state"):
        make_question("effective-rates", {"optimizers": ["torch:SGD"]}).problems(None)
    with pytest.raises(UsageError, match=r"trained natively.* can answer"):
        make_question("effective-rates", {"on": ["digits-convnet"]}).problems(None)
