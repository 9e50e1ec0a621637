"""Generalised linear models: floors are NIST's certified ones, statsmodels', or those of another formula."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch

from problems.data import packaged
from problems.glm import LONGLEY, BinomialModel, PoissonModel, longley, longley_table, randhie_table, star98_table
from problems.problem import DataError

NEEDS_STATSMODELS = pytest.mark.skipif(find_spec("statsmodels") is None, reason="statsmodels (extra [data]) is missing")


def condition(problem: PoissonModel | BinomialModel) -> float:
    """The condition number of the Hessian at the minimum."""
    x = problem.minimiser
    hessian = torch.autograd.functional.hessian(problem._full, x)
    values = torch.linalg.eigvalsh(hessian)
    return float(values[-1] / values[0])


def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path, name: str, table: np.ndarray) -> None:
    """A small table in the place of a file of statsmodels, and of as many columns."""
    file = tmp_path / f"{name}.csv"
    np.savetxt(file, table, delimiter=",", header=",".join("x" * table.shape[1]), comments="")
    monkeypatch.setattr("problems.glm.packaged", lambda package, place: file)


def test_longleys_floor_is_the_certified_sum_of_squares_of_nist() -> None:
    employment = np.array(LONGLEY)[:, 0]
    certified = 836424.055505915  # residual sum of squares of NIST's StRD, "Longley"
    assert longley().minimum == pytest.approx(certified / 2 / 16 / employment.var(), rel=1e-9)


def test_longleys_minimiser_is_the_certified_one_of_nist() -> None:
    certified = [15.0618722713733, -0.0358191792925910, -2.02022980381683, -1.03322686717359, -0.0511041056535807,
                 1829.15146461355]  # fmt: skip
    deviations = np.array(LONGLEY).std(0)
    found = longley().minimiser[:-1].numpy() * deviations[0] / deviations[1:]
    assert found == pytest.approx(certified, rel=1e-8)


def test_longleys_condition_number_is_as_stated() -> None:
    features, _ = longley_table()
    rows = np.column_stack([features, np.ones(16)])
    assert np.linalg.cond(rows.T @ rows) == pytest.approx(12220, rel=1e-3)


def test_counts_of_a_small_table_have_the_floor_of_a_search_in_the_open(monkeypatch, tmp_path) -> None:
    from scipy.optimize import minimize

    draw = np.random.default_rng(0)
    features = draw.standard_normal((200, 9))
    visits = draw.poisson(np.exp(features @ np.linspace(-0.4, 0.4, 9)))
    stand_in(monkeypatch, tmp_path, "randhie", np.column_stack([visits, features]))
    problem = PoissonModel(batch=8)

    def deviance(w: np.ndarray) -> float:
        predicted = np.exp(features @ w[:-1] + w[-1])
        return float(
            np.mean(np.where(visits > 0, visits * np.log(np.maximum(visits, 1) / predicted), 0) + predicted - visits)
        )

    assert problem.minimum == pytest.approx(minimize(deviance, np.zeros(10), method="BFGS", tol=1e-8).fun, abs=1e-9)


def test_the_binomial_loss_is_that_of_every_pupil_alone(monkeypatch, tmp_path) -> None:
    draw = np.random.default_rng(0)
    features, pupils = draw.standard_normal((6, 20)), np.array([3, 5, 2, 7, 4, 1])
    above = np.array([1, 5, 0, 3, 2, 1])
    stand_in(monkeypatch, tmp_path, "star98", np.column_stack([pupils, above, features]))
    problem = BinomialModel(batch=4)
    x = 0.3 * torch.from_numpy(draw.standard_normal(21))

    scaled = torch.from_numpy((features - features.mean(0)) / features.std(0))
    scores = (scaled @ x[:-1] + x[-1]).repeat_interleave(torch.from_numpy(pupils))
    passed = torch.cat([torch.arange(n) < k for n, k in zip(pupils, above, strict=True)]).double()
    each = torch.nn.functional.binary_cross_entropy_with_logits(scores, passed)
    assert problem.evaluate(x)["loss"].item() == pytest.approx(each.item(), rel=1e-12)


@NEEDS_STATSMODELS
def test_randhies_floor_is_half_the_deviance_that_statsmodels_finds() -> None:
    sm = pytest.importorskip("statsmodels.api", exc_type=ImportError)
    data = sm.datasets.randhie.load()
    fitted = sm.GLM(data.endog, sm.add_constant(data.exog), family=sm.families.Poisson()).fit(tol=1e-12)
    problem = PoissonModel()
    assert problem.minimum == pytest.approx(fitted.deviance / 2 / 20190, rel=1e-10)
    assert PoissonModel(scaled=True).minimum == pytest.approx(problem.minimum, rel=1e-10)
    assert (condition(problem), condition(PoissonModel(True))) == (
        pytest.approx(11724, rel=1e-3),
        pytest.approx(9.18, rel=1e-3),
    )


@NEEDS_STATSMODELS
def test_star98s_floor_is_that_of_statsmodels() -> None:
    sm = pytest.importorskip("statsmodels.api", exc_type=ImportError)
    data = sm.datasets.star98.load()
    fitted = sm.GLM(data.endog, sm.add_constant(data.exog), family=sm.families.Binomial()).fit(tol=1e-12)
    counts = data.endog.to_numpy()
    shares = counts / counts.sum(1, keepdims=True)
    entropy = -np.sum(np.where(counts > 0, counts * np.log(np.maximum(shares, 1e-300)), 0))
    problem = BinomialModel()
    assert problem.minimum == pytest.approx((fitted.deviance / 2 + entropy) / counts.sum(), rel=1e-9)
    assert condition(problem) == pytest.approx(1.22e6, rel=1e-2)


@NEEDS_STATSMODELS
def test_a_share_of_the_rows_is_a_part_of_them_in_an_order_of_its_own() -> None:
    (features, visits), (some, their) = randhie_table(False, 1.0), randhie_table(False, 0.1)
    assert (len(visits), len(their), PoissonModel(share=0.1).rows) == (20190, 2019, 2019)
    assert np.array_equal(features[:2019], some)
    assert abs(their.mean() - visits.mean()) < 0.3  # the file is sorted by persons
    assert star98_table()[1].mean(0)[1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: longley(batch=17), "batch <= 16 .* got batch=17"),
        (lambda: PoissonModel(batch=0), "batch <= 20190"),
        (lambda: PoissonModel(share=0.0), "at most 1; got 0.0"),
        (lambda: BinomialModel(304), "batch <= 303"),
    ],
)
def test_a_parameter_out_of_range_is_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_a_package_that_is_missing_is_said_with_the_way_to_get_it() -> None:
    with pytest.raises(
        DataError, match=r"a\.csv comes with the package nowhere, which is not installed; pip install nowhere"
    ):
        packaged("nowhere", "data/a.csv")
    with pytest.raises(
        DataError, match=r"a\.csv comes with the package numpy, which has no such file; pip install numpy"
    ):
        packaged("numpy", "data/a.csv")


@pytest.mark.slow
def test_adam_gets_below_longleys_target(trained) -> None:
    problem = longley()
    assert problem.minimum < trained(problem, 0.1)["loss"] < problem.target


@NEEDS_STATSMODELS
@pytest.mark.slow
@pytest.mark.parametrize(("build", "lr"), [(PoissonModel, 1e-2), (BinomialModel, 1e-2)])
def test_adam_gets_below_the_target(build, lr: float, trained) -> None:
    problem = build()
    assert problem.minimum < trained(problem, lr)["loss"] < problem.target
