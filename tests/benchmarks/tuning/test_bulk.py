"""Trials added at once are those that Optuna adds one by one."""

from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from benchmarks.tuning.bulk import add_trials
from benchmarks.tuning.storages import close_storage, open_storage


@pytest.fixture
def trials() -> list[FrozenTrial]:
    space = {"lr": FloatDistribution(1e-5, 10.0, log=True), "x": FloatDistribution(0.0, 1.0)}
    told = [
        (TrialState.COMPLETE, [0.25], {0: 1.0, 5: math.inf}),
        (TrialState.COMPLETE, [math.inf], {}),
        (TrialState.PRUNED, None, {5: 0.5}),
    ]
    return [
        create_trial(
            state=state,
            values=values,
            params={"lr": 0.1 * (place + 1), "x": 0.5},
            distributions=space,
            intermediate_values=reports,
            user_attrs={"state": "word", "block": place},
        )
        for place, (state, values, reports) in enumerate(told)
    ]


def content(trial: FrozenTrial) -> tuple[object, ...]:
    shown = (trial.number, trial.state, trial.params, trial.distributions, trial.user_attrs, trial.intermediate_values)
    return (*shown, trial.values, trial.datetime_start, trial.datetime_complete)


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_trials_added_at_once_read_as_those_added_one_by_one(
    kind: str, trials: list[FrozenTrial], tmp_path: Path
) -> None:
    storage = open_storage(f"{kind}:///{tmp_path}/studies")
    other = optuna.create_study(study_name="other", storage=storage)  # its trials do not count among the next one's
    other.add_trials(trials[:1])
    slow, quick = (optuna.create_study(study_name=name, storage=storage) for name in ("slow", "quick"))
    slow.add_trials(trials)
    add_trials(quick, storage, trials)
    read = [optuna.load_study(study_name=name, storage=storage).trials for name in ("slow", "quick")]
    assert [content(trial) for trial in read[0]] == [content(trial) for trial in read[1]]
    close_storage(storage)


def test_a_database_is_asked_a_few_times_in_all(trials: list[FrozenTrial], tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/studies")
    assert isinstance(storage, optuna.storages.RDBStorage)
    study = optuna.create_study(study_name="quick", storage=storage)
    asked: list[str] = []
    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    add_trials(study, storage, trials * 20)
    assert len(asked) <= len(trials) * 20 + 5  # the lock, a row for each id, then a statement a table
    close_storage(storage)
