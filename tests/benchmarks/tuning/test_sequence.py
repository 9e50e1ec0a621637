"""Even trials whose sequence is kept, held to Optuna's own sampler."""

import warnings

import optuna
import pytest
import scipy.stats.qmc
from optuna.distributions import BaseDistribution, FloatDistribution

from benchmarks.tuning.sequence import KnownSpaceQMC

SPACE: dict[str, BaseDistribution] = {
    "1 - gamma": FloatDistribution(1e-3, 0.5, log=True),
    "lr": FloatDistribution(1e-5, 1.0, log=True),
}
SEED = 2**31 + 5


def _optunas() -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.QMCSampler(scramble=True, seed=SEED)


def _kept() -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return KnownSpaceQMC(SPACE, SEED)


def test_even_trials_are_those_that_optuna_draws_with_a_sampler_made_anew_in_between() -> None:
    study = optuna.create_study(sampler=_kept())
    asked = []
    for number in range(9):
        if number == 4:
            study.sampler = _kept()
        asked.append(study.ask(SPACE).params)
    theirs = optuna.create_study(sampler=_optunas())
    theirs.add_trial(optuna.trial.create_trial(value=0.0, params=asked[0], distributions=SPACE))  # it learns the space
    assert asked[:8] == [theirs.ask(SPACE).params for _ in range(8)]


def test_two_samplers_of_one_study_share_the_sequence() -> None:
    study, one, other = optuna.create_study(), _kept(), _kept()
    asked = []
    for sampler in (one, other, other, one, one):
        study.sampler = sampler
        asked.append(study.ask(SPACE).params)
    alone = optuna.create_study(sampler=_kept())
    assert asked == [alone.ask(SPACE).params for _ in range(5)]


def test_a_sequence_is_scrambled_once_for_all_trials_of_a_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    made, plain = [], scipy.stats.qmc.Sobol

    def counted(*arguments: object, **named: object) -> object:
        made.append(arguments)
        return plain(*arguments, **named)

    monkeypatch.setattr(scipy.stats.qmc, "Sobol", counted)
    study = optuna.create_study(sampler=_kept())
    for _ in range(5):
        study.ask(SPACE)
    assert len(made) == 1
