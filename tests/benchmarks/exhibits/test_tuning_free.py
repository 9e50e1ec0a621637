"""Rules that need no tuning, on problems where what a learning rate does is known."""

from __future__ import annotations

import pytest

from analysis.record.exhibits import check_exhibit
from benchmarks.errors import StepscapeError
from benchmarks.exhibits.tuning_free import TuningFree

BOWL, STEEP = "quadratic(dim=5, condition=10.0)", "discus"


@pytest.fixture(scope="module")
def asked():
    """Two rules, and range tests of gradient descent, on a bowl and where lr 0.01 is far too large."""
    question = TuningFree(
        on=[BOWL, STEEP], optimizers=["prodigy", "sgd"], settings={"sgd": {"lr": 0.05}}, references=["sgd"],
        suggestions=["valley", "steep", "minimum"], grid=(16, 2), seeds=4, steps=50,
    )
    answer = question.answer(None)
    check_exhibit("tuning-free", answer.tables, answer.facts)
    return answer


@pytest.mark.slow
def test_a_learning_rate_beyond_what_is_stable_is_counted_as_diverged(asked) -> None:
    shares = asked.tables["shares"].set_index("method")
    assert shares.loc["sgd, its defaults", ["problems", "diverged"]].tolist() == [2, 1]
    assert shares.loc["prodigy", "diverged"] == 0


@pytest.mark.slow
def test_what_a_range_test_suggests_is_below_the_edge_of_stability(asked) -> None:
    rates = asked.tables["rates"]
    for problem, sharpness in ((BOWL, 1.0), (STEEP, 2e6)):
        assert (rates[rates["problem"] == problem]["lr"] < 2 / sharpness).all()
    assert len(rates) == 3 * (4 + 1)  # a suggestion for every test seed, one of a deterministic problem


@pytest.mark.slow
def test_nothing_of_the_reference_is_far_below_the_best_point_of_its_landscape(asked) -> None:
    regrets = asked.tables["regrets"]
    own = regrets[(regrets["optimizer"] == "sgd") & (regrets["problem"] == BOWL)]
    assert (own["regret"] > 0.5).all()  # other seeds chose the point, of a grid
    assert asked.tables["optima"]["best"].all()


@pytest.mark.slow
def test_settings_of_the_authors_replace_defaults(asked) -> None:
    ends = asked.tables["runs"].groupby(["problem", "method"])["loss"].first()[BOWL]
    assert ends["sgd"] < ends["sgd, its defaults"]  # lr 0.05 comes further than 0.01


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"references": ["torch:SGD"]}, "a range test needs a rule of ours"),
        ({"settings": {"prodigy": {"rate": 1.0}}}, "prodigy has no rate; it has lr"),
        ({"on": ["digits-convnet"]}, "is trained natively"),
        ({"optimizers": ["prodigi"]}, "did you mean 'prodigy'"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_before_anything_is_trained(options, words) -> None:
    with pytest.raises(StepscapeError, match=words):
        TuningFree(**options).problems(None)
