"""The laws of memory and of scale asked of small problems, and the closed form that the second is held against."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.answers.memory_laws import memory_laws_part
from analysis.answers.scale_laws import scale_laws_part
from analysis.record.exhibits import EXHIBIT_VERSION, SCHEMAS, Exhibit, ExhibitInfo
from benchmarks.errors import SuiteError, UsageError
from benchmarks.exhibits import Answer, make_question
from benchmarks.exhibits.memory_laws import knob_of
from benchmarks.exhibits.scale_laws import exact_rate, mup_of
from benchmarks.naming.registry import make_optimizer, make_problem


class Answered(Exhibit):
    """An exhibit whose tables are those of an answer, not files."""

    def __init__(self, name: str, answer: Answer, tmp_path) -> None:
        question = SCHEMAS[name].question
        super().__init__(
            tmp_path,
            ExhibitInfo(EXHIBIT_VERSION, name, 0, question, tuple(answer.method), {}, "0" * 16, answer.facts, 1.0),
        )
        object.__setattr__(self, "tables", answer.tables)

    def table(self, name: str):
        return self.tables[name]


def test_the_laws_of_memory_are_mapped_fitted_and_judged(answer_of, tmp_path):
    answer = answer_of("memory-laws")
    tables = answer.tables
    assert set(tables["map"]["steps"]) == {4, 8, 16}
    rows = tables["best"]
    equal = rows[rows["sweep"] == "equal samples"]
    assert (equal["batch"] * equal["steps"]).nunique() == 1
    assert set(rows[rows["sweep"] == "horizon"]["batch"]) == {8}
    assert ((rows["low"] <= rows["memory"]) & (rows["memory"] <= rows["high"])).all()
    part = memory_laws_part(Answered("memory-laws", answer, tmp_path))
    assert "on noisy-quadratic(dim=4)" in part.answer[0]
    assert "nan" not in " ".join(part.answer)


@pytest.mark.slow
def test_the_best_rates_of_gradient_descent_are_those_of_the_closed_form():
    question = make_question(
        "scale-laws",
        {
            "on": ["noisy-quadratic(dim=20)"], "optimizers": ["sgd"], "seeds": 64, "batches": [4, 16, 64],
            "horizons": [16, 32, 64], "sweeps": ["horizon", "batch, equal steps"],
            "lrs": np.logspace(-1.4, 0.3, 12).tolist(),
        },
    )  # fmt: skip
    answer = question.answer(None)
    assert answer.facts.exact == 6
    assert answer.facts.exact_inside >= 5  # of 90% intervals
    known = answer.tables["best"]
    assert np.abs(np.log10(known["lr"] / known["exact"])).max() < 0.1


def test_the_closed_form_is_the_lowest_expected_loss_of_all_rates():
    problem = make_problem("noisy-quadratic(dim=20, batch=8)")
    found = exact_rate(problem, make_optimizer("sgd"), 64)
    least = problem.expected_loss(found, 64)
    assert all(problem.expected_loss(rate, 64) >= least for rate in np.geomspace(1e-3, 1.9, 500))
    assert np.isnan(exact_rate(problem, make_optimizer("adam"), 64))
    assert np.isnan(exact_rate(make_problem("airfoil"), make_optimizer("sgd"), 64))


def test_the_laws_of_scale_compare_widths_under_both_parametrizations(answer_of, tmp_path):
    answer = answer_of("scale-laws")
    fits = answer.tables["fits"]
    wide = fits[fits["sweep"] == "width"]
    assert set(zip(wide["optimizer"], wide["parametrization"], strict=True)) == {
        ("sgd", "standard"), ("sgd", "mup-sgd"), ("rmsprop", "standard"), ("rmsprop", "mup"),
    }  # fmt: skip
    assert answer.facts.without == {"noisy-quadratic(dim=4)": ("width",)}
    part = scale_laws_part(Answered("scale-laws", answer, tmp_path))
    assert "nan" not in " ".join(part.answer)
    assert len(part.plates) == 2


@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [("sgd", "mup-sgd"), ("momentum", "mup-sgd"), ("rmsprop", "mup"), ("adagrad", "mup"), ("sc-adagrad", None)],
)
def test_the_parametrization_is_that_of_how_a_step_grows_with_the_gradient(optimizer, kind):
    assert mup_of(make_optimizer(optimizer)) == kind


def test_the_time_of_a_question_grows_with_its_steps_and_configurations(quick):
    few = make_question("memory-laws", quick["memory-laws"])
    many = make_question(
        "memory-laws", {**quick["memory-laws"], "horizons": [4000], "gammas": [0.5, 0.6, 0.7, 0.8, 0.9]}
    )
    assert 0 < few.estimate(None) < many.estimate(None)


def test_the_memory_is_called_as_the_optimizer_calls_it():
    assert knob_of(make_optimizer("rmsprop")) == "gamma"
    assert knob_of(make_optimizer("adam")) == "beta2"


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("memory-laws", {"on": ["rosenbrock"]}, UsageError, "'rosenbrock' has no batch size; .*digits-mlp"),
        ("memory-laws", {"optimizers": ["sgd"]}, UsageError, "'sgd' has no memory gamma or beta2; .*rmsprop"),
        ("scale-laws", {"on": ["airfoil"], "sweeps": ["width"]}, UsageError, "'airfoil' has no width; .*digits-mlp"),
        ("scale-laws", {"on": ["ellipse"], "sweeps": ["batch, equal steps"]}, UsageError, "no batch size; .*airfoil"),
        ("memory-laws", {"gammas": [0.9, 0.5, 0.99]}, SuiteError, "gammas: must rise"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_trained(name, options, error, message):
    with pytest.raises(error, match=message):
        make_question(name, options).problems(None)
