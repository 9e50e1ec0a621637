"""The question of schedules: what it refuses, what it records, and that its page says what was measured."""

import numpy as np
import pandas as pd
import pytest

from analysis.answers.schedules_found import schedules_found_part
from analysis.record.exhibits import load_exhibits
from benchmarks.engine.training import Training, train
from benchmarks.errors import SuiteError, UsageError
from benchmarks.exhibits import make_question
from benchmarks.naming.registry import OPTIMIZERS, make_problem, make_schedules
from benchmarks.record.folder import RecordFolder
from benchmarks.running.exhibit import run_exhibit

CASE = ["problem", "optimizer"]


def test_every_way_has_the_same_budget_and_the_same_fresh_seeds(answer_of):
    answer = answer_of("schedules-found")
    choices, runs = answer.tables["choices"], answer.tables["runs"]
    assert set(choices["tried"]) == {answer.facts.tried} == {4 * 3}
    assert set(runs["seed"]) == {1001, 1002, 1003}
    assert set(choices.groupby([*CASE, "way"]).size()) == {answer.facts.studies} == {2}
    ways = choices.groupby("optimizer")["way"].unique()
    assert list(ways["sgd"]) == ["constant", "linear", "found-lr"]
    assert list(ways["rmsprop"]) == ["constant", "linear", "found-lr", "found-lr-constant-memory", "found-lr-memory"]


def test_the_best_there_is_lies_below_every_expected_loss(answer_of):
    answer = answer_of("schedules-found")
    expected = answer.tables["expected"]
    assert set(expected["optimizer"]) == {"sgd"}  # only its expected loss is known
    assert (expected["expected"] > expected["optimum"]).all()
    assert set(expected["optimum"]) == set(answer.facts.optimum.values())
    best = answer.tables["schedules"].query("way == 'optimum'")
    assert list(best["step"]) == list(range(1, 13))
    assert best["lr"].notna().all()


def test_what_was_chosen_can_be_written_in_a_suite_and_ends_as_recorded(answer_of):
    answer = answer_of("schedules-found")
    for row in answer.tables["choices"].itertuples():
        spec, problem = OPTIMIZERS[row.optimizer], make_problem(row.problem)
        training = Training(problem, spec, [1001, 1002, 1003], 12, schedules=make_schedules(row.schedule))
        given = {"lr": row.lr} | ({} if np.isnan(row.memory) else {"gamma": row.memory})
        losses = train(training, {**spec.default_values, **given}).final_loss[0].numpy()
        runs = answer.tables["runs"]
        of = runs[(runs[[*CASE, "way", "study"]] == [row.problem, row.optimizer, row.way, row.study]).all(axis=1)]
        assert losses == pytest.approx(of["loss"].to_numpy(), rel=1e-4, nan_ok=True)  # it is written with six digits


def test_the_time_that_is_said_up_front_follows_the_options():
    usual = make_question("schedules-found", {})
    assert usual.estimate(None) == pytest.approx(usual.seconds, rel=0.5)
    twice = make_question("schedules-found", {"studies": 6})
    assert twice.estimate(None) == pytest.approx(2 * usual.estimate(None))
    of_a_network = make_question("schedules-found", {"optimizers": ["sgd"], "on": ["digits-mlp"]})
    assert of_a_network.estimate(None) > usual.estimate(None)  # one case of it costs more than four


@pytest.mark.slow
def test_the_page_says_what_was_measured(tmp_path, quick):
    question = make_question("schedules-found", quick["schedules-found"])
    folder = RecordFolder(tmp_path)
    folder.exhibit(question.name).parent.mkdir(parents=True)
    run_exhibit(question, 0, folder, None)
    part = schedules_found_part(load_exhibits(tmp_path)["schedules-found"])
    text = " ".join(part.answer)
    assert "nan" not in text
    assert "the best of constant and linear ends above the lr(t) that a search finds in" in text
    assert "RMSProp on noisy-quadratic(dim=3), with γ searched beside lr(t): a constant γ:" in text
    regrets = part.data["regrets"]
    one = regrets[(regrets["optimizer"] == "sgd") & (regrets["way"] == "linear")].iloc[0]
    sentence = next(each for each in part.answer if each.startswith("Gradient descent on noisy-quadratic(dim=3)"))
    assert f"linear {one['change']:.3g} [" in sentence
    assert [len(plate.panels) for plate in part.plates] == [2, 3]
    assert isinstance(part.data["choices"], pd.DataFrame)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizers": ["torch:Adam"]}, "torch:Adam from elsewhere cannot do; ask it of a rule of ours, as sgd"),
        ({"shapes": ["gamma=gamma-linear"]}, "against schedules of lr, not of gamma"),
        ({"shapes": ["cosin"]}, "unknown schedule 'cosin', did you mean 'cosine'"),
        ({"on": ["elipse"]}, "unknown problem 'elipse'"),
    ],
)
def test_what_cannot_answer_is_refused_before_anything_is_trained(options, message):
    with pytest.raises((UsageError, LookupError), match=message):
        make_question("schedules-found", options).problems(None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"knots": [0.0, 0.5]}, "rising from 0 to 1"),
        ({"studies": 1}, "studies"),
        ({"on": []}, "on"),
        ({"shapes": []}, "shapes"),
    ],
)
def test_options_that_make_no_search_are_refused(options, message):
    with pytest.raises(SuiteError, match=message):
        make_question("schedules-found", options)
